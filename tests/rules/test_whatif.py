"""What if, from now: the load of the fleet is taken over, and the fault has its consequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from twin.errors import ConfigError
from twin.fleet.calibration import FleetPast
from twin.rules.present import at_present
from twin.rules.source import load_rules
from twin.rules.whatif import foresee, scenario_of

SITE = """
name: small
racks: 3
racks_per_array: 3
servers_per_rack: 1
server: {gpus: 2, nics: 2}
measured: [{rack: 1, hosts: [a]}, {rack: 2, hosts: [b]}]
"""
RULES = """
groups:
  - name: test
    rules:
      - alert: PumpFailed
        expr: cdu_pump_state{state="failed"} == 1
        for: 10s
        labels: {severity: critical}
      - alert: Always
        expr: vector(1)
"""
STEPS = 120


def past(supply: float = 29.0) -> FleetPast:
    """Return half an hour in which rack 1 begins to work, rack 2 is idle and rack 3 unknown."""
    power, used = np.full((STEPS, 3, 2), np.nan), np.full((STEPS, 3, 2), np.nan)
    power[:, :2], used[:, :2] = 75.0, 0.0
    power[80:, 0], used[80:, 0] = 520.0, 99.0
    flow = np.full((STEPS, 3, 1), np.nan)
    return FleetPast(0.0, 15.0, {
        "gpu.power_usage": power, "gpu.gpu_util": used, "cdu.flow": flow,
        "cdu.supply_temperature": np.full((STEPS, 3, 1), supply),
    })  # fmt: skip


def test_the_present_is_taken_over() -> None:
    """Set points, power and racks at work are those of the last minutes; the rest is told."""
    found = at_present(SITE, "small", past())
    assert found.values["cooling"]["supply_celsius"] == 29.0
    assert found.values["gpu"]["power_training_watts"] == 520.0
    assert [(job["racks"], job["workload"]) for job in found.values["jobs"]] == [
        (1, "training"), (2, "idle"),
    ]  # fmt: skip
    assert "measured" not in found.values
    assert "load: 1 of 3 racks are at work" in found.taken
    assert "the load of 1 racks that measure nothing: they are taken for idle" in found.left
    assert any(own.startswith("flow liters per minute: no coolant unit") for own in found.left)


def test_a_fault_that_is_none_is_refused() -> None:
    """The error begins with the fault or the target: there is no file that it could stand in."""
    present = at_present(SITE, "small", None)
    assert present.taken == ()
    with pytest.raises(ConfigError, match=r"^fault 'no-such-fault' does not exist"):
        scenario_of(present, "no-such-fault", None, 60.0, "training", "what if")
    with pytest.raises(ConfigError, match=r"^target 'r0009/pump1' does not exist"):
        scenario_of(present, "pump-failure", "r0009/pump1", 60.0, "training", "what if")


@pytest.mark.integration
def test_consequences_are_foreseen(tmp_path: Path) -> None:
    """Without both pumps the GPUs of the rack at work throttle and shut down; alerts tell when."""
    path = tmp_path / "own.rules.yml"
    path.write_text(RULES, encoding="utf-8")
    present = at_present(SITE, "small", past())
    loaded = scenario_of(present, "both-pumps-failure", "r0001", 600.0, "training", "what if")
    found = foresee(loaded, load_rules([str(path)]))
    assert found.throttle is not None
    assert found.shutdown is not None
    assert 0.0 < found.throttle < found.shutdown < 600.0
    assert (found.throttled, found.lost) == (2, 2)
    assert found.watts_end < 0.6 * found.watts_before
    assert found.jobs == ["load-1"]
    assert [(own.name, own.severity, own.instances) for own in found.alerts] == [
        ("PumpFailed", "critical", 2)
    ]
    assert 10.0 <= found.alerts[0].after <= 30.0
    assert found.before == ["Always"]
    assert yaml.safe_dump(dict(present.values))
