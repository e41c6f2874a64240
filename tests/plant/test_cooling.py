"""Pumps, flow and heat of a rack's coolant unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.plant.cooling import Cdus, PumpCurve, pump_flows
from twin.site import Layout
from twin.site.parameters import Cooling

COOLING = Cooling()
CURVE = PumpCurve.of(COOLING)
HEAT = np.full(8, 48_000.0)


def run(cdus: Cdus, available: np.ndarray, seconds: int) -> None:
    """Step ``cdus`` second by second under constant heat."""
    for _ in range(seconds):
        cdus.step(HEAT, available, 1.0)


@pytest.fixture
def cdus(array: Layout) -> Cdus:
    """Units in equilibrium at 48 kW."""
    cdus = Cdus(array, np.random.default_rng(0))
    cdus.settle(HEAT)
    return cdus


def test_nominal_point() -> None:
    """Both pumps at nominal speed give the nominal flow and pressure drop."""
    flows, head = pump_flows(np.full((1, 2), COOLING.pump_nominal_ratio), CURVE)
    assert flows.sum() == pytest.approx(COOLING.flow_liters_per_minute, rel=1e-4)
    assert head[0] == pytest.approx(COOLING.loop_pressure_pascals, rel=1e-3)


@given(st.floats(0.2, 1.0), st.floats(0.3, 0.99))
def test_affinity_laws(speed: float, factor: float) -> None:
    """Flow goes with speed and head with its square."""
    flows, head = pump_flows(np.full((1, 2), speed), CURVE)
    slower, lower = pump_flows(np.full((1, 2), speed * factor), CURVE)
    assert slower.sum() == pytest.approx(flows.sum() * factor, rel=1e-3)
    assert lower[0] == pytest.approx(head[0] * factor**2, rel=1e-3)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_pumps_share_one_head(first: float, second: float) -> None:
    """The flows of unequal pumps add up to what the loop lets through at their common head."""
    flows, head = pump_flows(np.array([[first, second]]), CURVE)
    assert flows.sum() == pytest.approx(np.sqrt(head[0] / CURVE.loop), abs=0.05)
    assert (flows >= 0).all()


def test_survivor_takes_over(cdus: Cdus) -> None:
    """When a pump fails the other one speeds up to 90-100 % within 5-10 s and holds the flow."""
    available = np.ones((8, 2), dtype=np.bool_)
    available[3, 0] = False
    lowest = 1e9
    seconds = 0
    while seconds < 5 or cdus.flow[3] < 0.99 * COOLING.flow_liters_per_minute:
        run(cdus, available, 1)
        seconds += 1
        lowest = min(lowest, float(cdus.flow[3]))
    assert 5 <= seconds <= 10
    assert 0.9 <= cdus.speeds[3, 1] <= 1.0
    assert lowest < 0.85 * COOLING.flow_liters_per_minute
    assert cdus.flow[0] == pytest.approx(COOLING.flow_liters_per_minute, rel=1e-3)


def test_flow_stops_without_pumps(cdus: Cdus) -> None:
    """With no pump left the flow goes to zero and no heat is carried off."""
    available = np.ones((8, 2), dtype=np.bool_)
    available[3] = False
    run(cdus, available, 20)
    assert cdus.flow[3] == 0.0
    assert cdus.heat[3] == 0.0


def test_heat_is_flow_times_capacity_times_difference(cdus: Cdus) -> None:
    """What is reported as heat is what flow and temperatures say, in balance with the input."""
    run(cdus, np.ones((8, 2), dtype=np.bool_), 1200)
    out = {name: value[:, 0] for name, value in cdus.outputs().items()}
    capacity = out["flow"] / 60.0 * COOLING.coolant_joules_per_liter_kelvin
    difference = out["return_temperature"] - out["supply_temperature"]
    np.testing.assert_allclose(out["heat_removed"], capacity * difference, rtol=1e-9)
    np.testing.assert_allclose(out["heat_removed"], HEAT, rtol=1e-3)
    assert 8.0 <= difference[0] <= 12.0


def test_pump_power_goes_with_the_cube(cdus: Cdus) -> None:
    """At 60 % speed a pump draws about 400 W."""
    assert cdus.pump_outputs()["power"][0, 0] == pytest.approx(400.0, rel=0.01)
