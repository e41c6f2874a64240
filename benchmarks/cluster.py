"""The processes of a divided site, for benchmarks that kill some of them."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

from twin.bench.process import Child, free_port, started
from twin.bus import BrokerUrl, Bus, connect
from twin.catalog import UnitKind
from twin.cli.options import seconds
from twin.clients.http import is_ready
from twin.errors import BusError
from twin.site import Layout, Shard, load_site
from twin.wire import Decoder, EmulatorStatus, Topics, decode_message

SETTLE_SECONDS = 600.0


class Cluster:
    """The processes of a divided site.

    Args:
        options: of the benchmark.
        brokers: addresses, which the processes take in turn.
        folder: for the emulators' states.
    """

    def __init__(self, options: argparse.Namespace, brokers: Sequence[str], folder: Path) -> None:
        self.options = options
        self.brokers = brokers
        self.folder = folder
        self.layout = Layout(load_site(options.site))
        self.interval = seconds(options.interval)
        self.port = free_port()
        self.children: dict[str, Child] = {}
        self._stack = AsyncExitStack()

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start a process of ``twin``; it is ended with the cluster."""
        broker = self.brokers[len(self.children) % len(self.brokers)]
        common = ["--site", self.options.site, "--broker", broker, "--log-level", "warning"]
        command = [sys.executable, "-m", "twin", *arguments, *common]
        self.children[name] = self._stack.enter_context(started(command, name))

    def emulate(self, shard: Shard | str) -> None:
        """Start the emulator of a shard."""
        name = f"emulator-{shard.index if isinstance(shard, Shard) else shard}"
        own = ["--interval", self.options.interval, "--codec", self.options.codec]
        self.start(name, ["emulate", *own, "--shard", str(shard), "--state", str(self.folder)])

    def aggregate(self, shard: Shard) -> None:
        """Start the aggregator of a shard on an address of its own."""
        own = ["--host", self.host(shard.index), "--port", str(self.port)]
        advertise = f"{self.host(0)[:-1]}{{shard}}:{self.port}"
        detail = ["--detail", self.options.detail, "--advertise", advertise]
        self.start(f"aggregator-{shard.index}", ["aggregate", *own, *detail, "--shard", str(shard)])

    @staticmethod
    def host(index: int) -> str:
        """Return the address of an aggregator: every one of 127/8 is this machine's."""
        return f"127.0.2.1{index}"

    def url(self, index: int) -> str:
        """Return the base address of an aggregator."""
        return f"http://{self.host(index)}:{self.port}"

    def kill(self, name: str) -> None:
        """Kill a process as a failing machine would."""
        process = self.children.pop(name).process
        process.kill()
        process.wait()

    async def ready(self, indices: Sequence[int]) -> float:
        """Wait until these aggregators have all their racks and return how long it took."""
        began = time.monotonic()
        async with asyncio.timeout(SETTLE_SECONDS):
            for index in indices:
                while not await asyncio.to_thread(is_ready, f"{self.url(index)}/readyz"):
                    self.check()
                    await asyncio.sleep(0.2)
        return time.monotonic() - began

    def check(self) -> None:
        """Raise when a process has ended by itself."""
        for name, child in self.children.items():
            if child.process.poll() is not None:
                raise SystemExit(f"{name} ended: {child.last_words()}")

    async def close(self) -> None:
        """End all processes."""
        await self._stack.aclose()


class Ears:
    """What the bus carried: the last word of every emulator, and the frames of some racks."""

    def __init__(self, layout: Layout) -> None:
        self.statuses: dict[str, EmulatorStatus] = {}
        self.frames: dict[str, list[float]] = defaultdict(list)
        self._decoder = Decoder(layout, UnitKind.RACK)
        self._topics = Topics(layout.site.name)

    def hear(self, topic: str, payload: bytes) -> None:
        """Take note of a message."""
        address = self._topics.parse(topic)
        if address is not None and address.kind == "status":
            self.statuses[address.name] = decode_message(EmulatorStatus, payload)
        elif address is not None:
            self.frames[address.name].append(self._decoder.decode(payload).ts)

    def gap(self) -> float:
        """Return the longest time between two frames of a watched rack, in seconds."""
        return max(
            (later - sooner for own in self.frames.values() for sooner, later in pairwise(own)),
            default=float("nan"),
        )

    def doubled(self) -> int:
        """Return how many frames of watched racks were of a time of which one was there."""
        return sum(len(own) - len(set(own)) for own in self.frames.values())


@asynccontextmanager
async def listening(cluster: Cluster, racks: Sequence[int]) -> AsyncIterator[Ears]:
    """Hear every emulator and the frames of some racks while the context is open."""
    ears, topics = Ears(cluster.layout), Topics(cluster.layout.site.name)

    async def hear(bus: Bus) -> None:
        with suppress(BusError):
            async for message in bus.messages():
                ears.hear(message.topic, message.payload)

    async with connect(BrokerUrl.parse(cluster.brokers[0]), client_id="benchmark") as bus:
        await bus.subscribe(topics.status("+"), qos=1)
        for rack in racks:
            await bus.subscribe(
                topics.frame(UnitKind.RACK, cluster.layout.unit_name(UnitKind.RACK, rack))
            )
        task = asyncio.create_task(hear(bus), name="ears")
        try:
            yield ears
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
