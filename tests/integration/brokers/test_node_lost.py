"""The twin on a cluster that loses a node while frames flow."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import orjson
import pytest

from twin.aggregator import Aggregator, AggregatorConfig
from twin.bus import Bus, keep_connected
from twin.catalog import UnitKind
from twin.emulator import Emulator, EmulatorConfig
from twin.site import Layout, load_site
from twin.wire import Topics

if TYPE_CHECKING:
    from tests.integration.brokers.clusters import Cluster

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.xdist_group("brokers")]

SITE = "demo"
INTERVAL = 0.5
FRAMES_AFTER = 20
"""Frames of every rack that the aggregator must take after the loss."""
PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.05
GAP_SECONDS = {"rabbitmq": 30.0, "nats": 60.0}
"""Longest silence that a loss may cost on a busy machine. RabbitMQ costs the time until another
node has the client, a second when nobody else wants the machine; one attempt to connect that
hangs costs 10 s and the wait before the next one (without the mirrored queues nobody came back
within 40 s). NATS costs the time until JetStream has new leaders, some 20 s."""


class Watcher:
    """Hears all frames of racks on one node.

    Attributes:
        frames: how often each frame came, by topic and running number.
        gap: longest time without a frame, in seconds.
        listens: set once it has subscribed.
    """

    def __init__(self) -> None:
        self.frames: Counter[tuple[str, int]] = Counter()
        self.gap = 0.0
        self.listens = asyncio.Event()
        self._last: float | None = None

    async def listen(self, bus: Bus) -> None:
        """Listen until cancelled; the session of a connection that is kept."""
        await bus.subscribe(Topics(SITE).frames(UnitKind.RACK))
        self.listens.set()
        async for message in bus.messages():
            now = time.monotonic()
            self.gap = max(self.gap, now - (self._last or now))
            self._last = now
            self.frames[message.topic, orjson.loads(message.payload)["seq"]] += 1


@asynccontextmanager
async def watching(cluster: Cluster, node: int) -> AsyncIterator[Watcher]:
    """Have a watcher, who begins on a node; as the twin it may have to wait for a leader."""
    watcher, url = Watcher(), cluster.url_from(node)
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(keep_connected(url, watcher.listen, client_id="watcher"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await watcher.listens.wait()
        yield watcher
        listening.cancel()


class Silence:
    """The longest time in which the aggregator took nothing over.

    Attributes:
        seconds: that time.
    """

    def __init__(self, frames: Callable[[], int]) -> None:
        self.seconds = 0.0
        self._frames = frames
        self._count, self._since = frames(), time.monotonic()

    def look(self) -> None:
        """Look whether something came; to be called often."""
        now, count = time.monotonic(), self._frames()
        if count != self._count:
            self._count, self._since = count, now
        self.seconds = max(self.seconds, now - self._since)


async def until(condition: Callable[[], bool], silence: Silence | None = None) -> None:
    """Wait until ``condition`` holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            if silence is not None:
                silence.look()
            await asyncio.sleep(POLL_SECONDS)


@pytest.mark.parametrize("lost", [0, 1], ids=["emulator's node", "aggregator's node"])
async def test_node_lost(
    cluster: Cluster, lost: int, record_property: Callable[[str, object], None]
) -> None:
    """Whoever was on a node that dies goes on at another one; no frame comes twice."""
    layout, stop = Layout(load_site(SITE)), asyncio.Event()
    emulator = Emulator(EmulatorConfig(layout=layout, interval=INTERVAL))
    config, killed = AggregatorConfig(layout, cluster.url_from(1)), cluster.nodes[lost]
    async with watching(cluster, 2) as watcher, Aggregator.running(config) as aggregator:
        racks = aggregator.store.units[UnitKind.RACK]
        running = asyncio.create_task(emulator.run(cluster.url_from(0), stop))
        try:
            await until(lambda: bool(racks.reporting.all()))
            sequence, silence = racks.seq.copy(), Silence(lambda: int(racks.seq.sum()))
            await asyncio.to_thread(killed.kill)
            await until(lambda: bool((racks.seq > sequence + FRAMES_AFTER).all()), silence)
        finally:
            stop.set()
            await running
            await asyncio.to_thread(cluster.restart, killed)
    record_property("silence", round(silence.seconds, 2))
    record_property("gap", round(watcher.gap, 2))
    assert set(watcher.frames.values()) == {1}
    assert max(watcher.gap, silence.seconds) < GAP_SECONDS[cluster.kind]
