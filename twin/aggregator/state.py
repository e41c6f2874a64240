"""State of units, emulators and faults as series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.emulator_registry import EmulatorRegistry
from twin.aggregator.store import Store, UnitStates
from twin.aggregator.text_format import ExpositionWriter, SeriesColumn, label_block, own_head
from twin.catalog import Labels, OwnMetric, UnitKind, own
from twin.site import Layout, labels_of_target, place_labels
from twin.wire import EmulatorStatus

__all__ = ["StatePage", "simulation_time"]

_MOST = 2**53
"""Counts of a status are JSON and may have any length; a float64 does not."""

_Figure = Callable[[EmulatorStatus], float]

_EMULATOR_COUNTS: Mapping[OwnMetric, _Figure] = {
    own.EMULATOR_TICKS: lambda status: status.ticks,
    own.EMULATOR_LATE_TICKS: lambda status: status.late_ticks,
    own.EMULATOR_RESTARTS: lambda status: status.restarts,
    own.EMULATOR_FRAMES: lambda status: status.frames,
    own.EMULATOR_QUEUED: lambda status: status.queued,
}
_EMULATOR_NUMBERS: Mapping[OwnMetric, _Figure] = {
    own.EMULATOR_BLOCKED: lambda status: status.blocked_seconds,
    own.EMULATOR_INTERVAL: lambda status: status.interval,
    own.EMULATOR_SLOWDOWN: lambda status: status.slowdown,
}
_UNSENT_REASONS: Mapping[str, _Figure] = {
    "disconnected": lambda status: status.unsent,
    "overdue": lambda status: status.overdue,
}
"""Why a frame was not sent."""


@dataclass(frozen=True, slots=True)
class _UnitLabels:
    """The labels of all units of one kind."""

    names: tuple[Labels, ...]
    places: tuple[Labels, ...]
    blocks: tuple[bytes, ...]

    @classmethod
    def of(cls, layout: Layout, kind: UnitKind) -> _UnitLabels:
        units = range(layout.units(kind))
        names = tuple(
            (("kind", kind.value), ("unit", layout.unit_name(kind, unit))) for unit in units
        )
        places = tuple(place_labels(layout, kind, unit) for unit in units)
        blocks = tuple(
            label_block((*name, *place)) for name, place in zip(names, places, strict=True)
        )
        return cls(names, places, blocks)

    def missing(self, units: UnitStates) -> SeriesColumn:
        """Return one series a unit that is missing, with the reason."""
        blocks = [
            label_block((*self.names[unit], ("reason", reason.value), *self.places[unit]))
            for unit, reason in units.missing()
        ]
        return SeriesColumn(blocks, np.ones(len(blocks)), whole=True)


class StatePage:
    """Units, emulators and faults as series.

    Args:
        store: the last values.
        announced: what emulators say of themselves.
        leads: whether emulators, faults and the time are told here; of several aggregators
            one does.
    """

    def __init__(self, store: Store, announced: EmulatorRegistry, *, leads: bool = True) -> None:
        self._store = store
        self._announced = announced
        self._leads = leads
        self._kinds = {kind: _UnitLabels.of(store.layout, kind) for kind in UnitKind}

    def write(self, text: ExpositionWriter) -> None:
        """Append the state of this moment."""
        if not self._leads:
            self._write_units(text)
            return
        newest = simulation_time(self._store)
        site = label_block((("site", self._store.layout.site.name),))
        text.add(own_head(own.SIMULATION_TIME), [SeriesColumn([site], np.array([newest]))])
        self._write_units(text)
        self._write_emulators(text)
        rivals = float(len(self._announced.rivals.names))
        text.add(
            own_head(own.EMULATOR_RIVALS), [SeriesColumn([site], np.array([rivals]), whole=True)]
        )
        text.add(own_head(own.FAULT_ACTIVE), [_ones(self._faults())])

    def _write_units(self, text: ExpositionWriter) -> None:
        units = [(self._kinds[kind], units) for kind, units in self._store.units.items()]
        text.add(
            own_head(own.UNIT_REPORTING),
            [
                SeriesColumn(kind.blocks, _unless(part.released, part.reporting), whole=True)
                for kind, part in units
            ],
        )
        text.add(own_head(own.UNIT_MISSING), [kind.missing(part) for kind, part in units])
        text.add(
            own_head(own.UNIT_LAST_FRAME),
            [SeriesColumn(kind.blocks, _unless(part.released, part.ts)) for kind, part in units],
        )

    def _write_emulators(self, text: ExpositionWriter) -> None:
        emulators = list(self._announced.emulators.values())
        online = [status for status in emulators if status.state == "online"]
        up = np.array([status.state == "online" for status in emulators], np.float64)
        text.add(
            own_head(own.EMULATOR_UP),
            [SeriesColumn([_named(status) for status in emulators], up, whole=True)],
        )
        # A Last Will knows no counts, so they vanish with the emulator.
        for metric, value in _EMULATOR_COUNTS.items():
            text.add(own_head(metric), [_column(online, [value(s) for s in online])])
        unsent = [
            _column(online, [value(s) for s in online], (("reason", reason),))
            for reason, value in _UNSENT_REASONS.items()
        ]
        text.add(own_head(own.EMULATOR_UNSENT), unsent)
        for metric, number in _EMULATOR_NUMBERS.items():
            text.add(own_head(metric), [_column(online, [number(s) for s in online], whole=False)])

    def _faults(self) -> Iterable[Labels]:
        labels = (
            (
                ("fault", fault.fault),
                ("target", fault.target),
                ("id", fault.id),
                *labels_of_target(self._store.layout, fault.target),
            )
            for fault in self._announced.faults
        )
        # The list comes from the network; a series must not appear twice.
        return dict.fromkeys(labels)


def _unless(released: NDArray[np.bool_], values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the values of units, NaN of those that another aggregator has."""
    return np.where(released, np.nan, values.astype(np.float64))


def simulation_time(store: Store) -> float:
    """Return the newest simulated time among the units that report, NaN without any."""
    times = [units.ts[units.reporting] for units in store.units.values()]
    return max((float(ts.max()) for ts in times if ts.size), default=float("nan"))


def _column(
    emulators: Iterable[EmulatorStatus],
    values: Iterable[float],
    more: Labels = (),
    *,
    whole: bool = True,
) -> SeriesColumn:
    blocks = [label_block((("emulator", status.emulator), *more)) for status in emulators]
    numbers = np.array([min(value, _MOST) for value in values], np.float64)
    return SeriesColumn(blocks, numbers, whole)


def _named(status: EmulatorStatus) -> bytes:
    """Return an emulator's labels, with its part of a site in shards."""
    part = () if status.shard is None else (("part", status.shard),)
    return label_block((("emulator", status.emulator), *part))


def _ones(labels: Iterable[Labels]) -> SeriesColumn:
    blocks = [label_block(label) for label in labels]
    return SeriesColumn(blocks, np.ones(len(blocks)), whole=True)
