"""What is exposed at each detail, as it was foretold."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from twin.aggregator import Core, label_blocks
from twin.aggregator.exposition import MetricsPage
from twin.catalog import (
    CDU,
    GPU,
    LEAF,
    MEGAPACK,
    NIC,
    PDU,
    PORT,
    Detail,
    DeviceClass,
    Labels,
    Names,
    Signal,
    UnitKind,
)
from twin.plant import Conditions, Plant
from twin.site import DetailPlan, Layout, count_series, parse_site, series_copies
from twin.wire import Outputs

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

SITES = {
    "short": """
        {name: short, racks: 3, racks_per_array: 2, servers_per_rack: 2,
         server: {gpus: 2, nics: 3}, megapacks: {count: 2}, gensets: {count: 1}}""",
    "plain": """
        {name: plain, racks: 7, racks_per_array: 3, halls: 2, servers_per_rack: 1,
         telemetry: {extra_signals: false}}""",
    "chips": "{name: chips, racks: 3, racks_per_array: 2, gpu: trainium2, servers_per_rack: 2}",
    "jobs": """
        {name: jobs, racks: 5, racks_per_array: 2, servers_per_rack: 1,
         jobs: [{name: one, racks: 2}, {name: two, racks: 1, workload: idle}]}""",
    "parts": """
        {name: parts, racks: 5, racks_per_array: 2, servers_per_rack: 1,
         telemetry: {mig: "all-1g.10gb, a002=off, a003=3g.40gb+2g.20gb+2g.20gb"}}""",
}
SETTINGS = ("site", "rack", "gpu", "rack,a001=gpu,a002=site")


def _running(text: str, new_feed: type[Feed], *settings: str) -> Feed:
    """Return a core of a site whose healthy plant has reported once."""
    layout = Layout(parse_site(text, "test"))
    plant = Plant(layout)
    plant.step(1.0, Conditions.healthy(layout))
    feed = new_feed(
        Core(layout, DetailPlan.of_site(layout.site).changed(settings)), plant.outputs()
    )
    feed.site()
    return feed


def _lines(feed: Feed, *, openmetrics: bool) -> list[bytes]:
    """Return the series of all pages that are not the aggregator's own."""
    arrays = range(feed.layout.site.arrays)
    pages = [feed.core.metrics(openmetrics=openmetrics)]
    pages += [feed.core.array(array, openmetrics=openmetrics) for array in arrays]
    lines = [line for page in pages for line in bytes(page).splitlines()]
    return [line for line in lines if not line.startswith((b"#", b"twin_"))]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("site", SITES)
def test_series_are_as_many_as_foretold(new_feed: type[Feed], site: str, settings: str) -> None:
    """Of a site that is whole, the arithmetic, the summary and the pages agree exactly."""
    feed = _running(SITES[site], new_feed, settings)
    foretold = count_series(feed.layout, feed.core.plan)
    for openmetrics in (False, True):
        lines = _lines(feed, openmetrics=openmetrics)
        assert len(lines) == len(set(lines)) == foretold
    assert feed.core.summary().series == foretold


def _metrics(lines: list[str]) -> set[str]:
    return {line.split("{")[0] for line in lines}


def test_rack_detail_has_a_few_devices_of_each_rack(feed: Feed) -> None:
    """Coolant units, PDUs and leaf switches stay; GPUs, NICs, servers and ports do not."""
    feed.site()
    feed.detail("rack")
    metrics = _metrics(feed.lines(0))
    assert {CDU["flow"].metric, PDU["power"].metric, LEAF["power"].metric} <= metrics
    assert not {GPU["gpu_temp"].metric, NIC["up"].metric, PORT["oper_status"].metric} & metrics
    assert "ipmi_power_watts" not in metrics
    assert {"rack_gpu_power_watts", "array_gpu_power_watts"} <= _metrics(feed.lines())


def test_site_detail_has_nothing_of_the_array(feed: Feed) -> None:
    """Such an array counts in the site's roll-ups and in its hall's, and nowhere else."""
    feed.site()
    feed.detail("a001=site")
    assert feed.lines(0) == []
    lines = [line for line in feed.lines() if not line.startswith("twin_")]
    assert not [line for line in lines if 'array="a001"' in line]
    assert 'site_gpus_reporting{site="small"} 12' in lines
    assert 'hall_gpus_reporting{site="small",hall="h1"} 12' in lines
    assert [line for line in lines if line.startswith("rack_gpus_reporting{")] == [
        'rack_gpus_reporting{site="small",hall="h1",array="a002",rack="r0003"} 4'
    ]
    assert MEGAPACK["power"].metric in _metrics(lines)


def test_units_are_told_of_at_every_detail(feed: Feed) -> None:
    """Whether a rack reports is the aggregator's own, so alerts on it never go blind."""
    feed.site()
    feed.detail("site")
    racks = [line for line in feed.lines() if line.startswith('twin_unit_reporting{kind="rack"')]
    assert len(racks) == 3


def test_detail_comes_back(feed: Feed) -> None:
    """After a while at another detail, an array exposes what it did before."""
    feed.site()
    before = feed.lines(0)
    feed.detail("a001=rack")
    assert len(feed.lines(0)) < len(before)
    feed.detail("a001=gpu")
    assert feed.lines(0) == before


def test_summary_tells_the_detail(feed: Feed) -> None:
    """Each array says how much of it is exposed."""
    feed.detail("a002=rack")
    assert [array.detail for array in feed.core.summary().arrays] == ["gpu", "rack"]


def test_pages_of_arrays_are_dropped(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lowering the detail gives back the memory of the labels; other arrays keep theirs."""
    made: list[weakref.ref[MetricsPage]] = []
    monkeypatch.setattr("twin.aggregator.metrics_pages.array_page", _remembering(made))
    feed.site()
    feed.lines(0)
    feed.lines(1)
    feed.detail("a001=rack")
    gc.collect()
    assert [page() is None for page in made] == [True, False]


def _remembering(made: list[weakref.ref[MetricsPage]]) -> Callable[..., MetricsPage]:
    from twin.aggregator.exposition import array_page  # noqa: PLC0415 - before it is replaced

    def make(*arguments: object) -> MetricsPage:
        page = array_page(*arguments)  # type: ignore[arg-type]  # passed on as they come
        made.append(weakref.ref(page))
        return page

    return make


def test_pages_are_made_when_asked_for(
    layout: Layout,
    outputs: Callable[[Layout], Outputs],
    new_feed: type[Feed],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither frames nor the site's page nor a page of racks make labels of single GPUs."""
    devices: set[str] = set()

    def noted(
        layout: Layout, signal: Signal, device: DeviceClass, unit: int, index: int, names: Names
    ) -> tuple[Labels, ...]:
        devices.add(device.name)
        return series_copies(layout, signal, device, unit, index, names)

    monkeypatch.setattr(label_blocks, "series_copies", noted)
    plan = DetailPlan.of(layout.site.arrays, Detail.RACK)
    feed = new_feed(Core(layout, plan), outputs(layout))
    feed.site()
    feed.lines()
    feed.lines(0)
    feed.core.summary()
    assert "cdu" in devices
    assert not devices & {"gpu", "nic", "server", "psu", "port"}


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_series_are_counted_as_units_come_and_go(feed: Feed, share: float) -> None:
    """The count is kept unit by unit and stays that of the lines, whatever falls silent."""
    feed.detail("rack", "a001=gpu")
    feed.site()
    feed.core.summary()
    feed.wait(4.0)
    if share < 1.0:
        feed.frame(UnitKind.RACK, 1, ts=2.0, seq=2)
        feed.frame(UnitKind.GRID, 0, ts=2.0, seq=2)
    feed.wait(4.0)
    assert feed.core.summary().series == len(_lines(feed, openmetrics=False))
