"""Power, clock and temperature of GPUs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.plant.gpu import Gpus, ModelValues, capped_clock, die_temperature, thermal_clock
from twin.plant.workload import Demand
from twin.site import Layout, load_site

MODEL = load_site("demo").gpu
VALUES = ModelValues.of_models([MODEL])
COOLANT = np.array([[32.0]])
FULL_FLOW = np.array([[1.0]])


def demand(activity: float, *, measured: bool = True) -> Demand:
    """Return a steady demand on all GPUs."""
    return Demand(
        activity=np.full((1, 1), activity),
        wait=0.15,
        busy=1.0,
        compute=1.0,
        network=0.1,
        congestion=0.0,
        storage=0.0,
        framebuffer=0.86,
        measured=measured,
    )


@pytest.fixture
def gpus(two_racks: Layout) -> Gpus:
    """GPUs of two racks, idle."""
    return Gpus(two_racks, np.random.default_rng(0))


def run(gpus: Gpus, activity: float, seconds: int, flow: float = 1.0) -> None:
    """Step ``gpus`` second by second."""
    attached = np.ones(gpus.die.shape, dtype=np.bool_)
    for _ in range(seconds):
        ratio = np.full((gpus.die.shape[0], 1), flow)
        gpus.step(demand(activity), gpus.speed, COOLANT, ratio, attached, 1.0)


def test_idle_power(gpus: Gpus) -> None:
    """An idle H100 draws 70 to 76 W."""
    run(gpus, 0.0, 60)
    assert 70 <= gpus.power.mean() <= 76


def test_training_power_and_temperature(gpus: Gpus) -> None:
    """On the plateau of a step a GPU draws 625 W at 32 °C coolant and about 54 °C."""
    run(gpus, 1.0, 120)
    assert gpus.power.mean() == pytest.approx(625, rel=0.01)
    assert gpus.die.mean() == pytest.approx(32 + 0.035 * 625, abs=1.0)
    assert 0.008 <= gpus.power.std() / gpus.power.mean() <= 0.016


def test_power_limit_lowers_the_clock(gpus: Gpus) -> None:
    """Demand above the limit is held at 700 W by a lower clock, and counted as a violation."""
    run(gpus, 1.4, 30)
    assert gpus.power.max() <= 700.5
    out = gpus.outputs(demand(1.4))
    assert out["sm_clock"].max() < MODEL.sm_clock_max_mhz
    assert (out["power_violation"] == 30e9).all()


@given(st.floats(0.0, 2000.0))
def test_capped_power_fits(dynamic: float) -> None:
    """At the capped clock dynamic power never exceeds the room under the limit."""
    clock = float(capped_clock(np.array([dynamic]), VALUES).item())
    room = MODEL.power_limit_watts - MODEL.power_idle_watts
    assert dynamic * clock**MODEL.power_clock_exponent <= room * (1 + 1e-5)
    assert 0 < clock <= 1


def test_heating_without_flow() -> None:
    """Without flow a die at 600 W heats at 2.4 K/s."""
    die = die_temperature(
        np.array([50.0]), np.array([600.0]), COOLANT, np.array([0.0]), np.array([250.0]), 1.0
    )
    assert float(die.ravel()[0]) == pytest.approx(52.4, abs=0.01)


@given(st.floats(20, 90), st.floats(0, 700), st.floats(1, 40), st.floats(0.1, 1.0))
def test_thermal_step_is_exact(die: float, power: float, conductance: float, part: float) -> None:
    """Two short steps give the same temperature as one long one."""

    def step(start: np.ndarray, dt: float) -> np.ndarray:
        return die_temperature(
            start,
            np.array([power]),
            np.array([32.0]),
            np.array([conductance]),
            np.array([250.0]),
            dt,
        )

    whole = step(np.array([die]), 10.0)
    halves = step(step(np.array([die]), 10.0 * part), 10.0 * (1 - part))
    np.testing.assert_allclose(whole, halves, rtol=1e-6, atol=1e-6)


def test_thermal_clock_thresholds() -> None:
    """The clock is full up to 87 °C, half just below 89 °C and a quarter from there."""
    ratio = thermal_clock(np.array([60.0, 87.0, 88.0, 88.999, 89.0, 94.0]), VALUES).ravel()
    np.testing.assert_allclose(ratio, [1.0, 1.0, 0.75, 0.5, 0.25, 0.25], atol=1e-3)


def test_throttle_then_shutdown_without_flow(gpus: Gpus) -> None:
    """Without flow GPUs throttle after about 15 s and leave the bus at 95 °C."""
    run(gpus, 1.0, 60)
    seconds = 0
    while gpus.speed == 1.0:
        run(gpus, 1.0, 1, flow=0.0)
        seconds += 1
    assert 8 <= seconds <= 20
    run(gpus, 1.0, 300, flow=0.0)
    assert not gpus.attached.any()
    assert (gpus.power == 0).all()
    assert gpus.die.max() < 97
    assert np.isnan(gpus.outputs(demand(1.0))["gpu_temp"]).all()


def test_reset_after_shutdown(gpus: Gpus) -> None:
    """Cool again, a GPU that shut itself down is back after its reset."""
    run(gpus, 1.0, 200, flow=0.0)
    assert not gpus.attached.all()
    run(gpus, 0.1, 300, flow=1.0)
    assert gpus.attached.all()


def test_energy_is_the_integral_of_power(gpus: Gpus) -> None:
    """The energy counter, in mJ, rises by power times time."""
    before = gpus.outputs(demand(1.0))["energy"].copy()
    watts = np.zeros(gpus.power.shape)
    attached = np.ones(gpus.die.shape, dtype=np.bool_)
    for _ in range(50):
        gpus.step(demand(1.0), 1.0, COOLANT, FULL_FLOW, attached, 0.5)
        watts += gpus.power * 0.5
    after = gpus.outputs(demand(1.0))["energy"]
    np.testing.assert_allclose((after - before) / 1e3, watts, rtol=1e-6)


def test_framebuffer_adds_up(gpus: Gpus) -> None:
    """Used, free and reserved framebuffer are the whole of it."""
    out = gpus.outputs(demand(1.0))
    total = out["fb_used"] + out["fb_free"] + out["fb_reserved"]
    np.testing.assert_allclose(total, MODEL.framebuffer_mib)


def test_replayed_servers_keep_their_sum(gpus: Gpus) -> None:
    """Under a measured demand the spread between GPUs leaves each server's sum alone."""
    run(gpus, 0.9, 5)
    servers = gpus.power.reshape(2, 8, 8).sum(axis=2)
    np.testing.assert_allclose(servers, servers[0, 0], rtol=1e-5)
    assert gpus.power.std() > 1.0
