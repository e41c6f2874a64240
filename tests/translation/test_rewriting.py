"""Rewriting of expressions: for 4.9.0, and for 4.8.2 and 4.9.0 at once."""

from __future__ import annotations

import promql_parser
import pytest

from twin.catalog import GPU
from twin.catalog.editions import EDITIONS, edition, with_counters
from twin.translation import Renaming, renaming, rewritten

OLD, NEW = edition("dcgm", "4.8.2"), edition("dcgm", "4.9.0")
RELABELLED = ', "Hostname", "$1", "hostname", "(.+)")'

CASES = {
    "DCGM_FI_DEV_GPU_TEMP > 85": (
        "DCGM_FI_DEV_GPU_TEMP_CELSIUS > 85",
        "(DCGM_FI_DEV_GPU_TEMP or DCGM_FI_DEV_GPU_TEMP_CELSIUS) > 85",
    ),
    "DCGM_FI_DEV_SM_CLOCK < 1200": (
        "DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6 < 1200",
        "(DCGM_FI_DEV_SM_CLOCK or DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6) < 1200",
    ),
    "avg(DCGM_FI_DEV_SM_CLOCK)": (
        "avg(DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6)",
        "avg(DCGM_FI_DEV_SM_CLOCK or DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6)",
    ),
    "DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)": (
        (
            "(DCGM_FI_DEV_FB_USED_BYTES / 1048576) / ((DCGM_FI_DEV_FB_USED_BYTES / 1048576) + "
            "(DCGM_FI_DEV_FB_FREE_BYTES / 1048576))"
        ),
        (
            "(DCGM_FI_DEV_FB_USED or DCGM_FI_DEV_FB_USED_BYTES / 1048576) / "
            "((DCGM_FI_DEV_FB_USED or "
            "DCGM_FI_DEV_FB_USED_BYTES / 1048576) + (DCGM_FI_DEV_FB_FREE or "
            "DCGM_FI_DEV_FB_FREE_BYTES / 1048576))"
        ),
    ),
    "-DCGM_FI_DEV_GPU_UTIL": (
        "-(DCGM_FI_DEV_GPU_UTIL_RATIO * 100)",
        "-(DCGM_FI_DEV_GPU_UTIL or DCGM_FI_DEV_GPU_UTIL_RATIO * 100)",
    ),
    "rate(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION[5m]) / 1000 > 500": (
        "rate(DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL[5m]) > 500",
        (
            "(rate(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION[5m]) or "
            "rate(DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL[5m]) * 1000) / 1000 > 500"
        ),
    ),
    "100 / DCGM_FI_DEV_GPU_UTIL / 100": (
        "100 / (DCGM_FI_DEV_GPU_UTIL_RATIO * 100) / 100",
        "100 / (DCGM_FI_DEV_GPU_UTIL or DCGM_FI_DEV_GPU_UTIL_RATIO * 100) / 100",
    ),
    "1 - DCGM_FI_DEV_GPU_UTIL / 100": (
        "1 - DCGM_FI_DEV_GPU_UTIL_RATIO",
        "1 - (DCGM_FI_DEV_GPU_UTIL or DCGM_FI_DEV_GPU_UTIL_RATIO * 100) / 100",
    ),
    "changes(DCGM_FI_DEV_SM_CLOCK[5m]) > 0": (
        "changes(DCGM_FI_DEV_SM_CLOCK_HERTZ[5m]) > 0",
        "(changes(DCGM_FI_DEV_SM_CLOCK[5m]) or changes(DCGM_FI_DEV_SM_CLOCK_HERTZ[5m])) > 0",
    ),
    "stdvar_over_time(DCGM_FI_DEV_GPU_UTIL[10m]) < 5": (
        "stdvar_over_time(DCGM_FI_DEV_GPU_UTIL_RATIO[10m]) * 10000 < 5",
        (
            "(stdvar_over_time(DCGM_FI_DEV_GPU_UTIL[10m]) or "
            "stdvar_over_time(DCGM_FI_DEV_GPU_UTIL_RATIO[10m]) * 10000) < 5"
        ),
    ),
    "max_over_time((DCGM_FI_DEV_SM_CLOCK > 5)[5m:1m])": (
        "max_over_time((DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6 > 5)[5m:1m])",
        "max_over_time(((DCGM_FI_DEV_SM_CLOCK or DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6) > 5)[5m:1m])",
    ),
    "max_over_time(DCGM_FI_DEV_SM_CLOCK[5m:1m])": (
        "max_over_time((DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6)[5m:1m])",
        "max_over_time((DCGM_FI_DEV_SM_CLOCK or DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6)[5m:1m])",
    ),
    'absent(DCGM_FI_DEV_SM_CLOCK{job="x"})': (
        'absent(DCGM_FI_DEV_SM_CLOCK_HERTZ{job="x"})',
        (
            'absent(DCGM_FI_DEV_SM_CLOCK{job="x"}) and on () '
            'absent(DCGM_FI_DEV_SM_CLOCK_HERTZ{job="x"})'
        ),
    ),
    "count(DCGM_FI_DEV_SM_CLOCK) by (Hostname)": (
        "count(DCGM_FI_DEV_SM_CLOCK_HERTZ) by (hostname)",
        (
            "count(label_replace(DCGM_FI_DEV_SM_CLOCK or DCGM_FI_DEV_SM_CLOCK_HERTZ"
            f"{RELABELLED}) by (Hostname)"
        ),
    ),
    'avg by (Hostname) (DCGM_FI_DEV_SM_CLOCK{Hostname=~"a.*"} offset 5m)': (
        'avg by (hostname) (DCGM_FI_DEV_SM_CLOCK_HERTZ{hostname=~"a.*"} offset 5m / 1e6)',
        (
            'avg by (Hostname) (label_replace(DCGM_FI_DEV_SM_CLOCK{Hostname=~"a.*"} offset 5m or '
            f'DCGM_FI_DEV_SM_CLOCK_HERTZ{{hostname=~"a.*"}} offset 5m / 1e6{RELABELLED})'
        ),
    ),
    "sum without (gpu, Hostname) (DCGM_FI_DEV_POWER_USAGE)": (
        "sum without (gpu, hostname) (DCGM_FI_DEV_BOARD_POWER_WATTS)",
        (
            "sum without (gpu, Hostname, hostname) (label_replace(DCGM_FI_DEV_POWER_USAGE or "
            f"DCGM_FI_DEV_BOARD_POWER_WATTS{RELABELLED})"
        ),
    ),
    'DCGM_FI_PROF_PCIE_TX_BYTES{Hostname="a"}': (
        'DCGM_FI_PROF_PCIE_TX_BYTES{hostname="a"}',
        'DCGM_FI_PROF_PCIE_TX_BYTES{Hostname="a"} or DCGM_FI_PROF_PCIE_TX_BYTES{hostname="a"}',
    ),
    "sum by (Hostname) (DCGM_FI_PROF_PCIE_TX_BYTES)": (
        "sum by (hostname) (DCGM_FI_PROF_PCIE_TX_BYTES)",
        f"sum by (Hostname) (label_replace(DCGM_FI_PROF_PCIE_TX_BYTES{RELABELLED})",
    ),
    'DCGM_FI_DEV_GPU_TEMP * on (Hostname) label_replace(node, "Hostname", "$1", "host", "(.*)")': (
        (
            "DCGM_FI_DEV_GPU_TEMP_CELSIUS * on (hostname) "
            'label_replace(node, "hostname", "$1", "host", "(.*)")'
        ),
        (
            f"label_replace(DCGM_FI_DEV_GPU_TEMP or DCGM_FI_DEV_GPU_TEMP_CELSIUS{RELABELLED} * "
            'on (Hostname) label_replace(node, "Hostname", "$1", "host", "(.*)")'
        ),
    ),
    "DCGM_FI_DEV_SM_CLOCK * on (Hostname) group_left (rack) inventory": (
        (
            f"label_replace(DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6{RELABELLED} * on (Hostname) "
            "group_left (rack) inventory"
        ),
        (
            f"label_replace(DCGM_FI_DEV_SM_CLOCK or DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6{RELABELLED} * "
            "on (Hostname) group_left (rack) inventory"
        ),
    ),
    '{__name__=~"DCGM_FI_DEV_(GPU|MEMORY)_TEMP", gpu="0"}': (
        '{__name__=~"DCGM_FI_DEV_GPU_TEMP_CELSIUS|DCGM_FI_DEV_MEMORY_TEMP_CELSIUS", gpu="0"}',
        (
            '{__name__=~"DCGM_FI_DEV_(GPU|MEMORY)_TEMP", gpu="0"} or '
            '{__name__=~"DCGM_FI_DEV_GPU_TEMP_CELSIUS|DCGM_FI_DEV_MEMORY_TEMP_CELSIUS", gpu="0"}'
        ),
    ),
    '{__name__=~"DCGM_FI_DEV_(SM|MEM)_CLOCK"} > 3': (
        (
            'label_replace(label_replace(label_replace({__name__="DCGM_FI_DEV_MEMORY_CLOCK_HERTZ"}'
            ' / 1e6, "old_name", "DCGM_FI_DEV_MEM_CLOCK", "", "") or label_replace('
            '{__name__="DCGM_FI_DEV_SM_CLOCK_HERTZ"} / 1e6, "old_name", "DCGM_FI_DEV_SM_CLOCK", '
            '"", ""), "__name__", "$1", "old_name", "(.+)"), "old_name", "", "", "") > 3'
        ),
        None,
    ),
    "DCGM_FI_DEV_FAN_SPEED > 80": (
        "DCGM_FI_DEV_FAN_SPEED_RATIO * 100 > 80",
        "(DCGM_FI_DEV_FAN_SPEED or DCGM_FI_DEV_FAN_SPEED_RATIO * 100) > 80",
    ),
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL > 9": (
        "DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND / 1.024e6 > 9",
        None,
    ),
    "# DCGM_FI_DEV_GPU_TEMP\nnode_load1 > 5": ("# DCGM_FI_DEV_GPU_TEMP\nnode_load1 > 5",) * 2,
    'up{job="dcgm-exporter", Hostname="a"} == 0': ('up{job="dcgm-exporter", Hostname="a"} == 0',)
    * 2,
}
"""Expression of 4.8.2, for 4.9.0, and for both; None where the second says nothing more."""


@pytest.fixture(scope="module")
def way() -> Renaming:
    """From 4.8.2 to 4.9.0."""
    return renaming(OLD, NEW)


@pytest.mark.parametrize("expr", CASES)
def test_an_expression_in_another_edition(expr: str, way: Renaming) -> None:
    """The value keeps its unit and everything else stays as it was written."""
    new, both = CASES[expr]
    assert rewritten(expr, way).text == new
    if both is not None:
        assert rewritten(expr, way, both=True).text == both


@pytest.mark.parametrize("expr", CASES)
def test_what_is_rewritten_is_promql(expr: str, way: Renaming) -> None:
    """The parser of Prometheus's language takes the result."""
    for both in (False, True):
        promql_parser.parse(rewritten(expr, way, both=both).text)


def test_variables_and_verbs_stay(way: Renaming) -> None:
    """Variables of Grafana and verbs of printf are passed over, whatever they stand for."""
    expr = 'rate(DCGM_FI_DEV_XID_ERRORS{Hostname=~"$host", gpu=~"${gpu:regex}"}[$__rate_interval])'
    assert rewritten(expr, way).text == (
        'rate(DCGM_FI_DEV_XID_ERROR{hostname=~"$host", gpu=~"${gpu:regex}"}[$__rate_interval])'
    )
    assert rewritten("DCGM_FI_DEV_GPU_TEMP{instance=%q}[1h]", way).text == (
        "DCGM_FI_DEV_GPU_TEMP_CELSIUS{instance=%q}[1h]"
    )


def test_what_is_told_of_a_translation(way: Renaming) -> None:
    """The names, the factor and the types that changed, and the labels that the rule uses."""
    found = rewritten("avg by (Hostname) (rate(DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL[5m]))", way)
    (metric,) = found.metrics
    assert (metric.old, metric.factor) == ("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", 1.024e6)
    assert metric.kinds == ("counter", "gauge")
    assert found.labels == (("Hostname", "hostname"),)
    assert rewritten("node_load1", way).metrics == ()


def test_recorded_series_keep_the_labels_of_their_rule(way: Renaming) -> None:
    """What reads a recording of the exporter's series renames its labels with it."""
    expr = 'sum by (Hostname) (gpu:temp:max{Hostname=~"a.*"})'
    assert rewritten(expr, way).text == expr
    assert rewritten(expr, way, labelled=["gpu:temp:max"]).text == (
        'sum by (hostname) (gpu:temp:max{hostname=~"a.*"})'
    )


def test_labels_that_a_text_names_are_kept_with_both(way: Renaming) -> None:
    """An annotation that says ``$labels.Hostname`` finds it on series of both editions."""
    found = rewritten("DCGM_FI_DEV_GPU_TEMP > 85", way, both=True, named=["Hostname"])
    assert found.text == (
        f"label_replace(DCGM_FI_DEV_GPU_TEMP or DCGM_FI_DEV_GPU_TEMP_CELSIUS{RELABELLED} > 85"
    )


def test_what_the_new_edition_does_not_have_stays() -> None:
    """A metric that a counters file leaves out is told and not renamed to something else."""
    listed = with_counters(NEW, "DCGM_FI_DEV_GPU_TEMP_CELSIUS, gauge, x", "c.csv", EDITIONS["dcgm"])
    found = rewritten("DCGM_FI_DEV_SM_CLOCK < 1200", renaming(OLD, listed))
    assert found.text == "DCGM_FI_DEV_SM_CLOCK < 1200"
    assert found.notes == ("dcgm-exporter 4.9.0 does not have DCGM_FI_DEV_SM_CLOCK",)


def test_the_way_back() -> None:
    """What was written for 4.9.0 can be had for 4.8.2, too."""
    back = renaming(NEW, OLD)
    assert rewritten("DCGM_FI_DEV_SM_CLOCK_HERTZ{hostname='a'} < 1.2e9", back).text == (
        "DCGM_FI_DEV_SM_CLOCK{Hostname='a'} * 1e6 < 1.2e9"
    )
    assert rewritten("DCGM_FI_DEV_FAN_SPEED_RATIO", back).text == "DCGM_FI_DEV_FAN_SPEED / 100"


def test_every_metric_of_an_edition_leads_to_one() -> None:
    """From each edition to each other, every name that both have the value of is known."""
    for before in EDITIONS["dcgm"]:
        for after in EDITIONS["dcgm"]:
            way = renaming(before, after)
            assert all(way.metrics[name].new for name in before.fields), (before, after)
            if before is after:
                assert not any(way.metrics[own.metric].renamed for own in before.shown(GPU))
