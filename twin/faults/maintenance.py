"""Planned maintenance: what is taken out of service when, by a calendar that a seed decides.

A calendar is a function of the day alone. So a past that is made in parts, or goes on later, has
the works of one that is made at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from twin.catalog import UnitKind
from twin.site import Layout

__all__ = ["WORKS", "MaintenanceCalendar", "PlannedWork", "WorkFault", "WorkKind", "work_of"]

_STREAM = 43
_DAY, _HOUR, _MINUTE = 86_400, 3600, 60
_PREFIX = "planned"
_WINDOW_SECONDS = 8 * _HOUR
"""Units whose turn it is follow each other, as few at a time as so long a window allows."""
_MOST_AT_ONCE = 320
"""Faults of works at a time, half of what one list of faults holds; a turn then takes longer."""
_WEEK, _EPOCH_WEEKDAY, _WORKING_DAYS = 7, 3, 4
"""The epoch was a Thursday, the day 3 of its week; works are planned from Monday to Thursday."""


@dataclass(frozen=True, slots=True)
class WorkFault:
    """A fault by which a work shows.

    Attributes:
        kind: of fault.
        after: seconds from the beginning of the work.
        seconds: how long it lasts.
        servers: whether each server of the rack has it, instead of the unit.
    """

    kind: str
    after: int
    seconds: int
    servers: bool = False


@dataclass(frozen=True, slots=True)
class WorkKind:
    """A kind of maintenance.

    Attributes:
        key: its name in events.
        title: what is done.
        unit: what it is done to: ``rack``, ``liquid-cooled rack``, ``megapack``, ``genset`` or
            ``chiller``.
        days: from one window to the next, whole weeks.
        turns: windows in which every unit has its turn; 0 for one unit in each window.
        hour: local hour at which a window begins.
        seconds: from one unit, or group of units, to the next.
        faults: by which it shows.
    """

    key: str
    title: str
    unit: str
    days: int
    turns: int
    hour: float
    seconds: int
    faults: tuple[WorkFault, ...]


_RACK, _LIQUID, _MEGAPACK, _GENSET, _CHILLER = (
    "rack", "liquid-cooled rack", "megapack", "genset", "chiller",
)  # fmt: skip
WORKS = (
    WorkKind("coolant-filter", "a rack is drained and its coolant filter changed", _LIQUID,
             _WEEK, 26, 9.0, 75 * _MINUTE,
             (WorkFault("server-down", 0, 75 * _MINUTE, servers=True),
              WorkFault("both-pumps-failure", 10 * _MINUTE, 45 * _MINUTE))),
    WorkKind("node-firmware", "a rack is drained and its nodes get new firmware", _RACK,
             _WEEK, 13, 9.0, 45 * _MINUTE,
             (WorkFault("server-down", 0, 45 * _MINUTE, servers=True),)),
    WorkKind("megapack-test", "a Megapack is taken off for its test", _MEGAPACK,
             4 * _WEEK, 6, 10.0, _HOUR, (WorkFault("megapack-trip", 0, _HOUR),)),
    WorkKind("genset-inspection", "a generator is locked out and inspected", _GENSET,
             4 * _WEEK, 3, 10.0, _HOUR, (WorkFault("genset-trip", 0, _HOUR),)),
    WorkKind("chiller-service", "a chiller is serviced while its spare runs", _CHILLER,
             4 * _WEEK, 0, 9.0, 4 * _HOUR, (WorkFault("chiller-failure", 0, 4 * _HOUR),)),
)  # fmt: skip
"""All kinds of maintenance; how often and how long is est."""


@dataclass(frozen=True, slots=True, order=True)
class PlannedWork:
    """A fault that belongs to a work.

    Attributes:
        start: unix time at which it begins.
        work: key of the kind of work.
        kind: of fault.
        target: the place.
        seconds: how long it lasts.
    """

    start: int
    work: str
    kind: str
    target: str
    seconds: int

    @property
    def identifier(self) -> str:
        """Identifier of the fault."""
        return f"{_PREFIX}-{self.work}-{self.target.replace('/', '-')}-{self.start}"


def work_of(identifier: str) -> str | None:
    """Return the key of the work that a fault belongs to, None for any other fault."""
    keys = (work.key for work in WORKS)
    return next((key for key in keys if identifier.startswith(f"{_PREFIX}-{key}-")), None)


class MaintenanceCalendar:
    """The works of a site, the same for the same seed.

    Args:
        layout: the site.
        seed: of the days and of the order of the units.
    """

    def __init__(self, layout: Layout, seed: int = 0) -> None:
        self._layout = layout
        self._zone = round(layout.site.water.utc_offset_hours * _HOUR)
        random = np.random.default_rng([seed, _STREAM])
        first = int(random.integers(_WORKING_DAYS))
        self._plans = []
        for number, kind in enumerate(WORKS):
            units = _units(layout, kind.unit)
            # Each on another day of the week, so that no rack is drained twice at a time.
            weekday = (first + number) % _WORKING_DAYS
            week = int(random.integers(kind.days // _WEEK))
            phase = week * _WEEK + (weekday - _EPOCH_WEEKDAY) % _WEEK
            order = random.permutation(len(units)).tolist()
            self._plans.append(_WorkPlan(kind, tuple(units[own] for own in order), phase))
        self._known: dict[int, list[PlannedWork]] = {}

    def between(self, since: float, until: float) -> list[PlannedWork]:
        """Return what begins from ``since`` on and before ``until``, unix times, in order."""
        days = range(self._day(since) - 1, self._day(until) + 1)  # a window may go past midnight
        known = self._known
        self._known = {day: known[day] if day in known else self._of_day(day) for day in days}
        return [own for day in days for own in self._known[day] if since <= own.start < until]

    def _day(self, moment: float) -> int:
        return int((moment + self._zone) // _DAY)

    def _of_day(self, day: int) -> list[PlannedWork]:
        found = []
        for plan in self._plans:
            begins = day * _DAY - self._zone + round(plan.kind.hour * _HOUR)
            for unit, after in plan.on(day, self._layout.site.servers_per_rack):
                for fault in plan.kind.faults:
                    found += [
                        PlannedWork(begins + after + fault.after, plan.kind.key, fault.kind,
                                    target, fault.seconds)
                        for target in self._targets(unit, fault)
                    ]  # fmt: skip
        return sorted(found)

    def _targets(self, unit: str, fault: WorkFault) -> list[str]:
        if not fault.servers:
            return [unit]
        return [f"{unit}/n{own + 1}" for own in range(self._layout.site.servers_per_rack)]


@dataclass(frozen=True, slots=True)
class _WorkPlan:
    """A kind of work on a site.

    Attributes:
        kind: of work.
        units: in the order of their turns.
        phase: day of the first window.
    """

    kind: WorkKind
    units: tuple[str, ...]
    phase: int

    def on(self, day: int, servers: int) -> Iterator[tuple[str, int]]:
        """Yield the units whose turn a day is, each with the seconds into the window.

        Args:
            day: number of the day.
            servers: of a rack.
        """
        window, rest = divmod(day - self.phase, self.kind.days)
        if rest or not self.units:
            return
        groups = max(_WINDOW_SECONDS // self.kind.seconds, 1)
        each = sum(servers if fault.servers else 1 for fault in self.kind.faults)
        most = groups * max(_MOST_AT_ONCE // each, 1)
        count = min(ceil(len(self.units) / self.kind.turns) if self.kind.turns else 1, most)
        together = ceil(count / groups)
        for own in range(count):
            unit = self.units[(window * count + own) % len(self.units)]
            yield unit, own // together * self.kind.seconds


def _units(layout: Layout, unit: str) -> list[str]:
    """Return the units that a work can be done to; chillers only where one is to spare."""
    site = layout.site
    if unit == _CHILLER:
        spare = site.chillers > site.chillers_needed
        return [f"ch{own + 1:02d}" for own in range(site.chillers)] if spare else []
    kind = {_MEGAPACK: UnitKind.MEGAPACK, _GENSET: UnitKind.GENSET}.get(unit, UnitKind.RACK)
    chosen = range(layout.units(kind))
    if unit == _LIQUID:
        return [layout.unit_name(kind, own) for own in chosen if not site.air_racks[own]]
    return [layout.unit_name(kind, own) for own in chosen]
