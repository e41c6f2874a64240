"""A scenario in simulated time: the emulator's core and the aggregator's, without a bus.

It is what ``twin up`` runs, without processes and sockets. Frames are handed over as what
decoding them gives, and only those that a scrape will see have values; all other messages
travel as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twin.aggregator import Core
from twin.catalog import UnitKind
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.emulator.frame_source import FrameStamp
from twin.errors import ConfigError
from twin.rules.observer import Observer
from twin.scenario.loader import LoadedScenario
from twin.scenario.model import ScenarioEvent
from twin.site import find_target
from twin.wire import OutboundMessage, Snapshot

__all__ = ["Simulation", "hand_over"]

_STATUS_SECONDS = 2
"""As often as the emulator says how it goes."""


@dataclass(frozen=True, slots=True)
class _Disturbance:
    """What is wrong with the pipeline at this moment."""

    kinds: frozenset[str] = frozenset()
    silent: frozenset[tuple[UnitKind, int]] = frozenset()


class Simulation:
    """The twin of a scenario, second by second.

    Attributes:
        emulator: the emulator's core.
        core: the aggregator's.
        second: how far it is.

    Raises:
        ConfigError: a step needs services, which only a running stack has.
    """

    def __init__(self, loaded: LoadedScenario) -> None:
        _refuse_chaos(loaded)
        scenario, self._layout = loaded.scenario, loaded.layout
        self._loaded = loaded
        config = EmulatorConfig(
            self._layout,
            seed=scenario.seed,
            workload=scenario.workload,
            interval=scenario.step,
            longest_step=scenario.step,
        )
        self.emulator = EmulatorCore(config, 0.0, scenario.weather)
        self._pending = list(enumerate(scenario.faults, 1))
        self._disturbance = _Disturbance()
        self._online = True
        self.second = self._ticks = self._frames = 0
        self.core = Core(self._layout, watched=False)
        self._observer = Observer(self._layout, scenario.scrape) if scenario.shadow else None
        self._connect(0.0)

    @property
    def scrapable(self) -> bool:
        """Whether the aggregator answers."""
        return "aggregator-down" not in self._disturbance.kinds

    def follow(self, loaded: LoadedScenario) -> None:
        """Go on as another scenario that has begun in the same way, and in which all is well yet.

        Raises:
            ConfigError: a step needs services, which only a running stack has.
        """
        _refuse_chaos(loaded)
        self._loaded = loaded
        self.emulator.plant.longest = loaded.scenario.step
        self._pending = list(enumerate(loaded.scenario.faults, 1))

    def run(self, every: int, until: float | None = None) -> Iterator[int]:
        """Go through the scenario and yield each ``every``-th second, when all is in place.

        Args:
            every: seconds between two that are looked at.
            until: the second to stop at; None for the end of the scenario.
        """
        scenario = self._loaded.scenario
        step, end = round(scenario.step), scenario.duration if until is None else until
        for second in range(self.second + step, round(end) + 1, step):
            whole = second % every == 0
            self._step(second, whole=whole)
            self.second = second
            if whole:
                yield second

    def _step(self, second: int, *, whole: bool) -> None:
        now = float(second)
        self._inject()
        self._disturb(now)
        self.emulator.step(self._loaded.scenario.step)
        self._ticks += 1
        for message in self.emulator.outbox():
            self._publish(message, now)
        if self._online:
            self._publish_frames(now, whole=whole)
            if second % _STATUS_SECONDS < self._loaded.scenario.step:
                self._publish(self.emulator.status("online", self._figures()), now)
        if self._observer is not None and whole:
            self._observe(self._observer, now)
        self.core.tick(now)

    def _inject(self) -> None:
        """Let the faults that are due begin."""
        while self._pending and self._pending[0][1].at <= self.emulator.now:
            number, event = self._pending.pop(0)
            if event.is_fault:
                name = f"fault-{number}"
                self.emulator.inject(name, event.kind, event.target, event.lasts, event.parameters)

    # -- the pipeline that fails ------------------------------------------------

    def _disturb(self, now: float) -> None:
        at = self.emulator.now
        events = [
            event
            for event in self._loaded.scenario.faults
            if not event.is_fault and event.at <= at < self._loaded.ends(event)
        ]
        self._disturbance = _Disturbance(
            frozenset(event.kind for event in events),
            frozenset(self._unit(event) for event in events if event.kind == "unit-silent"),
        )
        kinds = self._disturbance.kinds
        online = "emulator-lost" not in kinds
        if online is not self._online:
            self._online = online
            if online:
                self._announce(now)
            else:
                self._publish(self.emulator.status("lost", self._figures()), now)
        connected = "broker-lost" not in kinds
        if connected is not self.core.telemetry.connected:
            if connected:
                self._connect(now)
            else:
                self.core.connected(connected=False)
        if connected and "messages-refused" in kinds:
            topics = self.emulator.topics
            topic = topics.frame(UnitKind.RACK, self._layout.unit_name(UnitKind.RACK, 0))
            self.core.handle(topic, b"{", retain=False, now=now)

    def _unit(self, event: ScenarioEvent) -> tuple[UnitKind, int]:
        place = find_target(self._layout, event.target or "grid")
        return UnitKind(place.kind), place.unit

    # -- what the aggregator gets -------------------------------------------------

    def _connect(self, now: float) -> None:
        self.core.connected(connected=True)
        self._announce(now)

    def _announce(self, now: float) -> None:
        for message in self.emulator.announcement(self._figures()):
            self._publish(message, now)

    def _figures(self) -> Mapping[str, object]:
        """Return what an emulator on a machine that is fast enough says of time and delivery."""
        return {
            "clock": {"simulated": 1.0, "wall": 1.0},
            "ticks": self._ticks,
            "frames": self._frames,
        }

    def _publish(self, message: OutboundMessage, now: float) -> None:
        if self.core.telemetry.connected:
            self.core.handle(message.topic, message.payload, retain=False, now=now)

    def _publish_frames(self, now: float, *, whole: bool) -> None:
        """Hand over a frame of every unit.

        Between scrapes no value is read, so those frames only count as received.
        """
        frames, silent = self.emulator.frames, self._disturbance.silent
        for unit in frames.due():
            if silent and (unit.kind, unit.index) in silent:
                continue
            stamp = frames.stamp(unit)
            if stamp is not None:
                self._frames += 1
                self._publish_frame(stamp, now, whole=whole)

    def _publish_frame(self, stamp: FrameStamp, now: float, *, whole: bool) -> None:
        if not self.core.telemetry.connected:
            return
        snapshot = hand_over(self.emulator, self.core, stamp, now, whole=whole)
        if self._observer is not None and whole:
            self._observer.take(stamp.unit.kind, stamp.unit.index, snapshot)

    def _observe(self, observer: Observer, now: float) -> None:
        """Let the observer evaluate the frames of a scrape, and publish what it says."""
        told = observer.reports()
        if "shadow-lost" not in self._disturbance.kinds:
            for message in told:
                self._publish(message, now)


def hand_over(
    emulator: EmulatorCore, core: Core, stamp: FrameStamp, now: float, *, whole: bool
) -> Snapshot:
    """Let an aggregator take a frame, and return it.

    Args:
        emulator: that makes it.
        core: that takes it.
        stamp: of the frame.
        now: simulated unix time.
        whole: whether its values are read before the next; otherwise it only counts as received.
    """
    snapshot = (
        emulator.frames.snapshot(stamp) if whole else Snapshot(round(stamp.ts, 3), stamp.seq, {})
    )
    core.take(stamp.unit.kind, stamp.unit.row, snapshot, now)
    return snapshot


def _refuse_chaos(loaded: LoadedScenario) -> None:
    for index, event in enumerate(loaded.scenario.faults):
        if event.is_chaos:
            raise ConfigError(
                f"{loaded.place('faults', index)}: {event.kind} is done to a service, and a rule "
                "test has none; use twin scenario run --live"
            )
