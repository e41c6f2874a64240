"""A metrics page that is kept as arrays instead of printed.

What devices send is kept scrape by scrape. What follows from it is computed for many scrapes
at once, when they are taken out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.derived_columns import DerivedColumns
from twin.aggregator.rollup_page import RollupPage
from twin.aggregator.scrape_runs import ScrapeRun, keep_scrape
from twin.aggregator.stacked_rollups import StoreSnapshot
from twin.aggregator.text_format import ExpositionWriter, MetricHead, SeriesColumn, label_block
from twin.catalog import DeviceValues
from twin.rules.sampling import labels_of_block

__all__ = ["Block", "PageReader"]


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
class _FollowedRun:
    """Scrapes from which derived families follow, by device class."""

    derived: DerivedColumns
    times: list[int] = field(default_factory=list)
    sent: dict[str, list[DeviceValues]] = field(default_factory=dict)


@dataclass(slots=True)
class _RolledRun:
    """Scrapes from which roll-ups follow, while the same of them are kept."""

    page: RollupPage
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
    _sent: dict[tuple[str, str, int], _SentRuns] = field(default_factory=dict)
    _followed: list[_FollowedRun] = field(default_factory=list)
    _rolled: list[_RolledRun] = field(default_factory=list)
    _known: dict[int, tuple[Sequence[bytes], list[bytes]]] = field(default_factory=dict)

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
            kept = self._sent.get((device, metric.name, place))
            if kept is None:
                kept = _SentRuns(metric, device, column.whole)
                self._sent[device, metric.name, place] = kept
            values = column.values
            if column.printed is None:  # a view, perhaps, of what the next frame overwrites
                values = np.array(values, np.float64)
            keep_scrape(kept.runs, column.labels, self.now, values)

    def follow(self, derived: DerivedColumns) -> None:
        """Keep what derived families follow from at this scrape."""
        if not self._followed or self._followed[-1].derived is not derived:
            self._followed.append(_FollowedRun(derived))
        run = self._followed[-1]
        run.times.append(self.now)
        for device in derived.devices:
            run.sent.setdefault(device.name, []).append(derived.snapshot(device))

    def follow_rollups(self, page: RollupPage, snapshot: StoreSnapshot) -> None:
        """Keep what roll-ups follow from at this scrape."""
        last = self._rolled[-1] if self._rolled else None
        if last is None or last.page is not page or last.wanted is not self.wanted:
            last = _RolledRun(page, self.wanted)
            self._rolled.append(last)
        last.times.append(self.now)
        last.snapshots.append(snapshot)

    def blocks(self) -> Iterator[Block]:
        """Yield what was kept since the last call."""
        sent, self._sent = self._sent, {}
        followed, self._followed = self._followed, []
        rolled, self._rolled = self._rolled, []
        before, self._known = self._known, {}
        for kept in sent.values():
            for run in kept.runs:
                values = np.array(run.values)
                if kept.whole:
                    np.rint(values, out=values)
                times = np.array(run.at, np.int64)
                labels = self._placed(run.labels, before)
                yield Block(kept.head, kept.device, labels, kept.whole, times, values)
        for each in followed:
            yield from self._computed(each, before)
        for own in rolled:
            at = np.array(own.times, np.int64)
            for head, column in own.page.stacked(own.snapshots, own.wants):
                values = np.rint(column.values) if column.whole else column.values
                labels = self._placed(column.labels, before)
                yield Block(head, "site", labels, column.whole, at, values)

    def forget(self) -> None:
        """Drop what was kept since the last call."""
        self._sent.clear()
        self._followed.clear()
        for run in self._rolled:
            run.page.pass_by(run.snapshots)
        self._rolled.clear()

    def _computed(
        self, run: _FollowedRun, before: Mapping[int, tuple[Sequence[bytes], list[bytes]]]
    ) -> Iterator[Block]:
        """Yield all derived families of a run of scrapes."""
        times = np.array(run.times, np.int64)
        together = {device: _together(sent) for device, sent in run.sent.items()}
        for head, device, family in run.derived.families:
            if not self.wants(head.name):
                continue
            labels = self._placed(run.derived.labels(device, family), before)
            whole = not family.decimals
            values = family.table(together[device.name]).reshape(len(times), -1)
            if whole:
                np.rint(values, out=values)
            yield Block(head, device.name, labels, whole, times, values)

    def _placed(
        self,
        labels: Sequence[bytes],
        before: Mapping[int, tuple[Sequence[bytes], list[bytes]]],
    ) -> list[bytes]:
        """Return label blocks with those of the target that they do not have themselves."""
        known = self._known.get(id(labels)) or before.get(id(labels))
        if known is None or known[0] is not labels:
            known = labels, [_with_target(block, self.target) for block in labels]
        self._known[id(labels)] = known
        return known[1]


def _together(sent: Sequence[DeviceValues]) -> DeviceValues:
    """Return the devices of all scrapes as if they were so many devices of one."""
    columns = {
        name: np.concatenate([own.columns[name] for own in sent]) for name in sent[0].columns
    }
    return DeviceValues(sent[0].site, np.concatenate([own.ts for own in sent]), columns)


def _with_target(block: bytes, target: Mapping[str, str]) -> bytes:
    """Return a label block with the labels of its target that it lacks, as Prometheus adds them."""
    own = labels_of_block(block)
    more = {name: value for name, value in target.items() if name not in own}
    if not more:
        return block
    added = label_block(tuple(more.items()))
    return added if not own else block.rstrip()[:-1] + b"," + added[1:]
