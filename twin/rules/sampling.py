"""Samples of a scenario: scrapes of the aggregator's own pages, kept as arrays.

A page writes its series into a :class:`Capture` exactly as it writes them into a text.
Only the metrics that a rule or a chart reads are kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.aggregator import Core, ExpositionWriter
from twin.aggregator.discovery import TargetGroup, target_groups
from twin.aggregator.scrape_runs import ScrapeRun, keep_scrape
from twin.aggregator.shard_assignment import Addresses
from twin.aggregator.text_format import MetricHead, SeriesColumn, label_block
from twin.catalog import DEVICES, OWN_METRICS, OwnMetric, UnitKind
from twin.catalog.schedulers import state_exporters_of
from twin.plant import Plant
from twin.rules.expression import Selector
from twin.rules.simulation import Simulation
from twin.scenario.loader import LoadedScenario
from twin.site import Layout

__all__ = ["MetricFamily", "Samples", "known_metrics", "labels_of_block", "sample"]

_ADDRESS = "aggregator:9400"
_PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_UP = "up"

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
_Page = Sequence[tuple[Any, MetricHead]]


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """All series of one metric.

    Attributes:
        labels: of each series, without the name.
        values: (series, scrapes), NaN where a scrape had no such series.
    """

    labels: Sequence[Mapping[str, str]]
    values: Values

    def chosen(self, selectors: Iterable[Selector]) -> MetricFamily:
        """Return the series that any of these selectors reads."""
        own = list(selectors)
        keep = [
            index
            for index, labels in enumerate(self.labels)
            if any(selector.selects(labels) for selector in own)
        ]
        return self._kept(keep)

    def having(self, label: str, values: Collection[str]) -> MetricFamily:
        """Return the series that have one of these values of a label."""
        return self._kept([i for i, own in enumerate(self.labels) if own.get(label) in values])

    def _kept(self, keep: list[int]) -> MetricFamily:
        return MetricFamily([self.labels[index] for index in keep], self.values[keep])


@dataclass(frozen=True, slots=True)
class Samples:
    """All that was scraped of a scenario.

    Attributes:
        interval: seconds between two scrapes.
        scrapes: how many there were; the first is at ``interval``.
        families: by metric name.
        before: by metric name what recorded series were at time 0, for rules that read their own
            last result; (series, 1).
    """

    interval: float
    scrapes: int
    families: Mapping[str, MetricFamily]
    before: Mapping[str, MetricFamily] = field(default_factory=dict)

    def series(
        self, selectors: Iterable[Selector], read: Mapping[Selector, Flags] | None = None
    ) -> Iterator[tuple[str, Mapping[str, str], Values]]:
        """Return the series that these selectors read: name, labels, values.

        Args:
            selectors: by which series are chosen.
            read: the scrapes that a selector reads, where it does not read all; what none
                reads is NaN.
        """
        read = read or {}
        for name, family in self.families.items():
            own = [selector for selector in selectors if selector.names((name,))]
            for labels, values in zip(family.labels, family.values, strict=True):
                chosen = [read.get(each) for each in own if each.selects(labels)]
                some = [flags for flags in chosen if flags is not None]
                if chosen and len(some) < len(chosen):
                    yield name, labels, values
                elif chosen:
                    yield name, labels, np.where(np.any(some, axis=0), values, np.nan)

    def only(self, label: str, values: Collection[str]) -> Samples:
        """Return the series that have one of these values of a label."""
        return replace(
            self,
            families={name: family.having(label, values) for name, family in self.families.items()},
        )

    def between(self, starts: Values, ends: Values) -> Flags:
        """Return which scrapes are in any of these spans, in seconds, their ends included."""
        at = (np.arange(self.scrapes) + 1) * self.interval
        edges = np.zeros(self.scrapes + 1, np.int64)
        np.add.at(edges, np.searchsorted(at, starts, "left"), 1)
        np.add.at(edges, np.searchsorted(at, ends, "right"), -1)
        flags: Flags = np.cumsum(edges)[:-1] > 0
        return flags


@dataclass(slots=True)
class Capture(ExpositionWriter):
    """A text that keeps the wanted series as arrays instead of printing them."""

    wanted: Collection[str] = ()
    target: Mapping[str, str] = field(default_factory=dict)
    index: int = 0
    runs: dict[tuple[str, object], list[ScrapeRun]] = field(default_factory=dict)
    _chosen: dict[int, tuple[_Page, _Page]] = field(default_factory=dict)

    def chosen(self, metrics: _Page) -> _Page:
        """Return those of a page's metrics that a rule or a chart reads, picked once."""
        kept = self._chosen.get(id(metrics))
        if kept is None or kept[0] is not metrics:
            kept = metrics, [own for own in metrics if own[1].name in self.wanted]
            self._chosen[id(metrics)] = kept
        return kept[1]

    def wants(self, name: str) -> bool:
        """Return whether a rule or a chart reads the series of that name."""
        return name in self.wanted

    def add(self, metric: MetricHead, columns: Iterable[SeriesColumn]) -> None:
        """Keep the values of this scrape."""
        if metric.name in self.wanted:
            for place, column in enumerate(columns):
                values = np.rint(column.values) if column.whole else column.values
                self._keep((metric.name, place), column.labels, values)

    def count(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """Keep one value of the aggregator's own counters."""
        block = label_block(tuple(labels.items()))
        self._keep((name, block), [block], np.array([value]))

    def _keep(self, key: tuple[str, object], labels: Sequence[bytes], values: Values) -> None:
        runs = self.runs.setdefault(key, [])
        keep_scrape(runs, labels, self.index, np.array(values, np.float64))

    def families(self, scrapes: int) -> dict[str, dict[bytes, Values]]:
        """Return the values of every series by metric name and label block."""
        families: dict[str, dict[bytes, Values]] = {}
        for (name, _), runs in self.runs.items():
            family = families.setdefault(name, {})
            for run in runs:
                block = np.array(run.values)
                for place, labels in enumerate(run.labels):
                    series = family.get(labels)
                    if series is None:
                        series = family[labels] = np.full(scrapes, np.nan)
                    series[run.at] = block[:, place]
        return families


def sample(loaded: LoadedScenario, wanted: Collection[str]) -> Samples:
    """Live through a scenario and return what Prometheus would have scraped.

    Args:
        loaded: the scenario.
        wanted: metric names that are read.
    """
    sampling = Sampling(loaded, wanted)
    sampling.advance()
    return sampling.samples()


class Sampling:
    """A scenario that is simulated and scraped.

    Args:
        loaded: the scenario.
        wanted: metric names that are read.
    """

    def __init__(self, loaded: LoadedScenario, wanted: Collection[str]) -> None:
        self._scenario = loaded.scenario
        self._simulation = Simulation(loaded)
        self._scraper = _Scraper(self._simulation.core, wanted)

    @property
    def second(self) -> int:
        """How far it is."""
        return self._simulation.second

    @property
    def plant(self) -> Plant:
        """What is simulated."""
        return self._simulation.emulator.plant

    def advance(self, until: float | None = None) -> None:
        """Go on to a second, or to the end of the scenario."""
        every = round(self._scenario.scrape)
        for second in self._simulation.run(every, until):
            self._scraper.scrape(second // every - 1, answered=self._simulation.scrapable)

    def follow(self, loaded: LoadedScenario) -> None:
        """Go on as another scenario, as :meth:`Simulation.follow` says."""
        self._scenario = loaded.scenario
        self._simulation.follow(loaded)

    def samples(self) -> Samples:
        """Return what Prometheus would have scraped, at the end of the scenario."""
        own = self._scenario
        scrapes = round(own.duration) // round(own.scrape)
        return Samples(own.scrape, scrapes, self._scraper.families(scrapes))


class _Scraper:
    """Prometheus's part: targets, their labels, and ``up``."""

    def __init__(self, core: Core, wanted: Collection[str]) -> None:
        self._core = core
        self._wanted = wanted
        pages = _names(core)
        self._counted = [
            name
            for metric in OWN_METRICS
            for name in _sample_names(metric)
            if name in wanted and name not in pages
        ]
        arrays = {
            core.layout.unit_name(UnitKind.ARRAY, array): array
            for array in range(core.layout.site.arrays)
        }
        self._targets = [
            (arrays.get(group["labels"].get("array", "")), _capture(group, wanted))
            for group in target_groups(core.layout, Addresses(_ADDRESS), core.plan)
        ]
        self._up: list[float] = []

    def scrape(self, index: int, *, answered: bool) -> None:
        """Take all that the aggregator exposes at this moment."""
        self._up.append(float(answered))
        if not answered:
            return
        for array, capture in self._targets:
            capture.index = index
            if array is None:
                self._core.exposure.write_site(capture)
                for name, labels, value in self._core.telemetry.samples(self._counted):
                    capture.count(name, labels, value)
            else:
                self._core.exposure.write_array(array, capture)

    def families(self, scrapes: int) -> dict[str, MetricFamily]:
        """Return all series with the labels that Prometheus gives them."""
        labels: dict[str, list[Mapping[str, str]]] = {}
        values: dict[str, list[Values]] = {}
        for _, capture in self._targets:
            for name, family in capture.families(scrapes).items():
                for block, series in family.items():
                    if np.isfinite(series).any():
                        own = {**capture.target, **labels_of_block(block)}
                        labels.setdefault(name, []).append(own)
                        values.setdefault(name, []).append(series)
            if _UP in self._wanted:
                labels.setdefault(_UP, []).append(capture.target)
                values.setdefault(_UP, []).append(np.array(self._up))
        return {name: MetricFamily(own, np.array(values[name])) for name, own in labels.items()}


def _capture(group: TargetGroup, wanted: Collection[str]) -> Capture:
    labels = {k: v for k, v in group["labels"].items() if not k.startswith("__")}
    return Capture(wanted=wanted, target={"instance": _ADDRESS, **labels})


def labels_of_block(block: bytes) -> dict[str, str]:
    """Return the labels of a block, unescaped."""
    pairs = dict(_PAIR.findall(block.decode()))
    if b"\\" not in block:
        return pairs
    return {
        name: re.sub(r"\\[\\\"n]", lambda match: _ESCAPES[match[0]], value)
        for name, value in pairs.items()
    }


def known_metrics(layout: Layout) -> frozenset[str]:
    """Return every metric name that the site exposes, and ``up``."""
    # With device classes from outside, the same site may expose other names at another time.
    return _known_metrics(layout) if DEVICES.is_extended else _known_shipped(layout)


def _known_metrics(layout: Layout) -> frozenset[str]:
    own = {name for metric in OWN_METRICS for name in _sample_names(metric)}
    exporters = state_exporters_of(layout.site)
    own |= {name for each in exporters for metric in each.metrics for name in metric.names}
    return frozenset(_names(Core(layout)) | own | {_UP})


_known_shipped = cache(_known_metrics)


def _names(core: Core) -> set[str]:
    """Return the names of all series that pages write."""
    names = _SeriesNames()
    core.exposure.write_site(names)
    for array in range(core.layout.site.arrays):
        core.exposure.write_array(array, names)
    return names.seen


def _sample_names(metric: OwnMetric) -> tuple[str, ...]:
    if metric.kind != "histogram":
        return (metric.name,)
    return tuple(f"{metric.name}_{suffix}" for suffix in ("bucket", "count", "sum"))


@dataclass(slots=True)
class _SeriesNames(ExpositionWriter):
    """A text that only learns which names there are."""

    seen: set[str] = field(default_factory=set)

    def wants(self, name: str) -> bool:
        """Take note of the name."""
        self.seen.add(name)
        return False

    def add(self, metric: MetricHead, columns: Iterable[SeriesColumn]) -> None:
        """Take note of the name."""
        del columns
        self.seen.add(metric.name)
