"""The alert rules against the plant: silent in training, and each fault fires its own.

A small site lives through each fault as ``twin rules test`` would have it, at the scrape and
evaluation interval for which the delays of the faults are stated. The shipped scenarios look at
the faults on a larger site and at other intervals.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from twin.alerts import ALERTS, PROOFS, RULES, Proof
from twin.alerts.editions import ways_to
from twin.catalog.editions import edition
from twin.content_cache import Cache, default_folder
from twin.faults import FAULTS
from twin.rules.kept_samples import kept_sample
from twin.rules.result import CheckStatus
from twin.rules.sampling import known_metrics
from twin.rules.scenario_run import Options, run_scenario, wanted_metrics
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
SERVING = """
jobs: [{name: pretrain, racks: 1, workload: llm-serving}]
"""
"""What faults of serving need beside."""
NVL72 = """
name: small
racks: 3
rack: nvl72
servers_per_rack: 2
nvlink: {switch_trays: 2}
shelves: {count: 2, psus: 3}
megapacks: {count: 2, energy_joules: 1.0e+8, power_watts: 60000}
gensets: {count: 2, power_watts: 60000}
grid: {limit_watts: 60000}
facility: {fixed_power_watts: 2000}
training: {checkpoint_every_seconds: 240}
"""
"""The same of short racks with switch trays and power shelves."""
SMOOTHED = """
gpu: gb300
smoothing: {enabled: true, in_band_level: 1}
"""
"""What faults of power smoothing need beside."""
NEEDED = {"scheduler": SCHEDULED, "air": IN_AIR, "serving": SERVING}
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
STARTS = SharedStarts(most_kept=8)
"""The healthy time, which every fault comes after: of each edition and each system."""
SILENCE = Proof(fault="", fires={}, silent="nothing is wrong")
NEWEST = (("4.9.0",), "4.9.0")
OTHERS = (
    (("4.8.3",), "4.8.3"),
    (("4.8.4",), "4.8.4"),
    (("4.8.2", "4.9.0"), "4.8.2"),
    (("4.8.2", "4.9.0"), "4.9.0"),
)
"""The editions that the rules are made for, and the one that the site has."""


@functools.cache
def made(*editions: str) -> RuleSet:
    """Return the shipped rules for these editions of dcgm-exporter."""
    with tempfile.TemporaryDirectory() as folder:
        write_shipped_rules(Path(folder), [edition("dcgm", version) for version in editions])
        return load_rules([f"{folder}/*.yml"])


@functools.cache
def written() -> RuleSet:
    """Return the rules as the files for Prometheus have them."""
    return load_rules([str(Path(__file__).parents[2] / "deploy/prometheus/rules/*.yml")])


def wanted(metrics: frozenset[str]) -> frozenset[str]:
    """Return the metrics that any of the rules reads, so that an edition is lived through once."""
    every = (written(), made(*NEWEST[0]), *(made(*editions) for editions, _ in OTHERS))
    return frozenset().union(*(wanted_metrics(rules, metrics) for rules in every))


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
    joined = NVL72 + SMOOTHED * (system == "smoothing")
    other = SITE + NEEDED.get(system, "")
    site = yaml.safe_load(joined if system in {"nvl72", "smoothing"} else other)
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
    cache = Cache(default_folder())
    kept_sample(loaded, wanted(known_metrics(loaded.layout)), cache, STARTS.sample)
    checks = run_scenario(loaded, rules, Options(cache=cache)).checks
    assert checks
    return [f"{own.text}: {own.detail}" for own in checks if own.status is not CheckStatus.PASSED]


def on_editions(
    seconds: int,
    proof: Proof,
    fleets: Sequence[tuple[tuple[str, ...], str]],
    folder: Path,
) -> list[str]:
    """Return what is wrong with the rules that are made for these editions, where they are."""
    return [
        f"for {' and '.join(made_for)} on {exporter}: {text}"
        for made_for, exporter in fleets
        for text in complaints(seconds, proof, made(*made_for), folder, exporter=exporter)
    ]


@pytest.mark.parametrize(
    "every", [15, *(pytest.param(own, marks=pytest.mark.full) for own in (5, 30))]
)
def test_training_is_silent(every: int, tmp_path: Path) -> None:
    """Steps, evaluations and checkpoints of a healthy site fire nothing, however often scraped."""
    assert complaints(900, SILENCE, written(), tmp_path, every) == []


def _quick() -> set[str]:
    """Return for each group of rules the fault that is seen soonest, of these the simplest."""
    quick = set[str]()
    for rules in RULES:
        names = {rule.name for rule in rules.alerts}
        firing = [own for own in PROOFS if names & own.fires.keys()]
        if firing:
            quick.add(min(firing, key=lambda own: (own.watch, len(own.fires), own.fault)).fault)
    return quick


QUICK = _quick()
"""Faults for every run; a full one has all."""


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param(proof, id=proof.fault, marks=[pytest.mark.full] * (proof.fault not in QUICK))
        for proof in PROOFS
    ],
)
def test_fault_fires_its_alerts_and_no_others(proof: Proof, tmp_path: Path) -> None:
    """Each fault is seen in time by the rules that are meant for it, and by none besides."""
    assert complaints(HEALTHY_SECONDS + proof.watch, proof, written(), tmp_path) == []


def _of_gpus() -> list[Proof]:
    """Return faults of which each alert that reads dcgm-exporter is fired by one, in few runs."""
    ways = [way for way, _ in ways_to([edition("dcgm", "4.9.0")])]
    left = {
        name
        for proof in PROOFS
        for name in proof.fires
        if any(rewritten(ALERTS[name].expr, way).metrics for way in ways)
    }
    found: list[Proof] = []
    while left:
        most = max(PROOFS, key=lambda own: (len(left & own.fires.keys()), -own.watch))
        found.append(most)
        left -= most.fires.keys()
    return found


OF_GPUS = _of_gpus()


@pytest.mark.full
@pytest.mark.parametrize("proof", OF_GPUS, ids=lambda proof: proof.fault)
def test_rules_hold_on_every_edition(proof: Proof, tmp_path: Path) -> None:
    """Rules that are made for an edition, or for two at once, see on it what they see on 4.8.2."""
    assert on_editions(HEALTHY_SECONDS + proof.watch, proof, [NEWEST, *OTHERS], tmp_path) == []


def test_training_is_silent_on_the_newest_edition(tmp_path: Path) -> None:
    """Nothing fires on a healthy site of 4.9.0."""
    assert on_editions(600, SILENCE, [NEWEST], tmp_path) == []


@pytest.mark.full
def test_training_is_silent_on_every_edition(tmp_path: Path) -> None:
    """Nothing fires on a healthy site of another edition."""
    assert on_editions(600, SILENCE, OTHERS, tmp_path) == []


def test_every_fault_is_tested() -> None:
    """A new fault needs its alerts, or a reason why it has none."""
    assert sorted(proof.fault for proof in PROOFS) == sorted(FAULTS)
    assert all(bool(proof.silent) != bool(proof.fires) for proof in PROOFS)
