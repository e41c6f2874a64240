"""The facility water plant: weather, staging, capacity and the heat in the water."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.parameters import WaterParameters
from twin.plant import Conditions, Plant
from twin.plant.chiller import WaterPlant, performance
from twin.plant.weather import outdoor_celsius, relative_humidity
from twin.site import Layout

WATER = WaterParameters()
DAY = 86_400.0
FLOW = 400.0
_STANDBY, _STARTING, _RUNNING, _FAILED = range(4)


@pytest.fixture
def load(array: Layout) -> float:
    """Heat of training: 95 % of what is installed."""
    return 0.95 * array.site.installed_power_watts


@pytest.fixture
def water(array: Layout, load: float) -> WaterPlant:
    """The plant in equilibrium."""
    water = WaterPlant(array)
    water.weather(0.0, 0.0)
    water.settle(load, FLOW)
    return water


def run(water: WaterPlant, conditions: Conditions, load: float, seconds: int) -> None:
    """Step ``water`` second by second."""
    for second in range(seconds):
        water.step(load, FLOW, conditions, float(second), 1.0)


def states(water: WaterPlant) -> list[int]:
    """Return the state of each chiller."""
    return [int(state) for state in water.chiller_outputs()["state"][0]]


def test_outdoor_temperature_follows_the_local_day() -> None:
    """Hottest at 15 h local time, coldest twelve hours later, the same every day."""
    peak = (WATER.outdoor_peak_hour - WATER.utc_offset_hours) * 3600.0
    assert outdoor_celsius(peak, WATER) == pytest.approx(28.0)
    assert outdoor_celsius(peak + DAY / 2, WATER) == pytest.approx(16.0)
    assert outdoor_celsius(peak + 20_000 * DAY, WATER) == pytest.approx(28.0)


def test_relative_humidity() -> None:
    """At the dew point the air is saturated; 20 °C and 9.3 °C are 50 % (Magnus)."""
    assert relative_humidity(14.0, 14.0) == 1.0
    assert relative_humidity(20.0, 9.3) == pytest.approx(0.50, abs=0.005)


@given(st.floats(-20, 45), st.floats(0, 15), st.floats(0.1, 1.0))
def test_heat_costs_more_on_a_warmer_day(celsius: float, more: float, ratio: float) -> None:
    """Performance is positive and never rises with the outdoor temperature."""
    cool, warm = (performance(t, ratio, WATER) for t in (celsius, celsius + more))
    assert 0 < warm <= cool


def test_one_chiller_stands_by(water: WaterPlant) -> None:
    """At full load all but the spare one run, and the water is at its set point."""
    assert states(water) == [_RUNNING, _RUNNING, _RUNNING, _STANDBY]
    assert water.supply == 24.0
    assert water.capacity > water.load


def test_spare_chiller_takes_over(array: Layout, water: WaterPlant, load: float) -> None:
    """A chiller fails, the spare one starts; until it runs the water warms by under a kelvin."""
    conditions = Conditions.healthy(array)
    conditions.chiller_available[0] = False
    run(water, conditions, load, 30)
    assert states(water) == [_FAILED, _RUNNING, _RUNNING, _STARTING]
    run(water, conditions, load, 100)
    assert states(water) == [_FAILED, _RUNNING, _RUNNING, _RUNNING]
    assert 24.2 < water.supply < 25.0
    run(water, conditions, load, 900)
    assert water.supply == pytest.approx(24.0, abs=0.1)


def test_running_chillers_are_not_stopped_for_mended_ones(
    array: Layout, water: WaterPlant, load: float
) -> None:
    """A chiller that comes back stands by: those that run go on."""
    conditions = Conditions.healthy(array)
    conditions.chiller_available[0] = False
    run(water, conditions, load, 1200)
    conditions.chiller_available[0] = True
    run(water, conditions, load, 10)
    assert states(water) == [_STANDBY, _RUNNING, _RUNNING, _RUNNING]


def test_shortfall_warms_the_water(array: Layout, water: WaterPlant, load: float) -> None:
    """With two chillers gone the water warms at shortfall over heat capacity, and keeps on."""
    conditions = Conditions.healthy(array)
    conditions.chiller_available[:2] = False
    run(water, conditions, load, 200)
    before = water.supply
    run(water, conditions, load, 100)
    rate = (load - water.capacity) / water.heat_capacity
    assert rate > 0
    assert water.supply - before == pytest.approx(100 * rate, rel=1e-6)
    assert water.removed == water.capacity


def test_fewer_run_at_a_lower_load(array: Layout, water: WaterPlant, load: float) -> None:
    """A chiller is switched off once the load has been low for long, not in a checkpoint."""
    conditions = Conditions.healthy(array)
    run(water, conditions, 0.4 * load, 20)
    assert states(water).count(_RUNNING) == 3
    run(water, conditions, 0.4 * load, 1800)
    assert states(water).count(_RUNNING) == 2


@settings(max_examples=40, deadline=None)
@given(
    shares=st.lists(st.floats(0.0, 1.3), min_size=1, max_size=6),
    broken=st.sets(st.integers(0, 3)),
    excess=st.floats(0, 40),
    dt=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_heat_of_the_water_is_conserved(
    array: Layout, shares: list[float], broken: set[int], excess: float, dt: float
) -> None:
    """What warms the water is what goes in less what the chillers carry off, within capacity."""
    water = WaterPlant(array)
    water.weather(0.0, 0.0)
    installed = array.site.installed_power_watts
    water.settle(shares[0] * installed, FLOW)
    conditions = Conditions.healthy(array)
    conditions.chiller_available[sorted(broken)] = False
    conditions.outdoor_excess[0] = excess
    conditions.water_excess[0] = excess / 4
    for tick in range(120):
        load = shares[tick % len(shares)] * installed
        before = water.supply
        water.step(load, FLOW, conditions, tick * dt, dt)
        stored = (water.supply - before) * water.heat_capacity
        assert stored == pytest.approx((load - water.removed) * dt, abs=1.0)
        assert 0 <= water.removed <= water.capacity
        out = water.chiller_outputs()
        assert out["power"].sum() == pytest.approx(water.power)
        assert out["heat_removed"].sum() == pytest.approx(water.removed)
        assert (out["heat_removed"][0, sorted(broken)] == 0).all()
        assert all(np.isfinite(value).all() for value in out.values())


def test_facility_heat_of_the_plant(array: Layout) -> None:
    """The water takes up what the coolant units give it and what is left to the air."""
    plant = Plant(array, seed=1)
    for _ in range(300):
        plant.step(1.0, Conditions.healthy(array))
        out = plant.outputs()
        units = out["cdu"]["facility_heat"].sum()
        power = out["facility"]["it_power"].sum() + out["cdu"]["power"].sum()
        air = power - plant.cdus.absorbed.sum()
        assert out["water"]["heat"].item() == pytest.approx(units + air)
    flow = out["water"]["flow"].item() / 60.0 * 4170.0
    rise = out["water"]["return_temperature"] - out["facility"]["water_temperature"]
    assert out["water"]["heat"].item() == pytest.approx(flow * rise.item(), rel=1e-6)


def test_training_as_before(array: Layout) -> None:
    """In training: 32 °C, 75 L/min, 9 to 10 K, dies at 51 to 57 °C, PUE 1.15 to 1.25."""
    plant = Plant(array, seed=1)
    pue, die, difference = [], [], []
    for _ in range(600):
        plant.step(1.0, Conditions.healthy(array))
        out = plant.outputs()
        pue.append(out["facility"]["pue"].item())
        die.append(np.nanmean(out["gpu"]["gpu_temp"]))
        rise = out["cdu"]["return_temperature"] - out["cdu"]["supply_temperature"]
        difference.append(rise.mean())
        np.testing.assert_allclose(out["cdu"]["supply_temperature"], 32.0, atol=1.0)
        np.testing.assert_allclose(out["cdu"]["flow"], 75.0, rtol=2e-3)
    assert 1.15 < np.mean(pue) < 1.25
    assert 51 < np.mean(die) < 57
    assert 9.0 < np.mean(difference) < 10.2


@pytest.mark.full
def test_no_chillers_throttle_the_site(array: Layout) -> None:
    """Without chillers water, coolant, air and GPUs warm in turn, until the job slows."""
    plant = Plant(array, seed=1)
    failed = Conditions.healthy(array)
    failed.chiller_available[:] = False
    for _ in range(120):
        plant.step(1.0, failed)
    assert plant.water.supply > 26
    assert plant.gpus.speed > 0.99
    for _ in range(2400):
        plant.step(1.0, failed)
    out = plant.outputs()
    assert plant.water.supply > 50
    assert (out["cdu"]["supply_temperature"] > 50).all()
    assert out["server"]["inlet_temperature"].min() > 35
    assert plant.gpus.speed < 0.97
    assert np.nanmax(out["gpu"]["gpu_temp"]) > 86


@pytest.mark.full
def test_hot_day_costs_power(array: Layout) -> None:
    """15 K more outside raise the plant's power and the PUE, and no chiller falls short."""
    plants = [Plant(array, seed=1) for _ in range(2)]
    normal, hot = Conditions.healthy(array), Conditions.healthy(array)
    hot.outdoor_excess[0] = 15.0
    for _ in range(600):
        for plant, conditions in zip(plants, (normal, hot), strict=True):
            plant.step(1.0, conditions)
    normal_pue, hot_pue = (plant.outputs()["facility"]["pue"].item() for plant in plants)
    assert hot_pue > normal_pue + 0.03
    assert plants[1].water.supply < 24.5


def test_epoch_sets_only_the_time_of_day(array: Layout) -> None:
    """The weather follows the epoch; time since the start does not."""
    noon = Plant(array, seed=1, epoch=18.0 * 3600.0)
    night = Plant(array, seed=1, epoch=9.0 * 3600.0)
    assert noon.water.outdoor > night.water.outdoor + 5
    assert noon.time == night.time == 0.0
