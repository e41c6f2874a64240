"""Flow, heat exchanger, valve and heat of a rack's coolant unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.parameters import CoolingParameters
from twin.plant import Conditions
from twin.plant.cooling import Cdus
from twin.plant.exchanger import WATER_JOULES_PER_LITER_KELVIN
from twin.site import Layout

COOLING = CoolingParameters()
HEAT = np.full(8, 48_000.0)
WATER, DEW = 24.0, 11.0


@pytest.fixture
def conditions(array: Layout) -> Conditions:
    """Nothing is wrong."""
    return Conditions.healthy(array)


@pytest.fixture
def cdus(array: Layout) -> Cdus:
    """Units in equilibrium at 48 kW."""
    cdus = Cdus(array, np.random.default_rng(0))
    cdus.settle(HEAT, WATER, DEW)
    return cdus


def run(cdus: Cdus, conditions: Conditions, seconds: int, water: float = WATER) -> None:
    """Step ``cdus`` second by second under constant heat."""
    for _ in range(seconds):
        cdus.step(HEAT, conditions, water, DEW, 1.0)


def outputs(cdus: Cdus) -> dict[str, np.ndarray]:
    """Return the signals of the units, (racks,)."""
    return {name: value[:, 0] for name, value in cdus.outputs().items()}


def test_survivor_takes_over(cdus: Cdus, conditions: Conditions) -> None:
    """When a pump fails the other one speeds up to 90-100 % within 5-10 s and holds the flow."""
    conditions.pump_available[3, 0] = False
    lowest = 1e9
    seconds = 0
    while seconds < 5 or cdus.flow[3] < 0.99 * COOLING.flow_liters_per_minute:
        run(cdus, conditions, 1)
        seconds += 1
        lowest = min(lowest, float(cdus.flow[3]))
    assert 5 <= seconds <= 10
    assert 0.9 <= cdus.speeds[3, 1] <= 1.0
    assert lowest < 0.85 * COOLING.flow_liters_per_minute
    assert cdus.flow[0] == pytest.approx(COOLING.flow_liters_per_minute, rel=1e-3)


def test_flow_stops_without_pumps(cdus: Cdus, conditions: Conditions) -> None:
    """With no pump left the flow goes to zero and no heat is carried off."""
    conditions.pump_available[3] = False
    run(cdus, conditions, 20)
    assert cdus.flow[3] == 0.0
    assert cdus.heat[3] == 0.0
    assert cdus.rejected[3] == 0.0


def test_coolant_does_not_boil_without_flow(cdus: Cdus, conditions: Conditions) -> None:
    """JobProgress coolant takes up ever less heat: after an hour it is as hot as a hot plate."""
    conditions.pump_available[3] = False
    run(cdus, conditions, 3600)
    assert 70 < cdus.returned[3] < 95


def test_supply_holds_in_training(cdus: Cdus, conditions: Conditions) -> None:
    """In equilibrium the supply is at its set point, at nominal flow and about 9.5 K difference."""
    run(cdus, conditions, 1200)
    out = outputs(cdus)
    np.testing.assert_allclose(out["supply_temperature"], COOLING.supply_celsius, atol=0.02)
    np.testing.assert_allclose(out["flow"], COOLING.flow_liters_per_minute, rtol=1e-3)
    difference = out["return_temperature"] - out["supply_temperature"]
    assert 9.0 <= difference[0] <= 10.0
    assert 0.3 < out["valve_position"][0] < 0.6


def test_heat_is_flow_times_capacity_times_difference(cdus: Cdus, conditions: Conditions) -> None:
    """On both sides of the exchanger heat is what flow and temperatures say, and the input."""
    run(cdus, conditions, 1200)
    out = outputs(cdus)
    coolant = out["flow"] / 60.0 * COOLING.coolant_joules_per_liter_kelvin
    difference = out["return_temperature"] - out["supply_temperature"]
    np.testing.assert_allclose(out["heat_removed"], coolant * difference, rtol=1e-9)
    np.testing.assert_allclose(out["heat_removed"], HEAT, rtol=1e-3)
    water = out["facility_flow"] / 60.0 * WATER_JOULES_PER_LITER_KELVIN
    rise = out["facility_return_temperature"] - out["facility_supply_temperature"]
    np.testing.assert_allclose(out["facility_heat"], water * rise, rtol=1e-9)
    np.testing.assert_allclose(out["facility_heat"], HEAT, rtol=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    dt=st.sampled_from([0.1, 0.5, 1.0]),
    water=st.floats(5.0, 60.0),
)
def test_heat_is_conserved_whatever_breaks(
    array: Layout, seed: int, dt: float, water: float
) -> None:
    """In every step heat in is heat stored and heat out, and no value leaves its bounds."""
    rng = np.random.default_rng(seed)
    cdus = Cdus(array, rng)
    conditions = Conditions.healthy(array)
    for tick in range(60):
        if tick % 15 == 0:
            conditions.pump_available[:] = rng.random((8, 2)) < 0.6
            conditions.pump_head[:] = rng.uniform(0.3, 1.0, (8, 2))
            conditions.cdu_psu_ok[:] = rng.random((8, 2)) < 0.6
            conditions.filter_resistance[:] = rng.uniform(1.0, 300.0, 8)
            conditions.exchanger_fouling[:] = rng.uniform(1.0, 10.0, 8)
            conditions.coolant_leak[:] = rng.choice([0.0, 2.0, 60.0], 8)
            conditions.valve_stuck_at[:] = rng.choice([-1.0, 0.0, 0.05, 1.0], 8)
        returned, supply = cdus.returned, cdus.supply
        cdus.step(rng.uniform(0.0, 80_000.0, 8), conditions, water, DEW, dt)
        # What leaks away takes its heat along; what is left warms by what comes in.
        warm, cool = cdus.heat_capacity
        gained = warm * (cdus.returned - returned) + cool * (cdus.supply - supply)
        expected = (cdus.absorbed - cdus.rejected) * dt
        np.testing.assert_allclose(gained, expected, atol=1e-3 * dt + 1e-7 * cool)
        out = outputs(cdus)
        for name, values in out.items():
            assert np.isfinite(values).all(), name
        assert (cdus.supply >= min(water, COOLING.supply_celsius) - 0.01).all()
        assert (cdus.returned <= 95.0 + 1e-6).all()
        assert (out["facility_return_temperature"] <= np.maximum(cdus.returned, water) + 1e-6).all()
        assert ((out["valve_position"] >= 0) & (out["valve_position"] <= 1)).all()
        assert ((out["level"] >= 0) & (out["level"] <= 1)).all()
        assert (out["filter_pressure"] <= out["differential_pressure"] + 1e-6).all()


def test_warm_water_opens_the_valves_then_warms_the_supply(
    cdus: Cdus, conditions: Conditions
) -> None:
    """The valves make up for 2 K; 8 K are more than they can."""
    nominal = cdus.valves.position[0]
    run(cdus, conditions, 900, water=WATER + 2)
    assert nominal < cdus.valves.position[0] < 1.0
    assert cdus.supply[0] == pytest.approx(COOLING.supply_celsius, abs=0.1)
    run(cdus, conditions, 900, water=WATER + 8)
    assert cdus.valves.position[0] == 1.0
    assert COOLING.supply_celsius + 2 < cdus.supply[0] < COOLING.supply_celsius + 5


def test_fouling_costs_approach(cdus: Cdus, conditions: Conditions) -> None:
    """At three times the resistance the valve is full open and the supply 3 to 5 K too warm."""
    conditions.exchanger_fouling[2] = 3.0
    run(cdus, conditions, 900)
    assert cdus.valves.position[2] == 1.0
    assert 3 < cdus.supply[2] - COOLING.supply_celsius < 5
    assert cdus.supply[0] == pytest.approx(COOLING.supply_celsius, abs=0.05)
    out = outputs(cdus)
    assert out["facility_return_temperature"][2] < out["facility_return_temperature"][0] - 5


def test_stuck_valve_lets_the_supply_drift(cdus: Cdus, conditions: Conditions) -> None:
    """A valve that hangs nearly closed departs from its command; free again, the supply returns."""
    conditions.valve_stuck_at[1] = 0.1
    run(cdus, conditions, 300)
    assert cdus.valves.position[1] == pytest.approx(0.1)
    assert cdus.valves.command[1] == 1.0
    assert cdus.supply[1] > COOLING.supply_celsius + 15
    conditions.valve_stuck_at[1] = -1.0
    run(cdus, conditions, 1200)
    assert cdus.supply[1] == pytest.approx(COOLING.supply_celsius, abs=0.3)


def test_valve_takes_its_time(cdus: Cdus, conditions: Conditions) -> None:
    """The actuator moves no faster than its slew."""
    conditions.valve_stuck_at[1] = 1.0
    before = cdus.valves.position[1]
    run(cdus, conditions, 5)
    assert cdus.valves.position[1] == pytest.approx(before + 5 * COOLING.valve_slew_per_second)


def test_supply_keeps_above_the_dew_point(cdus: Cdus, conditions: Conditions) -> None:
    """In damp air the controller raises the supply: the margin to the dew point stays."""
    damp = COOLING.supply_celsius + 1.0
    for _ in range(1200):
        cdus.step(HEAT, conditions, WATER, damp, 1.0)
    margin = outputs(cdus)["condensation_margin"]
    np.testing.assert_allclose(margin, COOLING.dew_margin_kelvin, atol=0.05)


def test_leak_detector_and_pressures(cdus: Cdus, conditions: Conditions) -> None:
    """A leak gives Warning, then Critical, then low pressure and no pumps; mended, all returns."""
    conditions.coolant_leak[4] = 3.0
    pressure = outputs(cdus)["supply_pressure"][4]
    seen = []
    for _ in range(240):
        run(cdus, conditions, 1)
        out = outputs(cdus)
        seen.append((out["leak"][4], out["flow"][4] > 0))
        assert out["leak"][3] == 0
    states = [state for state, _ in seen]
    assert states.index(1) < 10
    assert 20 < states.index(2) < 60
    assert states == sorted(states)
    assert seen[60][1]
    assert not seen[-1][1]
    assert outputs(cdus)["supply_pressure"][4] < 0.2 * pressure
    conditions.coolant_leak[4] = 0.0
    run(cdus, conditions, 300)
    out = outputs(cdus)
    assert (out["leak"][4], out["level"][4]) == (0, 1)
    assert out["flow"][4] == pytest.approx(COOLING.flow_liters_per_minute, rel=2e-3)


def test_filter_clogging_costs_speed_then_flow(cdus: Cdus, conditions: Conditions) -> None:
    """The pumps make up for a clogging filter until they run at full speed; then flow falls."""
    clean = outputs(cdus)["filter_pressure"][5]
    assert clean == pytest.approx(0.13 * COOLING.loop_pressure_pascals, rel=1e-3)
    conditions.filter_resistance[5] = 10.0
    run(cdus, conditions, 60)
    assert cdus.flow[5] == pytest.approx(COOLING.flow_liters_per_minute, rel=2e-3)
    assert cdus.speeds[5].min() > COOLING.pump_nominal_ratio + 0.1
    assert outputs(cdus)["filter_pressure"][5] == pytest.approx(10 * clean, rel=5e-3)
    conditions.filter_resistance[5] = 60.0
    run(cdus, conditions, 60)
    assert (cdus.speeds[5] == 1.0).all()
    assert 45 < cdus.flow[5] < 65


def test_worn_pump_gives_less(cdus: Cdus, conditions: Conditions) -> None:
    """Both pumps speed up to hold the flow, and the worn one gives the smaller part of it."""
    conditions.pump_head[6, 0] = 0.6
    run(cdus, conditions, 240)
    flows = cdus.pump_outputs()["flow"][6]
    assert flows[0] < 0.8 * flows[1]
    assert flows.sum() == pytest.approx(COOLING.flow_liters_per_minute, rel=2e-3)
    assert cdus.speeds[6].min() > COOLING.pump_nominal_ratio + 0.02
    vibration = cdus.pump_outputs()["vibration"]
    assert vibration[6, 0] > 0.0045 > 2 * vibration[0].max()


def test_power_supplies_are_redundant(cdus: Cdus, conditions: Conditions) -> None:
    """One supply carries the unit; with both gone the pumps stop, though none has failed."""
    conditions.cdu_psu_ok[0, 0] = False
    run(cdus, conditions, 20)
    out = cdus.psu_outputs()
    assert out["state"][0].tolist() == [1, 0]
    assert out["power"][0].tolist() == [0, pytest.approx(cdus.power[0])]
    assert cdus.flow[0] == pytest.approx(COOLING.flow_liters_per_minute, rel=1e-3)
    conditions.cdu_psu_ok[0] = False
    run(cdus, conditions, 1)
    assert cdus.flow[0] > 0.0, "the pumps coast down"
    assert cdus.power[0] == 0.0
    run(cdus, conditions, 19)
    assert cdus.flow[0] == 0.0
    assert cdus.pump_outputs()["state"][0].tolist() == [0, 0]


def test_pump_power_goes_with_the_cube(cdus: Cdus) -> None:
    """At 60 % speed a pump draws about 400 W."""
    assert cdus.pump_outputs()["power"][0, 0] == pytest.approx(400.0, rel=0.01)


def test_one_volume_of_coolant_warms_and_leaks(cdus: Cdus, conditions: Conditions) -> None:
    """What warms is the loop and its reservoir; what leaks out no longer does."""
    joules = COOLING.coolant_joules_per_liter_kelvin
    warm, cool = cdus.heat_capacity
    np.testing.assert_allclose(
        warm + cool, joules * (COOLING.loop_liters + COOLING.reservoir_liters)
    )
    conditions.coolant_leak[2] = 6.0
    run(cdus, conditions, 60)
    left, _ = cdus.heat_capacity
    assert (warm - left)[2] == pytest.approx(6.0 * joules, rel=1e-6)
    assert (warm - left)[3] == 0.0
