"""Bus cost: CPU time of a publish and a receive, and messages a second.

Run: ``python benchmarks/bus.py [--messages 3000] [--json] [--save FILE]``.
Publisher and subscriber share this process and its one core; the broker has a process of its
own. Microseconds are CPU time of this process: ``publish`` without a subscriber, ``receive``
what a subscriber adds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from twin.bench.broker import BrokerKind, running_broker
from twin.bench.bus import measure_bus
from twin.bench.script import parser, run

SIZES = (1_000, 8_000, 25_000)


def main() -> None:
    """Print microseconds and messages a second for each broker and payload."""
    arguments = parser(__doc__)
    arguments.add_argument("--messages", type=int, default=3_000, help="messages a figure")
    options = arguments.parse_args()
    run(
        options,
        lambda: {kind.value: asyncio.run(_measure(kind, options.messages)) for kind in BrokerKind},
        _table,
    )


async def _measure(kind: BrokerKind, messages: int) -> list[dict[str, Any]]:
    async with running_broker(kind) as broker:
        return [asdict(await measure_bus(broker, size, messages)) for size in SIZES]


def _table(brokers: Mapping[str, Any]) -> str:
    lines = [
        f"{'broker':10} {'payload':>8} {'publish us':>11} {'receive us':>11} {'messages/s':>11}"
    ]
    lines += [
        f"{name:10} {row['size_bytes']:8,} {row['publish_us']:11.0f} {row['receive_us']:11.0f} "
        f"{row['messages_per_second']:11,.0f}"
        for name, rows in brokers.items()
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
