"""The aggregator's own metrics: one table, and the few that are counted as things happen.

The site's series never pass through here; prometheus_client is too slow for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import RestrictedRegistry

from twin import __version__
from twin.aggregator.text import OPENMETRICS_END, Head, head

__all__ = ["OWN_METRICS", "REASONS", "OwnMetric", "Telemetry"]


@dataclass(frozen=True, slots=True)
class OwnMetric:
    """One metric that the aggregator makes itself.

    Attributes:
        name: metric name.
        kind: Prometheus type.
        help: help text.
        labels: label names; those of a unit are followed by its place.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    @property
    def head(self) -> Head:
        """What stands before its series."""
        return head(self.name, self.kind, self.help)


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
)
"""Why a message is refused."""

HTTP_REASONS = ("unauthorized", "busy", "connections", "slow_request", "slow_reader")
"""Why an HTTP request is refused or cut off."""

FRAMES_INGESTED = OwnMetric(
    "twin_frames_ingested_total", "counter", "Frames taken over.", ("kind",)
)
FRAMES_LOST = OwnMetric(
    "twin_frames_lost_total",
    "counter",
    "Frames that never came, by gaps in the running numbers.",
    ("kind",),
)
MESSAGES_REFUSED = OwnMetric(
    "twin_messages_refused_total", "counter", "Messages that were dropped.", ("reason",)
)
_UNIT_RESTARTS = OwnMetric(
    "twin_unit_restarts_total", "counter", "Units that began to count anew.", ("kind",)
)
_INGEST_LAG = OwnMetric(
    "twin_ingest_lag_seconds",
    "histogram",
    "Time between the moment a frame describes and the one from which its values are exposed.",
)
_SCRAPE_DURATION = OwnMetric(
    "twin_http_scrape_duration_seconds",
    "histogram",
    "Time to render an answer, without sending it.",
    ("endpoint",),
)
_SCRAPE_SERIES = OwnMetric(
    "twin_http_scrape_series_total", "counter", "Series rendered.", ("endpoint",)
)
HTTP_REFUSED = OwnMetric(
    "twin_http_refused_total",
    "counter",
    "Requests that were refused or cut off: without the token, more than can be answered, or "
    "from a client that is too slow.",
    ("reason",),
)
_BROKER_CONNECTED = OwnMetric(
    "twin_broker_connected", "gauge", "1 while the connection to the broker stands."
)
_BUS_DROPPED = OwnMetric(
    "twin_bus_messages_dropped_total",
    "counter",
    "Messages thrown away unread because they came faster than they could be taken over.",
)
_BUS_WAITING = OwnMetric(
    "twin_bus_messages_waiting", "gauge", "Messages that came in and were not taken over yet."
)
_BUILD_INFO = OwnMetric("twin_build_info", "gauge", "Always 1; the label tells.", ("version",))

SIMULATION_TIME = OwnMetric(
    "twin_simulation_time_seconds", "gauge", "Simulated time of the newest frame, unix seconds."
)
UNIT_REPORTING = OwnMetric(
    "twin_unit_reporting", "gauge", "1 while the unit reports, 0 otherwise.", ("kind", "unit")
)
UNIT_MISSING = OwnMetric(
    "twin_unit_missing",
    "gauge",
    "1 while the unit does not report; the reason says why.",
    ("kind", "unit", "reason"),
)
UNIT_LAST_FRAME = OwnMetric(
    "twin_unit_last_frame_timestamp_seconds",
    "gauge",
    "Simulated time of the unit's last frame, unix seconds.",
    ("kind", "unit"),
)
EMULATOR_UP = OwnMetric(
    "twin_emulator_up",
    "gauge",
    "1 while the emulator says that it is online. Of a site in shards, part says which it has: "
    "0/3, or facility.",
    ("emulator", "part"),
)
EMULATOR_TICKS = OwnMetric("twin_emulator_ticks_total", "counter", "Ticks done.", ("emulator",))
EMULATOR_LATE_TICKS = OwnMetric(
    "twin_emulator_late_ticks_total", "counter", "Ticks that began late.", ("emulator",)
)
EMULATOR_FRAMES = OwnMetric(
    "twin_emulator_frames_total", "counter", "Frames published.", ("emulator",)
)
EMULATOR_UNSENT = OwnMetric(
    "twin_emulator_frames_unsent_total",
    "counter",
    "Frames that could not be published: because the broker was away, or because it did not "
    "take those before them in time.",
    ("emulator", "reason"),
)
EMULATOR_QUEUED = OwnMetric(
    "twin_emulator_frames_queued",
    "gauge",
    "Frames that were due and that the broker had not taken yet.",
    ("emulator",),
)
EMULATOR_BLOCKED = OwnMetric(
    "twin_emulator_blocked_seconds_total",
    "counter",
    "Time that frames waited for the broker to take those before them.",
    ("emulator",),
)
EMULATOR_RESTARTS = OwnMetric(
    "twin_emulator_clock_restarts_total",
    "counter",
    "Times the clock began anew because the ticks were hopelessly late.",
    ("emulator",),
)
EMULATOR_INTERVAL = OwnMetric(
    "twin_emulator_interval_seconds",
    "gauge",
    "Simulated time between two frames of a unit.",
    ("emulator",),
)
EMULATOR_SLOWDOWN = OwnMetric(
    "twin_emulator_slowdown_ratio",
    "gauge",
    "The interval as a multiple of what was set; above 1 only when told to slow down.",
    ("emulator",),
)
EMULATOR_FEEDBACK_AGE = OwnMetric(
    "twin_emulator_feedback_age_seconds",
    "gauge",
    "Time since the facility's last feedback reached a shard of the halls. Much more than the "
    "interval: it goes on by itself.",
    ("emulator",),
)
EMULATOR_RACKS_ASSUMED = OwnMetric(
    "twin_emulator_racks_assumed",
    "gauge",
    "Racks whose shard told the facility nothing in the last tick, so that it took what it knew.",
    ("emulator",),
)
ROLLUP_SHARDS = OwnMetric(
    "twin_rollup_shards",
    "gauge",
    "Aggregators whose part is in the roll-ups of the halls and the site, with this one; 0 where "
    "another one takes them.",
)
ROLLUP_SHARDS_EXPECTED = OwnMetric(
    "twin_rollup_shards_expected",
    "gauge",
    "Aggregators that share the arrays, whose parts belong into the roll-ups of the halls and the "
    "site; 0 where another one takes them.",
)
FAULT_ACTIVE = OwnMetric(
    "twin_fault_active", "gauge", "1 for each fault in force.", ("fault", "target", "id")
)

OWN_METRICS = (
    FRAMES_INGESTED,
    FRAMES_LOST,
    MESSAGES_REFUSED,
    _UNIT_RESTARTS,
    _INGEST_LAG,
    _SCRAPE_DURATION,
    _SCRAPE_SERIES,
    HTTP_REFUSED,
    _BROKER_CONNECTED,
    _BUS_DROPPED,
    _BUS_WAITING,
    _BUILD_INFO,
    SIMULATION_TIME,
    UNIT_REPORTING,
    UNIT_MISSING,
    UNIT_LAST_FRAME,
    EMULATOR_UP,
    EMULATOR_TICKS,
    EMULATOR_LATE_TICKS,
    EMULATOR_FRAMES,
    EMULATOR_UNSENT,
    EMULATOR_QUEUED,
    EMULATOR_BLOCKED,
    EMULATOR_RESTARTS,
    EMULATOR_INTERVAL,
    EMULATOR_SLOWDOWN,
    EMULATOR_FEEDBACK_AGE,
    EMULATOR_RACKS_ASSUMED,
    ROLLUP_SHARDS,
    ROLLUP_SHARDS_EXPECTED,
    FAULT_ACTIVE,
)
"""Every metric that the aggregator makes itself."""

_LAG_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
                1.25, 1.5, 2.0, 2.5, 5.0, 10.0, 30.0)  # fmt: skip
"""Close around a second: frames are spread over a part of the interval, which is one."""
_SCRAPE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Telemetry:
    """What is counted as things happen, in a registry of its own."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._registry = CollectorRegistry()
        kinds = tuple(kinds)
        self.ingested = self._counters(FRAMES_INGESTED, kinds)
        self.lost = self._counters(FRAMES_LOST, kinds)
        self.restarts = self._counters(_UNIT_RESTARTS, kinds)
        self.refused = self._counters(MESSAGES_REFUSED, REASONS)
        self.http_refused = self._counters(HTTP_REFUSED, HTTP_REASONS)
        self.lag = Histogram(
            _INGEST_LAG.name, _INGEST_LAG.help, buckets=_LAG_BUCKETS, registry=self._registry
        )
        self._scrape_seconds = Histogram(
            _SCRAPE_DURATION.name,
            _SCRAPE_DURATION.help,
            _SCRAPE_DURATION.labels,
            buckets=_SCRAPE_BUCKETS,
            registry=self._registry,
        )
        self._scrape_series = Counter(
            _SCRAPE_SERIES.name,
            _SCRAPE_SERIES.help,
            _SCRAPE_SERIES.labels,
            registry=self._registry,
        )
        self.dropped = Counter(_BUS_DROPPED.name, _BUS_DROPPED.help, registry=self._registry)
        self._waiting = Gauge(_BUS_WAITING.name, _BUS_WAITING.help, registry=self._registry)
        self._connected = Gauge(
            _BROKER_CONNECTED.name, _BROKER_CONNECTED.help, registry=self._registry
        )
        self.connected = False
        self._rollup_shards = Gauge(ROLLUP_SHARDS.name, ROLLUP_SHARDS.help, registry=self._registry)
        expected = ROLLUP_SHARDS_EXPECTED
        self._rollup_expected = Gauge(expected.name, expected.help, registry=self._registry)
        self.rolled_up(1, 1)
        build = Gauge(
            _BUILD_INFO.name, _BUILD_INFO.help, _BUILD_INFO.labels, registry=self._registry
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
        registry = _WithoutCreated(self._registry)
        if openmetrics:
            text: bytes = openmetrics_exposition.generate_latest(registry)  # type: ignore[no-untyped-call]  # prometheus_client has no types there
            return text.removesuffix(OPENMETRICS_END)
        return generate_latest(registry)

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


class _WithoutCreated:
    """A registry without the ``_created`` samples, which the text format has no type for."""

    def __init__(self, registry: CollectorRegistry | RestrictedRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric
