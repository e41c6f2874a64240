"""Exposition cost of a series: the twin beside prometheus_client, on the same data."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from twin.aggregator import Core
from twin.bench.clock import Budget, median_seconds
from twin.bench.data import filled_core, lived_in
from twin.site import Layout

__all__ = ["COLLECTOR", "GAUGES", "OURS", "Exposition", "measure_exposition"]

OURS = "pre-built labels, orjson (ours)"
COLLECTOR = "prometheus_client, custom collector"
GAUGES = "prometheus_client, labelled gauges"


@dataclass(frozen=True, slots=True)
class Exposition:
    """Cost of the page of an array, and of the site's.

    Attributes:
        series: series of the array.
        size_bytes: length of its page.
        array_ms: to write it once more, ms.
        first_ms: to write it for the first time, label blocks included, ms.
        held_bytes_per_series: memory that the label blocks keep.
        site_series: series of the site's page.
        site_ms: to write it after all units have reported anew, ms.
        us_per_series: by way, on the array's data.
    """

    series: int
    size_bytes: int
    array_ms: float
    first_ms: float
    held_bytes_per_series: float
    site_series: int
    site_ms: float
    us_per_series: dict[str, float]

    @property
    def ratio(self) -> float:
        """How many times as long the faster of prometheus_client's ways takes."""
        return min(self.us_per_series[COLLECTOR], self.us_per_series[GAUGES]) / self.ours

    @property
    def ours(self) -> float:
        """Microseconds a series in our way."""
        return self.us_per_series[OURS]


@dataclass(frozen=True)
class _ClientSamples:
    """One metric as prometheus_client wants it."""

    name: str
    help: str
    label_names: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], float], ...]


def measure_exposition(layout: Layout, budget: Budget) -> Exposition:
    """Return what it costs to expose the first array of a site."""
    outputs = lived_in(layout)
    core = filled_core(layout, outputs)
    # Tracing memory is slow, so it has a core of its own.
    held = _held(filled_core(layout, outputs))
    first = _first(filled_core(layout, outputs))
    text, site = core.array(0), core.metrics()
    samples = list(_samples(bytes(text).decode()))
    ways: dict[str, Callable[[], object]] = {
        OURS: lambda: core.array(0),
        COLLECTOR: _collector(samples),
        GAUGES: _gauges(samples),
    }
    # prometheus_client takes seconds for what takes us hundredths: one round of it is exact enough.
    long = Budget(budget.seconds, 1)
    cost = {
        name: median_seconds(way, budget if name == OURS else long) for name, way in ways.items()
    }
    return Exposition(
        series=text.series,
        size_bytes=text.size,
        array_ms=1e3 * cost[OURS],
        first_ms=1e3 * first,
        held_bytes_per_series=held / text.series,
        site_series=site.series,
        site_ms=1e3 * median_seconds(lambda: _anew(core), budget),
        us_per_series={name: 1e6 * seconds / text.series for name, seconds in cost.items()},
    )


def _first(core: Core) -> float:
    """Return the seconds of an array's first scrape."""
    started = time.thread_time()
    core.array(0)
    return time.thread_time() - started


def _held(core: Core) -> int:
    """Return the bytes that an array's first scrape leaves behind."""
    tracemalloc.start()
    core.array(0)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held


def _anew(core: Core) -> None:
    """Render the site's page as if every unit had just reported, so no roll-up is kept."""
    core.store.version += 1
    for units in core.store.units.values():
        units.changed[:] = core.store.version
    core.metrics()


def _samples(text: str) -> Iterator[_ClientSamples]:
    for family in text_string_to_metric_families(text):
        # Signals of one name may have different labels; prometheus_client wants them equal.
        names = tuple(dict.fromkeys(name for sample in family.samples for name in sample.labels))
        rows = tuple(
            (tuple(sample.labels.get(name, "") for name in names), float(sample.value))
            for sample in family.samples
        )
        yield _ClientSamples(family.samples[0].name, family.documentation, names, rows)


def _gauges(samples: list[_ClientSamples]) -> Callable[[], object]:
    registry = CollectorRegistry()
    gauges = [
        (Gauge(metric.name, metric.help, metric.label_names, registry=registry), metric.rows)
        for metric in samples
    ]

    def render() -> bytes:
        for gauge, rows in gauges:
            for labels, value in rows:
                gauge.labels(*labels).set(value)
        return generate_latest(registry)

    return render


def _collector(samples: list[_ClientSamples]) -> Callable[[], object]:
    class Collector:
        def collect(self) -> Iterator[Metric]:
            for metric in samples:
                family = GaugeMetricFamily(metric.name, metric.help, labels=metric.label_names)
                for labels, value in metric.rows:
                    family.add_metric(labels, value)
                yield family

    registry = CollectorRegistry()
    registry.register(Collector())
    return lambda: generate_latest(registry)
