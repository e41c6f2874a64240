"""A broker in a process of its own: Mosquitto where it is installed, else the embedded one.

``python -m twin.bench.broker PORT`` runs the embedded one on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from twin.bench.process import find_program, free_port, listens, started, until
from twin.bus import BrokerUrl
from twin.errors import ConfigError

__all__ = ["BrokerKind", "RunningBroker", "best_broker", "running_broker"]


class BrokerKind(StrEnum):
    """Which broker."""

    MOSQUITTO = "mosquitto"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker that takes connections.

    Attributes:
        kind: which one.
        url: its address.
        pid: of its process.
    """

    kind: BrokerKind
    url: BrokerUrl
    pid: int


def best_broker() -> BrokerKind:
    """Return Mosquitto if it is installed, else the embedded broker."""
    return BrokerKind.MOSQUITTO if find_program("mosquitto") else BrokerKind.EMBEDDED


@asynccontextmanager
async def running_broker(
    kind: BrokerKind, queue: int = 0, queue_bytes: int = 1 << 28
) -> AsyncIterator[RunningBroker]:
    """Run a broker while the context is open.

    Args:
        kind: which one.
        queue: messages that Mosquitto keeps for a subscriber that is behind; 0 for any number.
        queue_bytes: their bytes at most, if their number has a limit.

    Raises:
        ConfigError: Mosquitto is not installed.
        ServiceError: it does not start.
    """
    url = BrokerUrl("127.0.0.1", free_port())
    with tempfile.TemporaryDirectory() as folder:
        if kind is BrokerKind.MOSQUITTO:
            command = _mosquitto(Path(folder, "mosquitto.conf"), url.port, queue, queue_bytes)
        else:
            command = [sys.executable, "-m", "twin.bench.broker", str(url.port)]
        with started(command, kind.value) as child:
            await until(lambda: listens(url.port), child)
            yield RunningBroker(kind, url, child.pid)


def _mosquitto(config: Path, port: int, queue: int, queue_bytes: int) -> list[str]:
    program = find_program("mosquitto")
    if program is None:
        raise ConfigError(
            "mosquitto is not installed; install it, on Debian: apt install mosquitto"
        )
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "user root",  # or it could not read this file after it has dropped root's rights
        f"max_queued_messages {queue}",
        f"max_queued_bytes {queue_bytes if queue else 0}",
        "log_type error",
    ]
    config.write_text("\n".join(lines), encoding="utf-8")
    return [program, "-c", str(config)]


async def _serve(port: int) -> None:
    from twin.bus.embedded import embedded_broker  # noqa: PLC0415 - of the extra broker

    async with embedded_broker("127.0.0.1", port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
