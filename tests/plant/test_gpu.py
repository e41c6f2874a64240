"""Power, clock and temperature of GPUs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.plant import Conditions
from twin.plant.gpu import Gpus, ModelValues, capped_clock, die_temperature, thermal_clock
from twin.plant.host import HostStates
from twin.plant.workload import Demand, Health, Idle
from twin.site import Layout, exporting, load_site, parse_site

MODEL = load_site("demo").gpu
VALUES = ModelValues.of_models([MODEL])
COOLANT = np.array([[32.0]])
FULL_FLOW = np.array([[1.0]])
TINY = Layout(parse_site("{name: tiny, racks: 2, megapacks: {count: 2}}", "test"))
HEALTHY = Conditions.healthy(TINY)
PLACE = (1, 19)
"""The third server's fourth GPU in the second rack."""


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


def run(
    gpus: Gpus,
    activity: float,
    seconds: int,
    flow: float = 1.0,
    conditions: Conditions | None = None,
) -> None:
    """Step ``gpus`` second by second."""
    for _ in range(seconds):
        ratio = np.full((gpus.die.shape[0], 1), flow)
        gpus.step(demand(activity), gpus.speed, COOLANT, ratio, conditions or HEALTHY, 1.0)


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


@pytest.fixture
def telling(two_racks: Layout) -> Gpus:
    """The same whose counters file lists the clocks' reasons."""
    counters = "DCGM_FI_DEV_CLOCKS_EVENT_REASONS, gauge, reasons"
    return Gpus(
        Layout(exporting(two_racks.site, ["dcgm=4.9.0"], counters)), np.random.default_rng(0)
    )


def test_training_is_held_by_the_power_limit(telling: Gpus) -> None:
    """On the plateau H100 run at 1,600 to 1,900 MHz, each at a clock of its own, and say why."""
    gpus = telling
    run(gpus, 1.0, 60)
    out = gpus.outputs(demand(1.0))
    clocks = out["sm_clock"]
    assert 1600 <= clocks.min() < np.median(clocks) < clocks.max() <= 1900
    assert 10 < clocks.std() < 40
    assert (out["clock_reasons"] == 0x4).all()
    assert (out["power_violation"] == 60e9).all()
    assert gpus.speed == 1.0
    assert gpus.power.mean() == pytest.approx(625, rel=0.01)


def test_waiting_gpus_are_not_held(telling: Gpus) -> None:
    """GPUs that wait in a collective are at their greatest clock, for no reason."""
    gpus = telling
    run(gpus, 0.15, 60)
    out = gpus.outputs(demand(0.15))
    assert (out["sm_clock"] == MODEL.sm_clock_max_mhz).all()
    assert not out["clock_reasons"].any()
    assert not out["power_violation"].any()


@pytest.mark.parametrize("limit", [400.0, 550.0, 690.0])
def test_a_lower_limit_slows_by_the_power_it_takes(
    gpus: Gpus, two_racks: Layout, limit: float
) -> None:
    """A server's lower limit costs its GPUs clock and pace, both by the law of power and clock."""
    run(gpus, 1.0, 30)
    usual = gpus.outputs(demand(1.0))["sm_clock"]
    well = np.ones((two_racks.site.racks, two_racks.site.servers_per_rack), dtype=np.bool_)
    limits = np.where(np.arange(8) == 3, limit, np.inf) * well
    for _ in range(5):
        hosts = HostStates(well, well, limits)
        gpus.step(demand(1.0), gpus.speed, COOLANT, FULL_FLOW, HEALTHY, 1.0, hosts)
    pace = ((limit - 73) / (700 - 73)) ** (1 / 2.2)
    assert gpus.speed == pytest.approx(pace, rel=1e-4)
    own = np.s_[:, 24:32]
    clocks = gpus.outputs(demand(1.0))["sm_clock"]
    np.testing.assert_allclose(clocks[own], pace * usual[own], atol=15)
    assert (gpus.power[own] <= limit).all()
    assert gpus.limit.held[own].all()
    gpus.step(demand(1.0), gpus.speed, COOLANT, FULL_FLOW, HEALTHY, 1.0)
    assert gpus.speed == 1.0


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
    for _ in range(50):
        gpus.step(demand(1.0), 1.0, COOLANT, FULL_FLOW, HEALTHY, 0.5)
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


@pytest.fixture
def wrong() -> Conditions:
    """Conditions that a test may spoil."""
    return Conditions.healthy(TINY)


def test_healthy_gpus_are_at_full_pace(gpus: Gpus) -> None:
    """Under normal training nothing slows or stops the job."""
    run(gpus, 1.0, 120)
    assert gpus.speed == 1.0
    assert gpus.missing == 0


def test_failed_gpu(gpus: Gpus, wrong: Conditions) -> None:
    """A GPU with a fatal XID idles at 0 % and is missed until it is reset, but reports."""
    wrong.gpu_xid[PLACE] = 120
    run(gpus, 1.0, 10, conditions=wrong)
    out = gpus.outputs(demand(1.0))
    assert out["xid"][PLACE] == 120
    assert out["gpu_util"][PLACE] == 0
    assert out["power_usage"][PLACE] == pytest.approx(73, abs=3)
    assert out["tensor_active"][PLACE] == 0
    assert (np.delete(out["gpu_util"], PLACE[1], axis=1) == 100).all()
    assert gpus.missing == 1
    run(gpus, 1.0, 1)
    assert gpus.missing == 0


def test_contained_error_ends_the_application_once(gpus: Gpus, wrong: Conditions) -> None:
    """A contained error ends the job on its racks, which can start again before the reset."""
    wrong.gpu_xid[PLACE] = 94
    ended = []
    for _ in range(3):
        run(gpus, 1.0, 1, conditions=wrong)
        ended.append(gpus.aborted_in(slice(1, 2)))
        assert not gpus.aborted_in(slice(0, 1))
    assert ended == [True, False, False]
    assert gpus.missing == 0
    assert gpus.outputs(demand(1.0))["xid"][PLACE] == 94


def test_hang(gpus: Gpus, wrong: Conditions) -> None:
    """A hanging GPU shows 100 % at the power of a held context, and no XID."""
    wrong.gpu_responding[PLACE] = False
    run(gpus, 0.15, 10, conditions=wrong)
    out = gpus.outputs(demand(0.15))
    assert out["gpu_util"][PLACE] == 100
    assert 116 <= out["power_usage"][PLACE] <= 125
    assert np.median(out["power_usage"]) > 150
    assert out["xid"][PLACE] == 0
    assert gpus.missing == 1


def test_straggler_slows_the_job(gpus: Gpus, wrong: Conditions) -> None:
    """A stuck clock paces the job; the others wait and draw less; it recovers afterwards."""
    run(gpus, 1.0, 60)
    before, out = gpus.power.mean(), gpus.outputs(demand(1.0))
    usual, capped = out["sm_clock"][PLACE], float(out["power_violation"][PLACE])
    wrong.gpu_clock_limit[PLACE] = 0.7
    run(gpus, 1.0, 10, conditions=wrong)
    assert gpus.speed == pytest.approx(0.7)
    out = gpus.outputs(demand(1.0))
    assert out["sm_clock"][PLACE] == pytest.approx(0.7 * usual, abs=15)
    assert np.median(out["power_usage"]) < 0.85 * before
    assert out["power_violation"][PLACE] <= capped + 1e9
    assert gpus.limit.held.sum() == 0
    assert not out["thermal_violation"].any()
    run(gpus, 1.0, 10)
    assert gpus.speed == 1.0


def test_power_brake(gpus: Gpus, wrong: Conditions) -> None:
    """The brake halves the clock of one server's GPUs and counts as a power violation."""
    run(gpus, 1.0, 10)
    before = {name: values.copy() for name, values in gpus.outputs(demand(1.0)).items()}
    wrong.power_brake_released[1, 2] = False
    run(gpus, 1.0, 10, conditions=wrong)
    out = gpus.outputs(demand(1.0))
    rise = out["power_violation"] - before["power_violation"]
    assert (rise[1, 16:24] == 10e9).all()
    assert np.delete(rise.ravel(), np.s_[80:88]).max() <= 1e9
    usual = before["sm_clock"][1, 16:24]
    np.testing.assert_allclose(out["sm_clock"][1, 16:24], 0.5 * usual, atol=15)
    assert gpus.speed == 0.5


def test_bad_cold_plate(gpus: Gpus, wrong: Conditions) -> None:
    """A dried-out interface makes one GPU hot and slow; its neighbours stay as they are."""
    wrong.gpu_thermal_resistance[PLACE] = 2.8
    run(gpus, 1.0, 300, conditions=wrong)
    out = gpus.outputs(demand(1.0))
    assert out["gpu_temp"][PLACE] > 80
    assert np.delete(out["gpu_temp"], PLACE[1], axis=1).max() < 62
    assert out["thermal_violation"][PLACE] > 0
    assert (out["thermal_violation"] > 0).sum() == 1
    assert 0.4 < gpus.speed < 1.0
    assert gpus.attached.all()


def test_hot_memory_throttles(gpus: Gpus) -> None:
    """At 95 °C memory the clock falls although the die is below its own limit."""
    run(gpus, 1.0, 60)
    gpus.die[:] = 86.5
    run(gpus, 1.0, 1, flow=0.3)
    assert gpus.die.max() < MODEL.temperature_max_operating_celsius + 2
    assert gpus.speed < 1.0


def test_warm_silicon_leaks(gpus: Gpus) -> None:
    """Twenty kelvin more cost about one per cent of dynamic power."""
    run(gpus, 1.0, 120)
    cool = gpus.power.mean()
    gpus.die += 20.0
    gpus._draw(demand(1.0, measured=False), 1.0)
    warm = gpus.power.mean()
    gpus.die -= 20.0
    gpus._draw(demand(1.0, measured=False), 1.0)
    assert warm - gpus.power.mean() == pytest.approx(0.01 * cool, abs=4.0)


def test_broken_link_is_an_xid(gpus: Gpus, wrong: Conditions) -> None:
    """Few link errors slow the job, many raise XID 74 and end it."""
    wrong.nvlink_errors_per_second[PLACE] = 60
    run(gpus, 1.0, 10, conditions=wrong)
    assert 0.8 < gpus.speed < 0.95
    assert gpus.missing == 0
    wrong.nvlink_errors_per_second[PLACE] = 500
    run(gpus, 1.0, 10, conditions=wrong)
    assert gpus.outputs(demand(1.0))["xid"][PLACE] == 74
    assert gpus.missing == 1


def test_exporter_down(gpus: Gpus, wrong: Conditions) -> None:
    """Without its exporter a server's GPUs are not seen, but draw their power and do their work."""
    wrong.dcgm_running[1, 2] = False
    run(gpus, 1.0, 60, conditions=wrong)
    out = gpus.outputs(demand(1.0))
    for values in out.values():
        assert np.isnan(values[1, 16:24]).all()
        assert np.isfinite(values[0]).all()
    assert not gpus.exporter_up[1, 2]
    assert gpus.exporter_up.sum() == 15
    assert gpus.power[1, 16:24].mean() == pytest.approx(625, rel=0.02)
    assert gpus.missing == 0


def test_first_rank_writes_the_checkpoint(gpus: Gpus) -> None:
    """While all wait for a checkpoint the first GPU shows 3 %, the others 100 %."""
    waiting = replace(demand(0.15), saving=1.0, compute=0.0)
    util = gpus.outputs(waiting)["gpu_util"]
    assert util[0, 0] == pytest.approx(3.0)
    assert (util.ravel()[1:] == 100).all()


def spoil(conditions: Conditions, what: str, rack: int, gpu: int) -> None:
    """Let one thing be wrong with a GPU, or with its server."""
    arrays: dict[str, tuple[np.ndarray, float]] = {
        "bus": (conditions.gpu_attached, False),
        "hang": (conditions.gpu_responding, False),
        "xid": (conditions.gpu_xid, (48, 63, 92, 31)[gpu % 4]),
        "clock": (conditions.gpu_clock_limit, 0.4),
        "plate": (conditions.gpu_thermal_resistance, 3.0),
        "links": (conditions.nvlink_errors_per_second, 20 * gpu),
        "brake": (conditions.power_brake_released, False),
        "dcgm": (conditions.dcgm_running, False),
    }
    array, value = arrays[what]
    array[rack, gpu * array.shape[1] // 64] = value


@settings(max_examples=25, deadline=None)
@given(
    activity=st.floats(0.0, 1.6),
    flow=st.floats(0.2, 1.0),
    spoilt=st.lists(
        st.tuples(
            st.sampled_from(["bus", "hang", "xid", "clock", "plate", "links", "brake", "dcgm"]),
            st.integers(0, 1),
            st.integers(0, 63),
        ),
        max_size=8,
    ),
)
def test_whatever_breaks(activity: float, flow: float, spoilt: list[tuple[str, int, int]]) -> None:
    """Power keeps its limit, memory adds up, and only what does not report is missing."""
    gpus, conditions = Gpus(TINY, np.random.default_rng(0)), Conditions.healthy(TINY)
    for what, rack, gpu in spoilt:
        spoil(conditions, what, rack, gpu)
    silent = np.repeat(~conditions.dcgm_running, 8, axis=1)
    last_word = {"xid": 79.0}  # of a GPU that has just been lost
    energy = gpus.energy_joules.copy()
    for _ in range(20):
        run(gpus, activity, 1, flow, conditions)
        assert (gpus.power <= MODEL.power_limit_watts + 0.5).all()
        assert (gpus.energy_joules >= energy).all()
        energy = gpus.energy_joules.copy()
        assert 0 < gpus.speed <= 1
        out = gpus.outputs(demand(activity))
        for name, values in out.items():
            gone = silent | (~gpus.attached & (values != last_word.get(name)))
            np.testing.assert_array_equal(np.isnan(values), gone, err_msg=name)
            assert np.nanmin(values, initial=0.0) >= 0, name
        total = out["fb_used"] + out["fb_free"] + out["fb_reserved"]
        np.testing.assert_allclose(total[~np.isnan(total)], MODEL.framebuffer_mib)


def test_a_held_context_keeps_the_boost_clock(array: Layout) -> None:
    """GPUs of a job that starts do nothing at the boost clock; those without one are at 345 MHz."""
    gpus, demand = Gpus(array, np.random.default_rng(1)), Idle().step(1.0, Health())
    assert (gpus.outputs(demand)["sm_clock"] == 345.0).all()
    starting = replace(demand, framebuffer=0.1)
    assert (gpus.outputs(starting)["sm_clock"] == 1980.0).all()
    assert (gpus.outputs(starting)["gpu_util"] == 0.0).all()
