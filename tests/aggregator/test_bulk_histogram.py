"""Histogram of many equal observations: on the page as prometheus_client's own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

from twin.aggregator.bulk_histogram import BulkHistogram
from twin.aggregator.telemetry import rendered
from twin.catalog import own


def test_it_is_written_as_that_of_prometheus_client() -> None:
    """Values on, between and above the bounds give the same text in both formats."""
    bounds, metric = (0.25, 0.5, 10.0), own.INGEST_LAG
    mine, theirs = CollectorRegistry(), CollectorRegistry()
    bulk = BulkHistogram(metric, bounds, mine)
    usual = Histogram(metric.name, metric.help, buckets=bounds, registry=theirs)
    for openmetrics in (False, True):
        for value, times in ((0.25, 8), (0.375, 1), (0.0, 2), (12.0, 3)):
            bulk.observe(value, times)
            for _ in range(times):
                usual.observe(value)
        text = rendered(mine, openmetrics=openmetrics)
        assert text == rendered(theirs, openmetrics=openmetrics)
        assert b'le="0.25"' in text
