"""The aggregator's own metrics that are counted as things happen; the table is the catalogue's.

The site's series never pass through here; prometheus_client is too slow for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import RestrictedRegistry

from twin import __version__
from twin.aggregator.bulk_histogram import BulkHistogram
from twin.aggregator.text_format import OPENMETRICS_END
from twin.catalog import OwnMetric, own

__all__ = ["REASONS", "OwnTelemetry", "rendered"]

REASONS = (
    "foreign",
    "oversized",
    "malformed",
    "version",
    "schema",
    "shape",
    "value",
    "stale",
    "duplicate",
    "unexpected",
)
"""Why a message is refused."""

HTTP_REASONS = (
    "unauthorized",
    "busy",
    "connections",
    "evicted",
    "handshake",
    "slow_request",
    "slow_reader",
)
"""Why an HTTP request is refused or cut off."""

_LAG_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
                1.25, 1.5, 2.0, 2.5, 5.0, 10.0, 30.0)  # fmt: skip
"""Close around a second: frames are spread over a part of the interval, which is one."""
_SCRAPE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class OwnTelemetry:
    """What is counted as things happen, in a registry of its own."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._registry = CollectorRegistry()
        kinds = tuple(kinds)
        self.ingested = self._counters(own.FRAMES_INGESTED, kinds)
        self.lost = self._counters(own.FRAMES_LOST, kinds)
        self.restarts = self._counters(own.UNIT_RESTARTS, kinds)
        self.refused = self._counters(own.MESSAGES_REFUSED, REASONS)
        self.http_refused = self._counters(own.HTTP_REFUSED, HTTP_REASONS)
        self.lag = BulkHistogram(own.INGEST_LAG, _LAG_BUCKETS, self._registry)
        self._scrape_seconds = Histogram(
            own.SCRAPE_DURATION.name,
            own.SCRAPE_DURATION.help,
            own.SCRAPE_DURATION.labels,
            buckets=_SCRAPE_BUCKETS,
            registry=self._registry,
        )
        self._scrape_series = Counter(
            own.SCRAPE_SERIES.name,
            own.SCRAPE_SERIES.help,
            own.SCRAPE_SERIES.labels,
            registry=self._registry,
        )
        self.dropped = Counter(own.BUS_DROPPED.name, own.BUS_DROPPED.help, registry=self._registry)
        self._waiting = Gauge(own.BUS_WAITING.name, own.BUS_WAITING.help, registry=self._registry)
        self._connected = Gauge(
            own.BROKER_CONNECTED.name, own.BROKER_CONNECTED.help, registry=self._registry
        )
        self.connected = False
        self._rollup_shards = Gauge(
            own.ROLLUP_SHARDS.name, own.ROLLUP_SHARDS.help, registry=self._registry
        )
        expected = own.ROLLUP_SHARDS_EXPECTED
        self._rollup_expected = Gauge(expected.name, expected.help, registry=self._registry)
        self.rolled_up(1, 1)
        build = Gauge(
            own.BUILD_INFO.name, own.BUILD_INFO.help, own.BUILD_INFO.labels, registry=self._registry
        )
        build.labels(version=__version__).set(1)

    @property
    def connected(self) -> bool:
        """Whether the connection to the broker stands."""
        return self._is_connected

    @connected.setter
    def connected(self, connected: bool) -> None:
        self._is_connected = connected
        self._connected.set(connected)

    def watch(self, waiting: Callable[[], float]) -> None:
        """Expose what ``waiting`` returns as the messages that were not taken over yet."""
        self._waiting.set_function(waiting)

    def rolled_up(self, shards: int, expected: int) -> None:
        """Expose how many aggregators the roll-ups of halls and the site are taken over.

        Args:
            shards: whose part is in them.
            expected: that share the arrays.
        """
        self._rollup_shards.set(shards)
        self._rollup_expected.set(expected)

    def scraped(self, endpoint: str, seconds: float, series: int) -> None:
        """Count an answer that was rendered."""
        self._scrape_seconds.labels(endpoint).observe(seconds)
        self._scrape_series.labels(endpoint).inc(series)

    def render(self, *, openmetrics: bool = False) -> bytes:
        """Return all of it in the text format, or as OpenMetrics without its end."""
        return rendered(self._registry, openmetrics=openmetrics)

    def samples(self, names: Iterable[str]) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Return the samples of these names: name, labels, value."""
        wanted = frozenset(names)
        for metric in _WithoutCreated(self._registry.restricted_registry(wanted)).collect():
            for sample in metric.samples:
                if sample.name in wanted:
                    yield sample.name, sample.labels, sample.value

    def tallies(self) -> dict[str, dict[str, int]]:
        """Return what was counted: by metric name, then by the value of its label, if any."""
        return {
            f"{metric.name}_total": {
                "".join(sample.labels.values()): int(sample.value) for sample in metric.samples
            }
            for metric in _WithoutCreated(self._registry).collect()
            if metric.type == "counter"
        }

    def _counters(self, metric: OwnMetric, values: Iterable[str]) -> dict[str, Counter]:
        """Return one counter a label value, so that each is exposed from the start."""
        counter = Counter(metric.name, metric.help, metric.labels, registry=self._registry)
        return {value: counter.labels(value) for value in values}


def rendered(registry: CollectorRegistry, *, openmetrics: bool = False) -> bytes:
    """Return the metrics of a registry in the text format, or as OpenMetrics without its end."""
    shown = _WithoutCreated(registry)
    if openmetrics:
        text: bytes = openmetrics_exposition.generate_latest(shown)  # type: ignore[no-untyped-call]  # prometheus_client has no types there
        return text.removesuffix(OPENMETRICS_END)
    return generate_latest(shown)


class _WithoutCreated:
    """A registry without the ``_created`` samples, which the text format has no type for."""

    def __init__(self, registry: CollectorRegistry | RestrictedRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric
