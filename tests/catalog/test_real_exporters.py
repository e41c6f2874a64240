"""Names of real exporters that the twin does not have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import twin.catalog
from twin.catalog import DEVICES
from twin.catalog.broker import MOSQUITTO
from twin.catalog.editions import EDITIONS
from twin.catalog.real_exporters import exporter_of, real_names
from twin.catalog.schedulers import KUBE_STATE, STATE_EXPORTERS

FILES = sorted((Path(twin.catalog.__file__).parent / "names").glob("*.txt"))


def test_a_name_stands_in_one_place() -> None:
    """No name is in two files, and none that the catalogue has: that is where it belongs."""
    own = {s.metric for device in DEVICES for s in device.signals if not s.hidden} - {"up"}
    own |= {family.metric for device in DEVICES for family in device.derived}
    own |= {name for editions in EDITIONS.values() for each in editions for name in each.fields}
    own |= {metric.name for metric in MOSQUITTO.metrics}
    lines = [line for file in FILES for line in file.read_text(encoding="utf-8").splitlines()]
    names = Counter(line for line in lines if not line.startswith("#"))
    assert sorted(own & names.keys()) == []
    assert [name for name, count in names.items() if count > 1] == []
    assert names.keys() == real_names().keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_list_has_its_source(file: Path) -> None:
    """A file begins with where its names are from, and then has them in order."""
    lines = file.read_text(encoding="utf-8").splitlines()
    assert "/" in lines[0]
    assert lines[0].startswith("# ")
    names = [line for line in lines if not line.startswith("#")]
    assert names == sorted(names)


def test_exporters_of_schedulers_are_known_whether_a_site_runs_them_or_not() -> None:
    """A rule over one of their names is told whose it is on a site without a scheduler."""
    for exporter in STATE_EXPORTERS:
        whose = "kube-state-metrics" if exporter is KUBE_STATE else "slurm"
        found = {metric.name: exporter_of(metric.name) for metric in exporter.metrics}
        assert set(found.values()) == {whose}, exporter.title


@pytest.mark.parametrize(
    ("name", "exporter"),
    [
        ("dcgm_gpu_temp", "dcgm-exporter-1.x"),
        ("node_timex_offset_seconds", None),
        ("node_buddyinfo_blocks", "node-exporter"),
        ("node_hwmon_humidity", "node-exporter"),
        ("kube_pod_status_phase", "kube-state-metrics"),
        ("ipmi_config_lan_mode", "ipmi-exporter"),
        ("sysUpTime", "snmp-exporter"),
        ("prometheus_http_request_duration_seconds_bucket", "prometheus"),
        ("ALERTS", "prometheus"),
        ("alertmanager_notifications_failed_total", "alertmanager"),
        ("container_memory_working_set_bytes", "cadvisor"),
        ("kubelet_volume_stats_used_bytes", "kubernetes"),
        ("slurm_nodes_drain", "slurm"),
        ("probe_success", "blackbox-exporter"),
        ("systemd_unit_state", "systemd-exporter"),
        ("problem_gauge", "node-problem-detector"),
        ("gpu_operator_node_driver_ready", "gpu-operator"),
        ("python_gc_collections_total", "client-libraries"),
        ("node_timex_offset", None),
        ("DCGM_FI_DEV_GPU_TEMPERATURE", None),
        ("http_requests_total", None),
    ],
)
def test_real_names_are_known(name: str, exporter: str | None) -> None:
    """What an exporter's own sources name is its, parts of histograms too; the rest is nobody's."""
    assert exporter_of(name) == exporter
