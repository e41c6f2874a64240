"""Several editions of one exporter on one site, over the same frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)

from tests.aggregator.conftest import SMALL
from twin.aggregator import Core
from twin.catalog import GPU, Signal
from twin.catalog.editions import EDITIONS, edition
from twin.site import DetailPlan, Layout, count_series, exporting, parse_site
from twin.wire import Outputs

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

Series = dict[str, dict[str, float]]


@pytest.fixture
def fed(outputs: Callable[[Layout], Outputs], new_feed: type[Feed]) -> Callable[..., Feed]:
    """Return the small site with other editions, all of whose units have reported."""

    def make(*settings: str, counters: str = "") -> Feed:
        layout = Layout(exporting(parse_site(SMALL, "small"), settings, counters))
        feed = new_feed(Core(layout), outputs(layout))
        feed.outputs["gpu"]["gpu_util"][:] = 57.0
        feed.outputs["gpu"]["energy"][:] = 1_234_567_890.0
        feed.outputs["gpu"]["nvlink_bandwidth"][:] = 390_625.0
        feed.outputs["gpu"]["thermal_violation"][:] = 1_500_000_000.0
        feed.site()
        return feed

    return make


def _gpus(feed: Feed, array: int) -> Series:
    """Return the DCGM series of an array by UUID and name."""
    found: Series = {}
    for line in feed.lines(array):
        if 'job="dcgm-exporter"' in line and not line.startswith("up{"):
            name, value = line.split("{")[0], float(line.rsplit(" ", 1)[1])
            found.setdefault(line.split('UUID="')[1].split('"')[0], {})[name] = value
    return found


def _reported(feed: Feed, signals: Iterable[Signal]) -> list[Signal]:
    """Return those of some signals that the GPUs of a site have."""
    known = {own.name for own in feed.layout.reported[GPU.name]}
    return [own for own in signals if own.name in known]


def test_values_are_those_of_4_8_2_times_the_factor(fed: Callable[..., Feed]) -> None:
    """Each value of 4.9.0 is the old one in the new unit, read from the same frame."""
    feed = fed()
    old, new = _gpus(feed, 0), _gpus(fed("dcgm=4.9.0"), 0)
    rows = {row.name: row for row in edition("dcgm", "4.9.0").shown(GPU)}
    assert old.keys() == new.keys()
    for uuid, values in old.items():
        for signal in _reported(feed, EDITIONS["dcgm"][0].shown(GPU)):
            row = rows[signal.name]
            whole = values[signal.metric] * row.factor
            expected = round(whole) if not row.decimals else whole
            assert new[uuid][row.metric] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("DCGM_FI_DEV_GPU_UTIL_RATIO", "0.57"),
        ("DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", "1234568"),
        ("DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND", "400000000000"),
        ("DCGM_FI_DEV_GPU_THERMAL_THROTTLE_SECONDS_TOTAL", "1.5"),
        ("DCGM_FI_DEV_ENC_UTIL_RATIO", "0.0"),
    ],
)
def test_numbers_are_printed_as_numbers_of_their_unit(
    fed: Callable[..., Feed], metric: str, text: str
) -> None:
    """A ratio has two digits and no rounding error, whole joules and bytes no fraction."""
    lines = [line for line in fed("dcgm=4.9.0").lines(0) if line.startswith(metric + "{")]
    assert {line.rsplit(" ", 1)[1] for line in lines} == {text}


def test_capacity_is_what_is_free_used_and_reserved(fed: Callable[..., Feed]) -> None:
    """The new family is a sum of three values that travel; without one of them it is missing."""
    feed = fed("dcgm=4.9.0")
    for values in _gpus(feed, 0).values():
        parts = sum(values[f"DCGM_FI_DEV_FB_{part}_BYTES"] for part in ("FREE", "USED", "RESERVED"))
        assert values["DCGM_FI_DEV_FB_CAPACITY_BYTES"] == parts > 0


def test_a_fleet_in_mid_migration(fed: Callable[..., Feed]) -> None:
    """Each array has the names and labels of its own edition."""
    feed = fed("dcgm=4.8.2,a002=4.9.0")
    first, second = ("\n".join(feed.lines(array)) for array in range(2))
    assert "DCGM_FI_DEV_GPU_TEMP{" in first
    assert 'Hostname="' in first
    assert "DCGM_FI_DEV_GPU_TEMP_CELSIUS{" not in first
    assert "DCGM_FI_DEV_GPU_TEMP_CELSIUS{" in second
    assert ",hostname=" in second
    assert "Hostname=" not in second
    assert "DCGM_FI_DRIVER_VERSION" not in second


@pytest.mark.parametrize("settings", [(), ("dcgm=4.9.0",), ("dcgm=a002=4.9.0",)])
def test_series_are_counted_as_they_are_exposed(
    fed: Callable[..., Feed], settings: tuple[str, ...]
) -> None:
    """What is foretold and what the summary says is what stands on the pages."""
    feed = fed(*settings)
    layout = feed.layout
    pages = [feed.core.array(array).series for array in range(layout.site.arrays)]
    of_site = [line for line in feed.lines() if not line.startswith("twin_")]
    assert feed.core.summary().series == sum(pages) + len(of_site)
    plan = DetailPlan.of(layout.site.arrays)
    everywhere = count_series(layout, plan)
    assert everywhere - count_series(Layout(parse_site(SMALL, "small")), plan) == 4 * (
        2 * (settings == ("dcgm=4.9.0",)) + bool(settings)
    )


def test_a_counters_file_is_all_that_is_exposed(fed: Callable[..., Feed]) -> None:
    """A listed field comes, an old name among them, and no other of the exporter's."""
    text = "DCGM_FI_DEV_GPU_UTIL, gauge, old\nDCGM_FI_DEV_GPU_UTIL_RATIO, gauge, new\n"
    feed = fed("dcgm=4.9.0", counters=text)
    for values in _gpus(feed, 0).values():
        assert values == {"DCGM_FI_DEV_GPU_UTIL": 57.0, "DCGM_FI_DEV_GPU_UTIL_RATIO": 0.57}
    text = bytes(feed.core.array(0)).decode()
    assert "# HELP DCGM_FI_DEV_GPU_UTIL old\n# TYPE DCGM_FI_DEV_GPU_UTIL gauge\n" in text


def test_roll_ups_do_not_depend_on_the_edition(fed: Callable[..., Feed]) -> None:
    """What the aggregator computes is the same, whatever an exporter calls its sources."""
    counters = "DCGM_FI_DEV_GPU_TEMP, gauge, x\n"
    sites = [fed(), fed("dcgm=4.9.0"), fed(counters=counters)]
    rolled = [
        [line for line in feed.lines() if line.startswith(("rack_gpu", "site_gpu"))]
        for feed in sites
    ]
    assert rolled[0] == rolled[1] == rolled[2] != []


@pytest.mark.parametrize("version", [own.version for own in EDITIONS["dcgm"]])
def test_openmetrics_reads_every_edition(fed: Callable[..., Feed], version: str) -> None:
    """A reader of OpenMetrics takes every name; ``_TOTAL`` in capitals is no counter to it."""
    feed = fed(f"dcgm={version}")
    text = bytes(feed.core.array(0, openmetrics=True)).decode()
    families = {f.name: f.type for f in openmetrics_families(text)}  # type: ignore[no-untyped-call]  # no types there
    for row in _reported(feed, edition("dcgm", version).shown(GPU)):
        assert families[row.metric] == ("unknown" if row.kind.value == "counter" else "gauge")
