"""Event log of the site: faults, job states, units lost and back.

A :class:`EventLog` compares what the aggregator knows now with what it knew a moment ago.
It has no clock and does no I/O, and it keeps a bounded number of events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from twin.aggregator.emulator_registry import EmulatorRegistry
from twin.aggregator.store import Missing, Store
from twin.catalog import JOB, JOB_STATES, UnitKind
from twin.site import Layout
from twin.wire import ActiveFault

__all__ = ["MOST_EVENTS", "EventLog", "SiteEvent"]

Level = Literal["info", "good", "warning", "critical"]

MOST_EVENTS = 200
"""Events that are kept; older ones are forgotten."""

_NAMED_UNITS = 3
"""Units that a sentence names before it says how many more there are."""

_REST_LOOKS = 10
"""After an event of a kind of unit its next ones are gathered over so many looks: a large site
is lost and comes back rack by rack, and a line for each would hide the rest."""

_KINDS = {
    UnitKind.RACK: "rack",
    UnitKind.ARRAY: "array",
    UnitKind.PLANE: "spine plane",
    UnitKind.SERVICE: "service rack",
    UnitKind.MEGAPACK: "Megapack",
    UnitKind.GENSET: "generator",
}
"""Kinds of units that are worth a word; the grid and the jobs are single."""

_REASONS = {
    Missing.TIMEOUT: "silent for too long",
    Missing.DECODE_ERROR: "sends no valid frame",
    Missing.WILL: "its emulator is lost",
    Missing.OFFLINE: "its emulator has ended",
}

_EMULATOR: dict[str, tuple[Level, str]] = {
    "online": ("good", "is online"),
    "offline": ("warning", "has ended"),
    "lost": ("critical", "is lost"),
}

_JOB_LEVELS: dict[str, Level] = {
    "training": "good",
    "stalled": "warning",
    "crashed": "critical",
}


@dataclass(frozen=True, slots=True)
class SiteEvent:
    """Something that happened.

    Attributes:
        id: running number, from 1.
        ts: newest simulated time when it was noticed, unix seconds; None before any frame.
        kind: ``fault``, ``job``, ``unit``, ``emulator`` or ``broker``.
        level: how much it matters.
        text: a sentence.
        target: the place that it concerns, as faults name it; None for none.
    """

    id: int
    ts: float | None
    kind: str
    level: Level
    text: str
    target: str | None = None


class EventLog:
    """Notices what happens; call :meth:`look` about once a second."""

    def __init__(self, store: Store, announced: EmulatorRegistry) -> None:
        self._layout = store.layout
        self._store = store
        self._announced = announced
        self._events: deque[SiteEvent] = deque(maxlen=MOST_EVENTS)
        self._last = 0
        self._ts: float | None = None
        self._connected: bool | None = None
        self._emulators: dict[str, str] = {}
        self._faults: dict[str, ActiveFault] = {}
        self._jobs: dict[int, int] = {}
        self._reporting = {kind: store.units[kind].reporting.copy() for kind in _KINDS}
        self._rest = dict.fromkeys(_KINDS, 0)
        self._known = {kind: store.units[kind].seen.copy() for kind in _KINDS}

    @property
    def last(self) -> int:
        """Number of the newest event, 0 before the first."""
        return self._last

    def since(self, number: int) -> list[SiteEvent]:
        """Return the events kept after the one of that number, oldest first."""
        return [event for event in self._events if event.id > number]

    def look(self, connected: bool, ts: float | None) -> None:
        """Compare with the last look.

        Args:
            connected: whether the broker is connected.
            ts: newest simulated time, unix seconds; None while nothing reports.
        """
        self._ts = self._ts if ts is None else ts
        if connected is not self._connected:
            self._broker(connected)
        if connected:
            self._poll_emulators()
            self._poll_faults()
        self._poll_jobs()
        for kind in _KINDS:
            self._poll_units(kind)

    def _add(self, kind: str, level: Level, text: str, target: str | None = None) -> None:
        self._last += 1
        self._events.append(SiteEvent(self._last, self._ts, kind, level, text, target))

    def _broker(self, connected: bool) -> None:
        first, self._connected = self._connected is None, connected
        if connected:
            self._add("broker", "good", "The broker is connected.")
        elif not first:
            self._add("broker", "critical", "The connection to the broker is lost.")

    def _poll_emulators(self) -> None:
        for name, status in self._announced.emulators.items():
            if self._emulators.get(name) != status.state:
                self._emulators[name] = status.state
                level, words = _EMULATOR[status.state]
                self._add("emulator", level, f"Emulator {name} {words}.")

    def _poll_faults(self) -> None:
        # Without the retained list the faults in force are unknown.
        if not self._announced.faults_known:
            return
        now = {fault.id: fault for fault in self._announced.faults}
        for fault in (fault for key, fault in now.items() if key not in self._faults):
            text = f"{fault.fault} is applied to {fault.target}{_length(fault)}."
            self._add("fault", "warning", text, fault.target)
        for fault in (fault for key, fault in self._faults.items() if key not in now):
            self._add("fault", "good", f"{fault.fault} on {fault.target} is over.", fault.target)
        self._faults = now

    def _poll_jobs(self) -> None:
        states = self._store.column(JOB, "state")[:, 0]
        for job in np.nonzero(np.isfinite(states))[0].tolist():
            code = int(states[job])
            if self._jobs.get(job) != code:
                self._jobs[job] = code
                state = JOB_STATES.get(code, f"state {code}")
                name = self._layout.unit_name(UnitKind.JOB, job)
                self._add("job", _JOB_LEVELS.get(state, "info"), f"Job {name}: {state}.")

    def _poll_units(self, kind: UnitKind) -> None:
        units = self._store.units[kind]
        before, now = self._reporting[kind], units.reporting
        self._rest[kind] -= 1
        if self._rest[kind] > 0 or (now == before).all():
            return
        self._rest[kind] = _REST_LOOKS
        # What another aggregator has taken over is not lost.
        gone = np.nonzero(before & ~now & ~units.released)[0].tolist()
        for reason, lost in self._by_reason(kind, gone):
            self._add("unit", "critical", f"{_named(self._layout, kind, lost)} lost: {reason}.",
                      self._layout.unit_name(kind, lost[0]))  # fmt: skip
        back = np.nonzero(now & ~before & self._known[kind])[0].tolist()
        if back:
            self._add("unit", "good", f"{_named(self._layout, kind, back)} back.",
                      self._layout.unit_name(kind, back[0]))  # fmt: skip
        all_before = self._known[kind].all()
        self._reporting[kind], self._known[kind] = now.copy(), units.seen.copy()
        if kind is UnitKind.RACK and self._known[kind].all() and not all_before:
            every = f"All {len(units):,} racks report." if len(units) > 1 else "The rack reports."
            self._add("unit", "good", every)

    def _by_reason(self, kind: UnitKind, lost: list[int]) -> Iterator[tuple[str, list[int]]]:
        reasons = dict(self._store.units[kind].missing())
        groups: dict[str, list[int]] = {}
        for unit in lost:
            groups.setdefault(_REASONS.get(reasons[unit], "never seen"), []).append(unit)
        yield from groups.items()


def _length(fault: ActiveFault) -> str:
    return "" if fault.until is None else f" for {fault.until - fault.since:,.0f} s"


def _named(layout: Layout, kind: UnitKind, units: Iterable[int]) -> str:
    """Return the units as the subject of a sentence, with its verb."""
    names = [layout.unit_name(kind, unit) for unit in units]
    noun = _KINDS[kind][0].upper() + _KINDS[kind][1:]
    if len(names) == 1:
        return f"{noun} {names[0]} is"
    more = len(names) - _NAMED_UNITS
    text = ", ".join(names[:_NAMED_UNITS]) + (f" and {more:,} more" if more > 0 else "")
    return f"{noun}s {text} are"
