"""What Prometheus is told to scrape."""

from __future__ import annotations

from twin.aggregator.discovery import target_groups
from twin.aggregator.division import Addresses
from twin.site import Layout


def test_one_target_an_array_and_the_aggregator(layout: Layout) -> None:
    """Every page with series is a target, once."""
    groups = target_groups(layout, Addresses("twin:9400"), layout.detail)
    assert [group["labels"]["__metrics_path__"] for group in groups] == [
        "/metrics",
        "/arrays/a001/metrics",
        "/arrays/a002/metrics",
    ]
    assert all(group["targets"] == ["twin:9400"] for group in groups)


def test_an_array_of_site_detail_is_no_target(layout: Layout) -> None:
    """Where nothing would be found, Prometheus is not sent; with the racks' detail it is."""
    plan = layout.detail.changed(["a001=site", "a002=rack"])
    groups = target_groups(layout, Addresses("twin:9400"), plan)
    assert [group["labels"]["__metrics_path__"] for group in groups] == [
        "/metrics",
        "/arrays/a002/metrics",
    ]


def test_targets_say_where_they_are(layout: Layout) -> None:
    """Prometheus's own series of an array carry the labels of its racks."""
    own, first, _ = target_groups(layout, Addresses("twin:9400"), layout.detail)
    assert own["labels"] == {"__metrics_path__": "/metrics", "job": "twin", "site": "small"}
    labels = first["labels"].copy()
    del labels["__metrics_path__"]
    assert labels == {"job": "twin-array", "site": "small", "hall": "h1", "array": "a001"}
