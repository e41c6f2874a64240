"""A small site and somebody who publishes for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from twin.aggregator import Core
from twin.aggregator.detail import Outgoing
from twin.catalog import UnitKind
from twin.site import Layout, parse_site
from twin.wire import Clock, EmulatorStatus, Encoder, Outputs, SetDetail, Topics

SMALL = """
name: small
racks: 3
racks_per_array: 2
servers_per_rack: 2
pdus_per_rack: 1
server: {gpus: 2, nics: 2, psus: 2}
megapacks: {count: 2}
gensets: {count: 1}
"""


class Feed:
    """Publishes into a core, without a bus.

    Attributes:
        core: the core that is fed.
        layout: its site.
        outputs: what the plant gives.
        now: the wall clock.
    """

    def __init__(self, core: Core, outputs: Outputs) -> None:
        self.core = core
        self.layout = core.layout
        self.outputs = {device: dict(signals) for device, signals in outputs.items()}
        self.now = 1_000.0
        self._topics = Topics(core.layout.site.name)

    def topic(self, kind: UnitKind, unit: int) -> str:
        """Return the topic of a unit."""
        return self._topics.frame(kind, self.layout.unit_name(kind, unit))

    def payload(self, kind: UnitKind, unit: int, ts: float = 1.0, seq: int = 1) -> bytes:
        """Return a valid frame of a unit."""
        encoder = Encoder(self.layout, kind)
        encoder.load(self.outputs)
        return encoder.encode(unit, ts, seq)

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish anything."""
        self.core.handle(topic, payload, retain, self.now)

    def frame(self, kind: UnitKind, unit: int, *, ts: float = 1.0, seq: int = 1) -> None:
        """Publish a valid frame of a unit."""
        self.send(self.topic(kind, unit), self.payload(kind, unit, ts, seq))

    def site(self, *, ts: float = 1.0, seq: int = 1) -> None:
        """Publish a valid frame of every unit."""
        for kind in UnitKind:
            for unit in range(self.layout.units(kind)):
                self.frame(kind, unit, ts=ts, seq=seq)

    def status(self, state: str = "online", emulator: str = "emulator", **fields: object) -> None:
        """Publish an emulator's status."""
        values = {"emulator": emulator, "state": state, **fields}
        self.send(self._topics.status(emulator), EmulatorStatus.model_validate(values).encode())

    def clock(self, simulated: float = 0.0, speed: float = 1.0) -> None:
        """Publish a status that ties ``simulated`` time to the wall clock of this moment."""
        self.status(speed=speed, clock=Clock(simulated=simulated, wall=self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass, then let the core look at it."""
        self.now += seconds
        self.core.tick(self.now)

    def detail(self, *settings: str, reset: bool = False) -> list[Outgoing]:
        """Give the command that sets the detail, and return what is published then."""
        command = SetDetail(id="set-1", detail=settings, reset=reset)
        self.send(self._topics.command("detail"), command.encode())
        return self.core.outbox()

    def tally(self, metric: str, label: str) -> int:
        """Return one of the core's own counters."""
        return self.core.telemetry.tallies()[metric][label]

    def lines(self, array: int | None = None) -> list[str]:
        """Return the exposed series of an array, or of ``/metrics``, one a line."""
        text = self.core.metrics() if array is None else self.core.array(array)
        return [line for line in bytes(text).decode().splitlines() if not line.startswith("#")]


@pytest.fixture(scope="session")
def layout() -> Layout:
    """Three racks in two arrays, two Megapacks, a generator."""
    return Layout(parse_site(SMALL, "small"))


@pytest.fixture(scope="session")
def new_feed() -> type[Feed]:
    """The publisher's class, for who needs another one."""
    return Feed


@pytest.fixture
def feed(layout: Layout, outputs: Callable[[Layout], Outputs]) -> Feed:
    """A core of the small site and its publisher."""
    return Feed(Core(layout), outputs(layout))
