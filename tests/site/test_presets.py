"""The shipped sites: the counts that their sources give."""

from __future__ import annotations

import time

import pytest

from twin.catalog import UnitKind
from twin.site import Layout, Site, gpu_model_names, load_site, preset_names, series_by_detail
from twin.site.loader import load_gpu_model

COUNTS = {
    "mi300x-lab": {
        "halls": 1,
        "arrays": 1,
        "racks": 2,
        "servers": 4,
        "gpus": 32,
        "megapacks": 1,
        "gensets": 1,
    },
    "nvl72-rack": {
        "halls": 1,
        "arrays": 1,
        "racks": 1,
        "servers": 18,
        "gpus": 72,
        "megapacks": 1,
        "gensets": 0,
    },
    "serving": {
        "halls": 1,
        "arrays": 1,
        "racks": 2,
        "servers": 16,
        "gpus": 128,
        "megapacks": 1,
        "gensets": 0,
    },
    "colossus-array": {
        "halls": 1,
        "arrays": 1,
        "racks": 8,
        "servers": 64,
        "gpus": 512,
        "megapacks": 1,
        "gensets": 0,
    },
    "nvl72-pod": {
        "halls": 1,
        "arrays": 1,
        "racks": 8,
        "servers": 144,
        "gpus": 576,
        "megapacks": 2,
        "gensets": 0,
    },
    "cluster-kubernetes": {
        "halls": 1,
        "arrays": 2,
        "racks": 16,
        "servers": 128,
        "gpus": 1_024,
        "megapacks": 2,
        "gensets": 1,
    },
    "cluster-slurm": {
        "halls": 1,
        "arrays": 2,
        "racks": 16,
        "servers": 128,
        "gpus": 1_024,
        "megapacks": 2,
        "gensets": 1,
    },
    "demo": {
        "halls": 1,
        "arrays": 2,
        "racks": 16,
        "servers": 128,
        "gpus": 1_024,
        "megapacks": 2,
        "gensets": 1,
    },
    "shared": {
        "halls": 1,
        "arrays": 2,
        "racks": 16,
        "servers": 128,
        "gpus": 1_024,
        "megapacks": 2,
        "gensets": 1,
    },
    "gefion": {
        "halls": 1,
        "arrays": 6,
        "racks": 191,
        "servers": 191,
        "gpus": 1_528,
        "megapacks": 0,
        "gensets": 2,
    },
    "cluster-acme": {
        "halls": 1,
        "arrays": 5,
        "racks": 36,
        "servers": 288,
        "gpus": 2_304,
        "megapacks": 4,
        "gensets": 1,
    },
    "meta-24k": {
        "halls": 8,
        "arrays": 24,
        "racks": 1_536,
        "servers": 3_072,
        "gpus": 24_576,
        "megapacks": 0,
        "gensets": 20,
    },
    "cortex-50k": {
        "halls": 1,
        "arrays": 49,
        "racks": 782,
        "servers": 6_256,
        "gpus": 50_048,
        "megapacks": 0,
        "gensets": 0,
    },
    "colossus-100k": {
        "halls": 4,
        "arrays": 196,
        "racks": 1_563,
        "servers": 12_504,
        "gpus": 100_032,
        "megapacks": 208,
        "gensets": 14,
    },
    "colossus-2": {
        "halls": 4,
        "arrays": 96,
        "racks": 1_528,
        "servers": 27_504,
        "gpus": 110_016,
        "megapacks": 168,
        "gensets": 0,
    },
    "colossus-200k": {
        "halls": 8,
        "arrays": 391,
        "racks": 3_127,
        "servers": 25_016,
        "gpus": 200_128,
        "megapacks": 208,
        "gensets": 14,
    },
    "ultracluster": {
        "halls": 30,
        "arrays": 244,
        "racks": 15_616,
        "servers": 31_232,
        "gpus": 499_712,
        "megapacks": 0,
        "gensets": 200,
    },
    "colossus-1m": {
        "halls": 40,
        "arrays": 1_954,
        "racks": 15_625,
        "servers": 125_000,
        "gpus": 1_000_000,
        "megapacks": 2_080,
        "gensets": 560,
    },
}


@pytest.mark.parametrize("name", COUNTS)
def test_preset_has_its_counts(name: str) -> None:
    """A preset is as large as the site that it is modelled on."""
    site = load_site(name)
    assert COUNTS[name] == {
        "halls": site.halls,
        "arrays": site.arrays,
        "racks": site.racks,
        "servers": site.servers,
        "gpus": site.gpus,
        "megapacks": site.megapacks.count,
        "gensets": site.gensets.count,
    }


def test_presets_are_listed_smallest_first() -> None:
    """Every shipped file is a preset, and a list of them begins with the one to try first."""
    assert preset_names() == tuple(COUNTS)
    assert gpu_model_names() == (
        "b200-sxm", "b300-sxm", "gb200", "gb300", "h100-sxm", "h200-sxm", "l40s", "mi300x",
        "trainium2",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "limits"),
    {
        "h100-sxm": (87, 89, 95),
        "h200-sxm": (87, 89, 95),
        "b200-sxm": (88, 91, 93),
        "gb200": (87, 89, 92),
        "gb300": (87, 89, 92),
    }.items(),
)
def test_temperature_limits_are_those_of_nvidia_smi(
    name: str, limits: tuple[int, int, int]
) -> None:
    """Greatest operating, slowdown and shutdown temperature are the model's own, not an H100's."""
    model = load_gpu_model(name)
    found = (
        model.temperature_max_operating_celsius,
        model.temperature_slowdown_celsius,
        model.temperature_shutdown_celsius,
    )
    assert found == limits


@pytest.mark.parametrize("name", COUNTS)
def test_preset_says_what_it_is_and_whence(name: str) -> None:
    """A preset carries its own name, a title, a description and its sources."""
    site = load_site(name)
    assert site.name == name
    assert site.title
    assert site.description
    assert site.sources


def test_colossus_has_its_power() -> None:
    """150 MW of grid, 208 Megapacks of 3.9 MWh that give 150 MW, 14 generators of 2.5 MW."""
    site = load_site("colossus-100k")
    assert site.grid.limit_watts == 150e6
    assert site.megapacks.energy_joules == pytest.approx(3.9e6 * 3600)
    assert site.megapacks.count * site.megapacks.power_watts == pytest.approx(150e6, rel=0.002)
    assert site.gensets.count * site.gensets.power_watts == 35e6


def demand_watts(site: Site) -> float:
    """Return the power of the servers at work, their cooling and losses in W."""
    overhead = 1 + 1 / site.water.cop + site.facility.loss_ratio
    return site.installed_power_watts * overhead + site.facility.fixed_power_watts


@pytest.mark.parametrize("name", sorted(COUNTS.keys() - {"colossus-200k"}))
def test_preset_training_power_fits_its_grid(name: str) -> None:
    """The servers at work, their cooling and losses stay below the import limit."""
    site = load_site(name)
    assert 0.4 * site.grid.limit_watts < demand_watts(site) < site.grid.limit_watts


def test_colossus_second_phase_outgrows_its_feed() -> None:
    """200k GPUs want more than the 150 MW of the first feed, and less than two feeds give."""
    site = load_site("colossus-200k")
    assert site.grid.limit_watts == 150e6
    assert 1.2 * site.grid.limit_watts < demand_watts(site) < 2 * site.grid.limit_watts
    assert site.installed_power_watts > site.grid.limit_watts


def test_installed_power_of_a_node_is_the_measured_one() -> None:
    """A node on the plateau of a training step draws 7.0 kW DC, 2.8 % more at its AC inlets."""
    site = load_site("demo")
    node = site.installed_power_watts / site.servers
    assert node == pytest.approx(7_000 * 1.028, rel=0.01)


def test_chillers_follow_from_the_load() -> None:
    """A small site has three and a spare one; 100,000 H100 need 22 of at most 5 MW and a spare."""
    assert load_site("demo").chillers == 4
    assert load_site("colossus-100k").chillers == 23


def test_large_site_loads_like_a_small_one() -> None:
    """Sizes are counts, so a million GPUs cost no more than a rack."""
    million = load_site("colossus-100k").model_copy(update={"racks": 15_625})
    began = time.process_time()
    layout = Layout(million)
    assert million.gpus == 1_000_000
    assert series_by_detail(layout)["gpu"] > 10_000_000
    # It takes a millisecond or so, a step for each of the series would take seconds. In between is
    # room for a machine whose cores others share, which makes the processor's own time longer too.
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("name", COUNTS)
def test_halls_share_the_arrays_evenly(name: str) -> None:
    """Every hall has arrays, no two differ by more than one, and they stand in order."""
    layout = Layout(load_site(name))
    halls = [layout.hall_name(array) for array in range(layout.site.arrays)]
    sizes = [halls.count(f"h{number + 1}") for number in range(layout.site.halls)]
    assert halls == sorted(halls, key=lambda hall: int(hall[1:]))
    assert sum(sizes) == layout.site.arrays
    assert max(sizes) - min(sizes) <= 1


def test_last_array_has_the_racks_that_are_left(colossus: Layout) -> None:
    """1,563 racks are 195 arrays of eight and one of three."""
    assert colossus.racks_of(194) == range(1552, 1560)
    assert colossus.racks_of(195) == range(1560, 1563)
    assert colossus.array_of(1562) == 195
    assert colossus.units(UnitKind.RACK) == 1_563


def test_the_serving_preset_shows_engines() -> None:
    """The preset that serves has the engines of its replicas among its devices."""
    layout = Layout(load_site("serving"))
    assert {"engine", "inference_server"} <= {device.name for device in layout.devices}
    assert [job.workload for job in layout.site.jobs] == ["llm-serving", "llm-batch"]
