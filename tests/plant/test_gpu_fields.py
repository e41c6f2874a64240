"""Fields of GPUs that only a counters file lists."""

from __future__ import annotations

import pytest

from twin.catalog import GPU
from twin.plant import Conditions, Plant
from twin.plant.nvlink import FATAL_ERRORS_PER_SECOND
from twin.site import Layout, parse_site

FIELDS = [s for s in GPU if s.listed and s.on_wire]
SITE = """
name: fields
racks: 1
servers_per_rack: 2
gpu: {gpu}
telemetry: {{averaged_power: {averaged}, exporters: {{dcgm_counters: "{counters}"}}}}
"""


def layout(gpu: str, averaged: str = "false") -> Layout:
    """A rack whose dcgm-exporter has a counters file with all fields."""
    rows = "".join(f"{s.metric}, {s.kind.value}, x\\n" for s in FIELDS)
    return Layout(parse_site(SITE.format(gpu=gpu, averaged=averaged, counters=rows), "fields"))


def outputs(site: Layout, plant: Plant) -> dict[str, float]:
    """The fields of the first GPU."""
    seen = plant.outputs()["gpu"]
    return {s.name: float(seen[s.name][0, 0]) for s in site.reported["gpu"] if s.on_wire}


def test_limits_are_those_of_the_model() -> None:
    """What a GPU may do at most follows from its model."""
    site = layout("h100-sxm")
    seen, model = outputs(site, Plant(site)), site.site.gpu
    assert seen["power_limit"] == seen["power_limit_enforced"] == model.power_limit_watts
    assert seen["gpu_temp_operating"] == model.temperature_max_operating_celsius
    assert seen["gpu_temp_shutdown"] == model.temperature_shutdown_celsius
    assert seen["sm_clock_most"] == model.sm_clock_max_mhz
    assert seen["gpus_on_host"] == site.site.server.gpus
    assert seen["nvlink_tx"] + seen["nvlink_rx"] == pytest.approx(seen["nvlink_bandwidth"] * 1e6)


@pytest.mark.parametrize(("gpu", "generation"), [("h100-sxm", 5), ("l40s", 4)])
def test_link_and_memory_are_those_of_the_model(gpu: str, generation: int) -> None:
    """The link to the host is of the model's generation, the memory in use a share without unit."""
    site = layout(gpu)
    seen = outputs(site, Plant(site))
    assert seen["pcie_generation"] == seen["pcie_generation_most"] == generation
    ours = site.site.gpu
    usable = ours.framebuffer_mib - ours.framebuffer_reserved_mib
    assert seen["fb_used_ratio"] == pytest.approx(seen["fb_used"] / usable, abs=1e-4)
    assert 0 < seen["fb_used_ratio"] <= 1
    fixed = {s.name: s.constant for s in GPU if s.constant is not None}
    assert (fixed["pstate"], fixed["ecc_mode"], fixed["pcie_lanes"]) == (0, 1, 16)


def test_power_without_its_window_swings_more() -> None:
    """What a board draws at once swings further than its mean over a second."""
    site = layout("h100-sxm", averaged="true")
    plant, healthy, mean, once = Plant(site), Conditions.healthy(site), [], []
    for _ in range(300):
        plant.step(0.1, healthy)
        seen = outputs(site, plant)
        mean.append(seen["power_usage"])
        once.append(seen["power_instant"])
    assert max(once) - min(once) > max(mean) - min(mean)
    assert sum(once) == pytest.approx(sum(mean), rel=0.05)


def test_a_failed_gpu_says_that_it_is_idle() -> None:
    """A GPU that needs a reset is at its idle clock, and idle is the reason; the others wait."""
    site = Layout(
        parse_site(
            SITE.format(
                gpu="h100-sxm",
                averaged="false",
                counters="DCGM_FI_DEV_CLOCKS_EVENT_REASONS, gauge, x\\n"
                "DCGM_FI_DEV_SM_CLOCK, gauge, x\\n",
            ),
            "fields",
        )
    )
    plant, conditions = Plant(site), Conditions.healthy(site)
    conditions.gpu_xid[0, 0] = 48
    for _ in range(30):
        plant.step(1.0, conditions)
    seen = plant.outputs()["gpu"]
    assert seen["sm_clock"][0, 0] == site.site.gpu.sm_clock_idle_mhz
    assert seen["clock_reasons"][0].tolist() == [1.0] + [0.0] * 15


def test_counts_of_nvlink_5_are_of_blackwell() -> None:
    """On an older GPU DCGM leaves them blank, so that no exporter has a series of them."""
    new = {s.name for s in layout("b200-sxm").reported["gpu"]}
    old = {s.name for s in layout("h100-sxm").reported["gpu"]}
    assert {"nvlink_rx_errors", "nvlink_tx_discards"} <= new - old
    assert "nvlink_crc_data" in old


def test_links_that_fail_are_counted_by_what_became_of_them() -> None:
    """Each recovery ends with the link up or down: the two counts add up to the third."""
    site = layout("b200-sxm")
    plant, conditions = Plant(site), Conditions.healthy(site)
    assert not outputs(site, plant)["nvlink_rx_errors"]
    conditions.nvlink_errors_per_second[0, 0] = FATAL_ERRORS_PER_SECOND
    for _ in range(3):
        plant.step(1.0, conditions)
    seen = outputs(site, plant)
    assert seen["nvlink_not_recovered"] == 1.0
    assert seen["nvlink_recoveries"] == 1.0 + seen["nvlink_recovered"] > 1.0
    assert seen["nvlink_rx_errors"] > seen["nvlink_crc_data"] > 0.0


def test_without_a_counters_file_nothing_of_it_is_computed() -> None:
    """A site that exports the default list pays nothing for the others."""
    site = Layout(parse_site("{name: plain, racks: 1}", "plain"))
    assert not {s.name for s in FIELDS} & Plant(site).outputs()["gpu"].keys()
