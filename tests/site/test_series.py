"""The number of series that is foretold; that it comes true is proved with the aggregator."""

from __future__ import annotations

import pytest

from twin.catalog import PORT, Detail, UnitKind
from twin.site import (
    DetailPlan,
    Layout,
    count_series,
    load_site,
    parse_site,
    plan_within,
    series_by_detail,
    site_rollups,
)


@pytest.fixture(scope="module")
def colossus() -> Layout:
    """1,563 racks in 196 arrays, the last of three racks."""
    return Layout(load_site("colossus-100k"))


def test_series_grow_with_the_detail(colossus: Layout) -> None:
    """Each detail holds the one before; full detail of 100,032 GPUs is some millions."""
    series = series_by_detail(colossus)
    assert list(series) == ["site", "rack", "gpu"]
    assert series["site"] < series["rack"] < series["gpu"]
    assert series["site"] < 30_000
    assert 5_000_000 < series["gpu"] < 8_000_000


def test_series_are_those_of_the_arrays(colossus: Layout) -> None:
    """A plan costs what its arrays cost, each at its own detail."""
    arrays = colossus.site.arrays
    base = DetailPlan.of(arrays, Detail.SITE)
    alone = [
        count_series(colossus, base.changed([f"{colossus.unit_name(UnitKind.ARRAY, array)}=rack"]))
        for array in range(arrays)
    ]
    none = count_series(colossus, base)
    assert none + sum(series - none for series in alone) == series_by_detail(colossus)["rack"]


def test_ports_to_racks_that_are_not_there_are_not_counted() -> None:
    """A last array of one rack has the ports of one rack, and all uplinks."""
    full, short = (
        Layout(parse_site(f"{{name: x, racks: {racks}, telemetry: {{extra_signals: false}}}}", "x"))
        for racks in (16, 9)
    )
    plans = [
        DetailPlan.of_site(layout.site).changed(["site", "a002=gpu"]) for layout in (full, short)
    ]
    more, less = (
        count_series(layout, plan) - series_by_detail(layout)["site"]
        for layout, plan in zip((full, short), plans, strict=True)
    )
    site = full.site
    ports = sum(signal.series for signal in full.reported[PORT.name])
    of_a_rack = site.fabric.rails * site.servers_per_rack * ports
    one_rack = (more - less) / 7
    assert one_rack == int(one_rack)
    devices = [d for d in full.devices if d.frame.value == "rack"]
    own = sum(full.per_unit(d) * sum(s.series for s in full.reported[d.name]) for d in devices)
    rollups = sum(r.series for r, _, _ in site_rollups(full) if "rack" in r.levels)
    assert one_rack == own + rollups + of_a_rack


@pytest.mark.parametrize(
    ("name", "most", "plan"),
    [
        ("demo", 300_000, "gpu"),
        ("demo", 30_000, "rack"),
        ("demo", 0, "site"),
        ("colossus-100k", 300_000, "rack, a001=gpu"),
        ("colossus-100k", 100_000, "site, a001-a002=gpu"),
        ("colossus-1m", 1_000_000, "site, a001-a693=rack"),
        ("colossus-1m", 10_000_000, "rack"),
    ],
)
def test_a_plan_holds_what_it_may_and_no_more(name: str, most: int, plan: str) -> None:
    """The site's own detail, lowered as far as needed, and never raised."""
    layout = Layout(load_site(name))
    found = plan_within(layout, most)
    assert str(found) == plan
    least = count_series(layout, DetailPlan.of(layout.site.arrays, Detail.SITE))
    assert count_series(layout, found) <= max(most, least)
