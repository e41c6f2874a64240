"""Metrics of the Redfish service itself; the table is the catalogue's.

What the ingest and the server count they count for the aggregator too; here it has names of its
own.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from twin import __version__
from twin.aggregator.telemetry import OwnTelemetry, rendered
from twin.aggregator.text_format import OPENMETRICS_END
from twin.catalog import OwnMetric, own, own_redfish

__all__ = ["SERVICE", "RedfishTelemetry"]

SERVICE = "service"
"""Kind of a request that no BMC is asked for."""

_METHODS = frozenset({"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})
_OTHER = "other"
"""What any other method is counted as: a client could make up as many as it likes."""
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class RedfishTelemetry:
    """What is counted as requests are answered, and what is looked up when it is asked for.

    Args:
        bmcs: kind of each BMC.
        taken: counted by the ingest and by the server.
        newest: returns the simulated time of the newest frame, NaN without any.
        sessions: returns the open sessions by kind.
        subscriptions: returns the subscriptions by kind.
    """

    def __init__(
        self,
        bmcs: Iterable[str],
        taken: OwnTelemetry,
        newest: Callable[[], float],
        sessions: Callable[[], Mapping[str, int]],
        subscriptions: Callable[[], Mapping[str, int]],
    ) -> None:
        self.streams: Tally[str] = Tally()
        """Clients that listen to events, by kind."""
        self._registry = registry = CollectorRegistry()
        count = Tally(bmcs)
        served = _gauge(own_redfish.BMCS, registry)
        for kind, number in count.items():
            served.labels(kind).set(number)
        self._requests = _counter(own_redfish.BMC_REQUESTS, registry)
        unanswered = _counter(own_redfish.BMC_UNANSWERED, registry)
        self._unanswered = {kind: unanswered.labels(kind) for kind in count}
        deliveries = _counter(own_redfish.BMC_DELIVERIES, registry)
        self._deliveries = {own: deliveries.labels(own) for own in ("failed", "taken")}
        metric = own_redfish.BMC_DURATION
        self._seconds = Histogram(
            metric.name, metric.help, metric.labels, buckets=_BUCKETS, registry=registry
        )
        _gauge(own_redfish.BMC_BUILD_INFO, registry).labels(__version__).set(1)
        registry.register(_Asked(self, tuple(count), taken, newest, sessions, subscriptions))

    def answered(self, kind: str, method: str, code: int, seconds: float) -> None:
        """Count an answer, which took so long to make."""
        known = method if method in _METHODS else _OTHER
        self._requests.labels(kind, known, str(code)).inc()
        self._seconds.labels(kind).observe(seconds)

    def unanswered(self, kind: str) -> None:
        """Count a request to a silent BMC."""
        self._unanswered[kind].inc()

    def sent(self, *, taken: bool) -> None:
        """Count an attempt to send events to a destination."""
        self._deliveries["taken" if taken else "failed"].inc()

    def render(self, *, openmetrics: bool = False) -> bytes:
        """Return all of it in the text format, or as OpenMetrics."""
        text = rendered(self._registry, openmetrics=openmetrics)
        return text + OPENMETRICS_END if openmetrics else text


class _Asked:
    """What is looked up when a page is made."""

    def __init__(
        self,
        telemetry: RedfishTelemetry,
        kinds: tuple[str, ...],
        taken: OwnTelemetry,
        newest: Callable[[], float],
        sessions: Callable[[], Mapping[str, int]],
        subscriptions: Callable[[], Mapping[str, int]],
    ) -> None:
        self._telemetry = telemetry
        self._kinds = kinds
        self._taken = taken
        self._newest = newest
        self._sessions = sessions
        self._subscriptions = subscriptions

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        for metric, found in (
            (own_redfish.BMC_SESSIONS, self._sessions()),
            (own_redfish.BMC_SUBSCRIPTIONS, self._subscriptions()),
            (own_redfish.BMC_STREAMS, self._telemetry.streams),
        ):
            yield _gauges(metric, {kind: found.get(kind, 0) for kind in self._kinds})
        yield _gauges(own_redfish.BMC_CONNECTED, {"": float(self._taken.connected)})
        newest = self._newest()
        if math.isfinite(newest):
            yield _gauges(own_redfish.BMC_NEWEST, {"": newest})
        tallies = self._taken.tallies()
        for metric, source in _TAKEN:
            found = tallies[source.name]
            values = found if metric.labels else {"": sum(found.values())}
            family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
            for label, value in values.items():
                family.add_metric([label] * len(metric.labels), value)
            yield family


_TAKEN = (
    (own_redfish.BMC_FRAMES, own.FRAMES_INGESTED),
    (own_redfish.BMC_FRAMES_LOST, own.FRAMES_LOST),
    (own_redfish.BMC_DROPPED, own.BUS_DROPPED),
    (own_redfish.BMC_MESSAGES_REFUSED, own.MESSAGES_REFUSED),
    (own_redfish.BMC_CONNECTIONS_CUT, own.HTTP_REFUSED),
)
"""Metrics to those whose counts they have."""


def _gauges(metric: OwnMetric, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for label, value in values.items():
        family.add_metric([label] * len(metric.labels), value)
    return family


def _counter(metric: OwnMetric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def _gauge(metric: OwnMetric, registry: CollectorRegistry) -> Gauge:
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)
