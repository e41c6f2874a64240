"""The alert rules against the plant: silent in training, and each fault fires its own.

The plant runs in simulated time, its frames go through the aggregator, what that
exposes every 5 s becomes the input of promtool's rule test.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twin.aggregator import Core
from twin.catalog import Frame
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Plant
from twin.site import Layout, parse_site
from twin.wire import Encoder, Status, Topics

pytestmark = pytest.mark.integration

SITE = """
name: small
racks: 2
servers_per_rack: 1
server: {nics: 2}
megapacks: {count: 2}
gensets: {count: 1}
training: {eval_every_seconds: 60, checkpoint_every_seconds: 100}
"""
SCRAPE_SECONDS = 5
EVER_FIRED = 'group by (alertname) (last_over_time(ALERTS{alertstate="firing"}[1h]))'
HEALTHY_SECONDS = 60
"""Simulated time before a fault."""

FIRED = {
    "pump-failure": {"CoolantPumpFailed"},
    "both-pumps-failure": {
        "CoolantPumpFailed",
        "RackWithoutPumps",
        "CoolantFlowLow",
        "GpuTooHot",
        "GpuThermalThrottling",
        "GpuLost",
    },
    "pump-degraded": set(),
    "filter-clogging": set(),
    "heat-exchanger-fouling": set(),
    "coolant-leak": {"CoolantLeak"},
    "valve-stuck": set(),
    "cdu-psu-failure": set(),
    "chiller-failure": set(),
    "facility-water-warm": set(),
    "hot-day": set(),
    "gpu-off-bus": {"GpuLost"},
    "gpu-xid": set(),
    "gpu-ecc-single-bit": set(),
    "gpu-double-bit": {"GpuXid"},
    "gpu-row-remap-failure": {"GpuXid"},
    "gsp-timeout": {"GpuXid"},
    "gpu-hang": set(),
    "gpu-slow": set(),
    "gpu-cold-plate": {"GpuThermalThrottling", "GpuTooHot"},
    "gpu-power-brake": set(),
    "gpu-pcie-replay": set(),
    "nvlink-error": set(),
    "dcgm-exporter-down": {"ServerExporterDown"},
    "nic-flap": {"NicLinkFlapping"},
    "nic-down": {"NicLinkDown"},
    "nic-degraded-rate": set(),
    "optic-ageing": set(),
    "packet-loss": set(),
    "pfc-storm": set(),
    "leaf-down": {"NicLinkDown"},
    "spine-down": set(),
    "adaptive-routing-off": set(),
    "storage-slow": set(),
    "grid-outage": set(),
    "grid-sag": {"MegapackFault"},
    "grid-frequency": set(),
    "megapack-trip": {"MegapackFault"},
    "megapack-derate": set(),
    "genset-start-failure": set(),
    "genset-trip": set(),
    "pdu-breaker-trip": set(),
    "pdu-phase-imbalance": set(),
    "psu-failure": set(),
    "server-power-cap": set(),
    "server-down": {"ServerExporterDown"},
    "job-crash": set(),
    "software-hang": set(),
    "data-loader-slow": set(),
    "checkpoint-storm": set(),
    "gateway-silent": {"RackSilent"},
    "frames-lost": {"FramesLost"},
    "clock-skew": set(),
    "sensor-stuck": set(),
    "sensor-drift": set(),
    "sensor-noise": set(),
}
"""Every fault and all alerts that it fires within three minutes."""


class Twin:
    """A whole twin without processes, sockets and waiting."""

    def __init__(self) -> None:
        self.layout = Layout(parse_site(SITE, "small"))
        self.plant = Plant(self.layout)
        self.faults = FaultSchedule(self.layout, FAULTS)
        self.core = Core(self.layout)
        self._topics = Topics(self.layout.site.name)
        self._encoders = {kind: Encoder(self.layout, kind) for kind in Frame}
        self.core.connected(connected=True)
        status = Status(emulator="plant-0", state="online").encode()
        self.core.handle(self._topics.status("plant-0"), status, retain=True, now=0.0)

    def step(self, second: int) -> None:
        """Advance by a second and publish all frames."""
        conditions = self.faults.conditions(float(second))
        self.plant.step(1.0, conditions)
        outputs = self.plant.outputs()
        for kind, encoder in self._encoders.items():
            encoder.load(outputs)
            for unit in range(self.layout.units(kind)):
                at = float(second)
                if kind is Frame.RACK:
                    lost = second % 10 < 10 * conditions.frame_loss[unit]
                    if lost or not conditions.gateway_reporting[unit]:
                        continue
                    at += float(conditions.clock_skew[unit])
                topic = self._topics.frame(kind, self.layout.unit_name(kind, unit))
                frame = encoder.encode(unit, at, second)
                self.core.handle(topic, frame, retain=False, now=float(second))
        self.core.tick(float(second))

    def scrape(self) -> Iterator[tuple[str, str]]:
        """Return every exposed series with its value."""
        for text in (self.core.metrics(), self.core.array(0)):
            for line in bytes(text).decode().splitlines():
                if not line.startswith("#"):
                    series, _, value = line.rpartition(" ")
                    yield series, value


def run(seconds: int, fault: str | None) -> dict[str, list[str]]:
    """Run a twin and return its series, one value a scrape, in promtool's notation."""
    twin = Twin()
    series: dict[str, list[str]] = defaultdict(list)
    for second in range(1, seconds + 1):
        if fault is not None and second == HEALTHY_SECONDS:
            twin.faults.inject("test", fault, FAULTS[fault].default_target, float(second))
        twin.step(second)
        if second % SCRAPE_SECONDS == 0:
            scraped = dict(twin.scrape())
            before = second // SCRAPE_SECONDS - 1
            for name, value in scraped.items():
                values = series[name]
                values.extend("_" * (before - len(values)))
                values.append(value)
            for name in series.keys() - scraped.keys():
                # Prometheus marks a series that a scrape no longer has.
                if len(series[name]) == before:
                    series[name].append("stale")
    return series


def fired(seconds: int, fault: str | None, rules: Path, folder: Path) -> list[str]:
    """Return promtool's complaints when exactly the expected alerts should have fired."""
    expected = FIRED[fault] if fault else set()
    test: dict[str, Any] = {
        "rule_files": [str(path) for path in sorted(rules.glob("*.yml"))],
        "evaluation_interval": f"{SCRAPE_SECONDS}s",
        "tests": [
            {
                "interval": f"{SCRAPE_SECONDS}s",
                "input_series": [
                    {"series": name, "values": " ".join(values)}
                    for name, values in run(seconds, fault).items()
                ],
                "promql_expr_test": [
                    {
                        "expr": EVER_FIRED,
                        "eval_time": f"{seconds}s",
                        "exp_samples": [
                            {"labels": f'{{alertname="{name}"}}', "value": 1}
                            for name in sorted(expected)
                        ],
                    }
                ],
            }
        ],
    }
    path = folder / "physics.yml"
    path.write_text(json.dumps(test), encoding="utf-8")  # JSON is YAML
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    return [] if done.returncode == 0 else (done.stdout + done.stderr).splitlines()


def test_training_is_silent(root: Path, tmp_path: Path) -> None:
    """Steps, evaluations and checkpoints of a healthy site fire nothing in five minutes."""
    assert fired(300, None, root / "deploy/prometheus/rules", tmp_path) == []


@pytest.mark.parametrize("fault", sorted(FIRED))
def test_fault_fires_its_alerts_and_no_others(fault: str, root: Path, tmp_path: Path) -> None:
    """Each fault is seen by the rules that are meant for it, and by none besides."""
    seconds = HEALTHY_SECONDS + 180
    assert fired(seconds, fault, root / "deploy/prometheus/rules", tmp_path) == []


def test_every_fault_is_tested() -> None:
    """A new fault needs its alerts."""
    assert set(FIRED) == set(FAULTS)
