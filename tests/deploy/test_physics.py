"""The alert rules against the plant: silent in training, and each fault fires its own.

A small site lives through each fault as ``twin rules test`` would have it, at the scrape and
evaluation interval for which the delays of the faults are stated. The shipped scenarios look at
the faults on a larger site and at other intervals.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from twin.alerts import ALERTS, PROOFS, Proof
from twin.alerts.editions import ways_to
from twin.catalog.editions import edition
from twin.faults import FAULTS
from twin.rules.cache import Cache, default_folder
from twin.rules.result import CheckStatus
from twin.rules.scenario_run import Options, run_scenario
from twin.rules.shared_start import SharedStarts
from twin.rules.shipped import write_shipped_rules
from twin.rules.source import RuleSet, load_rules
from twin.scenario import parse_scenario
from twin.translation import rewritten

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
SCHEDULED = """
jobs: [{name: pretrain, racks: 1}]
scheduler: {kind: slurm}
job_mix: [{name: a, share: 1, gpus: [8], seconds: 120, spread: 0.3}]
"""
"""What faults of a scheduler need beside."""
IN_AIR = """
fans: {per_server: 6}
"""
"""What faults of air cooling need beside."""
NEEDED = {"scheduler": SCHEDULED, "air": IN_AIR}
"""What faults of a system need beside."""
EXCHANGING = {
    "parameters": 1.4e11,
    "precision": "bf16",
    "tensor_parallel": 8,
    "pipeline_parallel": 1,
    "virtual_stages": 24,
}
"""A model of which each server trains a copy, so that a good part of a step is their exchange."""
OF_FABRIC = {"adaptive-routing-off", "nic-degraded-rate", "pfc-storm", "spine-down"}
"""Faults that hardly slow a job with less to exchange."""

HEALTHY_SECONDS = 300
"""Simulated time before a fault: the windows of the rules are full."""
SCRAPE_SECONDS = 15
STARTS = SharedStarts()
"""The healthy time, which every fault comes after."""
SILENCE = Proof(fault="", fires={}, silent="nothing is wrong")


@pytest.fixture(scope="session")
def written(root: Path) -> RuleSet:
    """Return the rules as the files for Prometheus have them."""
    return load_rules([str(root / "deploy/prometheus/rules/*.yml")])


def complaints(
    seconds: int,
    proof: Proof,
    rules: RuleSet,
    folder: Path,
    every: int = SCRAPE_SECONDS,
    exporter: str = "4.8.2",
) -> list[str]:
    """Return what is wrong when exactly the expected alerts should have fired in time."""
    # The fault shows in the first scrape after the healthy time, from which delays are counted.
    fires = [{"alert": name, "within": f"{most + 1}s"} for name, most in proof.fires.items()]
    fault = {"kind": proof.fault, "at": f"{HEALTHY_SECONDS - 1}s", "for": "1d"}
    system = FAULTS[proof.fault].system if proof.fault else ""
    site = yaml.safe_load(SITE + NEEDED.get(system, ""))
    if system == "air":
        site["cooling"] = {"medium": "air"}
    if proof.fault in OF_FABRIC:
        site["training"] |= {"step_seconds": 10.64, "model": EXCHANGING}
    scenario: dict[str, Any] = {
        "title": proof.fault or "training",
        "site": {**site, "telemetry": {"exporters": {"dcgm": exporter}}},
        "duration": f"{seconds}s",
        "step": "5s" if every == SCRAPE_SECONDS and not proof.fault else "1s",
        "scrape": f"{every}s",
        "evaluate": f"{every}s",
        "faults": [fault] if proof.fault else [],
        "expect": {"fires": fires, "exactly": list(proof.fires)},
    }
    loaded = parse_scenario(json.dumps(scenario), folder / "physics.yaml")  # JSON is YAML
    # What a fault does on an edition is lived through once, whatever the rules.
    options = Options(cache=Cache(default_folder()))
    checks = run_scenario(loaded, rules, options, live=STARTS.sample).checks
    assert checks
    return [f"{own.text}: {own.detail}" for own in checks if own.status is not CheckStatus.PASSED]


@pytest.mark.parametrize("every", [5, 15, 30])
def test_training_is_silent(every: int, written: RuleSet, tmp_path: Path) -> None:
    """Steps, evaluations and checkpoints of a healthy site fire nothing, however often scraped."""
    assert complaints(900, SILENCE, written, tmp_path, every) == []


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.fault)
def test_fault_fires_its_alerts_and_no_others(
    proof: Proof, written: RuleSet, tmp_path: Path
) -> None:
    """Each fault is seen in time by the rules that are meant for it, and by none besides."""
    assert complaints(HEALTHY_SECONDS + proof.watch, proof, written, tmp_path) == []


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


def _made(folder: Path, editions: tuple[str, ...]) -> RuleSet:
    """Return the shipped rules for these editions of dcgm-exporter."""
    folder.mkdir()
    write_shipped_rules(folder, [edition("dcgm", version) for version in editions])
    return load_rules([str(folder / "*.yml")])


@pytest.mark.parametrize(("made_for", "exporter"), FLEETS)
@pytest.mark.parametrize("proof", OF_GPUS, ids=lambda proof: proof.fault)
def test_rules_hold_on_every_edition(
    proof: Proof, made_for: tuple[str, ...], exporter: str, tmp_path: Path
) -> None:
    """Rules that are made for an edition, or for two at once, see on it what they see on 4.8.2."""
    rules, seconds = _made(tmp_path / "rules", made_for), HEALTHY_SECONDS + proof.watch
    assert complaints(seconds, proof, rules, tmp_path, exporter=exporter) == []


@pytest.mark.parametrize(("made_for", "exporter"), FLEETS)
def test_training_is_silent_on_every_edition(
    made_for: tuple[str, ...], exporter: str, tmp_path: Path
) -> None:
    """Nothing fires on a healthy site of another edition."""
    rules = _made(tmp_path / "rules", made_for)
    assert complaints(600, SILENCE, rules, tmp_path, exporter=exporter) == []


def test_every_fault_is_tested() -> None:
    """A new fault needs its alerts, or a reason why it has none."""
    assert sorted(proof.fault for proof in PROOFS) == sorted(FAULTS)
    assert all(bool(proof.silent) != bool(proof.fires) for proof in PROOFS)
