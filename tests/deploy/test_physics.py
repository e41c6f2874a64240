"""The alert rules against the plant: silent in training, and each fault fires its own.

The plant runs in simulated time, its frames go through the aggregator, and what that
exposes at every scrape becomes the input of promtool's rule test.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from twin.aggregator import Core
from twin.alerts import ALERTS, PROOFS, Proof
from twin.alerts.editions import ways_to
from twin.catalog import UnitKind
from twin.catalog.editions import edition
from twin.faults import FAULTS, FaultSchedule, Gateways
from twin.plant import Plant
from twin.rules.shipped import write_shipped_rules
from twin.site import Layout, exporting, parse_site
from twin.translation import rewritten
from twin.wire import EmulatorStatus, Encoder, Topics

pytestmark = pytest.mark.integration

SITE = """
name: small
racks: 3
servers_per_rack: 1
server: {nics: 3}
cooling:
  flow_liters_per_minute: 9
  facility_flow_liters_per_minute: 13
  pump_power_watts: 200
  control_power_watts: 8
  nominal_heat_watts: 7000
water: {air_margin_ratio: 2}
megapacks: {count: 2, energy_joules: 1.0e+8, power_watts: 40000}
gensets: {count: 2, power_watts: 40000}
grid: {limit_watts: 50000}
facility: {fixed_power_watts: 2000}
training: {checkpoint_every_seconds: 240}
"""
"""Three racks, so that a median means something, with all that a large site has, in proportion."""

HEALTHY_SECONDS = 300
"""Simulated time before a fault: the windows of the rules are full."""
SCRAPE_SECONDS = 15
FIRED = 'group by (alertname) (last_over_time(ALERTS{alertstate="firing"}[1d]))'


class Twin:
    """A whole twin without processes, sockets and waiting."""

    def __init__(self, exporter: str) -> None:
        self.layout = Layout(exporting(parse_site(SITE, "small"), [f"dcgm={exporter}"]))
        self.plant = Plant(self.layout)
        self.faults = FaultSchedule(self.layout, FAULTS)
        self.core = Core(self.layout)
        self._topics = Topics(self.layout.site.name)
        self._encoders = {kind: Encoder(self.layout, kind) for kind in UnitKind}
        self._sequence = 0
        self.core.connected(connected=True)
        status = EmulatorStatus(emulator="plant-0", state="online").encode()
        self.core.handle(self._topics.status("plant-0"), status, retain=True, now=0.0)

    def advance(self, second: int) -> None:
        """Advance by a second."""
        self.plant.step(1.0, self.faults.conditions(float(second)))

    def loses_frames(self, second: int) -> bool:
        """Return whether frames are lost, so that those between two scrapes count too."""
        return bool(self.faults.gateways(float(second)).frame_loss.any())

    def publish(self, second: int) -> None:
        """Publish all frames; only those that a scrape will see is much faster than all."""
        gateways = self.faults.gateways(float(second))
        outputs = self.plant.outputs()
        self._sequence += 1
        for kind, encoder in self._encoders.items():
            encoder.load(outputs)
            for unit in range(self.layout.units(kind)):
                at = self._stamp(gateways, kind, unit, float(second))
                if at is not None:
                    topic = self._topics.frame(kind, self.layout.unit_name(kind, unit))
                    frame = encoder.encode(unit, at, self._sequence)
                    self.core.handle(topic, frame, retain=False, now=float(second))
        self.core.tick(float(second))

    def _stamp(self, gateways: Gateways, kind: UnitKind, unit: int, now: float) -> float | None:
        """Return the time that a frame bears, None if it is lost or never sent."""
        if kind is not UnitKind.RACK:
            return now
        lost = self._sequence % 10 < 10 * gateways.frame_loss[unit]
        if lost or not gateways.reporting[unit]:
            return None
        return now + float(gateways.clock_skew[unit])

    def scrape(self) -> Iterator[tuple[str, str]]:
        """Return every exposed series with its value."""
        for text in (self.core.metrics(), self.core.array(0)):
            for line in bytes(text).decode().splitlines():
                if not line.startswith("#"):
                    series, _, value = line.rpartition(" ")
                    yield series, value


def run(seconds: int, fault: str | None, every: int, exporter: str) -> Mapping[str, list[str]]:
    """Run a twin and return its series, one value a scrape, in promtool's notation."""
    twin = Twin(exporter)
    series: dict[str, list[str]] = defaultdict(lambda: ["_"])
    for second in range(1, seconds + 1):
        if fault is not None and second == HEALTHY_SECONDS:
            target = FAULTS[fault].default_target
            twin.faults.inject("test", fault, target, float(second), seconds=1e9)
        twin.advance(second)
        if second % every == 0 or twin.loses_frames(second):
            twin.publish(second)
        if second % every == 0:
            _append(series, dict(twin.scrape()), second // every)
    return series


def _append(series: dict[str, list[str]], scraped: Mapping[str, str], before: int) -> None:
    """Add a scrape, after as many as there were before."""
    for name, value in scraped.items():
        values = series[name]
        values.extend("_" * (before - len(values)))
        values.append(value)
    for name in series.keys() - scraped.keys():
        # Prometheus marks a series that a scrape no longer has.
        if len(series[name]) == before:
            series[name].append("stale")


def complaints(
    seconds: int,
    proof: Proof,
    rules: Path,
    folder: Path,
    every: int = SCRAPE_SECONDS,
    exporter: str = "4.8.2",
) -> list[str]:
    """Return promtool's complaints when exactly the expected alerts should have fired in time."""
    fault = proof.fault or None
    test: dict[str, Any] = {
        "rule_files": [str(path) for path in sorted(rules.glob("*.yml"))],
        "evaluation_interval": f"{every}s",
        "tests": [
            {
                "interval": f"{every}s",
                "input_series": [
                    {"series": name, "values": " ".join(values)}
                    for name, values in run(seconds, fault, every, exporter).items()
                ],
                "promql_expr_test": [_fired(seconds, *proof.fires), *_in_time(proof)],
            }
        ],
    }
    path = folder / "physics.yml"
    path.write_text(json.dumps(test), encoding="utf-8")  # JSON is YAML
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    return [] if done.returncode == 0 else (done.stdout + done.stderr).splitlines()


def _fired(at: int, *alerts: str) -> dict[str, Any]:
    """Return the claim that these alerts, and no others, have fired by then."""
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)]
    return {"expr": FIRED, "eval_time": f"{at}s", "exp_samples": samples}


def _in_time(proof: Proof) -> Iterator[dict[str, Any]]:
    """Return the claims that each alert has fired in the time that the proof allows."""
    for alert, seconds in proof.fires.items():
        fired = f'last_over_time(ALERTS{{alertstate="firing", alertname="{alert}"}}[1d])'
        yield {
            "expr": f"count({fired}) > bool 0",
            "eval_time": f"{HEALTHY_SECONDS + seconds}s",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }


@pytest.mark.parametrize("every", [5, 15, 30])
def test_training_is_silent(every: int, root: Path, tmp_path: Path) -> None:
    """Steps, evaluations and checkpoints of a healthy site fire nothing, however often scraped."""
    silence = Proof(fault="", fires={}, silent="nothing is wrong")
    assert complaints(900, silence, root / "deploy/prometheus/rules", tmp_path, every) == []


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.fault)
def test_fault_fires_its_alerts_and_no_others(proof: Proof, root: Path, tmp_path: Path) -> None:
    """Each fault is seen in time by the rules that are meant for it, and by none besides."""
    seconds = HEALTHY_SECONDS + proof.watch
    assert complaints(seconds, proof, root / "deploy/prometheus/rules", tmp_path) == []


def _of_gpus(proof: Proof) -> bool:
    """Return whether a fault fires an alert that reads dcgm-exporter."""
    ways = ways_to([edition("dcgm", "4.9.0")])
    return any(rewritten(ALERTS[name].expr, way).metrics for name in proof.fires for way, _ in ways)


OF_GPUS = [proof for proof in PROOFS if _of_gpus(proof)]
FLEETS = [
    pytest.param(("4.8.3",), "4.8.3", marks=pytest.mark.full),
    pytest.param(("4.8.4",), "4.8.4", marks=pytest.mark.full),
    pytest.param(("4.9.0",), "4.9.0"),
    pytest.param(("4.8.2", "4.9.0"), "4.8.2", marks=pytest.mark.full),
    pytest.param(("4.8.2", "4.9.0"), "4.9.0", marks=pytest.mark.full),
]
"""The editions that the rules are made for, and the one that the site has."""


@pytest.mark.parametrize(("made_for", "exporter"), FLEETS)
@pytest.mark.parametrize("proof", OF_GPUS, ids=lambda proof: proof.fault)
def test_rules_hold_on_every_edition(
    proof: Proof, made_for: tuple[str, ...], exporter: str, tmp_path: Path
) -> None:
    """Rules that are made for an edition, or for two at once, see on it what they see on 4.8.2."""
    folder = tmp_path / "rules"
    folder.mkdir()
    write_shipped_rules(folder, [edition("dcgm", version) for version in made_for])
    seconds = HEALTHY_SECONDS + proof.watch
    assert complaints(seconds, proof, folder, tmp_path, exporter=exporter) == []


@pytest.mark.parametrize(("made_for", "exporter"), FLEETS)
def test_training_is_silent_on_every_edition(
    made_for: tuple[str, ...], exporter: str, tmp_path: Path
) -> None:
    """Nothing fires on a healthy site of another edition."""
    folder = tmp_path / "rules"
    folder.mkdir()
    write_shipped_rules(folder, [edition("dcgm", version) for version in made_for])
    silence = Proof(fault="", fires={}, silent="nothing is wrong")
    assert complaints(600, silence, folder, tmp_path, exporter=exporter) == []


def test_every_fault_is_tested() -> None:
    """A new fault needs its alerts, or a reason why it has none."""
    assert sorted(proof.fault for proof in PROOFS) == sorted(FAULTS)
    assert all(bool(proof.silent) != bool(proof.fires) for proof in PROOFS)
