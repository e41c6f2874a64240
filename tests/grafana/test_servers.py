"""Servers on the dashboards: their names, and all that may ail one on its own dashboard."""

from __future__ import annotations

import json
from typing import Any

from tests.grafana.panels import named, pages, panels_of
from tests.grafana.test_legibility import metrics
from twin.catalog import GPU, LEAF, PORT, PSU, SPINE
from twin.grafana.pages import DashboardPage


def test_the_server_dashboard_shows_its_host(built: dict[str, Any]) -> None:
    """CPUs, memory, disks, clock and memory errors of the host stand beside its GPUs."""
    asked = {name for panel in panels_of(built["server.json"])
             for target in panel["targets"] for name in named(target["expr"])}  # fmt: skip
    assert asked >= {
        "node_load1", "node_cpu_seconds_total", "node_memory_MemAvailable_bytes",
        "node_pressure_cpu_waiting_seconds_total", "node_filesystem_avail_bytes",
        "node_filesystem_readonly", "node_disk_io_time_seconds_total", "node_md_disks",
        "node_timex_offset_seconds", "node_timex_sync_status", "node_vmstat_oom_kill",
        "node_edac_correctable_errors_total",
    }  # fmt: skip


def test_the_server_dashboard_shows_what_ails_its_gpus(built: dict[str, Any]) -> None:
    """Memory and NVLink errors, XIDs, what slows the clock, and power supplies have panels."""
    asked = {name for panel in panels_of(built["server.json"])
             for target in panel["targets"] for name in named(target["expr"])}  # fmt: skip
    gpu = ("xid", "ecc_sbe_volatile", "ecc_dbe_volatile", "row_remap_failure", "nvlink_crc_flit",
           "nvlink_replay", "nvlink_recovery", "thermal_violation", "power_violation")  # fmt: skip
    assert asked >= {GPU[signal].metric for signal in gpu} | {PSU["state"].metric}


@pages
def test_a_server_is_called_by_its_name(page: DashboardPage, built: dict[str, Any]) -> None:
    """A legend or a column that names servers by ``instance`` has no port of an exporter in it."""
    switches = metrics(*(signal for device in (LEAF, SPINE, PORT) for signal in device))
    for panel in panels_of(built[page.file]):
        columns = json.dumps(panel["fieldConfig"]) + json.dumps(panel.get("transformations", ()))
        for target in panel["targets"]:
            shown = "{{instance}}" in target.get("legendFormat", "") or '"instance"' in columns
            if shown and not named(target["expr"]) & switches:
                assert '"$1", "instance", "(.+):[0-9]+")' in target["expr"], panel["title"]
