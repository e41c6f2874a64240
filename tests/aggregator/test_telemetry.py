"""The aggregator's own metrics are what the table says."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from tests.aggregator.test_shadow_reports import report, telling
from twin.aggregator import Core
from twin.aggregator.telemetry import REASONS
from twin.catalog import OWN_METRICS
from twin.site import Layout
from twin.wire import ActiveFault, Faults

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed


def _busy(feed: Feed) -> str:
    """Return ``/metrics`` of a core in which everything happened once."""
    feed.clock()
    feed.status(emulator="shard-0", shard="0/2")
    feed.core.telemetry.scraped("metrics", 0.01, 5)
    fault = ActiveFault(id="f1", fault="pump-failure", target="r0001/pump1", since=1.0, until=None)
    feed.send("twin/v1/small/faults", Faults(active=(fault,)).encode())
    feed.frame(next(iter(feed.core.store.units)), 0)
    feed.send("twin/v1/small/shadow/a001", report().encode())
    feed.send("twin/v1/small/shadow/a002", telling((1.0,)).encode())
    return bytes(feed.core.metrics()).decode()


def test_table_is_complete(feed: Feed) -> None:
    """Every ``twin_`` metric that is exposed stands in the table, with type and help."""
    text = _busy(feed)
    exposed = set(re.findall(r"^# TYPE (twin_\S+) (\S+)$", text, re.MULTILINE))
    assert exposed == {(metric.name, metric.kind) for metric in OWN_METRICS}
    helps = dict(re.findall(r"^# HELP (twin_\S+) (.*)$", text, re.MULTILINE))
    assert helps == {metric.name: metric.help for metric in OWN_METRICS}


def test_table_names_the_labels(feed: Feed) -> None:
    """The label names of the table are those of the series, without place and bucket."""
    place = {"site", "hall", "array", "rack", "host"}
    labels = {
        family.name: {name for sample in family.samples for name in sample.labels}
        for family in text_string_to_metric_families(_busy(feed))
    }
    for metric in OWN_METRICS:
        found = labels[metric.name.removesuffix("_total")] - {*place, "le"}
        assert found == set(metric.labels) - place, metric.name


def test_names_follow_the_rules() -> None:
    """Own metrics have the prefix, and counters alone end in ``_total``."""
    for metric in OWN_METRICS:
        assert metric.name.startswith("twin_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert len({metric.name for metric in OWN_METRICS}) == len(OWN_METRICS)


def test_counters_start_at_zero(feed: Feed) -> None:
    """Every reason is exposed before it first happens, so that rate() sees the first."""
    lines = feed.lines()
    for reason in REASONS:
        assert f'twin_messages_refused_total{{reason="{reason}"}} 0.0' in lines


def test_no_created_series(feed: Feed) -> None:
    """``_created`` has no place in this text format and is left out."""
    assert "_created" not in _busy(feed)


def test_registry_is_private(layout: Layout) -> None:
    """Two cores live side by side, and the global registry knows neither."""
    Core(layout)
    Core(layout)
    assert not [m.name for m in REGISTRY.collect() if m.name.startswith("twin_")]


def test_lag_tells_whether_a_second_was_kept(feed: Feed) -> None:
    """The buckets are close enough around a second to read a 99th percentile off them."""
    bounds = [
        float(sample.labels["le"])
        for metric in text_string_to_metric_families(feed.core.telemetry.render().decode())
        for sample in metric.samples
        if sample.name == "twin_ingest_lag_seconds_bucket"
    ]
    assert 1.0 in bounds
    near = [bound for bound in bounds if 0.5 <= bound <= 1.25]
    assert max(b - a for a, b in pairwise(near)) <= 0.25


def test_lag_is_observed(feed: Feed) -> None:
    """The histogram has each frame's lag, as soon as a clock was announced."""
    feed.frame(next(iter(feed.core.store.units)), 0, ts=1.0)
    feed.clock(simulated=1.0)
    feed.now += 0.75
    feed.frame(next(iter(feed.core.store.units)), 0, ts=1.5, seq=2)
    lines = feed.lines()
    assert "twin_ingest_lag_seconds_count 1.0" in lines
    assert "twin_ingest_lag_seconds_sum 0.25" in lines
    assert feed.core.summary().lag_seconds == 0.25
