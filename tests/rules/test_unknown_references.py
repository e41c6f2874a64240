"""What rules name and a site lacks: metrics with their exporter or a hint, labels with a hint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin.rules.expression import selectors
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import Rule, RuleSet
from twin.rules.unknown_references import (
    is_on_other_sites,
    lacking_metrics,
    nearest_name,
    unmatched,
)

FILE = Path("rules.yml")
JOBS = (
    'no series of up has job="dcgm"; there is "job-0", "job-1", "job-2", "job-3", "job-4", '
    '"job-5" and 2 more'
)
SAMPLES = Samples(
    5.0,
    2,
    {
        "up": MetricFamily(
            [{"job": f"job-{number}", "instance": str(number % 2)} for number in range(8)],
            np.ones((8, 2)),
        ),
        "DCGM_FI_DEV_XID_ERRORS": MetricFamily([{"gpu": "0", "err_code": "0"}], np.zeros((1, 2))),
    },
)


@pytest.mark.parametrize(
    ("expr", "told"),
    [
        ('up{job="job-1"} == 0', []),
        ('up{job=~"job-.*", instance!="7"}', []),
        ("none > 1", []),
        ('DCGM_FI_DEV_XID_ERRORS{err_code="48"} > 0', []),
        (
            'DCGM_FI_DEV_XID_ERRORS{err_code="48", gpu="9"} > 0',
            ['no series of DCGM_FI_DEV_XID_ERRORS has gpu="9"; there is "0"'],
        ),
        (
            'up{job="dcgm"} == 0',
            [JOBS],
        ),
        (
            'up{instance="1", job=~"job-[02]"}',
            ['no series of up{job=~"job-[02]"} has instance="1"; there is "0"'],
        ),
        ('rate(up{rack="r1"}[5m])', ['no series of up has rack="r1"; none has that label']),
        ('up{rack="r1", hall="h1"}', ['no series is up{rack="r1", hall="h1"}']),
    ],
)
def test_labels_that_no_series_has(expr: str, told: list[str]) -> None:
    """A selector that finds nothing of a metric that is there says which label is to blame."""
    rule = Rule("A", True, expr, 0.0, {}, "g", FILE, 3, 4, {}, selectors(expr))
    found = unmatched(SAMPLES, RuleSet((FILE,), (rule,)))
    assert list(found.get(rule.key, {}).values()) == told


KNOWN = ["cdu_pump_state", "cdu_pump_speed_ratio", "DCGM_FI_DEV_GPU_TEMP", "node_load1",
         "node_memory_MemFree_bytes", "node_memory_numa_MemFree", "ifHCInOctets",
         "prometheus_http_requests_total", "node_ethtool_*"]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("cdu_pump_stat", "cdu_pump_state"),
        ("cdu_pump_speed", "cdu_pump_speed_ratio"),
        ("DCGM_FI_DEV_GPU_TEMPERATURE", "DCGM_FI_DEV_GPU_TEMP"),
        ("dcgm_fi_dev_gpu_temp", "DCGM_FI_DEV_GPU_TEMP"),
        ("node_memory_MemFree", "node_memory_MemFree_bytes"),
        ("nod_load1", "node_load1"),
        ("ifHCInOctet", "ifHCInOctets"),
        ("node_cpu_usage", None),
        ("http_requests_total", None),
        ("gpu_temp", None),
        ("nonsense", None),
    ],
)
def test_only_a_near_name_is_meant(wrong: str, meant: str | None) -> None:
    """A misspelt name is answered with the one that it means, a far one with none."""
    assert nearest_name(wrong, KNOWN) == meant


def test_what_a_site_lacks_is_real_or_nobodys() -> None:
    """A metric is there, or a real exporter's, or nobody's with what to do."""
    expr = ("node_load1 + node_boot_time_seconds + neuroncore_utilization_ratio + cdu_pump_stat"
            " + job:up:avg + nonsense + made:here + ALERTS")  # fmt: skip
    rules = tuple(
        Rule(name, name == "A", text, 0.0, {}, "g", FILE, 3, 4, {}, selectors(text))
        for name, text in (("A", expr), ("made:here", "node_load1"))
    )
    found = lacking_metrics(RuleSet((FILE,), rules), frozenset({"node_load1", "cdu_pump_state"}))
    assert list(found) == ["rules.yml:3:A"]
    own = found["rules.yml:3:A"]
    assert own.real == {
        "neuroncore_utilization_ratio": "neuron-monitor",
        "node_boot_time_seconds": "node-exporter",
    }
    assert own.unknown == {
        "cdu_pump_stat": "did you mean cdu_pump_state?",
        "job:up:avg": "a recording rule would make it; add its file with --rules",
        "nonsense": "",
    }


@pytest.mark.parametrize("name", ["kube_node_status_condition", "slurm_nodes_idle", "slurm_jobs"])
def test_what_a_site_of_another_scheduler_has_is_known(name: str) -> None:
    """The twin has what kube-state-metrics and Slurm's exporters show, only not on every site."""
    assert is_on_other_sites(name)
