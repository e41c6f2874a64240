"""Rule tests run the emulator that is shipped: the same core, the same bytes."""

from __future__ import annotations

import asyncio
import selectors
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from twin.bus import BrokerUrl, InboundMessage
from twin.catalog import UnitKind
from twin.emulator import Emulator, EmulatorConfig, service
from twin.emulator.frame_source import FrameStamp
from twin.rules.simulation import Simulation
from twin.scenario import parse_scenario
from twin.scenario.loader import LoadedScenario
from twin.wire import OutboundMessage

TEXT = """
title: a test
site: {racks: 3, servers_per_rack: 1, gensets: {count: 1}}
seed: 7
duration: 40s
scrape: 10s
evaluate: 10s
faults:
  - {kind: gpu-off-bus, target: r0001/n1/gpu3, at: 5s, for: 10s}
  - {kind: frames-lost, target: r0002, at: 8s, for: 20s, set: {share: 0.5}}
  - {kind: clock-skew, target: r0003, at: 12s, for: 10s}
  - {kind: gateway-silent, target: r0001, at: 20s, for: 5s}
"""
SECONDS = 40

Sent = Mapping[str, Sequence[tuple[bytes, bool, int]]]
"""What was published on each topic, in order: payload, retain, quality of service."""


class Skipping(selectors.SelectSelector):
    """Lets the time that a loop would wait pass at once.

    Attributes:
        now: seconds that have passed.
    """

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Return what is ready, without waiting."""
        self.now += timeout or 0.0
        return super().select(0)


class Recorder:
    """A connection that takes everything and says nothing."""

    dropped = waiting = 0
    congested = False
    blocked = 0.0

    def __init__(self) -> None:
        self.sent: dict[str, list[tuple[bytes, bool, int]]] = defaultdict(list)

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> None:
        """Take a message."""
        self.sent[topic].append((payload, retain, qos))

    async def subscribe(self, topic_filter: str, *, qos: int = 0) -> None:
        """Subscribe to what never comes."""

    async def messages(self) -> AsyncIterator[InboundMessage]:
        """Wait for what never comes."""
        await asyncio.Event().wait()
        yield InboundMessage("", b"", retain=False)


class Recorded(Simulation):
    """A simulation that also keeps the bytes of all that is handed over."""

    def __init__(self, loaded: LoadedScenario) -> None:
        self.sent: dict[str, list[tuple[bytes, bool, int]]] = defaultdict(list)
        super().__init__(loaded)

    def _publish(self, message: OutboundMessage, now: float) -> None:
        self.sent[message.topic].append((message.payload, message.retain, message.qos))
        super()._publish(message, now)

    def _publish_frame(self, stamp: FrameStamp, now: float, *, whole: bool) -> None:
        message = self.emulator.frames.message(stamp)
        self.sent[message.topic].append((message.payload, message.retain, message.qos))
        super()._publish_frame(stamp, now, whole=whole)


def simulated(loaded: LoadedScenario) -> Sent:
    """Return what the core says as the rule tests drive it."""
    simulation = Recorded(loaded)
    for _ in simulation.run(10):
        pass
    return simulation.sent


def served(loaded: LoadedScenario, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Return what the service publishes over a connection, with its own pacing and tasks."""
    bus, selector = Recorder(), Skipping()

    async def connect(
        _broker: BrokerUrl, session: Callable[[Recorder], Awaitable[None]], **_: object
    ) -> None:
        await session(bus)

    async def run() -> None:
        config = EmulatorConfig(loaded.layout, seed=loaded.scenario.seed, epoch=0.0)
        emulator = Emulator(config, wall=lambda: 1.0 + selector.now)
        emulator.pacer.clock = loop.time
        emulator._restart_clock()
        emulator._instance = None  # of this process, which the rule tests have none of
        stop = asyncio.Event()
        running = asyncio.create_task(emulator.run(BrokerUrl.parse("mqtt://nowhere"), stop))
        for number, event in enumerate(loaded.scenario.faults, 1):
            await asyncio.sleep(event.at - 0.1 - loop.time())
            emulator.core.inject(
                f"fault-{number}", event.kind, str(event.target), event.lasts, event.parameters
            )
        await asyncio.sleep(SECONDS - 0.1 - loop.time())
        stop.set()
        await running

    monkeypatch.setattr(service, "keep_connected", connect)
    loop = asyncio.SelectorEventLoop(selector)
    monkeypatch.setattr(loop, "time", lambda: selector.now)
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()
    return bus.sent


def test_the_service_and_the_rule_tests_send_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For one seed, site and faults, every message on every topic is the same in both."""
    loaded = parse_scenario(TEXT, Path("own.yaml"))
    expected, found = simulated(loaded), served(loaded, monkeypatch)
    status = "twin/v1/own/status/plant-0"
    farewell = found[status][-1]
    assert b'"offline"' in farewell[0]
    assert set(found) == set(expected)
    for topic, messages in expected.items():
        wanted = [*messages, farewell] if topic == status else messages
        assert wanted == found[topic], topic
    frames = {kind: sum(f"/{kind.value}" in topic for topic in found) for kind in UnitKind}
    assert frames[UnitKind.RACK] >= 3
    assert len(found["twin/v1/own/rack/r0001"]) == SECONDS - 5
    assert 20 <= len(found["twin/v1/own/rack/r0002"]) < SECONDS
    assert len(found["twin/v1/own/faults"]) == 1 + 4 + 4
