"""Wrong instruments: what is shown differs, what is does not."""

from __future__ import annotations

import numpy as np

from twin.faults import FAULTS, FaultSchedule
from twin.plant import Conditions, Plant
from twin.plant.units import Floats
from twin.site import Layout

Outputs = dict[str, dict[str, Floats]]


def two_plants(layout: Layout, kind: str, seconds: int) -> tuple[list[Outputs], list[Outputs]]:
    """Return the outputs of two equal plants, second by second; the first has the fault."""
    schedule = FaultSchedule(layout, FAULTS)
    schedule.inject("x", kind, FAULTS[kind].default_target, now=0.0)
    shown: list[Outputs] = []
    truth: list[Outputs] = []
    for plant, outputs, faults in (
        (Plant(layout, 3), shown, schedule),
        (Plant(layout, 3), truth, FaultSchedule(layout, FAULTS)),
    ):
        for second in range(seconds):
            plant.step(1.0, faults.conditions(float(second)))
            seen = plant.outputs()
            outputs.append({d: {s: v.copy() for s, v in g.items()} for d, g in seen.items()})
    return shown, truth


def test_stuck(two_racks: Layout) -> None:
    """A stuck GPU shows one temperature and power; its neighbours and the energy are true."""
    shown, truth = two_plants(two_racks, "sensor-stuck", 30)
    power = np.array([outputs["gpu"]["power_usage"] for outputs in shown])
    real = np.array([outputs["gpu"]["power_usage"] for outputs in truth])
    assert np.ptp(power[:, 0, 0]) == 0
    assert np.ptp(real[:, 0, 0]) > 50
    np.testing.assert_array_equal(power[:, 0, 1:], real[:, 0, 1:])
    np.testing.assert_array_equal(shown[-1]["gpu"]["energy"], truth[-1]["gpu"]["energy"])


def test_a_stuck_sensor_follows_again(two_racks: Layout) -> None:
    """When the fault is over the readings are true at once."""
    plant, stuck = Plant(two_racks, 3), Conditions.healthy(two_racks)
    stuck.gpu_sensor_stuck[0, 0] = True
    for _ in range(30):
        plant.step(1.0, stuck)
        plant.outputs()
    plant.step(1.0, Conditions.healthy(two_racks))
    assert plant.outputs()["gpu"]["power_usage"][0, 0] == plant.gpus.power[0, 0]


def test_a_stuck_sensor_does_not_outlive_its_gpu(two_racks: Layout) -> None:
    """Off the bus a stuck GPU shows nothing; back on it, it is stuck where it was."""
    plant, stuck = Plant(two_racks, 3), Conditions.healthy(two_racks)
    stuck.gpu_sensor_stuck[0, 0] = True
    plant.step(1.0, stuck)
    held = plant.outputs()["gpu"]["gpu_temp"][0, 0]
    stuck.gpu_attached[0, 0] = False
    plant.step(1.0, stuck)
    assert np.isnan(plant.outputs()["gpu"]["gpu_temp"][0, 0])
    assert np.isnan(plant.outputs()["gpu"]["power_usage"][0, 0])
    stuck.gpu_attached[0, 0] = True
    plant.step(1.0, stuck)
    assert plant.outputs()["gpu"]["gpu_temp"][0, 0] == held


def test_a_sensor_that_sticks_unseen_sticks_when_it_is_seen(two_racks: Layout) -> None:
    """A GPU that was silent when its sensors stuck shows its first reading ever after."""
    plant, stuck = Plant(two_racks, 3), Conditions.healthy(two_racks)
    stuck.gpu_sensor_stuck[0, 0] = True
    stuck.gpu_attached[0, 0] = False
    plant.step(1.0, stuck)
    assert np.isnan(plant.outputs()["gpu"]["gpu_temp"][0, 0])
    stuck.gpu_attached[0, 0] = True
    shown = []
    for _ in range(10):
        plant.step(1.0, stuck)
        shown.append(plant.outputs()["gpu"]["gpu_temp"][0, 0])
    assert np.isfinite(shown).all()
    assert len(set(shown)) == 1


def test_drift(two_racks: Layout) -> None:
    """A drifting thermometer is half a kelvin off a minute, and the coolant is as it was."""
    shown, truth = two_plants(two_racks, "sensor-drift", 61)
    error = shown[-1]["cdu"]["supply_temperature"] - truth[-1]["cdu"]["supply_temperature"]
    np.testing.assert_allclose(error.ravel(), [0.5, 0.0], atol=1e-9)
    np.testing.assert_array_equal(shown[-1]["gpu"]["gpu_temp"], truth[-1]["gpu"]["gpu_temp"])


def test_noise(two_racks: Layout) -> None:
    """A noisy flow meter jitters by a quarter, never below zero, around the true flow."""
    shown, truth = two_plants(two_racks, "sensor-noise", 120)
    flow = np.array([outputs["cdu"]["flow"][:, 0] for outputs in shown])
    real = np.array([outputs["cdu"]["flow"][:, 0] for outputs in truth])
    assert 0.15 < flow[:, 0].std() / flow[:, 0].mean() < 0.35
    assert (flow >= 0).all()
    np.testing.assert_array_equal(flow[:, 1], real[:, 1])
