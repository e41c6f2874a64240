"""Air cooling: fans, streams of air through servers, and GPUs that breathe what others warmed."""

from __future__ import annotations

import numpy as np
import pytest

from twin.plant import Conditions, Plant
from twin.plant.room import AIR_JOULES_PER_KILOGRAM_KELVIN
from twin.site import Layout, load_site, parse_site

AIRY = Layout(parse_site("{name: airy, racks: 4, cooling: {medium: air}}", "airy"))
FANS = AIRY.site.fans


def run(plant: Plant, conditions: Conditions, seconds: int) -> Plant:
    """Step second by second."""
    for _ in range(seconds):
        plant.step(1.0, conditions)
    return plant


def hottest(plant: Plant, conditions: Conditions) -> float:
    """Return the mean of the first server's hottest die over about two steps of the training."""
    return float(np.mean([run(plant, conditions, 1).gpus.die[0, :8].max() for _ in range(20)]))


@pytest.fixture
def conditions() -> Conditions:
    """Nothing is wrong."""
    return Conditions.healthy(AIRY)


@pytest.fixture
def plant(conditions: Conditions) -> Plant:
    """Air-cooled servers that have trained for four minutes."""
    return run(Plant(AIRY, 3), conditions, 240)


@pytest.mark.parametrize("name", ["gefion", "meta-24k"])
def test_air_cooled_presets_are_as_published(name: str) -> None:
    """Training H100 in air have 54 to 72 °C and draw 8.2 kW a server; there is no coolant unit."""
    layout = Layout(load_site(name))
    plant, healthy = Plant(layout, 1), Conditions.healthy(layout)
    powers = []
    for _ in range(120):
        plant.step(1.0, healthy)
        powers.append(plant.servers.power.mean())
    low, high = np.percentile(plant.gpus.die, [2, 98])
    assert 50 <= low <= 57
    assert 69 <= high <= 75
    assert np.percentile(powers, 75) == pytest.approx(8_200, rel=0.03)
    assert not {"pump", "cdu", "cdu_psu"} & {device.name for device in layout.devices}
    assert not {"pump", "cdu", "cdu_psu"} & plant.outputs().keys()


def test_the_second_gpu_in_a_stream_is_hotter(plant: Plant) -> None:
    """Of two GPUs in one stream of air the second runs 12 to 14 K hotter in training."""
    between = plant.gpus.die[:, 1::2].mean() - plant.gpus.die[:, ::2].mean()
    assert 11.5 <= between <= 14.0


def test_fan_power_goes_with_the_cube_of_speed_and_air_with_speed() -> None:
    """Idle fans turn slowest and take little; at work they take the kilowatt more of air."""
    idle, busy = Plant(AIRY, 1, "idle").halls.heat, Plant(AIRY, 1).halls.heat
    assert idle.streams is not None
    assert busy.streams is not None
    assert idle.streams.command == pytest.approx(FANS.least_ratio)
    slow, fast = idle.streams.power.mean(), busy.streams.power.mean()
    speeds = busy.streams.command.mean() / idle.streams.command.mean()
    assert fast / slow == pytest.approx(speeds**3, rel=0.05)
    assert busy.streams.flow.mean() / idle.streams.flow.mean() == pytest.approx(speeds)
    assert 0.8e3 <= fast <= 1.2e3


def test_all_heat_leaves_with_the_air(plant: Plant) -> None:
    """The air out of a server is warmer by its power over flow and heat capacity."""
    shown = plant.outputs()["server"]
    streams = plant.halls.heat.streams
    assert streams is not None
    rise = shown["outlet_temperature"] - shown["inlet_temperature"]
    carried = rise * streams.flow * AIR_JOULES_PER_KILOGRAM_KELVIN
    np.testing.assert_allclose(carried, shown["power"], rtol=1e-9)
    assert plant.halls.heat.cdus.absorbed.size == 0
    aisle = plant.outputs()["water"]["hot_aisle"].item()
    assert aisle == pytest.approx(shown["outlet_temperature"].mean(), abs=0.3)


def test_other_fans_make_up_for_a_failed_one(plant: Plant, conditions: Conditions) -> None:
    """With one fan failed the others turn at full speed: more power, and GPUs no hotter."""
    power = plant.servers.power[0, 0]
    conditions.fan_available[0, 3] = False
    run(plant, conditions, 60)
    fans = plant.outputs()["fan"]
    assert fans["state"][0].nonzero()[0].tolist() == [3]
    assert fans["speed"][0, 3] == 0
    assert (np.delete(fans["speed_ratio"][0, :10], 3) > 0.95).all()
    assert plant.servers.power[0, 0] > power + 500
    healthy = Conditions.healthy(AIRY)
    whole = run(Plant(AIRY, 3), healthy, 300)
    assert hottest(plant, conditions) < hottest(whole, healthy) + 1.0
    assert plant.halls.heat.streams is not None
    assert plant.halls.heat.streams.command[1] == pytest.approx(0.8, abs=0.1)
    conditions.fan_available[0, 3] = True
    run(plant, conditions, 120)
    assert (plant.outputs()["fan"]["speed_ratio"][0] < 0.95).all()
    assert not plant.outputs()["fan"]["state"].any()


def test_without_fans_gpus_throttle_and_switch_off(plant: Plant, conditions: Conditions) -> None:
    """Where all fans stand, the GPUs throttle within a minute and then leave the bus."""
    conditions.fan_available[0, :10] = False
    run(plant, conditions, 50)
    assert plant.gpus.clock[0, :8].min() < 1.0
    run(plant, conditions, 120)
    assert not plant.gpus.attached[0, :8].all()
    assert plant.gpus.attached[1:].all()


def test_hot_air_that_comes_back_warms_its_rack_alone(plant: Plant, conditions: Conditions) -> None:
    """Air into the servers of a rack without blanking panels is several kelvin warmer."""
    conditions.hot_air_recirculated[2] = 0.25
    run(plant, conditions, 200)
    inlet = plant.outputs()["server"]["inlet_temperature"].mean(axis=1)
    assert inlet[2] > inlet[0] + 4.0
    assert inlet[1] == pytest.approx(inlet[0], abs=0.5)


def test_a_blocked_filter_drives_the_fans(plant: Plant, conditions: Conditions) -> None:
    """Behind a blocked filter the fans turn at nearly full speed and the GPUs are hotter."""
    before = plant.gpus.die[0, 8:16].mean()
    conditions.air_resistance[0, 1] = 6.0
    run(plant, conditions, 200)
    assert (plant.outputs()["fan"]["speed_ratio"][0, 10:20] > 0.83).all()
    assert plant.gpus.die[0, 8:16].mean() > before + 2.0


def test_a_mixed_site_has_units_where_liquid_cools_and_fans_where_air_does() -> None:
    """Each rack shows what it has, and nothing of what it has not."""
    layout = Layout(
        parse_site(
            "{name: mixed, blocks: [{racks: 2, gpu: h100-sxm}, "
            "{racks: 1, gpu: h100-sxm, medium: air}]}",
            "mixed",
        )
    )
    plant = run(Plant(layout, 1), Conditions.healthy(layout), 200)
    outputs = plant.outputs()
    assert np.isnan(outputs["pump"]["speed"]).all(axis=1).tolist() == [False, False, True]
    assert np.isnan(outputs["cdu"]["flow"]).all(axis=1).tolist() == [False, False, True]
    assert np.isnan(outputs["fan"]["speed"]).all(axis=1).tolist() == [True, True, False]
    outlet = np.isnan(outputs["server"]["outlet_temperature"]).all(axis=1)
    assert outlet.tolist() == [True, True, False]
    power = plant.servers.power.mean(axis=1)
    assert power[2] > power[0] + 700
    dies = plant.gpus.die.mean(axis=1)
    assert dies[2] > dies[0] + 5


def test_a_fan_has_the_names_of_ipmi_exporter(plant: Plant) -> None:
    """Speed, ratio and state are whole steps of a tachometer, below what a fan can do."""
    fans = plant.outputs()["fan"]
    assert fans["speed"].shape == (4, 80)
    assert (fans["speed"] % 60 == 0).all()
    assert (fans["speed"] <= 1.05 * FANS.rated_rpm).all()
    np.testing.assert_allclose(fans["speed_ratio"], fans["speed"] / FANS.rated_rpm)
