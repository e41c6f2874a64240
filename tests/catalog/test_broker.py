"""Mosquitto's figures under the names of mosquitto-exporter."""

from __future__ import annotations

from twin.catalog import MetricType
from twin.catalog.broker import BROKER_TOPICS, MOSQUITTO


def test_names_are_those_of_the_exporter() -> None:
    """A name is its topic with underscores, and the help is the topic itself."""
    names = {topic: metric.name for topic, metric in BROKER_TOPICS.items()}
    assert names["$SYS/broker/clients/connected"] == "broker_clients_connected"
    assert names["$SYS/broker/retained messages/count"] == "broker_retained_messages_count"
    assert names["$SYS/broker/load/publish/dropped/15min"] == "broker_load_publish_dropped_15min"
    assert all(metric.help == topic for topic, metric in BROKER_TOPICS.items())


def test_types_are_those_of_the_exporter() -> None:
    """Its twelve counters are counters, the two of clients too, and all else is a gauge."""
    counters = {metric.name for metric in MOSQUITTO.metrics if metric.kind is MetricType.COUNTER}
    assert len(counters) == 12
    assert {"broker_clients_maximum", "broker_clients_total", "broker_uptime"} <= counters
    assert MOSQUITTO["broker_messages_stored"].kind is MetricType.GAUGE


def test_what_the_exporter_leaves_out_is_left_out() -> None:
    """Version, build time and the deprecated counts of clients are no metrics."""
    for path in ("timestamp", "version", "clients/active", "clients/inactive"):
        assert f"$SYS/broker/{path}" not in BROKER_TOPICS
