"""Figures that would mislead if they were simpler, evaluated by Prometheus's own promtool."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.grafana.panels import panels_of
from twin.catalog.job import LOSS_CAUSES
from twin.grafana.promql import Expr
from twin.grafana.queries import alerts, chart_annotations, energy, job, network
from twin.grafana.substitute import substitute

STEP = "15s"
AT = "10m"
SERIES = {
    # An alert on two devices, the first of them twice, and one that only was pending.
    'ALERTS{alertname="Hot", severity="critical", alertstate="firing", site="s", gpu="0"}':
        "_x2 1x4 stale _x12 1x1 stale _x30",
    'ALERTS{alertname="Hot", severity="critical", alertstate="firing", site="s", gpu="1"}':
        "_x4 1x2 stale _x40",
    'ALERTS{alertname="Slow", severity="warning", alertstate="pending", site="s"}': "1x50",
    # A Megapack that stands by, and one that has tripped.
    'megapack_energy_available_joules{site="s", megapack="m1"}': "100x50",
    'megapack_energy_available_joules{site="s", megapack="m2"}': "900x50",
    'megapack_inverter_state{site="s", megapack="m1", state="FAULT"}': "0x50",
    'megapack_inverter_state{site="s", megapack="m2", state="FAULT"}': "1x50",
    # A checkpoint: the IT power falls for a minute, what cools it goes on.
    'facility_it_power_watts{site="s"}': "100x36 20x14",
    'facility_power_watts{site="s"}': "130x36 50x14",
    # Uplinks that are loaded to 85 % by their counter.
    'switch_uplink_transmitted_bytes_total{site="s", role="leaf", array="a", instance="l"}':
        "0+1275x50",
    'switch_uplink_capacity_bytes_per_second{site="s", role="leaf", array="a", instance="l"}':
        "100x50",
    # A job that stands still and had one interruption, one that goes on and had two.
    'training_job_steps_total{site="s", training_job="still"}': "7x50",
    'training_job_steps_total{site="s", training_job="goes"}': "0+1x50",
    'training_job_interruptions_total{site="s", training_job="still"}': "0x20 1x30",
    'training_job_interruptions_total{site="s", training_job="goes"}': "0x10 1x10 2x30",
    # A fault, and a job that stalls and stalls again, scraped more seldom than Grafana asks.
    'twin_fault_active{site="s", fault="f", target="r1"}': "_x8 1x10 stale _x30",
    'training_job_state{site="s", training_job="halts", state="stalled"}': "0x8 1x4 0x4 1x4 0x30",
    # A laser that is received, and one that is dark.
    'transceiver_laser_rx_power_dbm{site="s", array="a", instance="n1:9100", interface="e0"}':
        "-3x50",
    'transceiver_laser_rx_power_dbm{site="s", array="a", instance="n1:9100", interface="e1"}':
        "-40x50",
}  # fmt: skip


def _times(moments: Expr) -> str:
    """Return how often something is marked when Grafana asks every 5 s."""
    return f"count_over_time(({moments.text.replace('$__interval', '5s')})[{AT}:5s])"


FIGURES: dict[str, tuple[Expr | str, dict[str, float]]] = {
    "longest firing, of one device": (
        alerts.LONGEST, {'{alertname="Hot", severity="critical"}': 105},
    ),
    "noisiest rules, not those pending": (
        alerts.NOISIEST, {'{alertname="Hot", severity="critical"}': 3},
    ),
    "reserve, without what has tripped": (
        f"{energy.MEGAPACK_RESERVE} == bool 2", {"{}": 1},
    ),
    "PUE, through a checkpoint": (f"{energy.PUE} < bool 1.4", {'{site="s"}': 1}),
    "uplinks, by their counter": (
        f"round({network.UPLINKS_USED_HIGHEST}, 0.01) == bool 0.85", {"{}": 1},
    ),
    "energy a step, of who takes steps": (
        f"({energy.ENERGY_PER_STEP}) > bool 0", {'{site="s", training_job="goes"}': 1},
    ),
    "time between interruptions, a mean": (
        f"({job.TIME_BETWEEN}) > bool 290", {'{site="s", training_job="goes"}': 1},
    ),
    "time between interruptions, a bound": (
        f"({job.TIME_BETWEEN_AT_LEAST}) > bool 590", {'{site="s", training_job="still"}': 1},
    ),
    "a fault's beginning, marked once": (
        _times(chart_annotations.FAULTS["site"]), {'{fault="f", target="r1"}': 1},
    ),
    "a fault's end, marked once": (
        _times(chart_annotations.FAULTS_ENDED["site"]), {'{fault="f", target="r1"}': 1},
    ),
    "a job's stop, marked once": (
        _times(chart_annotations.INTERRUPTIONS), {'{training_job="halts"}': 1},
    ),
    "light, without dark ports": (
        network.OPTIC_LIGHT,
        {'transceiver_laser_rx_power_dbm{site="s", array="a", instance="n1", interface="e0"}': -3},
    ),
    "ports without light": (network.OPTIC_DARK, {"{}": 1}),
}  # fmt: skip


@pytest.mark.integration
def test_figures_say_what_they_are_called(tmp_path: Path) -> None:
    """Sums over devices, tripped reserves, dips and single events are not taken for what is."""
    chosen = {"site": "s", "array": "a", "__range": AT, "__interval": STEP}
    chosen["__rate_interval"] = "1m"
    asked = [
        {
            "expr": substitute(str(query), chosen),
            "eval_time": AT,
            "exp_samples": [{"labels": own, "value": value} for own, value in wanted.items()],
        }
        for query, wanted in FIGURES.values()
    ]
    series = [{"series": name, "values": values} for name, values in SERIES.items()]
    case = {"interval": STEP, "input_series": series, "promql_expr_test": asked}
    file = tmp_path / "figures.test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [case]}), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_of_a_jobs_time_is_explained(built: dict[str, Any]) -> None:
    """Every cause of lost time, evaluation too, has its name and colour where they are listed."""
    (panel,) = [
        panel for panel in panels_of(built["job.json"]) if panel["title"] == "Time lost by cause"
    ]
    said = json.dumps(panel["fieldConfig"]["overrides"])
    assert all(f'"{cause}"' in said for cause, _ in LOSS_CAUSES)
