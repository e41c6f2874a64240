"""Reduction of a signal to one figure a unit, the base of every roll-up.

A reduction is kept up to date unit by unit, so that a frame costs work for its own unit
only; what is taken over an array, a hall or the site is added up from the units.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.catalog import Operation, Rollup

__all__ = ["Distribution", "Figures", "Reduction"]

_Values = NDArray[np.float64]
_Units = NDArray[np.intp] | slice

_COUNTED = (Operation.COUNT, Operation.MISSING)
_SUMMED = {Operation.SUM, Operation.MEAN, Operation.DISTRIBUTION}


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many devices have at most which value.

    Attributes:
        buckets: shape (groups, bounds and infinity), rising along the second axis; NaN
            in groups without a device that reports.
        total: sum of the values, shape (groups,); NaN likewise.
    """

    buckets: _Values
    total: _Values


@dataclass(frozen=True, slots=True)
class Figures:
    """What any roll-up over a signal starts from, one element a unit or a group of units.

    Attributes:
        reports: units that report.
        count: devices that report.
        total: sum of their values.
        lowest: least value, infinite without any.
        highest: greatest value, minus infinite without any.
        risen: what counters rose by.
        matching: devices that each count counts.
        buckets: for each distribution, (bounds, units), the devices up to each bound.
    """

    reports: _Values
    count: _Values
    total: _Values
    lowest: _Values
    highest: _Values
    risen: _Values
    matching: tuple[_Values, ...]
    buckets: tuple[_Values, ...]


class Reduction:
    """The parts of some roll-ups over one signal, one element a unit.

    Args:
        rollups: the roll-ups, of the same signal.
        units: units that have such devices.
        devices: devices a unit.
    """

    def __init__(self, rollups: Iterable[Rollup], units: int, devices: int) -> None:
        self._rollups = rollups = tuple(rollups)
        self._operations = {rollup.operation for rollup in rollups}
        self._devices = float(devices)
        self._reports = np.zeros(units)
        self._count = np.zeros(units)
        self._total = np.zeros(units)
        self._lowest = np.full(units, np.inf)
        self._highest = np.full(units, -np.inf)
        self._matching = {
            (rollup.equals, rollup.excluding): np.zeros(units)
            for rollup in rollups
            if rollup.operation is Operation.COUNT
        }
        self._buckets = {
            rollup.bounds: np.zeros((len(rollup.bounds), units))
            for rollup in rollups
            if rollup.operation is Operation.DISTRIBUTION
        }
        self._left_out = next(
            (rollup.excluding for rollup in rollups if rollup.operation is Operation.MIN), ()
        )
        totals = Operation.TOTAL in self._operations
        self._risen = np.zeros(units)
        self._last = np.full((units, devices) if totals else (0, 0), np.nan)

    def update(self, units: _Units, values: _Values, reporting: NDArray[np.bool_]) -> None:
        """Take over the present values of some units.

        Args:
            units: which.
            values: their values, shape (units, devices a unit), NaN where no value is reported.
            reporting: whether each of them reports at all.
        """
        self._reports[units] = reporting
        total = values.sum(axis=1)
        # What is no number makes a sum that is none, so most often one pass tells that all report.
        finite = None if np.isfinite(total).all() else np.isfinite(values)
        self._count[units] = self._devices if finite is None else _counted(finite)
        if self._operations & _SUMMED:
            known = total if finite is None else np.where(finite, values, 0.0).sum(axis=1)
            self._total[units] = known
        if Operation.MIN in self._operations:
            self._lowest[units] = _lowest(values, finite, self._left_out)
        if Operation.MAX in self._operations:
            shown = values if finite is None else np.where(finite, values, -np.inf)
            self._highest[units] = shown.max(axis=1)
        for (equals, excluding), matching in self._matching.items():
            matches = _matches(values, finite, equals, excluding)
            matching[units] = self._devices if matches is None else _counted(matches)
        for bounds, buckets in self._buckets.items():
            for row, bound in zip(buckets, bounds, strict=True):
                row[units] = _counted(values <= bound)
        if Operation.TOTAL in self._operations:
            self._rise(units, values, finite)

    def _rise(self, units: _Units, values: _Values, finite: NDArray[np.bool_] | None) -> None:
        """Add what the counters rose by since they were last seen.

        One that fell has begun anew, from nothing; one that was never seen has not risen by
        all it says.
        """
        before = self._last[units]
        rose = values >= before
        if finite is None and rose.all():  # which nothing that was never seen did
            self._risen[units] += (values - before).sum(axis=1)
            self._last[units] = values
            return
        finite = np.isfinite(values) if finite is None else finite
        risen = np.where(rose, values - before, values)
        both = finite & np.isfinite(before)
        self._risen[units] += np.where(both, risen, 0.0).sum(axis=1)
        self._last[units] = np.where(finite, values, before)

    def stacked(self, values: _Values, reporting: NDArray[np.bool_]) -> Reduction:
        """Return the reduction of many scrapes, whose units follow each other scrape by scrape.

        Args:
            values: of each, (scrapes, units, devices a unit), NaN where no value is reported.
            reporting: (scrapes, units), whether each unit reports at all.
        """
        scrapes, units, devices = values.shape
        whole = Reduction(self._rollups, scrapes * units, devices)
        everything = slice(None)
        whole.update(everything, values.reshape(-1, devices), reporting.reshape(-1))
        if Operation.TOTAL in self._operations:
            for scrape, now in enumerate(values):
                self._rise(everything, now, np.isfinite(now))
                whole._risen[scrape * units : (scrape + 1) * units] = self._risen
        return whole

    @property
    def figures(self) -> Figures:
        """The figures of every unit."""
        return Figures(
            self._reports, self._count, self._total, self._lowest, self._highest, self._risen,
            tuple(self._matching.values()), tuple(self._buckets.values()),
        )  # fmt: skip

    def grouped(self, first: NDArray[np.intp]) -> Figures:
        """Return the figures of groups of consecutive units, as :meth:`over` has them."""
        own = self.figures
        low, high = np.minimum.reduceat(own.lowest, first), np.maximum.reduceat(own.highest, first)
        added = (own.reports, own.count, own.total, own.risen)
        reports, count, total, risen = (np.add.reduceat(values, first) for values in added)
        return Figures(
            reports, count, total, low, high, risen,
            tuple(np.add.reduceat(values, first) for values in own.matching),
            tuple(np.add.reduceat(values, first, axis=1) for values in own.buckets),
        )  # fmt: skip

    def fill(self, figures: Figures) -> None:
        """Take over figures that were made elsewhere, one element a unit."""
        self._reports, self._count, self._total = figures.reports, figures.count, figures.total
        self._lowest, self._highest = figures.lowest, figures.highest
        self._risen = figures.risen
        self._matching = dict(zip(self._matching, figures.matching, strict=True))
        self._buckets = dict(zip(self._buckets, figures.buckets, strict=True))

    def over(self, rollup: Rollup, first: NDArray[np.intp]) -> _Values:
        """Return a roll-up over groups of consecutive units, NaN where no value is reported.

        Args:
            rollup: which; not a distribution.
            first: index of each group's first unit; the groups cover all units.
        """
        value = self._combined(rollup, first) * rollup.scale
        known = self._reports if rollup.operation in _COUNTED else self._count
        return np.where(np.add.reduceat(known, first) > 0.0, value, np.nan)

    def _combined(self, rollup: Rollup, first: NDArray[np.intp]) -> _Values:
        match rollup.operation:
            case Operation.MIN:
                return np.minimum.reduceat(self._lowest, first)
            case Operation.MAX:
                return np.maximum.reduceat(self._highest, first)
            case Operation.MEAN:
                count = np.add.reduceat(self._count, first)
                return np.add.reduceat(self._total, first) / np.maximum(count, 1.0)
            case _:
                return np.add.reduceat(self._added(rollup), first)

    def _added(self, rollup: Rollup) -> _Values:
        """Return what is summed over units."""
        match rollup.operation:
            case Operation.COUNT:
                return self._matching[rollup.equals, rollup.excluding]
            case Operation.MISSING:
                return self._reports * self._devices - self._count
            case Operation.TOTAL:
                return self._risen
            case _:
                return self._total

    def distribution(self, rollup: Rollup, first: NDArray[np.intp]) -> Distribution:
        """Return a distribution over groups of consecutive units, as :meth:`over` has it."""
        count = np.add.reduceat(self._count, first)
        below = np.add.reduceat(self._buckets[rollup.bounds], first, axis=1)
        buckets = np.vstack([below, count]).T
        buckets[count == 0.0] = np.nan
        total = np.add.reduceat(self._total, first) * rollup.scale
        return Distribution(buckets, np.where(count > 0.0, total, np.nan))


def _counted(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return how many flags of each row are set, eight at a time."""
    counts: NDArray[np.uint64] = np.bitwise_count(np.packbits(flags, axis=1)).sum(axis=1)
    return counts


def _lowest(
    values: _Values, finite: NDArray[np.bool_] | None, left_out: tuple[float, ...]
) -> _Values:
    """Return the least value of each unit; those left out only where it has no other."""
    shown = values if finite is None else np.where(finite, values, np.inf)
    lowest: _Values = shown.min(axis=1)
    wanted = _matches(values, finite, None, left_out) if left_out else None
    if wanted is None:
        return lowest
    least: _Values = np.where(wanted, values, np.inf).min(axis=1)
    return np.where(np.isinf(least), lowest, least)


def _matches(
    values: _Values,
    finite: NDArray[np.bool_] | None,
    equals: float | None,
    excluding: tuple[float, ...],
) -> NDArray[np.bool_] | None:
    """Return which values count; None for all."""
    if equals is not None:
        same: NDArray[np.bool_] = values == equals
        return same
    matches = finite
    for value in excluding:
        other = values != value
        matches = other if matches is None else matches & other
    return matches
