"""What a message costs on the bus: to publish, to receive, and how many a second pass.

Run: ``python benchmarks/bus.py [--messages 3000] [--json]``.
Publisher and subscriber share this process and its one core; Mosquitto is started for
the run and works on another, the embedded broker works in the same event loop and its
time is in the figures. Microseconds are CPU time of this process: ``publish`` without a
subscriber, ``receive`` what a subscriber adds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from twin.bus import BrokerUrl, Bus, connect, embedded_broker
from twin.errors import BusError

SIZES = (1_000, 8_000, 25_000)
DEADLINE_SECONDS = 60.0

Row = dict[str, float]


def main() -> None:
    """Print microseconds and messages a second for each broker and payload."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--messages", type=int, default=3_000, help="messages a figure")
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    options = arguments.parse_args()

    brokers: dict[str, AbstractAsyncContextManager[BrokerUrl]] = {
        "embedded": embedded_broker("127.0.0.1", 0),
        "mosquitto": _mosquitto(),
    }
    rows = {
        name: asyncio.run(_measure(broker, options.messages)) for name, broker in brokers.items()
    }
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'broker':10} {'payload':>8} {'publish us':>11} {'receive us':>11} {'messages/s':>11}")
    for name, sizes in rows.items():
        for size, row in sizes.items():
            print(
                f"{name:10} {size:8,} {row['publish_us']:11.0f} {row['receive_us']:11.0f} "
                f"{row['messages_per_second']:11,.0f}"
            )


async def _measure(broker: AbstractAsyncContextManager[BrokerUrl], messages: int) -> dict[int, Row]:
    async with broker as url, connect(url, client_id="publisher") as publisher:
        rows = {}
        for size in SIZES:
            payload = b"x" * size
            await _publish(publisher, payload, messages // 10)  # warm up
            alone = time.process_time()
            await _publish(publisher, payload, messages)
            alone = time.process_time() - alone
            async with connect(url, client_id="subscriber") as subscriber:
                await subscriber.subscribe("bench/#")
                cpu, wall = time.process_time(), time.perf_counter()
                async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as group:
                    group.create_task(_receive(subscriber, messages))
                    group.create_task(_publish(publisher, payload, messages))
                wall = time.perf_counter() - wall
                cpu = time.process_time() - cpu
            rows[size] = {
                "publish_us": round(1e6 * alone / messages, 1),
                "receive_us": round(1e6 * (cpu - alone) / messages, 1),
                "messages_per_second": round(messages / wall),
            }
    return rows


async def _publish(bus: Bus, payload: bytes, count: int) -> None:
    for n in range(count):
        await bus.publish(f"bench/rack/r{n:04d}", payload)


async def _receive(bus: Bus, count: int) -> None:
    messages = bus.messages()
    for _ in range(count):
        await anext(messages)


@asynccontextmanager
async def _mosquitto() -> AsyncIterator[BrokerUrl]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = BrokerUrl("127.0.0.1", free.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        command = _command(Path(folder, "mosquitto.conf"), url.port)
        process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
        try:
            await _ready(url)
            yield url
        finally:
            process.terminate()
            await process.wait()


def _command(config: Path, port: int) -> list[str]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise SystemExit("this benchmark needs mosquitto; install it")
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "user root",  # or it could not read this file after it has dropped root's rights
        "max_queued_messages 0",  # or it drops what a burst puts before the subscriber
    ]
    config.write_text("\n".join(lines))
    return [program, "-c", str(config)]


async def _ready(url: BrokerUrl) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                async with connect(url, client_id="probe"):
                    return
            except BusError:
                await asyncio.sleep(0.02)


if __name__ == "__main__":
    main()
