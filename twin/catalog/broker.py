"""Mosquitto's figures of itself: the topics of ``$SYS`` under the names of mosquitto-exporter.

Names, types and help follow ``main.go`` of sapcc/mosquitto-exporter e097dec: a name is its topic
with underscores, the help is the topic, and most is a gauge. The topics are those of Mosquitto
2.0, ``man mosquitto``; what the exporter leaves out is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twin.catalog.model import MetricType
from twin.catalog.schedulers.model import StateExporter, StateMetric

__all__ = ["BROKER_TOPICS", "MOSQUITTO"]

_COUNTERS = (
    "bytes/received", "bytes/sent", "clients/maximum", "clients/total", "messages/received",
    "messages/sent", "publish/bytes/received", "publish/bytes/sent", "publish/messages/dropped",
    "publish/messages/received", "publish/messages/sent", "uptime",
)  # fmt: skip
"""What the exporter calls a counter, ``clients/maximum`` and ``clients/total`` too."""
_GAUGES = (
    "clients/connected", "clients/disconnected", "clients/expired", "connections/connected",
    "heap/current", "heap/maximum", "messages/inflight", "messages/stored",
    "retained messages/count", "shared_subscriptions/count", "store/messages/bytes",
    "store/messages/count", "subscriptions/count",
)  # fmt: skip
_LOADS = (
    "bytes/received", "bytes/sent", "connections", "messages/received", "messages/sent",
    "publish/dropped", "publish/received", "publish/sent", "sockets",
)  # fmt: skip
"""Means a minute, each over 1, 5 and 15 minutes."""


def _metric(path: str, kind: MetricType) -> StateMetric:
    topic = f"$SYS/broker/{path}"
    name = topic.removeprefix("$SYS/").replace("/", "_").replace(" ", "_")
    return StateMetric(name, topic, "broker", kind=kind)


MOSQUITTO = StateExporter(
    key="broker",
    title="mosquitto-exporter",
    job="mosquitto-exporter",
    instance="mosquitto-exporter:9234",
    source="sapcc/mosquitto-exporter e097dec, main.go",
    present=lambda _: True,
    metrics=(
        *(_metric(path, MetricType.COUNTER) for path in _COUNTERS),
        *(_metric(path, MetricType.GAUGE) for path in _GAUGES),
        *(
            _metric(f"load/{path}/{minutes}min", MetricType.GAUGE)
            for path in _LOADS
            for minutes in (1, 5, 15)
        ),
    ),
)

BROKER_TOPICS: Mapping[str, StateMetric] = MappingProxyType(
    {metric.help: metric for metric in MOSQUITTO.metrics}
)
"""The metric of each topic."""
