"""Each stage of a rack's values, from the tick to the page, beside a copy of the same bytes.

Run: ``python benchmarks/stages.py [--gpus 1000000] [--racks 8] [--messages 1000] [--seconds 1]
[--json] [--save FILE]``. Figures are CPU time of one thread of the process concerned, so that
other work on the machine hardly shows. A million GPUs take some 2 GiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from twin.bench.broker import best_broker
from twin.bench.clock import Budget
from twin.bench.data import scaled_site
from twin.bench.script import parser, run
from twin.bench.stages import measure_stages
from twin.cli.process import keep_memory
from twin.site import Layout


def main() -> None:
    """Print microseconds a rack of each stage, and how many copies of its bytes that is."""
    arguments = parser(__doc__)
    arguments.add_argument("--gpus", type=int, default=1_000_000)
    arguments.add_argument("--racks", type=int, default=8, help="in one message")
    arguments.add_argument("--messages", type=int, default=1_000, help="over the broker")
    arguments.add_argument("--seconds", type=float, default=1.0, help="CPU time for each figure")
    options = arguments.parse_args()

    def measure() -> Mapping[str, Any]:
        layout = Layout(scaled_site(options.gpus))
        keep_memory(layout.site.racks)
        budget = Budget(options.seconds)
        return asdict(
            measure_stages(layout, options.racks, best_broker(), options.messages, budget)
        )

    run(options, measure, _table)


def _table(figures: Mapping[str, Any]) -> str:
    copy = figures["copy_us"]
    head = (
        f"{figures['gpus']:,} GPUs, {figures['racks_per_message']} racks in a message, a rack "
        f"{figures['frame_bytes']:,} bytes, whose copy takes {copy:.2f} us"
    )
    lines = [
        head,
        f"{'stage':12} {'us/rack':>9} {'copies':>8}",
        f"{'step':12} {figures['step_us']:9.2f}",
    ]
    stages = {**figures["stages_us"], "sum": sum(figures["stages_us"].values())}
    lines += [f"{name:12} {us:9.2f} {us / copy:8.1f}" for name, us in stages.items()]
    expose, page = figures["expose_us"], figures["page_copy_us"]
    lines.append(f"{'expose':12} {expose:9.2f} {expose / page:8.1f}  of a page's bytes")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
