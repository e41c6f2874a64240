"""What the loss of power does to the cooling, and how it comes back later than the racks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twin.catalog import CHILLER_STATES, MetricType
from twin.plant import Conditions, Plant
from twin.plant.chiller import WaterPlant
from twin.site import Layout, parse_site

QUICK = "server: {boot_seconds: 5}, supply: {return_seconds: 5, restore_ratio_per_second: 0.25}"
STATE = {name: code for code, name in CHILLER_STATES.items()}
WATER_JOULES = 4170.0 / 60.0


def layout_of(megapacks: int, gensets: int = 0, more: str = "") -> Layout:
    """Return four racks with so many units, which boot and return quickly."""
    return Layout(
        parse_site(
            f"{{name: tiny, racks: 4, megapacks: {{count: {megapacks}}}, "
            f"gensets: {{count: {gensets}}}, {QUICK}{more}}}",
            "test",
        )
    )


def outage(layout: Layout) -> Conditions:
    """Return the conditions without grid."""
    conditions = Conditions.healthy(layout)
    conditions.grid_available[:] = False
    return conditions


def run(plant: Plant, conditions: Conditions, seconds: int) -> None:
    """Step second by second."""
    for _ in range(seconds):
        plant.step(1.0, conditions)


def down(plant: Plant) -> NDArray[np.bool_]:
    """Return the racks that have a host that is down, (racks, 1)."""
    hosts, racks = plant.halls.servers.hosts, len(plant.halls.servers.rack_power)
    if hosts is None:
        return np.zeros((racks, 1), dtype=np.bool_)
    found: NDArray[np.bool_] = np.any(~hosts.up, axis=1)[:, None]
    return found


def states(plant: Plant) -> set[int]:
    """Return the states that chillers are in."""
    return {int(state) for state in plant.water.chiller_outputs()["state"].ravel()}


def test_chillers_need_minutes_after_a_moment_without_power(array: Layout) -> None:
    """All stop at once; their restart time later as many run as before, and the water recovers."""
    p, load = array.site.water, 0.95 * array.site.installed_power_watts
    water, conditions = WaterPlant(array), Conditions.healthy(array)
    water.weather(0.0, 0.0)
    water.settle(load, 400.0)
    before = {name: value.copy() for name, value in water.chiller_outputs().items()}
    water.step(load, 400.0, conditions, 0.0, 1.0, powered=False)
    out = water.chiller_outputs()
    assert (out["state"] == STATE["unpowered"]).all()
    assert water.power == water.removed == 0.0
    assert not out["capacity"].any()
    for second in range(int(p.restart_seconds) - 1):
        water.step(load, 400.0, conditions, float(second), 1.0)
        assert water.removed == 0.0
    assert (water.chiller_outputs()["state"] == STATE["starting"]).any()
    assert water.supply - 24.0 == pytest.approx(p.restart_seconds * load / water.heat_capacity)
    water.step(load, 400.0, conditions, 0.0, 1.0)
    running = water.chiller_outputs()["state"] == STATE["running"]
    assert running.sum() >= (before["state"] == STATE["running"]).sum()
    assert (water.chiller_outputs()["starts"] - before["starts"] == running).all()
    for second in range(1800):
        water.step(load, 400.0, conditions, float(second), 1.0)
    assert water.supply == pytest.approx(24.0, abs=0.2)


def test_a_failed_chiller_is_failed_with_and_without_power(array: Layout) -> None:
    """Loss of power does not hide a fault, nor does its return mend it."""
    water, conditions = WaterPlant(array), Conditions.healthy(array)
    conditions.chiller_available[1] = False
    for powered in (False, True):
        water.step(1e5, 400.0, conditions, 0.0, 1.0, powered=powered)
        assert water.chiller_outputs()["state"][0, 1] == STATE["failed"]


def test_blackout_stops_racks_water_and_chillers() -> None:
    """Grid gone, Megapacks empty: racks are dark, nothing pumps, nothing cools."""
    layout = layout_of(1)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 30)
    plant.megapacks.soc[:] = 0.1
    run(plant, outage(layout), 20)
    out = plant.outputs()
    assert plant.supply.shed == 4
    assert plant.supply.voltage_ratio == 0.0
    assert states(plant) == {STATE["unpowered"]}
    assert out["water"]["flow"].item() == 0.0
    assert out["water"]["heat"].item() == pytest.approx(0.0, abs=1.0)
    assert out["facility"]["cooling_power"].item() == layout.site.facility.fixed_power_watts
    assert np.isnan(out["gpu"]["gpu_temp"]).all()


def test_racks_are_back_before_the_chillers() -> None:
    """After the return the water warms under the racks' heat until the chillers have restarted."""
    layout = layout_of(0)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 60)
    run(plant, outage(layout), 60)
    cold = plant.water.supply
    run(plant, Conditions.healthy(layout), 60)
    assert plant.supply.shed == 0
    assert plant.servers.power.min() > 0
    assert states(plant) <= {STATE["starting"], STATE["standby"]}
    restart = layout.site.water.restart_seconds
    run(plant, Conditions.healthy(layout), int(restart) - 60)
    assert plant.water.supply > cold + 1.0
    assert plant.water.removed == 0.0
    run(plant, Conditions.healthy(layout), 15)
    assert STATE["running"] in states(plant)
    run(plant, Conditions.healthy(layout), 1200)
    assert plant.water.supply == pytest.approx(24.0, abs=0.5)


def test_generators_bring_the_racks_back_into_warming_water() -> None:
    """Without Megapacks the seconds until the generators run cost the chillers their restart."""
    layout = layout_of(0, 1)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 60)
    run(plant, outage(layout), 120)
    assert plant.supply.shed == 0
    assert plant.water.removed == 0.0
    assert states(plant) <= {STATE["starting"], STATE["standby"]}
    run(plant, outage(layout), 300)
    assert STATE["running"] in states(plant)


def test_megapacks_carry_the_chillers_through() -> None:
    """An island that forms at once costs no chiller, where they are backed up."""
    layout = layout_of(2)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 30)
    run(plant, outage(layout), 60)
    assert STATE["unpowered"] not in states(plant)
    assert plant.water.supply == pytest.approx(24.0, abs=0.2)


@pytest.mark.full
def test_chillers_without_backup_stop_on_an_island() -> None:
    """The racks train on, the water warms, the GPUs throttle; the grid's return ends it."""
    layout = layout_of(4, 0, ", water: {backed_up: false}")
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 30)
    run(plant, outage(layout), 120)
    out = plant.outputs()
    assert plant.supply.shed == 0
    assert states(plant) == {STATE["unpowered"]}
    assert out["water"]["flow"].item() > 0
    assert plant.water.supply > 26.0
    assert plant.room.air > 24.3
    run(plant, outage(layout), 1680)
    assert plant.water.supply > 55.0
    assert plant.gpus.speed < 0.99
    run(plant, Conditions.healthy(layout), 2400)
    assert plant.water.supply < 45.0
    assert plant.gpus.speed == 1.0


@pytest.mark.parametrize(("volts", "dropped"), [(0.8, False), (0.72, True)])
def test_deep_sag_drops_the_chillers(volts: float, dropped: bool) -> None:
    """On the grid, a sag below the drop-out voltage stops them; a lesser one does not."""
    layout = layout_of(2)
    plant = Plant(layout, seed=1)
    sag = Conditions.healthy(layout)
    sag.grid_voltage[:] = volts
    run(plant, sag, 3)
    assert plant.supply.on_grid
    assert (states(plant) == {STATE["unpowered"]}) is dropped


@pytest.mark.full
@settings(max_examples=15, deadline=None)
@given(
    data=st.data(),
    megapacks=st.integers(0, 2),
    gensets=st.integers(0, 1),
    backed_up=st.booleans(),
    seed=st.integers(0, 100),
)
def test_heat_is_conserved_through_blackouts(
    data: st.DataObject, megapacks: int, gensets: int, backed_up: bool, seed: int
) -> None:
    """Whatever power comes and goes: heat in the water and every counter stay right."""
    layout = layout_of(megapacks, gensets, f", water: {{backed_up: {str(backed_up).lower()}}}")
    plant = Plant(layout, seed=seed)
    if megapacks:
        plant.megapacks.soc[:] = data.draw(st.floats(0.1, 0.9))
    previous = plant.outputs()
    for _ in range(5):
        booted = down(plant)
        conditions = Conditions.healthy(layout)
        conditions.grid_voltage[:] = data.draw(st.sampled_from([1.0, 0.72, 0.0]))
        conditions.pdu_phase_load[0, 3] = data.draw(st.sampled_from([1.0, 10.0]))
        conditions.pdu_breaker[0, 0] = data.draw(st.booleans())
        for _ in range(data.draw(st.integers(1, 60))):
            before = plant.water.supply
            plant.step(1.0, conditions)
            booted = booted | down(plant)
            water = plant.water
            stored = (water.supply - before) * water.heat_capacity
            assert stored == pytest.approx(water.load - water.removed, abs=1.0)
            air = plant.meters.it + plant.cdus.power.sum() - plant.cdus.absorbed.sum()
            assert water.load == pytest.approx(plant.cdus.rejected.sum() + air, abs=1.0)
            if plant.supply.voltage_ratio == 0.0:
                assert plant.meters.it == 0.0 or plant.supply.unserved > 0.0
        outputs = plant.outputs()
        flow = outputs["water"]["flow"].item() * WATER_JOULES
        rise = outputs["water"]["return_temperature"].item() - plant.water.supply
        assert flow * rise == pytest.approx(plant.water.load if flow else 0.0, rel=1e-6, abs=1.0)
        for device in layout.devices:
            for signal in layout.reported[device.name]:
                if not signal.on_wire:
                    continue
                values = outputs[device.name][signal.name]
                known = values[~np.isnan(values)]
                assert np.isfinite(known).all(), signal.name
                assert signal.low is None or (known >= signal.low).all(), signal.name
                assert signal.high is None or (known <= signal.high).all(), signal.name
                if signal.kind is MetricType.COUNTER and signal.name != "nvlink_bandwidth":
                    fell = values < previous[device.name][signal.name]
                    # A host that boots begins those of its drivers anew.
                    own = booted if device.name in {"gpu", "nic"} else np.False_
                    assert not (fell & ~own).any(), signal.name
        previous = {d: {s: v.copy() for s, v in g.items()} for d, g in outputs.items()}
