"""Readings of sensors: in the steps of each, and as often as it has a new value."""

from __future__ import annotations

import numpy as np
import pytest

from twin.catalog import DEVICES
from twin.plant import Conditions, Plant
from twin.plant.readings import READINGS, SensorReading, SensorReadings
from twin.site import Layout, parse_site

OF = {device.name: {signal.name: signal for signal in device.signals} for device in DEVICES}


def site(telemetry: str, more: str = "") -> Layout:
    """Return two racks with this telemetry."""
    return Layout(parse_site(f"{{name: tiny, racks: 2, telemetry: {{{telemetry}}}{more}}}", "test"))


def test_by_default_there_are_none(two_racks: Layout) -> None:
    """A site that says nothing shows what is."""
    assert SensorReadings.of(two_racks) is None


@pytest.mark.parametrize("own", READINGS, ids=lambda own: own.title)
def test_sensors_are_of_the_catalogue(own: SensorReading) -> None:
    """Each sensor has readings that the catalogue has, no coarser than its step, and a basis."""
    assert set(own.steps) <= set(OF[own.device])
    for name, step in own.steps.items():
        assert step >= 10.0 ** -OF[own.device][name].decimals
    assert own.refresh_seconds > 0.0
    assert own.basis


@pytest.mark.parametrize("cooling", ["", ", cooling: {medium: air}"])
def test_values_come_in_steps(cooling: str) -> None:
    """Whatever cools the racks, each reading is a whole number of its sensor's steps."""
    layout = site("real_readings: true", cooling)
    plant, well = Plant(layout, 3), Conditions.healthy(layout)
    for _ in range(20):
        plant.step(1.0, well)
    outputs, seen = plant.outputs(), 0
    for own in READINGS:
        group = outputs.get(own.device, {})
        for name in own.steps.keys() & group.keys():
            count = group[name] / own.steps[name]
            np.testing.assert_allclose(count, np.round(count), atol=1e-3)
            seen += 1
    assert seen > 5


def test_a_coolant_unit_stands_still_between_two_readings() -> None:
    """In a minute of falling load the return temperature is new every five seconds at most."""
    layout = site("real_readings: true")
    plant, conditions = Plant(layout, 3), Conditions.healthy(layout)
    conditions.gpu_attached[:] = False
    shown, truth = [], []
    for _ in range(60):
        plant.step(1.0, conditions)
        shown.append(float(plant.outputs()["cdu"]["return_temperature"][0, 0]))
        truth.append(float(plant.cdus.outputs()["return_temperature"][0, 0]))
    moves = np.flatnonzero(np.diff(shown))
    assert 3 < moves.size <= 12
    assert np.diff(moves).min() >= 5
    assert np.count_nonzero(np.diff(truth)) > 50
    assert max(abs(a - b) for a, b in zip(shown[30:], truth[30:], strict=True)) < 3.0


def test_dcgm_shows_what_it_collected() -> None:
    """With a collect interval of 30 s a GPU's series have a new value every 30 s, whoever asks."""
    layout = site("dcgm_collect_seconds: 30")
    plant, well = Plant(layout, 3), Conditions.healthy(layout)
    seen = []
    for _ in range(70):
        plant.step(1.0, well)
        seen.append({name: values.copy() for name, values in plant.outputs()["gpu"].items()})
    power = np.array([values["power_usage"][0, 0] for values in seen])
    assert np.flatnonzero(np.diff(power)).tolist() == [29, 59]
    energy = np.array([values["energy"][0, 0] for values in seen])
    assert np.flatnonzero(np.diff(energy)).tolist() == [29, 59]


def test_what_falls_silent_shows_nothing_at_once() -> None:
    """A GPU that leaves the bus is gone in the next reading, and back with a new one."""
    layout = site("dcgm_collect_seconds: 30")
    plant, conditions = Plant(layout, 3), Conditions.healthy(layout)
    plant.step(1.0, conditions)
    first = plant.outputs()["gpu"]["gpu_temp"].copy()
    conditions.gpu_attached[0, 0] = False
    plant.step(1.0, conditions)
    gone = plant.outputs()["gpu"]["gpu_temp"]
    assert np.isnan(gone[0, 0])
    assert gone[0, 1] == first[0, 1]
    conditions.gpu_attached[0, 0] = True
    plant.step(1.0, conditions)
    assert plant.outputs()["gpu"]["gpu_temp"][0, 0] > 0.0
