"""Generators on their own: start, ramp, shares, fuel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.plant.genset import Gensets
from twin.site import Layout, parse_site

UNITS = 3
YES = np.ones(UNITS, dtype=np.bool_)


@pytest.fixture
def gensets() -> Gensets:
    """Three units of 2.5 MW on standby."""
    return build()


def build(more: str = "") -> Gensets:
    """Return three units with further parameters."""
    text = f"{{name: tiny, racks: 1, gensets: {{count: {UNITS}{more}}}}}"
    return Gensets(Layout(parse_site(text, "test")), np.random.default_rng(0))


def run(gensets: Gensets, wanted: float, seconds: int, *, call: bool = True) -> None:
    """Step second by second."""
    for _ in range(seconds):
        gensets.sense(YES, YES, 1.0, call=call)
        gensets.deliver(wanted, 1.0)


def test_no_power_before_the_start_is_over(gensets: Gensets) -> None:
    """Ten seconds of cranking and five of synchronising come first."""
    run(gensets, 1e6, 15)
    assert gensets.power.sum() == 0
    run(gensets, 1e6, 3)
    assert gensets.power.sum() > 0


def test_ramp_and_shares(gensets: Gensets) -> None:
    """Each unit takes load by no more than its ramp, and all take the same."""
    run(gensets, 6e6, 16)
    before = float(gensets.power[0])
    for _ in range(20):
        run(gensets, 6e6, 1)
        assert np.ptp(gensets.power) < 1e-6
        assert gensets.power[0] - before <= 0.05 * 2.5e6 * (1 + 1e-9)
        before = float(gensets.power[0])
    assert gensets.power.sum() == pytest.approx(6e6)


def test_a_latecomer_is_helped(gensets: Gensets) -> None:
    """While one unit still ramps, the others give what it cannot."""
    run(gensets, 3e6, 60)
    one = YES.copy()
    one[0] = False
    gensets.sense(one, YES, 1.0, call=True)
    gensets.deliver(3e6, 1.0)
    assert gensets.power[0] == 0
    for _ in range(17):
        run(gensets, 3e6, 1)
    assert 0 < gensets.power[0] < gensets.power[1]
    assert gensets.power.sum() == pytest.approx(3e6)


def test_turbines_follow_the_generators() -> None:
    """Engines take load within half a minute, turbines after minutes, each by its own rating."""
    text = "{name: tiny, racks: 1, gensets: {count: 2}, turbines: {count: 1}}"
    units = Gensets(Layout(parse_site(text, "test")), np.random.default_rng(1))
    yes = np.ones(3, dtype=np.bool_)

    def run_for(seconds: int) -> None:
        for _ in range(seconds):
            units.sense(yes, yes, 1.0, call=True)
            units.deliver(10e6, 1.0)

    run_for(60)
    np.testing.assert_allclose(units.power, [2.5e6, 2.5e6, 0.0])
    assert units.running.tolist() == [True, True, False]
    run_for(420)
    assert units.running.all()
    before = units.power[2]
    run_for(10)
    assert units.power[2] - before == pytest.approx(10 * 0.0025 * 16.5e6)
    run_for(600)
    np.testing.assert_allclose(units.power / [2.5e6, 2.5e6, 16.5e6], 10e6 / 21.5e6)
    assert units.firm_watts == pytest.approx(21.5e6)
    out = units.outputs()
    assert out["fuel_level"][2, 0] == 1.0
    assert out["speed"][2, 0] == pytest.approx(11_220, rel=0.01)
    cubic_meters_per_hour = out["fuel_rate"][2, 0] / 1000
    assert 2_500 < cubic_meters_per_hour < 4_700


def test_fuel_at_full_load(gensets: Gensets) -> None:
    """2.5 MW burn 0.265 L/kWh: about 660 L/h."""
    run(gensets, 7.5e6, 120)
    assert gensets.outputs()["fuel_rate"].ravel().tolist() == pytest.approx(
        [662.5] * UNITS, rel=0.01
    )


def test_without_fuel_a_unit_fails() -> None:
    """An empty tank stops the engine."""
    gensets = build(", fuel_liters: 5")
    run(gensets, 7.5e6, 300)
    out = gensets.outputs()
    assert (out["fuel_level"] == 0).all()
    assert (out["state"] == 3).all()
    assert gensets.power.sum() == 0


def test_reactive_power_goes_with_the_load(gensets: Gensets) -> None:
    """A loaded unit runs at the load's power factor, one without load at 1 and without vars."""
    still = gensets.outputs()
    assert not still["reactive_power"].any()
    assert (still["power_factor"] == 1.0).all()
    run(gensets, 3e6, 60)
    out = gensets.outputs()
    apparent = np.hypot(out["power"], out["reactive_power"])
    np.testing.assert_allclose(out["power"] / apparent, 0.96)
    np.testing.assert_allclose(out["power_factor"], 0.96)


def test_standby_costs_nothing(gensets: Gensets) -> None:
    """While nobody calls, nothing moves."""
    before = {name: value.copy() for name, value in gensets.outputs().items()}
    run(gensets, 0.0, 30, call=False)
    for name, value in gensets.outputs().items():
        np.testing.assert_array_equal(value, before[name])


def test_cooling_unit_is_called_back_at_once(gensets: Gensets) -> None:
    """A unit that cools down still turns: it needs no new start."""
    run(gensets, 3e6, 60)
    starts = gensets.outputs()["starts"].copy()
    run(gensets, 0.0, 10, call=False)
    assert (gensets.outputs()["state"] == 5).all()
    run(gensets, 3e6, 2)
    assert (gensets.outputs()["state"] == 2).all()
    np.testing.assert_array_equal(gensets.outputs()["starts"], starts)


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=30))
def test_never_more_than_wanted(loads: list[float]) -> None:
    """The units give what is wanted or what they can, and no unit more than its rating."""
    gensets = build()
    run(gensets, 1e6, 30)
    for wanted in loads:
        room = gensets.ready_watts(1.0)
        run(gensets, wanted, 1)
        assert gensets.power.sum() == pytest.approx(min(wanted, room), abs=1.0)
        assert (gensets.power <= 2.5e6 + 1e-6).all()
