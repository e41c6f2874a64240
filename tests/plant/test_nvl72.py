"""Racks that are one machine: their power, their bus, their trays, and the captures beside them."""

from __future__ import annotations

import numpy as np
import pytest

from twin.plant import Conditions, Plant
from twin.plant.power_shelf import ShelfFedServers
from twin.site import Layout, load_site

RACK = Layout(load_site("nvl72-rack"))


def after(seconds: int, conditions: Conditions | None = None, workload: str = "training") -> Plant:
    """Return a rack that has run for so long under these conditions."""
    plant = Plant(RACK, seed=1, workload=workload)
    for _ in range(seconds):
        plant.step(1.0, conditions or Conditions.healthy(RACK))
    return plant


def shelves(plant: Plant) -> ShelfFedServers:
    """Return the trays of a plant with their shelves."""
    assert isinstance(plant.servers, ShelfFedServers)
    return plant.servers


def test_idle_tray_is_the_captured_one() -> None:
    """An idle GB300 tray has GPUs of 178 W, modules of 486 to 500 W, 49.9 V and dry detectors."""
    outputs = after(30, workload="idle").outputs()
    assert outputs["gpu"]["power_usage"].mean() == pytest.approx(178, rel=0.03)
    assert 480 < outputs["grace"]["module_power"].mean() < 500
    assert 85 < outputs["grace"]["power"].mean() < 92
    assert outputs["hot_swap"]["voltage"].mean() == pytest.approx(49.90, abs=0.03)
    assert np.all(np.abs(outputs["leak_detector"]["voltage"] - 1.73) < 0.02)
    # The tray of 1,355 W that Redfish shows had GPUs of 239 W; these have 61 W less each.
    trays = outputs["server"]["power"]
    assert trays.mean() + 4 * 61 * 1.09 == pytest.approx(1355, rel=0.02)


def test_bus_carries_trays_and_switches_and_loses_what_supplies_lose() -> None:
    """Shelves give the sum of all trays, and draw that over their efficiency."""
    plant = after(90)
    outputs, servers = plant.outputs(), shelves(plant)
    given = outputs["power_shelf"]["power"].sum()
    trays = outputs["server"]["power"].sum() + outputs["switch_tray"]["power"].sum()
    assert given == pytest.approx(trays, rel=1e-6)
    assert 0.96 < given / servers.rack_power.sum() < 0.98
    assert outputs["shelf_psu"]["output_power"].sum() == pytest.approx(given, rel=1e-6)
    drawn = outputs["pdu"]["power"].sum() - plant.cdus.power.sum()
    assert drawn == pytest.approx(servers.rack_power.sum(), rel=1e-6)
    assert 85e3 < given < 125e3
    volts, amperes = outputs["power_shelf"]["voltage"], outputs["power_shelf"]["current"]
    assert volts[0, 0] == pytest.approx(50.0 - 1.8e-4 * amperes.sum(), abs=0.01)


def test_heat_goes_into_liquid_as_in_the_pod() -> None:
    """The coolant takes 94 to 97 % of the rack's power: a pod of NVIDIA shows 95 to 98 %."""
    plant = after(600)
    share = plant.cdus.absorbed.sum() / shelves(plant).rack_power.sum()
    assert 0.93 < share < 0.97


def test_half_of_the_shelves_carry_the_rack() -> None:
    """Without one feed the other four shelves carry all, and nothing slows down."""
    conditions = Conditions.healthy(RACK)
    conditions.shelf_psu_available[:, 24:] = False
    plant = after(60, conditions)
    outputs = plant.outputs()
    assert outputs["power_shelf"]["power"][0, 4:].sum() == 0.0
    assert (outputs["shelf_psu"]["enabled"][0] == [1.0] * 24 + [0.0] * 24).all()
    assert plant.gpus.speed_in(slice(None)) == pytest.approx(1.0, abs=0.02)


def test_too_few_supplies_hold_the_gpus_back() -> None:
    """With 16 of 48 supplies, 88 kW, the trays lower the power limit until the bus holds."""
    conditions = Conditions.healthy(RACK)
    conditions.shelf_psu_available[:, 16:] = False
    plant = after(120, conditions)
    outputs = plant.outputs()
    assert outputs["power_shelf"]["power"].sum() <= 16 * 5500 * 1.001
    assert plant.gpus.speed_in(slice(None)) < 0.95
    assert outputs["power_shelf"]["voltage"][0, 0] > 49.0


def test_no_supply_is_a_dark_rack() -> None:
    """Without any supply no tray runs, nothing is drawn and no GPU reports."""
    conditions = Conditions.healthy(RACK)
    conditions.shelf_psu_available[:] = False
    plant = after(30, conditions)
    assert shelves(plant).rack_power.sum() == 0.0
    assert np.isnan(plant.outputs()["gpu"]["gpu_temp"]).all()


def test_bad_joint_takes_voltage_from_its_tray_alone() -> None:
    """A joint of 10 mΩ costs one tray a volt or more and heats; the others keep theirs."""
    conditions = Conditions.healthy(RACK)
    conditions.bus_joint_ohms[0, 3] = 0.010
    plant = after(60, conditions)
    volts = plant.outputs()["hot_swap"]["voltage"][0].reshape(18, 2).mean(axis=1)
    assert volts[3] < 49.2
    assert np.delete(volts, 3).min() > 49.4
    servers = shelves(plant)
    lost = plant.outputs()["power_shelf"]["power"].sum() - (
        servers.output.sum() + servers.switches.sum()
    )
    assert lost > 50.0


def test_silent_controller_hides_its_tray_and_stops_nothing() -> None:
    """Sensors of a tray whose board controller is silent are missing, and its GPUs go on."""
    conditions = Conditions.healthy(RACK)
    conditions.bmc_answers[0, 2] = False
    outputs = after(5, conditions).outputs()
    assert np.isnan(outputs["hot_swap"]["power"][0, 4:6]).all()
    assert np.isnan(outputs["leak_detector"]["voltage"][0, 8:12]).all()
    assert outputs["server"]["up_ipmi"][0, 2] == 0.0
    assert np.isfinite(outputs["gpu"]["power_usage"]).all()
    assert np.isfinite(outputs["hot_swap"]["power"][0, :4]).all()


def test_low_set_point_of_the_shelves_shows_at_every_tray() -> None:
    """Shelves that hold 47 V leave every tray of the rack below that, and currents rise."""
    usual = after(30).outputs()["power_shelf"]["current"].sum()
    conditions = Conditions.healthy(RACK)
    conditions.bus_volts_ratio[0] = 0.94
    outputs = after(30, conditions).outputs()
    volts = outputs["hot_swap"]["voltage"][0]
    assert 46.0 < volts.min() < volts.max() < 47.0
    assert outputs["power_shelf"]["current"].sum() == pytest.approx(usual / 0.94, rel=0.02)
