"""Power smoothing: floors, ramps and the storage of the shelves, and what the grid sees of them."""

from __future__ import annotations

import numpy as np
import pytest

from twin.docs.power_smoothing import smoothing_runs
from twin.errors import ConfigError
from twin.plant import Conditions, Plant
from twin.plant.power_shelf import ShelfFedServers
from twin.plant.power_smoothing import GpuSmoothing
from twin.site import Layout, parse_site

SITE = "{name: smoothed, racks: 1, rack: nvl72, gpu: gb300, servers_per_rack: 2, "
FLOOR_80 = "smoothing: {enabled: true, in_band_level: 1, presets: [{floor_percent: 80}]}}"
FLOOR = 0.8 * 1458.0


def plant_of(smoothing: str = FLOOR_80, workload: str = "training") -> tuple[Plant, Conditions]:
    """Return a plant of two trays, and its healthy conditions."""
    layout = Layout(parse_site(SITE + smoothing, "smoothed"))
    return Plant(layout, seed=1, workload=workload), Conditions.healthy(layout)


def smoothing_of(plant: Plant) -> GpuSmoothing:
    """Return the smoothing of a plant's GPUs."""
    assert plant.gpus.smoothing is not None
    return plant.gpus.smoothing


def test_no_gpu_at_work_falls_below_its_floor() -> None:
    """In a minute of training no GPU draws less than 80 % of its greatest mean power."""
    plant, conditions = plant_of()
    least, burnt = np.inf, 0.0
    for _ in range(60):
        plant.step(1.0, conditions)
        least = min(least, float(plant.gpus.power.min()))
        burnt += float(smoothing_of(plant).burnt.sum())
    assert least == pytest.approx(FLOOR, rel=0.015)
    assert burnt > 0.0
    outputs = plant.outputs()["gpu"]
    assert (outputs["power_usage"] == plant.gpus.power).all()
    assert outputs["smoothing_floor"][0] == pytest.approx([FLOOR] * 8)


def test_floor_falls_by_its_rate_once_the_work_has_ended_for_long() -> None:
    """Ten seconds after the work ends the floor begins to fall, by 20 W a second."""
    plant, conditions = plant_of()
    plant.step(1.0, conditions)
    smoothing = smoothing_of(plant)
    alive, idle = np.ones((1, 8), np.bool_), np.zeros((1, 8))
    floors = []
    for _ in range(14):
        smoothing.step(idle + 180.0, idle, 0.0, idle + 1400.0, idle + 40.0, alive, 1.0)
        floors.append(float(smoothing.floor[0, 0]))
    assert floors[:10] == [pytest.approx(FLOOR)] * 10
    assert np.diff(floors[10:]) == pytest.approx([-20.0] * 3)


def test_power_rises_from_idle_by_its_rate_and_the_job_waits() -> None:
    """After a start no GPU draws more than its ceiling, which rises by 20 W a second."""
    plant, conditions = plant_of()
    smoothing = smoothing_of(plant)
    smoothing.settle(plant.gpus.power * 0.0 + 180.0, np.zeros((1, 8)))
    ceilings, paces = [], []
    for _ in range(30):
        plant.step(1.0, conditions)
        assert smoothing.ceiling is not None
        ceilings.append(float(smoothing.ceiling[0, 0]))
        # The limit in force is that of the step before.
        assert plant.gpus.power.max() <= ceilings[-1] + 1.0
        paces.append(plant.gpus.speed)
    assert np.diff(ceilings) == pytest.approx([20.0] * 29)
    assert paces[2] < paces[15] < paces[29] < 1.0


def test_hot_gpus_and_gpus_off_the_bus_burn_nothing() -> None:
    """Neither a GPU that heat slows nor one without power is held at its floor."""
    plant, _ = plant_of()
    smoothing = smoothing_of(plant)
    power, on = np.full((1, 8), 400.0), np.ones((1, 8), np.bool_)
    power[0, 1] = 0.0
    die = np.full((1, 8), 50.0)
    die[0, 2] = 88.0
    busy, limit = np.ones((1, 8)), np.full((1, 8), 1400.0)
    held = smoothing.step(power, busy, 1.0, limit, die, on, 1.0)
    assert list(held[0, :4]) == pytest.approx([FLOOR, 0.0, 400.0, FLOOR], rel=0.015)


def test_storage_takes_edges_and_keeps_its_energy() -> None:
    """The input follows a step of the bus later, and takes in what the storage then holds more."""
    plant, conditions = plant_of("smoothing: {enabled: true, storage_round_trip_ratio: 1}}")
    servers = plant.servers
    assert isinstance(servers, ShelfFedServers)
    assert servers.storage is not None
    half = float(servers.storage.charge[0])
    assert half == pytest.approx(0.5 * 8 * 65.0)
    conditions.freeze()
    taken = servers.storage.step(np.array([7000.0]), 1.0, 1.0)
    before = float(servers.storage.charge[0])
    taken = servers.storage.step(np.array([6000.0]), 1.0, 1.0)
    assert taken[0] > 0.0
    assert servers.storage.charge[0] - before == pytest.approx(taken[0])
    for _ in range(60):
        servers.storage.step(np.array([6000.0]), 1.0, 1.0)
    assert servers.storage.charge[0] == pytest.approx(half, rel=1e-3)


def test_input_of_the_supplies_is_what_the_shelves_draw() -> None:
    """The inputs of all supplies add up to the rack's power, storage among it."""
    plant, conditions = plant_of()
    for _ in range(12):
        plant.step(1.0, conditions)
        drawn = plant.outputs()["shelf_psu"]["input_power"].sum()
        assert drawn == pytest.approx(plant.servers.rack_power.sum(), rel=1e-6)


def test_disabled_tray_follows_its_job_and_says_so() -> None:
    """A tray whose smoothing is disabled falls below the floor, and DCGM shows it off."""
    plant, conditions = plant_of()
    conditions.smoothing_enabled[0, 0] = False
    least = np.full(8, np.inf)
    for _ in range(60):
        plant.step(1.0, conditions)
        least = np.minimum(least, plant.gpus.power[0])
    assert least[:4].max() < least[4:].min() - 1.0
    assert least[4:].min() > FLOOR - 15.0
    outputs = plant.outputs()["gpu"]
    assert list(outputs["smoothing_enabled"][0]) == [0.0] * 4 + [1.0] * 4
    assert list(outputs["smoothing_floor"][0, :4]) == [0.0] * 4


def test_burner_ends_with_its_job() -> None:
    """Software holds the GPUs of any model up while its job runs, and not after its failure."""
    layout = Layout(
        parse_site("{name: burning, racks: 1, smoothing: {burn_watts: 600}}", "burning")
    )
    plant, conditions = Plant(layout, seed=1), Conditions.healthy(layout)
    least = np.inf
    for _ in range(30):
        plant.step(1.0, conditions)
        least = min(least, float(plant.gpus.power.min()))
    assert least == pytest.approx(600.0, rel=0.015)
    conditions.job_sound[:] = False
    for _ in range(5):
        plant.step(1.0, conditions)
    assert plant.gpus.power.max() < 500.0


@pytest.mark.full
def test_grid_sees_less_swing_for_more_energy() -> None:
    """Each way of the documented table smooths what it should, and costs what it should."""
    runs = {run.way: run for run in smoothing_runs()}
    nothing, storage, floor, shipped, burner, pack, both = runs.values()
    assert nothing.burnt == 0.0 == pack.burnt
    assert storage.ramp < nothing.ramp
    assert floor.swing < 0.85 * nothing.swing
    assert floor.fall < 0.4 * nothing.fall
    assert shipped.swing < 0.1 * nothing.swing
    assert 1.06 < shipped.mean / nothing.mean < 1.15
    # The burner is of no use when the job ends: the grid sees all of it fall.
    assert burner.fall > 0.9 * nothing.fall > 5 * shipped.fall
    # What changes within a second passes until the inverters have answered, a tenth of one later.
    assert pack.ramp < 0.2 * nothing.ramp
    assert both.swing < pack.swing


@pytest.mark.parametrize(
    ("site", "text"),
    [
        ("{name: a, racks: 1, smoothing: {enabled: true}}", "has no power smoothing; use gb300"),
        (
            "{name: a, racks: 1, gpu: gb300, smoothing: {preset: 2, presets: [{}]}}",
            "preset is 2, but presets has only 1",
        ),
    ],
)
def test_sites_that_cannot_smooth_are_refused(site: str, text: str) -> None:
    """A site without such GPUs, or with a preset that is not there, is refused with the remedy."""
    with pytest.raises(ConfigError, match=text):
        parse_site(site, "a")


def test_nothing_of_it_is_shown_without_privilege() -> None:
    """As shipped the host may not read power smoothing: DCGM has no such field."""
    plant, _ = plant_of("smoothing: {enabled: true}}")
    assert not any(name.startswith("smoothing_") for name in plant.outputs()["gpu"])
