"""The PDUs' breakers: the curve of the standards, what overload does to a rack, and the reset."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.plant import Conditions, Plant
from twin.plant.breaker import Breakers, rated_amperes
from twin.site import Layout, parse_site

RATED = 100.0
RESET = 60
FOREVER = float("inf")


def layout_of(more: str = "") -> Layout:
    """Return one rack whose breakers are closed again after a minute."""
    text = f"{{name: tiny, racks: 1, server: {{boot_seconds: 5}}, pdu: {{reset_seconds: {RESET}"
    return Layout(parse_site(f"{text}{more}}}}}", "test"))


def opens_after(ratio: float, limit: float, dt: float = 1.0) -> float:
    """Return the seconds after which a cold breaker opens at this current over its rated one."""
    layout = layout_of(f", breaker_amperes: {RATED}")
    breakers, conditions = Breakers(layout, RATED), Conditions.healthy(layout)
    current = np.full((1, 6), ratio * RATED)
    for tick in range(int(limit / dt)):
        breakers.step(current, conditions, dt)
        if not breakers.all_closed:
            return (tick + 1) * dt
    return FOREVER


@pytest.mark.parametrize(
    ("ratio", "least", "most"),
    [
        (1.05, FOREVER, FOREVER),  # IEC 60947-2: not within two hours
        (1.13, FOREVER, FOREVER),  # IEC 60898-1: not within an hour
        (1.30, 60.0, 7200.0),  # IEC 60947-2: within two hours
        (1.35, 60.0, 7200.0),  # UL 489: within two hours
        (1.45, 60.0, 3600.0),  # IEC 60898-1: within an hour
        (2.00, 12.0, 360.0),  # UL 489: within 6 min for 51 to 100 A
        (2.55, 1.0, 120.0),  # IEC 60898-1: 1 to 120 s above 32 A
    ],
)
def test_thermal_curve(ratio: float, least: float, most: float) -> None:
    """A cold breaker opens within the times of the standards."""
    assert least <= opens_after(ratio, 7200.0) <= most


def test_magnetic_curve() -> None:
    """Curve C: five times the rated current does not open it at once, ten times does."""
    assert opens_after(5.0, 1.0, dt=0.1) == FOREVER
    assert opens_after(10.0, 1.0, dt=0.1) == 0.1


@given(st.floats(0.5, 6.0), st.floats(0.0, 3.0))
@settings(max_examples=50, deadline=None)
def test_more_current_opens_sooner(ratio: float, more: float) -> None:
    """The curve is inverse: no higher current takes longer."""
    assert opens_after(ratio + more, 600.0) <= opens_after(ratio, 600.0)


def test_standard_sizes() -> None:
    """The next standard size carries the load; beyond the last one it is made to measure."""
    assert rated_amperes(92.8) == 100.0
    assert rated_amperes(100.0) == 100.0
    assert rated_amperes(100.1) == 125.0
    assert rated_amperes(5000.0) == 5000.0


def run(plant: Plant, conditions: Conditions, seconds: int) -> None:
    """Step second by second."""
    for _ in range(seconds):
        plant.step(1.0, conditions)


@pytest.mark.full
def test_one_pdu_carries_the_rack_for_good() -> None:
    """In default sizing neither training nor the loss of one of two PDUs opens a breaker."""
    layout = layout_of()
    plant = Plant(layout, seed=1)
    assert plant.servers.breakers.rated == RATED
    run(plant, Conditions.healthy(layout), 300)
    assert plant.servers.breakers.heat.max() < 0.25
    lost = Conditions.healthy(layout)
    lost.pdu_breaker[0, 0] = False
    run(plant, lost, 1800)
    assert plant.servers.breakers.all_closed
    assert plant.outputs()["pdu"]["current"][0, 3:].min() > 0.5 * RATED
    assert plant.servers.breakers.heat.max() < 0.5


def test_a_pdu_that_is_too_small_follows_the_lost_one() -> None:
    """The load shifts, the other breaker opens minutes later, and the rack is dark."""
    layout = layout_of(", breaker_amperes: 50")
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 300)
    assert plant.servers.breakers.all_closed
    lost = Conditions.healthy(layout)
    lost.pdu_breaker[0, 0] = False
    run(plant, lost, 20)
    assert plant.servers.breakers.all_closed
    run(plant, lost, 600)
    out = plant.outputs()
    assert plant.servers.breakers.closed.tolist() == [[True, False]]
    for name in ("current", "voltage", "power"):
        assert not out["pdu"][name].any()
    assert np.isnan(out["gpu"]["power_usage"]).all()
    assert out["server"]["up_ipmi"].max() == 0


def test_an_overloaded_phase_opens_all_three() -> None:
    """With the other PDU lost, a phase that carries most of the load trips the whole breaker."""
    layout = layout_of()
    plant = Plant(layout, seed=1)
    uneven = Conditions.healthy(layout)
    uneven.pdu_phase_load[0, 3] = 6.0
    run(plant, uneven, 300)
    assert plant.servers.breakers.all_closed
    uneven.pdu_breaker[0, 0] = False
    run(plant, uneven, 600)
    assert plant.servers.breakers.closed.tolist() == [[True, False]]
    assert not plant.outputs()["pdu"]["voltage"].any()
    assert not plant.servers.rack_powered.any()


def test_a_breaker_tells_its_state_its_load_and_the_imbalance() -> None:
    """Closed it carries half of the rack; tripped it carries nothing and the other one twice."""
    layout = layout_of()
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 5)
    before = plant.outputs()["pdu_breaker"]
    assert before["state"].tolist() == [[0, 0]]
    assert ((before["load"] > 0.1) & (before["load"] < 0.5)).all()
    assert (before["imbalance"] < 0.08).all()
    tripped = Conditions.healthy(layout)
    tripped.pdu_breaker[0, 0] = False
    tripped.pdu_phase_load[0, 3] = 1.8
    run(plant, tripped, 5)
    after = plant.outputs()["pdu_breaker"]
    assert after["state"].tolist() == [[1, 0]]
    assert after["load"][0, 0] == after["imbalance"][0, 0] == 0.0
    assert after["load"][0, 1] > 1.5 * before["load"][0, 1]
    assert after["imbalance"][0, 1] == pytest.approx(3 * 1.8 / 3.8 - 1, abs=0.06)


def test_a_shed_rack_has_its_breakers_off() -> None:
    """What the energy management switches off has not tripped."""
    layout = layout_of()
    plant = Plant(layout, seed=1)
    dark = Conditions.healthy(layout)
    dark.grid_available[:] = False
    run(plant, dark, 5)
    assert plant.outputs()["pdu_breaker"]["state"].tolist() == [[2, 2]]


def test_a_technician_closes_it_once_the_cause_is_gone() -> None:
    """It stays open for as long as the fault lasts, and for the reset time after it."""
    layout = layout_of(", breaker_amperes: 50")
    plant = Plant(layout, seed=1)
    lost = Conditions.healthy(layout)
    lost.pdu_breaker[0, 0] = False
    run(plant, lost, 900)
    assert plant.servers.breakers.closed.tolist() == [[True, False]]
    run(plant, Conditions.healthy(layout), RESET - 1)
    assert plant.servers.breakers.closed.tolist() == [[True, False]]
    assert plant.outputs()["pdu"]["voltage"][0, :3].min() > 230
    assert not plant.outputs()["pdu"]["voltage"][0, 3:].any()
    run(plant, Conditions.healthy(layout), 10)
    assert plant.servers.breakers.all_closed
    assert plant.outputs()["pdu"]["voltage"].min() > 230
    assert plant.servers.hosts is None


@settings(max_examples=30, deadline=None)
@given(
    amperes=st.lists(st.floats(0.0, 900.0), min_size=1, max_size=6),
    broken=st.booleans(),
    dt=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_only_a_hot_pole_opens_it(amperes: list[float], broken: bool, dt: float) -> None:
    """Whatever flows, a breaker opens only when a pole is hot, and closes only when it may."""
    layout = layout_of(f", breaker_amperes: {RATED}")
    breakers, conditions = Breakers(layout, RATED), Conditions.healthy(layout)
    conditions.pdu_breaker[0, 1] = not broken
    magnetic = layout.site.pdu.magnetic_ratio * RATED
    open_for = 0.0
    for tick in range(300):
        current = np.full((1, 6), amperes[tick // 10 % len(amperes)])
        current[:, 3:] = 0.0
        current[:, :3] *= breakers.closed[:, :1]
        was_open = not breakers.all_closed
        breakers.step(current, conditions, dt)
        assert np.isfinite(breakers.heat).all()
        assert (breakers.heat >= 0.0).all()
        assert breakers.closed[0, 1]
        if not was_open:
            hot = breakers.heat.max() >= 1.0 or current.max() >= magnetic
            assert breakers.all_closed is not hot
            open_for = 0.0
            continue
        open_for += dt
        assert breakers.all_closed is (not broken and open_for >= RESET - 1.5 * dt)
        if breakers.all_closed:
            break
