"""The energy management: islands, generators, shedding, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.catalog import DEVICES, MetricType
from twin.plant import Conditions, Plant
from twin.site import Layout, parse_site

QUICK = "server: {boot_seconds: 5}, supply: {return_seconds: 5, restore_ratio_per_second: 0.25}"


def layout_of(megapacks: int, gensets: int, more: str = "") -> Layout:
    """Return four racks with so many units, which boot and return quickly."""
    return Layout(
        parse_site(
            f"{{name: tiny, racks: 4, megapacks: {{count: {megapacks}}}, "
            f"gensets: {{count: {gensets}}}, {QUICK}{more}}}",
            "test",
        )
    )


def run(plant: Plant, conditions: Conditions, seconds: int) -> None:
    """Step second by second and check the balance of every step."""
    for _ in range(seconds):
        plant.step(1.0, conditions)
        balance(plant)


def balance(plant: Plant) -> None:
    """Check that the sources give what the site takes."""
    given = plant.grid.power + plant.megapacks.power.sum() + plant.gensets.power.sum()
    taken = plant.meters.total - plant.supply.unserved
    assert given == pytest.approx(taken, rel=1e-5, abs=1.0)


def outage(layout: Layout) -> Conditions:
    """Return the conditions without grid."""
    conditions = Conditions.healthy(layout)
    conditions.grid_available[:] = False
    return conditions


def test_megapacks_carry_an_outage() -> None:
    """Nothing is lost when the grid goes: the units form an island and the job goes on."""
    layout = layout_of(2, 0)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 30)
    run(plant, outage(layout), 60)
    out = plant.outputs()
    assert plant.supply.unserved == 0
    assert plant.supply.shed == 0
    assert plant.megapacks.power.sum() == pytest.approx(plant.meters.total, rel=1e-6)
    assert out["grid"]["breaker"].item() == out["grid"]["voltage"].item() == 0
    assert out["megapack"]["frequency"].tolist() == [[60.0], [60.0]]
    assert out["job"]["interruptions"].item() == 0


def test_generators_take_over_from_the_megapacks_and_give_back() -> None:
    """They start, synchronise, ramp up, carry the slow part, unload, cool down and stop."""
    layout = layout_of(2, 2)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 30)
    before = {name: value.copy() for name, value in plant.gensets.outputs().items()}
    run(plant, outage(layout), 10)
    assert plant.gensets.power.sum() == 0
    run(plant, outage(layout), 120)
    out = plant.gensets.outputs()
    assert (out["state"] == 2).all()
    assert plant.gensets.power.sum() == pytest.approx(plant.meters.total, rel=0.3)
    assert abs(plant.megapacks.power.sum()) < 0.3 * plant.meters.total
    assert plant.gensets.power[0] == pytest.approx(plant.gensets.power[1])
    assert (out["starts"] == before["starts"] + 1).all()
    assert (out["fuel_level"] < before["fuel_level"]).all()
    assert (out["running_seconds"] > before["running_seconds"] + 60).all()
    assert (out["oil_pressure"] > 300_000).all()
    assert (out["coolant_temperature"] > 50).all()
    run(plant, Conditions.healthy(layout), 60)
    assert plant.grid.connected
    assert plant.gensets.power.sum() == 0
    run(plant, Conditions.healthy(layout), 240)
    assert (plant.gensets.outputs()["state"] == 0).all()
    assert (plant.gensets.outputs()["speed"] == 0).all()
    assert plant.grid.power == pytest.approx(plant.meters.total, rel=0.35)


def test_without_megapacks_an_outage_darkens_the_site_until_the_generators_run() -> None:
    """All racks lose power at once and return one after the other on the generators."""
    layout = layout_of(0, 1)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 30)
    run(plant, outage(layout), 1)
    assert plant.supply.unserved == pytest.approx(plant.meters.total)
    run(plant, outage(layout), 3)
    assert plant.supply.shed == 4
    assert plant.servers.power.sum() == 0
    run(plant, outage(layout), 60)
    assert plant.supply.unserved == 0
    assert plant.supply.shed == 0
    assert plant.gensets.power.sum() == pytest.approx(plant.meters.total)


def test_shedding_goes_from_the_last_rack_up_and_spares_what_can_be_fed() -> None:
    """A short supply costs the highest racks first; what is left is fed without a gap."""
    layout = layout_of(1, 0)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 30)
    weak = outage(layout)
    weak.megapack_power_ratio[:] = 0.2
    run(plant, weak, 5)
    assert 0 < plant.supply.shed < 4
    assert plant.supply.powered.tolist() == sorted(plant.supply.powered, reverse=True)
    run(plant, weak, 60)
    assert plant.supply.unserved == 0


@pytest.mark.parametrize(("first", "second"), [(10, 90), (90, 10)])
def test_shedding_follows_the_jobs_priorities(first: int, second: int) -> None:
    """Racks without a job go first, then the less important job; the other one trains on."""
    jobs = (
        f"jobs: [{{name: a, racks: 1, priority: {first}}}, {{name: b, racks: 2, "
        f"priority: {second}}}]"
    )
    layout = layout_of(1, 0, f", {jobs}")
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 30)
    weak = outage(layout)
    weak.megapack_power_ratio[:] = 0.24 if first < second else 0.19
    run(plant, weak, 10)
    kept = [False, True, True, False] if first < second else [True, False, False, False]
    assert plant.supply.powered.tolist() == kept
    states = [progress.state.name for progress in plant.jobs.progress]
    assert states == (["STALLED", "TRAINING"] if first < second else ["TRAINING", "STALLED"])
    run(plant, Conditions.healthy(layout), 60)
    assert plant.supply.shed == 0


def test_a_shed_rack_is_dark() -> None:
    """Its exporters are gone, its phases are dead, and the job stalls for its GPUs."""
    layout = layout_of(1, 0)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 30)
    weak = outage(layout)
    weak.megapack_power_ratio[:] = 0.2
    run(plant, weak, 10)
    out = plant.outputs()
    assert plant.servers.power[3].sum() == 0
    for device in ("gpu", "nic", "psu", "pump", "cdu"):
        for name, values in out[device].items():
            assert np.isnan(values[3]).all(), name
    assert np.isnan(out["server"]["power"][3]).all()
    assert not out["server"]["up_dcgm"][3].any()
    for name in ("current", "voltage", "power"):
        assert not out["pdu"][name][3].any()
    assert out["pdu"]["voltage"][0].min() > 230
    assert out["facility"]["shed_racks"].item() == plant.supply.shed
    assert out["job"]["state"].item() == 5
    run(plant, Conditions.healthy(layout), 60)
    assert plant.supply.shed == 0
    assert np.isfinite(plant.outputs()["gpu"]["power_usage"]).all()


def test_racks_are_shed_before_the_megapacks_are_empty() -> None:
    """Near the end of the energy the load falls to what lasts, without an unserved watt."""
    layout = layout_of(1, 0)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 5)
    plant.megapacks.soc[:] = 0.102
    run(plant, outage(layout), 2)
    assert plant.supply.unserved == 0
    assert plant.supply.shed == 4
    run(plant, outage(layout), 900)
    assert plant.megapacks.soc.min() >= 0.1 - 1e-6


def test_recharging_keeps_to_the_import_limit() -> None:
    """Empty Megapacks charge again with what the feed has to spare, and never beyond."""
    layout = layout_of(2, 0, ", grid: {limit_watts: 500000}")
    plant = Plant(layout, seed=1)
    plant.megapacks.soc[:] = 0.11
    highest = 0.0
    for _ in range(400):
        run(plant, Conditions.healthy(layout), 1)
        highest = max(highest, plant.grid.power)
    assert 0.85 * 500_000 < highest < 500_000
    assert plant.megapacks.soc.mean() > 0.11


def test_full_megapacks_do_not_export() -> None:
    """Units above their target give the site what it draws, and the grid nothing."""
    layout = layout_of(2, 0)
    plant = Plant(layout, seed=1)
    plant.megapacks.soc[:] = 0.89
    run(plant, Conditions.healthy(layout), 400)
    assert -1000 < plant.grid.power < 0.2 * plant.meters.total


@pytest.mark.parametrize("fault", ["genset_startable", "genset_available"])
def test_generator_that_does_not_run(fault: str) -> None:
    """It fails, the other one carries on, and it is reset when its cause is gone."""
    layout = layout_of(2, 2)
    plant = Plant(layout, seed=1)
    conditions = outage(layout)
    getattr(conditions, fault)[0] = False
    run(plant, conditions, 60)
    assert plant.gensets.outputs()["state"].ravel().tolist() == [3, 2]
    assert plant.gensets.power[0] == 0
    assert plant.gensets.power[1] > 0
    run(plant, outage(layout), 60)
    assert (plant.gensets.outputs()["state"] == 2).all()


def test_sag_trips_the_megapacks_and_the_site_stays_on_the_grid() -> None:
    """At 80 % voltage they disconnect after 2 s; the grid then carries every step of the job."""
    layout = layout_of(2, 0)
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 30)
    sag = Conditions.healthy(layout)
    sag.grid_voltage[:] = 0.8
    run(plant, sag, 5)
    out = plant.outputs()
    assert (out["megapack"]["inverter_state"] == 5).all()
    assert plant.grid.power == pytest.approx(plant.meters.total)
    assert out["pdu"]["voltage"].max() < 0.85 * 240
    assert plant.supply.shed == 0


def test_deep_sag_makes_an_island() -> None:
    """Below the separation voltage the feed's breaker opens and the Megapacks carry the site."""
    layout = layout_of(2, 0)
    plant = Plant(layout, seed=1)
    sag = Conditions.healthy(layout)
    sag.grid_voltage[:] = 0.5
    run(plant, sag, 5)
    assert not plant.grid.connected
    assert plant.supply.unserved == 0
    assert plant.outputs()["pdu"]["voltage"].min() > 230


def test_second_feed_carries_alone() -> None:
    """Two feeds share the load; when one is lost the other one takes it all."""
    layout = layout_of(2, 0, ", grid: {feeds: 2}")
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 10)
    power = plant.outputs()["grid"]["power"]
    assert power.shape == (1, 2)
    assert power[0, 0] == pytest.approx(power[0, 1])
    lost = Conditions.healthy(layout)
    lost.grid_available[1] = False
    run(plant, lost, 5)
    out = plant.outputs()["grid"]
    assert out["breaker"].tolist() == [[1, 0]]
    assert out["power"][0, 1] == 0
    assert plant.supply.unserved == 0


@pytest.mark.parametrize("enforce", [False, True])
def test_import_limit(enforce: bool) -> None:
    """Above its limit the site imports on, unless the limit is held: then racks go."""
    layout = layout_of(0, 0, ", grid: {limit_watts: 150000}")
    site = layout.site
    supply = site.supply.model_copy(update={"enforce_limit": enforce})
    layout = Layout(site.model_copy(update={"supply": supply}))
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 60)
    assert (plant.grid.power > 150_000 * 1.01) is not enforce
    assert (plant.supply.shed > 0) is enforce


def test_megapacks_hold_an_enforced_limit() -> None:
    """With energy in store the limit costs no rack: the Megapacks give the rest."""
    layout = layout_of(2, 0, ", grid: {limit_watts: 200000}")
    supply = layout.site.supply.model_copy(update={"enforce_limit": True})
    layout = Layout(layout.site.model_copy(update={"supply": supply}))
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 120)
    assert plant.grid.power <= 200_000 * 1.002
    assert plant.supply.shed == 0
    assert plant.megapacks.power.sum() > 0


def test_smoothing_is_seen_in_the_swings(array: Layout) -> None:
    """The import swings by less than a fifth of what the facility's power does."""
    plant = Plant(array, seed=1)
    for _ in range(120):
        plant.step(1.0, Conditions.healthy(array))
    out = plant.outputs()
    load = out["facility"]["load_swing"].item()
    assert load > 60_000
    assert out["grid"]["swing"].item() < 0.3 * load


@settings(max_examples=20, deadline=None)
@given(data=st.data(), packs=st.integers(0, 2), gensets=st.integers(0, 2), feeds=st.integers(1, 2))
def test_balance_under_random_conditions(
    data: st.DataObject, packs: int, gensets: int, feeds: int
) -> None:
    """Whatever fails, power in is power out, charge stays in its window and no counter falls."""
    layout = layout_of(packs, gensets, f", grid: {{feeds: {feeds}}}")
    plant = Plant(layout, seed=data.draw(st.integers(0, 100)))
    if packs:
        plant.megapacks.soc[:] = data.draw(st.floats(0.1, 0.9))
    window = (plant.megapacks.soc.copy(), 0.1 - 1e-9, 0.9 + 1e-9)
    flags = st.integers(0, 3)
    previous = plant.outputs()
    for _ in range(6):
        conditions = Conditions.healthy(layout)
        for name in ("grid_available", "megapack_available", "genset_available",
                     "genset_startable", "pdu_breaker", "psu_available",
                     "server_available"):  # fmt: skip
            values = getattr(conditions, name)
            if values.size and data.draw(flags) == 0:
                values.flat[data.draw(st.integers(0, values.size - 1))] = False
        conditions.grid_voltage[:] = data.draw(st.sampled_from([1.0, 1.0, 0.8, 0.4]))
        conditions.grid_frequency_offset[:] = data.draw(st.sampled_from([0.0, 0.0, -2.0]))
        conditions.server_cap[0, 0] = data.draw(st.sampled_from([np.inf, 4000.0]))
        for _ in range(data.draw(st.integers(1, 15))):
            plant.step(1.0, conditions)
            balance(plant)
            soc = plant.megapacks.soc
            assert ((soc >= window[1]) & (soc <= window[2])).all()
        outputs = plant.outputs()
        check_ranges(outputs, previous)
        live = plant.servers.rack_powered
        drawn = outputs["pdu"]["power"].sum(axis=1)[live]
        assert drawn == pytest.approx(plant.servers.rack_load[live])
        previous = {d: {s: v.copy() for s, v in g.items()} for d, g in outputs.items()}


def check_ranges(
    outputs: dict[str, dict[str, np.ndarray]], previous: dict[str, dict[str, np.ndarray]]
) -> None:
    """Check the power devices' ranges, their counters, and that only the dark are silent."""
    for device in DEVICES:
        if device.name not in {"pdu", "psu", "server", "megapack", "genset", "grid", "facility"}:
            continue
        for name, values in outputs[device.name].items():
            signal = device[name]
            known = values[~np.isnan(values)]
            if device.name not in {"psu", "server"}:
                assert known.size == values.size, signal.name
            assert np.isfinite(known).all(), signal.name
            assert signal.low is None or (known >= signal.low).all(), signal.name
            assert signal.high is None or (known <= signal.high).all(), signal.name
            if signal.kind is MetricType.COUNTER:
                assert not (values < previous[device.name][signal.name]).any(), signal.name
