"""Roll-ups as series: site, halls, and the arrays that are exposed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.reduction import Distribution
from twin.aggregator.rollup import Rollups
from twin.aggregator.stacked_rollups import StackedRollups
from twin.aggregator.store_snapshot import StoreSnapshot
from twin.aggregator.text_format import (
    ExpositionWriter,
    MetricHead,
    SeriesColumn,
    head,
    label_block,
    numbers,
)
from twin.catalog import Detail, Labels, Level, MetricType, Operation, Rollup, Signal, UnitKind
from twin.site import DetailPlan, Layout, rollup_labels, site_rollups

__all__ = ["RollupPage", "exposed_groups"]

_MEAN_DECIMALS = 3
"""Decimals of a mean beyond those of the signal."""
_SUM_DECIMALS = 3
"""Decimals of a distribution's sum."""
_TOP = (Level.SITE, Level.HALL)
_FROM_TOP = (Level.SITE, Level.HALL, Level.ARRAY, Level.RACK)


def exposed_groups(layout: Layout, plan: DetailPlan, level: Level) -> NDArray[np.intp]:
    """Return the racks, arrays or halls whose roll-ups are exposed, by their index."""
    if level in _TOP:
        if not layout.with_facility:
            return np.arange(0)
        return np.arange(layout.entire.site.halls if level is Level.HALL else 1)
    shown = np.array([detail.covers(Detail.RACK) for detail in plan.levels])
    if level is Level.RACK:
        shown = shown[np.arange(layout.units(UnitKind.RACK)) // layout.site.racks_per_array]
    return np.nonzero(shown)[0]


class RollupPage:
    """The roll-ups of all levels, as far as a plan exposes them."""

    def __init__(self, layout: Layout, rollups: Rollups, plan: DetailPlan) -> None:
        self._rollups = rollups
        self._groups = {level: exposed_groups(layout, plan, level) for level in Level}
        places = {
            level: [
                rollup_labels(layout.entire if level in _TOP else layout, level, group)
                for group in groups.tolist()
            ]
            for level, groups in self._groups.items()
        }
        self._labels = {level: [label_block(own) for own in places[level]] for level in Level}
        of_site = [(rollup, signal) for rollup, _, signal in site_rollups(layout)]
        self._stacked: StackedRollups | None = None
        self._singles = [
            _Single(rollup, level, signal)
            for level in _FROM_TOP
            for rollup, signal in of_site
            if level in rollup.levels and rollup.operation is not Operation.DISTRIBUTION
        ]
        self._distributions = [
            _Histogram(rollup, level, places[level])
            for level in _FROM_TOP
            for rollup, _ in of_site
            if level in rollup.levels and rollup.operation is Operation.DISTRIBUTION
        ]

    def write(self, text: ExpositionWriter) -> None:
        """Append every roll-up that reports."""
        if text.computes:
            text.follow_rollups(self, self._rollups.store.snapshot())
            return
        for single in self._singles:
            if not text.wants(single.head.name):
                continue
            level = single.level
            if not self._groups[level].size:
                continue
            values = self._rollups.value(single.name, level)[self._groups[level]]
            text.add_steady(single.head, single.column(self._labels[level], values))
        for histogram in self._distributions:
            if not sum(text.wants(name) for name in histogram.names):
                continue
            level = histogram.level
            if not self._groups[level].size:
                continue
            histogram.write(
                text, self._rollups.distribution(histogram.name, level), self._groups[level]
            )

    def pass_by(self, snapshots: Sequence[StoreSnapshot]) -> StackedRollups:
        """Let scrapes pass that nobody reads, and return their roll-ups.

        Args:
            snapshots: of the scrapes, which follow those of the last call.
        """
        if self._stacked is None:
            self._stacked = StackedRollups(self._rollups.store)
        self._stacked.stack(snapshots)
        return self._stacked

    def stacked(
        self, snapshots: Sequence[StoreSnapshot], wants: Callable[[str], bool]
    ) -> Iterator[tuple[MetricHead, SeriesColumn]]:
        """Yield the series of many scrapes, with values of (scrapes, series).

        Args:
            snapshots: of the scrapes, which follow those of the last call.
            wants: tells by its name whether a metric is kept.
        """
        rollups, scrapes = self.pass_by(snapshots), len(snapshots)
        for single in self._singles:
            groups = self._groups[single.level]
            if groups.size and wants(single.head.name):
                values = rollups.value(single.name, single.level).reshape(scrapes, -1)
                yield (
                    single.head,
                    single.column(self._labels[single.level], values[:, groups]),
                )
        for histogram in self._distributions:
            groups = self._groups[histogram.level]
            if groups.size and any(wants(name) for name in histogram.names):
                found = rollups.distribution(histogram.name, histogram.level)
                yield from histogram.columns(
                    found.buckets.reshape(scrapes, -1, found.buckets.shape[1])[:, groups],
                    found.total.reshape(scrapes, -1)[:, groups],
                )


class _Single:
    """A roll-up that is one number, at one level."""

    def __init__(self, rollup: Rollup, level: Level, signal: Signal) -> None:
        self.name, self.level = rollup.name, level
        self.head = _head(rollup, level, rollup.metric(level), rollup.kind)
        counts = rollup.operation in (Operation.COUNT, Operation.MISSING)
        self._decimals = 0 if counts else _decimals(rollup, signal)

    def column(self, labels: Sequence[bytes], values: NDArray[np.float64]) -> SeriesColumn:
        """Return the series; sums of floats are rounded, so that they end somewhere."""
        return SeriesColumn(labels, np.round(values, self._decimals), whole=self._decimals == 0)


def _decimals(rollup: Rollup, signal: Signal) -> int:
    if rollup.operation is Operation.MEAN:
        return signal.decimals + _MEAN_DECIMALS
    return signal.decimals + round(-math.log10(rollup.scale))


def _head(rollup: Rollup, level: Level, name: str, kind: MetricType) -> MetricHead:
    return head(name, kind.value, rollup.help_text(level), rollup.unit.word)


class _Histogram:
    """A distribution at one level.

    OpenMetrics has a type for it. The text format has none: ``histogram`` there says that
    buckets are counters, so they are declared as what they are, gauges, under the same
    names. OpenMetrics wants all series of a group together, the text format all of a name.
    """

    def __init__(self, rollup: Rollup, level: Level, places: Sequence[Labels]) -> None:
        self.name, self.level = rollup.name, level
        names = rollup.names(level)
        self._heads = [_head(rollup, level, name, MetricType.GAUGE) for name in names]
        self._family = _head(rollup, level, rollup.metric(level), MetricType.GAUGE_HISTOGRAM)
        bounds = [*(str(float(bound)) for bound in rollup.bounds), "+Inf"]
        self._names = [*[names[0]] * len(bounds), *names[1:]]
        self._plain = [label_block(place) for place in places]
        self._buckets = [
            [label_block((*place, ("le", bound))) for bound in bounds] for place in places
        ]
        self._every = list(chain.from_iterable(self._buckets))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its series."""
        return tuple(own.name for own in self._heads)

    def write(
        self, text: ExpositionWriter, distribution: Distribution, groups: NDArray[np.intp]
    ) -> None:
        """Append the series of some groups, those whose labels are known."""
        buckets, total = distribution.buckets[groups], distribution.total[groups]
        if text.openmetrics:
            self._write_family(text, buckets, total)
            return
        for own, column in self.columns(buckets[None], total[None]):
            text.add(own, [SeriesColumn(column.labels, column.values[0], whole=column.whole)])

    def columns(
        self, buckets: NDArray[np.float64], total: NDArray[np.float64]
    ) -> Iterator[tuple[MetricHead, SeriesColumn]]:
        """Yield the series of some scrapes, with values of (scrapes, series).

        Args:
            buckets: (scrapes, groups, bounds).
            total: (scrapes, groups).
        """
        of_buckets = buckets.reshape(len(buckets), -1)
        yield self._heads[0], SeriesColumn(self._every, of_buckets, whole=True)
        yield self._heads[1], SeriesColumn(self._plain, buckets[:, :, -1], whole=True)
        yield self._heads[2], SeriesColumn(self._plain, np.round(total, _SUM_DECIMALS), whole=False)

    def _write_family(
        self, text: ExpositionWriter, buckets: NDArray[np.float64], total: NDArray[np.float64]
    ) -> None:
        known = np.nonzero(np.isfinite(total))[0].tolist()
        if not known:
            return
        labels = [
            label
            for group in known
            for label in (*self._buckets[group], self._plain[group], self._plain[group])
        ]
        counts = numbers(buckets[known][:, [*range(buckets.shape[1]), -1]].reshape(-1), whole=True)
        sums = numbers(np.round(total[known], _SUM_DECIMALS), whole=False)
        size = len(self._names)
        printed = [b""] * len(labels)
        for place in range(size - 1):
            printed[place::size] = counts[place :: size - 1]
        printed[size - 1 :: size] = sums
        text.add_family(self._family, self._names * len(known), labels, printed)
