"""What Prometheus is told to scrape."""

from __future__ import annotations

from twin.aggregator.discovery import target_groups
from twin.aggregator.shard_assignment import Addresses
from twin.catalog import Detail
from twin.site import DetailPlan, Layout, load_site


def test_one_target_an_array_and_the_aggregator(layout: Layout) -> None:
    """Every page with series is a target, once."""
    groups = target_groups(layout, Addresses("twin:9400"), DetailPlan.of_site(layout.site))
    assert [group["labels"]["__metrics_path__"] for group in groups] == [
        "/metrics",
        "/arrays/a001/metrics",
        "/arrays/a002/metrics",
    ]
    assert all(group["targets"] == ["twin:9400"] for group in groups)


def test_an_array_of_site_detail_is_no_target(layout: Layout) -> None:
    """Where nothing would be found, Prometheus is not sent; with the racks' detail it is."""
    plan = DetailPlan.of_site(layout.site).changed(["a001=site", "a002=rack"])
    groups = target_groups(layout, Addresses("twin:9400"), plan)
    assert [group["labels"]["__metrics_path__"] for group in groups] == [
        "/metrics",
        "/arrays/a002/metrics",
    ]


def test_targets_say_where_they_are(layout: Layout) -> None:
    """Prometheus's own series of an array carry the labels of its racks."""
    own, first, _ = target_groups(layout, Addresses("twin:9400"), DetailPlan.of_site(layout.site))
    assert own["labels"] == {"__metrics_path__": "/metrics", "job": "twin", "site": "small"}
    labels = first["labels"].copy()
    del labels["__metrics_path__"]
    assert labels == {"job": "twin-array", "site": "small", "hall": "h1", "array": "a001"}


def test_a_large_site_asks_to_be_scraped_less_often() -> None:
    """With the roll-ups of many racks the site's target has an interval of its own, else none."""
    layout = Layout(load_site("colossus-100k"))
    asked = {
        level: target_groups(
            layout, Addresses("twin:9400"), DetailPlan.of(layout.site.arrays, level)
        )[0]
        for level in Detail
    }
    assert "__scrape_interval__" not in asked[Detail.SITE]["labels"]
    for level in (Detail.RACK, Detail.GPU):
        labels = asked[level]["labels"]
        assert (labels["__scrape_interval__"], labels["__scrape_timeout__"]) == ("5s", "4s")
