"""Roll-ups over racks, arrays, halls and the site, and the series they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from twin.aggregator import Core
from twin.aggregator.rollup import Rollups
from twin.catalog import ROLLUPS, Level, MetricType, UnitKind
from twin.site import Layout, parse_site
from twin.wire import Outputs

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

HALLS = """
name: halls
racks: 5
racks_per_array: 2
halls: 2
servers_per_rack: 1
server: {gpus: 2, nics: 2, psus: 1}
"""


@pytest.fixture
def halls(outputs: Callable[[Layout], Outputs], new_feed: type[Feed]) -> Feed:
    """Five racks of two GPUs in three arrays, of which two make the first hall."""
    layout = Layout(parse_site(HALLS, "halls"))
    return new_feed(Core(layout), outputs(layout))


def _labels(lines: list[str], metric: str) -> list[str]:
    return [line.split("{")[1].split("}")[0] for line in lines if line.startswith(metric + "{")]


def _value(lines: list[str], start: str) -> float:
    (line,) = [line for line in lines if line.startswith(start)]
    return float(line.rsplit(" ", 1)[1])


def test_levels_group_racks(halls: Feed) -> None:
    """A rack has its GPUs, an array its racks, a hall its arrays, the site all."""
    halls.outputs["gpu"]["gpu_temp"][:] = [[40, 41], [42, 43], [44, 45], [46, 47], [48, 49]]
    halls.site()
    rollups = Rollups(halls.core.store)
    hottest = {level: rollups.value("gpu_temperature_max_celsius", level) for level in Level}
    assert hottest[Level.RACK].tolist() == [41, 43, 45, 47, 49]
    assert hottest[Level.ARRAY].tolist() == [43, 47, 49]
    assert hottest[Level.HALL].tolist() == [47, 49]
    assert hottest[Level.SITE].tolist() == [49]
    assert rollups.value("gpus_reporting", Level.HALL).tolist() == [8, 2]


def test_switches_roll_up_by_array(halls: Feed) -> None:
    """What belongs to an array and not to a rack begins there."""
    halls.outputs["leaf"]["up"][:] = 1.0
    halls.outputs["leaf"]["up"][1] = 0.0
    halls.site()
    rollups, rails = Rollups(halls.core.store), halls.layout.site.fabric.rails
    assert rollups.value("leaf_switches_up", Level.ARRAY).tolist() == [rails, 0, rails]
    assert rollups.value("leaf_switches_up", Level.HALL).tolist() == [rails, rails]
    assert not _labels(halls.lines(), "rack_leaf_switches_up")


def test_labels_say_where(halls: Feed) -> None:
    """Each level carries the place of what it is taken over."""
    halls.site()
    lines = halls.lines()
    name = "gpus_reporting"
    assert _labels(lines, f"site_{name}") == ['site="halls"']
    assert _labels(lines, f"hall_{name}") == ['site="halls",hall="h1"', 'site="halls",hall="h2"']
    assert _labels(lines, f"array_{name}")[2] == 'site="halls",hall="h2",array="a003"'
    assert _labels(lines, f"rack_{name}")[4] == 'site="halls",hall="h2",array="a003",rack="r0005"'


def test_silent_rack_has_no_rollup(feed: Feed) -> None:
    """The roll-ups of a rack disappear with it, and the site's go on without it."""
    feed.frame(UnitKind.RACK, 0)
    feed.frame(UnitKind.RACK, 2)
    lines = [line for line in feed.lines() if line.startswith("rack_gpu_power_watts{")]
    assert [line.split('rack="')[1][:5] for line in lines] == ["r0001", "r0003"]
    assert any(line.startswith("site_gpu_power_watts{") for line in feed.lines())


def test_silent_site_has_no_rollups(feed: Feed) -> None:
    """Where nothing reports, nothing is rolled up: not even a zero."""
    metrics = [rollup.metric(level) for rollup in ROLLUPS for level in Level]
    assert not [line for line in feed.lines() if line.startswith(tuple(metrics))]


def test_counts_are_whole_numbers(feed: Feed) -> None:
    """Five GPUs are not 5.0 GPUs."""
    feed.site()
    (line,) = [line for line in feed.lines() if line.startswith("site_gpus_reporting{")]
    assert line.endswith(" 12")


def test_sums_end_somewhere(feed: Feed) -> None:
    """A sum has the decimals of its signal, a mean three more."""
    feed.outputs["gpu"]["power_usage"][:] = 0.1
    feed.outputs["gpu"]["gpu_temp"][:] = 50.0
    feed.outputs["gpu"]["gpu_temp"][0, 0] = 51.0
    feed.site()
    assert _value(feed.lines(), "site_gpu_power_watts{") == 1.2
    assert _value(feed.lines(), "site_gpu_temperature_mean_celsius{") == 50.083


def test_units_are_base_units(feed: Feed) -> None:
    """DCGM's millijoules and nanoseconds become joules and seconds."""
    feed.outputs["gpu"]["energy"][:] = 0.0
    feed.outputs["gpu"]["thermal_violation"][:] = 0.0
    feed.site()
    assert _value(feed.lines(), "site_gpu_energy_joules_total{") == 0.0
    feed.outputs["gpu"]["energy"][:] = 2_000.0
    feed.outputs["gpu"]["thermal_violation"][:] = 500_000_000.0
    feed.site(ts=2.0, seq=2)
    assert _value(feed.lines(), "site_gpu_energy_joules_total{") == 24.0
    assert _value(feed.lines(), "site_gpu_thermal_throttling_seconds_total{") == 6.0


def test_total_survives_a_silent_rack(feed: Feed) -> None:
    """The bytes of the site do not fall when a rack falls silent, nor leap when it is back."""
    sent = feed.outputs["nic"]["tx_bytes"]
    sent[:] = 1e12
    feed.site()
    assert _value(feed.lines(), "site_nic_transmitted_bytes_total{") == 0.0
    sent += 100.0
    feed.site(ts=2.0, seq=2)
    assert _value(feed.lines(), "site_nic_transmitted_bytes_total{") == 100.0 * sent.size
    feed.wait(4.0)
    sent += 1.0
    feed.frame(UnitKind.RACK, 0, ts=3.0, seq=3)
    feed.wait(4.0)
    assert len(_labels(feed.lines(), "rack_nic_transmitted_bytes_total")) == 1
    one_rack = sent.shape[1]
    assert _value(feed.lines(), "site_nic_transmitted_bytes_total{") == 100.0 * sent.size + one_rack
    feed.site(ts=4.0, seq=4)
    assert _value(feed.lines(), "site_nic_transmitted_bytes_total{") == 101.0 * sent.size


def test_lost_gpu_is_missing(feed: Feed) -> None:
    """A GPU that is gone from a rack that reports is missing; a silent rack's are not."""
    for values in feed.outputs["gpu"].values():
        values[0, 1] = np.nan
    feed.frame(UnitKind.RACK, 0)
    feed.frame(UnitKind.RACK, 1)
    lines = feed.lines()
    assert _value(lines, "site_gpus_missing{") == 1
    assert _value(lines, "site_gpus_reporting{") == 7


def test_xids_are_the_users_or_the_hardwares(feed: Feed) -> None:
    """XIDs that the user's code raises count, but not as the hardware's."""
    feed.outputs["gpu"]["xid"][:] = 0.0
    feed.outputs["gpu"]["xid"][0] = [0.0, 31.0, 79.0, 43.0]
    feed.site()
    assert _value(feed.lines(), "site_gpus_with_xid{") == 3
    assert _value(feed.lines(), "site_gpus_with_hardware_xid{") == 1


def test_leaks_are_warnings_and_worse(feed: Feed) -> None:
    """A detector that is unavailable or absent tells of no leak."""
    feed.outputs["cdu"]["leak"][:, 0] = [1.0, 2.0, 3.0]
    feed.site()
    assert _value(feed.lines(), "site_coolant_leaks{") == 2


def test_distribution_in_the_text_format(feed: Feed) -> None:
    """Buckets, count and sum are gauges there, and the last bucket counts all."""
    feed.outputs["gpu"]["gpu_temp"][:] = 52.0
    feed.outputs["gpu"]["gpu_temp"][0, 0] = 120.0
    feed.site()
    text = bytes(feed.core.metrics()).decode()
    name = "site_gpu_temperature_distribution_celsius"
    for suffix in ("bucket", "gcount", "gsum"):
        assert f"# TYPE {name}_{suffix} gauge\n" in text
    assert f'{name}_bucket{{site="small",le="50.0"}} 0\n' in text
    assert f'{name}_bucket{{site="small",le="55.0"}} 11\n' in text
    assert f'{name}_bucket{{site="small",le="+Inf"}} 12\n' in text
    assert f'{name}_gcount{{site="small"}} 12\n' in text
    assert f'{name}_gsum{{site="small"}} 692.0\n' in text


def test_distribution_in_openmetrics(feed: Feed) -> None:
    """It is a gauge histogram there, with the same series as in the text format."""
    feed.frame(UnitKind.RACK, 0)
    written = bytes(feed.core.metrics(openmetrics=True)).decode()
    read = text_string_to_metric_families(written)  # type: ignore[no-untyped-call]  # no types there
    families = {family.name: family for family in read}
    plain = {line.rsplit(" ", 1)[0] for line in feed.lines()}
    for rollup in (rollup for rollup in ROLLUPS if rollup.kind is MetricType.GAUGE_HISTOGRAM):
        for level in rollup.levels:
            family = families[rollup.metric(level)]
            assert (family.type, family.unit) == ("gaugehistogram", rollup.unit.word)
            assert len(family.samples) == rollup.series
    lines = [line.rsplit(" ", 1)[0] for line in written.splitlines() if line[0] != "#"]
    assert {line for line in lines if not line.startswith("twin_")} == {
        line for line in plain if not line.startswith("twin_")
    }


def test_rollups_that_a_site_has_not(
    outputs: Callable[[Layout], Outputs], new_feed: type[Feed]
) -> None:
    """A roll-up over a signal that is not reported is missing, and its value is unknown."""
    layout = Layout(parse_site("{name: x, racks: 1, telemetry: {extra_signals: false}}", "x"))
    feed = new_feed(Core(layout), outputs(layout))
    feed.site()
    lines = feed.lines()
    assert not _labels(lines, "site_gpu_thermal_throttling_seconds_total")
    assert _labels(lines, "site_gpu_energy_joules_total")
    assert np.isnan(Rollups(feed.core.store).site("gpu_thermal_throttling_seconds_total"))


def test_computed_once_a_change(feed: Feed) -> None:
    """Without a new frame the same roll-ups are given again; with one they are new."""
    rollups = Rollups(feed.core.store)
    feed.outputs["gpu"]["gpu_temp"][:] = 50.0
    feed.site()
    values = rollups.value("gpu_temperature_max_celsius", Level.RACK)
    assert rollups.value("gpu_temperature_max_celsius", Level.RACK) is values
    assert rollups.site("gpu_temperature_max_celsius") == 50.0
    feed.outputs["gpu"]["gpu_temp"][:] = 77.0
    feed.frame(UnitKind.RACK, 0, ts=2.0, seq=2)
    assert rollups.site("gpu_temperature_max_celsius") == 77.0
    assert rollups.value("gpu_temperature_max_celsius", Level.RACK).tolist() == [77.0, 50.0, 50.0]
