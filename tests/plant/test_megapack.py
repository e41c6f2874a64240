"""Megapacks: smoothing, limits, efficiency, trips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from twin.plant.megapack import Megapacks, share_out
from twin.site import Layout

Flags = NDArray[np.bool_]
ALL: Flags = np.ones(2, dtype=np.bool_)
RATED = np.ones(2)


def smooth(packs: Megapacks, load: float, available: Flags = ALL, dt: float = 1.0) -> None:
    """Let the units smooth a load for a step, as the energy management does on the grid."""
    packs.sense(available, RATED, 1.0, 60.0, dt)
    packs.follow(load - packs.restoring(), dt, on_grid=True)
    packs.step(load - packs.slow, dt)


@pytest.fixture
def packs(two_racks: Layout) -> Megapacks:
    """Two units behind a load of 100 kW."""
    packs = Megapacks(two_racks, np.random.default_rng(0))
    packs.settle(100_000.0)
    return packs


def test_smoothing(packs: Megapacks) -> None:
    """A load that swings every 10 s reaches the grid with less than a fifth of its swing."""
    load, grid = [], []
    for second in range(600):
        watts = 100_000.0 + (40_000.0 if second % 10 < 5 else -40_000.0)
        smooth(packs, watts)
        load.append(watts)
        grid.append(watts - packs.power.sum())
    assert np.ptp(grid[300:]) < 0.2 * np.ptp(load[300:])


@pytest.mark.parametrize("dt", [0.05, 0.5, 2.0])
def test_power_is_the_mean_over_the_step(two_racks: Layout, dt: float) -> None:
    """Units that follow with a lag give the same energy however long the steps are."""
    packs = Megapacks(two_racks, np.random.default_rng(0))
    packs.sense(ALL, RATED, 1.0, 60.0, dt)
    joules = 0.0
    for wanted in (100_000.0, 300_000.0, -50_000.0):
        for _ in range(round(2.0 / dt)):
            packs.step(wanted, dt)
            joules += float(packs.power.sum()) * dt
    # 2 s of each, but for 0.1 s of each change, the last of which has not all come.
    assert joules == pytest.approx(2.0 * 350_000.0 + 0.1 * 50_000.0, rel=1e-6)


def test_a_lasting_step_ends_at_the_grid(packs: Megapacks) -> None:
    """A step that lasts is taken over by the grid within minutes."""
    smooth(packs, 300_000.0)
    assert packs.power.sum() > 170_000
    for _ in range(600):
        smooth(packs, 300_000.0)
    assert abs(packs.power.sum()) < 30_000


@given(st.floats(-5e6, 5e6), st.lists(st.floats(0, 1e6), min_size=1, max_size=8))
def test_share_out_keeps_limits(total: float, limits: list[float]) -> None:
    """No unit is asked for more than it can do, and together for no more than the total."""
    room = np.array(limits)
    parts = share_out(total, room, room)
    assert (np.abs(parts) <= room * (1 + 1e-9)).all()
    assert abs(parts.sum()) <= abs(total) * (1 + 1e-9) + 1e-6


def test_trip(packs: Megapacks) -> None:
    """A unit that trips delivers nothing at once, and the other one takes its share."""
    for _ in range(5):
        smooth(packs, 400_000.0)
    before = packs.power.copy()
    smooth(packs, 400_000.0, np.array([False, True]))
    assert packs.power[0] == 0.0
    assert packs.power[1] > before[1]
    out = packs.outputs(1.0, 60.0)
    assert out["inverter_state"][:, 0].tolist() == [5, 3]
    assert out["charge_state"][0, 0] == 1
    assert out["max_discharge"][0, 0] == 0
    assert out["voltage"].tolist() == [[480.0], [480.0]], "its terminals are the site's bus"
    assert out["frequency"].tolist() == [[60.0], [60.0]]


@given(st.lists(st.floats(-2e6, 4e6), min_size=5, max_size=60))
def test_window_and_energy(loads: list[float]) -> None:
    """SoC stays in 0..1, power within limits, and stored energy is what went in less losses."""
    from twin.site import parse_site  # noqa: PLC0415 - hypothesis allows no function fixture

    layout = Layout(parse_site("{name: tiny, racks: 2, megapacks: {count: 2}}", "test"))
    packs = Megapacks(layout, np.random.default_rng(0))
    packs.settle(0.0)
    start = {name: value.copy() for name, value in packs.outputs(1.0, 60.0).items()}
    for load in loads:
        smooth(packs, load, dt=30.0)
        assert (np.abs(packs.power) <= 720_000.0 + 1e-6).all()
        assert ((packs.soc >= 0) & (packs.soc <= 1)).all()
    end = packs.outputs(1.0, 60.0)
    out = (end["discharged_energy"] - start["discharged_energy"]).sum()
    into = (end["charged_energy"] - start["charged_energy"]).sum()
    stored = (end["energy_available"] - start["energy_available"]).sum()
    one_way, spent = np.sqrt(0.937), 2 * 3000.0 * 30.0 * len(loads)
    assert stored == pytest.approx(into * one_way - out / one_way - spent, abs=1e3)
    assert out >= 0
    assert into >= 0


def test_a_resting_unit_lives_on_its_cells(packs: Megapacks) -> None:
    """Controls and thermal management cost 3 kW, down to the window's end and not below."""
    before = packs.soc.copy()
    packs.sense(ALL, RATED, 1.0, 60.0, 1.0)
    for _ in range(60):
        packs.step(0.0, 60.0)
    spent = (before - packs.soc) * packs.outputs(1.0, 60.0)["energy_capacity"][:, 0]
    assert spent == pytest.approx(3000.0 * 3600.0)
    packs.soc[:] = (0.1 + 1e-6, 0.1)
    packs.step(0.0, 60.0)
    assert packs.soc == pytest.approx(0.1, abs=1e-12)


def test_a_unit_starts_after_its_fault(packs: Megapacks) -> None:
    """After a fault a unit is STARTING for its start time and only then delivers again."""
    smooth(packs, 400_000.0, np.array([False, True]))
    states = []
    for _ in range(25):
        smooth(packs, 400_000.0)
        states.append(int(packs.outputs(1.0, 60.0)["inverter_state"][0, 0]))
    assert states[:19] == [2] * 19
    assert states[-1] == 3
    assert packs.power[0] > 0


def test_derated_unit(packs: Megapacks) -> None:
    """A derated unit gives no more than its part of the rated power."""
    packs.sense(ALL, np.array([0.25, 1.0]), 1.0, 60.0, 1.0)
    give, take = packs.limits()
    assert give.tolist() == take.tolist() == [180_000.0, 720_000.0]


def test_hot_modules_derate(packs: Megapacks) -> None:
    """Limits fall from 45 °C and are gone at 60 °C."""
    packs._ambient = np.array([52.5 - 2.0, 60.0])
    give, _ = packs.limits()
    assert give.tolist() == pytest.approx([360_000.0, 0.0])


@pytest.mark.parametrize(
    ("voltage", "frequency", "seconds"),
    [(0.8, 60.0, 2), (0.3, 60.0, 1), (1.15, 60.0, 1), (1.0, 56.0, 1), (1.0, 58.0, 300)],
)
def test_trip_table(packs: Megapacks, voltage: float, frequency: float, seconds: int) -> None:
    """A unit rides through for the time of the table, trips, and connects again after 300 s."""
    for _ in range(seconds - 1):
        packs.sense(ALL, RATED, voltage, frequency, 1.0)
        assert not packs.protection.tripped
    packs.sense(ALL, RATED, voltage, frequency, 1.0)
    assert packs.protection.tripped
    assert packs.limits()[0].sum() == 0
    for _ in range(299):
        packs.sense(ALL, RATED, 1.0, 60.0, 1.0)
    assert packs.protection.tripped
    packs.sense(ALL, RATED, 1.0, 60.0, 1.0)
    assert not packs.protection.tripped


def test_short_sag_is_ridden_through(packs: Megapacks) -> None:
    """The timer starts anew after every return to the normal range."""
    for _ in range(10):
        packs.sense(ALL, RATED, 0.8, 60.0, 1.0)
        packs.sense(ALL, RATED, 1.0, 60.0, 1.0)
    assert not packs.protection.tripped


def test_cells_spread_near_empty(packs: Megapacks) -> None:
    """The weakest cell is 4 mV away at the top and over 200 mV when the unit is empty."""
    spread = []
    for soc in (0.6, 0.02):
        packs.soc[:] = soc
        out = packs.outputs(1.0, 60.0)
        spread.append(float((out["cell_voltage_max"] - out["cell_voltage_min"]).max()))
    assert spread[0] < 0.006
    assert spread[1] > 0.2
