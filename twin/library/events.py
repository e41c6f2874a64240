"""Events of a run: the faults that struck, and what the site's supply did."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twin.faults import AppliedFault
from twin.plant import Plant

__all__ = ["EventBook", "RunEvent"]


@dataclass(frozen=True, slots=True)
class RunEvent:
    """A thing that happened.

    Attributes:
        at: seconds after the start of the run.
        until: when it was over, None where it went on when the run ended.
        kind: of fault, or ``grid lost``, ``racks shed``, ``load unserved``.
        target: the place.
        severity: ``warning`` or ``critical``.
    """

    at: float
    until: float | None
    kind: str
    target: str
    severity: str


class EventBook:
    """The events of a run, as they begin and end."""

    def __init__(self) -> None:
        self._events: list[RunEvent] = []
        self._open: dict[str, int] = {}

    @property
    def events(self) -> tuple[RunEvent, ...]:
        """All events so far, in order of their beginning."""
        return tuple(self._events)

    def look(self, plant: Plant, faults: tuple[AppliedFault, ...], now: float) -> None:
        """Take note of what began or ended with the step to ``now``."""
        there = {own.id: (own.since, own.fault.kind, own.target.text, own.fault.severity)
                 for own in faults}  # fmt: skip
        supply = plant.supply
        for kind, is_so in (
            ("grid lost", not supply.on_grid),
            ("load unserved", supply.unserved > 0.0),
            ("racks shed", supply.shed > 0),
        ):
            if is_so:
                there[kind] = (now, kind, "site", "critical")
        for name in [name for name in self._open if name not in there]:
            place = self._open.pop(name)
            self._events[place] = replace(self._events[place], until=now)
        for name, (at, kind, target, severity) in there.items():
            if name not in self._open:
                self._open[name] = len(self._events)
                self._events.append(RunEvent(at, None, kind, target, severity))
