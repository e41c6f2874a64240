"""A metrics page that is kept as arrays instead of printed.

What devices send is kept scrape by scrape. What follows from it is computed for many scrapes
at once, when they are taken out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.exposition import MetricsPage
from twin.aggregator.rollup_page import RollupPage
from twin.aggregator.scrape_runs import ScrapeRun, keep_scrape
from twin.aggregator.store_snapshot import StoreSnapshot
from twin.aggregator.text_format import ExpositionWriter, MetricHead, SeriesColumn, label_block
from twin.rules.sampling import labels_of_block

__all__ = ["Block", "PageReader"]

_Page = TypeVar("_Page", MetricsPage, RollupPage)
_Known = dict[int, tuple[Sequence[bytes], list[bytes]]]
"""Label blocks by their identity, and the same with the labels of the target."""


@dataclass(frozen=True, slots=True)
class Block:
    """Scrapes of some series of one metric, over which their labels stayed the same.

    Attributes:
        head: of the metric.
        device: device class, or ``site`` for roll-ups and what is told of the twin itself.
        labels: label block of each series, with the labels of its target.
        whole: whether the values are whole numbers.
        times: unix time of each scrape in ms.
        values: (scrapes, series), NaN where a series was not there.
    """

    head: MetricHead
    device: str
    labels: Sequence[bytes]
    whole: bool
    times: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(slots=True)
class _SentRuns:
    """The scrapes of one column of a metric."""

    head: MetricHead
    device: str
    whole: bool
    runs: list[ScrapeRun] = field(default_factory=list)


@dataclass(slots=True)
class _FollowedRun(Generic[_Page]):
    """Scrapes from which the series of a page follow, while the same of them are kept."""

    page: _Page
    wanted: Collection[str] | None
    times: list[int] = field(default_factory=list)
    snapshots: list[StoreSnapshot] = field(default_factory=list)

    def wants(self, name: str) -> bool:
        """Return whether a metric is kept."""
        return self.wanted is None or name in self.wanted


@dataclass(slots=True)
class PageReader(ExpositionWriter):
    """A page of one target.

    Attributes:
        wanted: names of the metrics that are kept; None for all.
        target: labels that Prometheus adds.
        now: unix time of the scrape in ms.
    """

    computes: bool = True
    wanted: Collection[str] | None = None
    target: Mapping[str, str] = field(default_factory=dict)
    now: int = 0
    _sent: dict[str, dict[tuple[str, int], _SentRuns]] = field(default_factory=dict)
    _followed: list[_FollowedRun[MetricsPage]] = field(default_factory=list)
    _rolled: list[_FollowedRun[RollupPage]] = field(default_factory=list)
    _known: _Known = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        """Return whether a metric is kept."""
        return self.wanted is None or name in self.wanted

    def add(self, metric: MetricHead, columns: Iterable[SeriesColumn]) -> None:
        """Keep the values of this scrape."""
        for place, column in enumerate(columns):
            if not len(column.labels) or not self.wants(metric.name):
                continue
            # A target has an ``up`` of its own beside those of the exporters behind it.
            device = metric.devices[place] if place < len(metric.devices) else "site"
            own = self._sent.setdefault(metric.name, {})
            kept = own.get((device, place))
            if kept is None:
                kept = own[device, place] = _SentRuns(metric, device, column.whole)
            values = column.values
            if column.printed is None:  # a view, perhaps, of what the next frame overwrites
                values = np.array(values, np.float64)
            keep_scrape(kept.runs, column.labels, self.now, values)

    def follow(self, page: MetricsPage, snapshot: StoreSnapshot) -> None:
        """Keep what the series of a page's devices follow from at this scrape."""
        self._go_on(self._followed, page, snapshot)

    def follow_rollups(self, page: RollupPage, snapshot: StoreSnapshot) -> None:
        """Keep what roll-ups follow from at this scrape."""
        self._go_on(self._rolled, page, snapshot)

    def _go_on(self, runs: list[_FollowedRun[_Page]], page: _Page, snapshot: StoreSnapshot) -> None:
        if not runs or runs[-1].page is not page or runs[-1].wanted is not self.wanted:
            runs.append(_FollowedRun(page, self.wanted))
        runs[-1].times.append(self.now)
        runs[-1].snapshots.append(snapshot)

    def blocks(self) -> Iterator[Block]:
        """Return what was kept since the last call; it is computed as it is taken.

        Another thread may take it while this one goes on, call after call in their order.
        """
        sent, self._sent = self._sent, {}
        followed, self._followed = self._followed, []
        rolled, self._rolled = self._rolled, []
        return self._computed(sent, followed, rolled)

    def forget(self) -> None:
        """Drop what was kept since the last call."""
        self._sent.clear()
        self._followed.clear()
        for run in self._rolled:
            run.page.pass_by(run.snapshots)
        self._rolled.clear()

    def _computed(
        self,
        sent: dict[str, dict[tuple[str, int], _SentRuns]],
        followed: Iterable[_FollowedRun[MetricsPage]],
        rolled: Iterable[_FollowedRun[RollupPage]],
    ) -> Iterator[Block]:
        before, self._known = self._known, {}
        for run in followed:
            at = np.array(run.times, np.int64)
            for head, columns in run.page.stacked(run.snapshots, run.wants):
                if columns is None:
                    yield from self._kept(sent.pop(head.name, {}), before)
                    continue
                for device, sent_column in zip(head.devices, columns, strict=True):
                    if sent_column.labels:
                        yield self._block(head, device, sent_column, at, before)
        for own in sent.values():
            yield from self._kept(own, before)
        for own_run in rolled:
            at = np.array(own_run.times, np.int64)
            for head, column in own_run.page.stacked(own_run.snapshots, own_run.wants):
                yield self._block(head, "site", column, at, before)

    def _kept(self, sent: Mapping[tuple[str, int], _SentRuns], before: _Known) -> Iterator[Block]:
        """Yield what was kept of a metric scrape by scrape."""
        for kept in sent.values():
            for run in kept.runs:
                column = SeriesColumn(run.labels, np.array(run.values), kept.whole)
                yield self._block(
                    kept.head, kept.device, column, np.array(run.at, np.int64), before
                )

    def _block(
        self,
        head: MetricHead,
        device: str,
        column: SeriesColumn,
        times: NDArray[np.int64],
        before: _Known,
    ) -> Block:
        values = column.values
        if column.whole:
            # What was computed for this call is rounded in place.
            values = np.rint(values, out=values if values.flags.writeable else None)
        return Block(head, device, self._placed(column.labels, before), column.whole, times, values)

    def _placed(
        self,
        labels: Sequence[bytes],
        before: _Known,
    ) -> list[bytes]:
        """Return label blocks with those of the target that they do not have themselves."""
        known = self._known.get(id(labels)) or before.get(id(labels))
        if known is None or known[0] is not labels:
            known = labels, [_with_target(block, self.target) for block in labels]
        self._known[id(labels)] = known
        return known[1]


def _with_target(block: bytes, target: Mapping[str, str]) -> bytes:
    """Return a label block with the labels of its target that it lacks, as Prometheus adds them."""
    own = labels_of_block(block)
    more = {name: value for name, value in target.items() if name not in own}
    if not more:
        return block
    added = label_block(tuple(more.items()))
    return added if not own else block.rstrip()[:-1] + b"," + added[1:]
