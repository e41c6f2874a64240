"""A scenario's site, lived through in simulated time: plant, frames, aggregator.

It is what ``twin up`` runs, without processes and sockets. Frames are not encoded and
decoded again; what they would carry is handed over rounded as they round it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.aggregator import Core
from twin.catalog import UnitKind
from twin.errors import ConfigError
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Conditions, Plant
from twin.scenario.loader import LoadedScenario
from twin.scenario.model import ScenarioEvent
from twin.site import find_target
from twin.wire import ActiveFault, Clock, EmulatorStatus, Faults, Outputs, Snapshot, Topics
from twin.wire.schema import rounded

__all__ = ["Feed"]

_EMULATOR = "plant-0"
_LOSS_STREAM = 90
"""As the emulator draws which frames are lost."""
_STATUS_SECONDS = 2


@dataclass(slots=True)
class _Telemetry:
    """What is wrong with the telemetry itself at this moment."""

    kinds: frozenset[str] = frozenset()
    silent: frozenset[tuple[UnitKind, int]] = frozenset()


class Feed:
    """The twin of a scenario, second by second.

    Attributes:
        core: the aggregator's.

    Raises:
        ConfigError: a step needs services, which only a running stack has.
    """

    def __init__(self, loaded: LoadedScenario) -> None:
        _refuse_chaos(loaded)
        scenario, self._layout = loaded.scenario, loaded.layout
        self._loaded = loaded
        self._plant = Plant(self._layout, scenario.seed, scenario.workload, scenario.weather)
        self._faults = FaultSchedule(self._layout, FAULTS)
        self._topics = Topics(self._layout.site.name)
        self._rng = np.random.default_rng([scenario.seed, _LOSS_STREAM])
        self._kinds = [kind for kind in UnitKind if self._layout.units(kind)]
        self._sequence = {kind: [0] * self._layout.units(kind) for kind in self._kinds}
        self._pending = list(enumerate(scenario.faults, 1))
        self._telemetry = _Telemetry()
        self._online = True
        self._ticks = self._frames = 0
        self.core = Core(self._layout)
        self.core.connected(connected=True)
        self._say("online", 0.0)
        self._tell_faults(0.0)

    @property
    def scrapable(self) -> bool:
        """Whether the aggregator answers."""
        return "aggregator-down" not in self._telemetry.kinds

    def run(self, every: int) -> Iterator[int]:
        """Live through the scenario and yield each ``every``-th second, when all is in place."""
        for second in range(1, round(self._loaded.scenario.duration) + 1):
            whole = second % every == 0
            self._step(second, whole=whole)
            if whole:
                yield second

    def _step(self, second: int, *, whole: bool) -> None:
        before, now = float(second - 1), float(second)
        struck = self._strike(before)
        if self._faults.expire(before) or struck:
            self._tell_faults(now)
        self._disturb(before, now)
        conditions = self._faults.conditions(before)
        self._plant.step(1.0, conditions)
        self._ticks += 1
        if self._online and self.core.telemetry.connected:
            if second % _STATUS_SECONDS == 0:
                self._say("online", now)
            groups = self._groups(self._plant.outputs()) if whole else {}
            self._publish(groups, conditions, now)
        self.core.tick(now)

    def _strike(self, now: float) -> bool:
        """Let the faults that are due begin and return whether there were any."""
        struck = False
        while self._pending and self._pending[0][1].at <= now:
            number, event = self._pending.pop(0)
            if event.is_fault:
                target = event.target or FAULTS[event.kind].default_target
                where = (event.kind, target, now, event.lasts, event.parameters)
                self._faults.inject(f"fault-{number}", *where)
                struck = True
        return struck

    def _tell_faults(self, now: float) -> None:
        active = tuple(
            ActiveFault(
                id=strike.id,
                fault=strike.fault.kind,
                target=strike.target.text,
                since=strike.since,
                until=strike.until,
            )
            for strike in self._faults.active
        )
        payload = Faults(active=active).encode()
        self.core.handle(self._topics.faults, payload, retain=True, now=now)

    # -- telemetry that fails -------------------------------------------------

    def _disturb(self, at: float, now: float) -> None:
        events = [
            event
            for event in self._loaded.scenario.faults
            if not event.is_fault and event.at <= at < self._loaded.ends(event)
        ]
        self._telemetry = _Telemetry(
            frozenset(event.kind for event in events),
            frozenset(self._unit(event) for event in events if event.kind == "unit-silent"),
        )
        kinds = self._telemetry.kinds
        online = "emulator-lost" not in kinds
        if online is not self._online:
            self._online = online
            self._say("online" if online else "lost", now)
        connected = "broker-lost" not in kinds
        if connected is not self.core.telemetry.connected:
            self.core.connected(connected)
            if connected:
                self._say("online", now)
                self._tell_faults(now)
        if connected and "messages-refused" in kinds:
            topic = self._topics.frame(UnitKind.RACK, self._layout.unit_name(UnitKind.RACK, 0))
            self.core.handle(topic, b"{", retain=False, now=now)

    def _unit(self, event: ScenarioEvent) -> tuple[UnitKind, int]:
        place = find_target(self._layout, event.target or "grid")
        return UnitKind(place.kind), place.unit

    def _say(self, state: str, now: float) -> None:
        status = EmulatorStatus.model_validate(
            {
                "emulator": _EMULATOR,
                "state": state,
                "clock": Clock(simulated=now, wall=now).model_dump(),
                "ticks": self._ticks,
                "frames": self._frames,
            }
        )
        topic = self._topics.status(_EMULATOR)
        self.core.handle(topic, status.encode(), retain=False, now=now)

    # -- frames ---------------------------------------------------------------

    def _groups(self, outputs: Outputs) -> dict[str, NDArray[np.float64]]:
        """Return what all frames carry: class to (signals that travel, units, devices)."""
        layout = self._layout
        return {
            device.name: np.stack(
                [
                    rounded(outputs[device.name][signal.name], signal.decimals)[0]
                    for signal in layout.reported[device.name]
                    if signal.on_wire
                ]
            ).astype(np.float64)
            for kind in self._kinds
            for device in layout.devices_of(kind)
        }

    def _publish(
        self, groups: dict[str, NDArray[np.float64]], conditions: Conditions, now: float
    ) -> None:
        """Hand over a frame of every unit.

        Between scrapes nobody reads the values, so those frames only say that they came.
        """
        for kind in self._kinds:
            names = [device.name for device in self._layout.devices_of(kind)] if groups else []
            for unit in range(self._layout.units(kind)):
                if (kind, unit) in self._telemetry.silent:
                    continue
                at = now
                if kind is UnitKind.RACK:
                    if not conditions.gateway_reporting[unit]:
                        continue
                    at = max(0.0, now + float(conditions.clock_skew[unit]))
                sequence = self._sequence[kind]
                number, sequence[unit] = sequence[unit], sequence[unit] + 1
                if kind is UnitKind.RACK and self._lost(float(conditions.frame_loss[unit])):
                    continue
                values = {name: groups[name][:, unit] for name in names}
                self.core.take(kind, unit, Snapshot(at, number, values), now)
                self._frames += 1

    def _lost(self, share: float) -> bool:
        return share > 0.0 and bool(self._rng.random() < share)


def _refuse_chaos(loaded: LoadedScenario) -> None:
    for index, event in enumerate(loaded.scenario.faults):
        if event.is_chaos:
            raise ConfigError(
                f"{loaded.place('faults', index)}: {event.kind} is done to a service, and a rule "
                "test has none; use twin scenario run --live"
            )
