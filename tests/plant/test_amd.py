"""A site of AMD GPUs: another exporter tells of the same physics."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.plant.test_neuron import exposed, stepped
from twin.catalog import AMD_GPU, AMD_NODE, GPU, MetricType
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Conditions, Plant
from twin.site import Layout, load_gpu_model, load_site, parse_site, series_by_detail

SLICE = """
name: small
racks: 2
servers_per_rack: 2
gpu: mi300x
server: {nics: 3, psus: 6}
cooling: {medium: air, facility_supply_celsius: 18}
fans: {cool_celsius: 50, hot_celsius: 95}
gensets: {count: 1}
megapacks: {count: 1}
"""

EXPORTED = """
gpu_junction_temperature Current junction/hotspot temperature in Celsius
gpu_memory_temperature Current memory temperature in Celsius
gpu_package_power Current socket power in Watts
gpu_power_usage GPU Power usage in Watts
gpu_energy_consumed Accumulated energy consumed by the GPU in uJ
gpu_gfx_activity Graphics engine usage in Percentage (0-100)
gpu_umc_activity Memory engine usage in Percentage (0-100)
gpu_clock List of current GPU clock frequencies in MHz
gpu_total_vram Total VRAM memory of the GPU (in MB)
gpu_used_vram Used VRAM memory of the GPU (in MB)
gpu_free_vram Free VRAM memory of the GPU (in MB)
gpu_vram_max_bandwidth GPU VRAM maximum bandwidth at max memory clock in GB/s
pcie_speed Current PCIe speed in GT/s
pcie_max_speed Maximum PCIe speed in GT/s
pcie_bandwidth Current PCIe bandwidth in Mb/s
pcie_replay_count Total number of PCIe replays
pcie_recovery_count Total number of PCIe recoveries
pcie_nack_received_count PCIe NAK received accumulated count
gpu_ecc_correct_total Total Correctable error count
gpu_ecc_uncorrect_total Total Uncorrectable error count
gpu_ecc_correct_umc Correctable error count in UMC block
gpu_ecc_uncorrect_xgmi_wafl Uncorrectable error count in WAFL block
gpu_ecc_deferred_xgmi_wafl Accumulated deferred ECC errors in XGMI WAFL block
gpu_ecc_correct_fuse Correctable error count in Fuse block
gpu_ecc_deferred_fuse Accumulated deferred ECC errors in FUSE block
gpu_ecc_deferred_total Total accumulated deferred ECC errors across all GPU blocks
gpu_health Health of the GPU (0 = Unhealthy | 1 = Healthy)
gpu_xgmi_link_rx Accumulated XGMI Link Data Read in KB
gpu_xgmi_link_tx Accumulated XGMI Link Data Write in KB
gpu_violation_current_accumulated_counter current accumulated violation counter
gpu_violation_processor_hot_residency_accumulated process hot residency accumulated violation counter
gpu_violation_ppt_residency_accumulated package power tracking accumulated violation counter
gpu_violation_ppt_residency_percentage package power tracking percentage violation counter
gpu_violation_socket_thermal_residency_accumulated socket thermal accumulated violation counter
gpu_violation_vr_thermal_residency_percentage voltage rail percentage violation counter
gpu_violation_hbm_thermal_residency_accumulated HBM accumulated violation counter
"""  # noqa: E501 - name and help as gpuagent_gpu_metrics.go of the exporter's v1.5.1 has them


@pytest.fixture(scope="module")
def layout() -> Layout:
    """Two racks of two servers."""
    return Layout(parse_site(SLICE, "small"))


@pytest.fixture(scope="module")
def trained(layout: Layout) -> Plant:
    """A plant that has trained for three minutes."""
    return stepped(layout, Conditions.healthy(layout), 180)


@pytest.fixture(scope="module")
def read(layout: Layout, trained: Plant) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What an aggregator exposes of it."""
    return exposed(layout, trained)


def test_names_and_help_are_the_exporters() -> None:
    """What the exporter calls its metrics, and how it explains them, and each is a gauge to it."""
    own = {(signal.metric, signal.help) for signal in AMD_GPU}
    for line in EXPORTED.strip().splitlines():
        name, text = line.split(" ", 1)
        assert (f"amd_{name}", text) in own, name
    assert {signal.kind for signal in (*AMD_GPU, *AMD_NODE)} == {MetricType.GAUGE}


def test_the_plant_fills_what_the_site_reports(layout: Layout, trained: Plant) -> None:
    """Every signal that travels is there in its shape and range, and no class of NVIDIA's."""
    outputs = trained.outputs()
    assert GPU not in layout.devices
    assert outputs.keys() == {device.name for device in layout.devices}
    for device in (AMD_GPU, AMD_NODE):
        wired = {signal.name for signal in layout.reported[device.name] if signal.on_wire}
        assert outputs[device.name].keys() == wired
        for name, values in outputs[device.name].items():
            assert values.shape == layout.shape(device), name
            assert np.isfinite(values).all(), name
            high = device[name].high
            assert high is None or (values <= high).all(), name


def test_exposition_has_the_exporters_labels(
    layout: Layout, read: dict[tuple[str, frozenset[tuple[str, str]]], float]
) -> None:
    """All announced series are there, under the labels of a bare-metal MI300X."""
    own = {key for key in read if not key[0].startswith(("twin_", "python_", "process_"))}
    assert len(own) == series_by_detail(layout)["gpu"]
    assert not any(name.startswith("DCGM") for name, _ in read)
    powers = [dict(labels) for name, labels in read if name == "amd_gpu_package_power"]
    assert len(powers) == layout.site.gpus
    one = next(labels for labels in powers if labels["gpu_id"] == "7")
    assert one["card_series"] == "AMD Instinct MI300X OAM"
    assert one["card_model"] == "102-G30211-0C"
    assert one["deployment_mode"] == "baremetal"
    assert one["instance"].endswith(":5000")
    assert re.fullmatch(r"[0-9a-f]{2}ff74a1-0000-1000-80[0-9a-f]{2}-[0-9a-f]{12}", one["gpu_uuid"])
    assert len({labels["gpu_uuid"] for labels in powers}) == layout.site.gpus
    assert len({labels["serial_number"] for labels in powers}) == layout.site.gpus
    clocks = {dict(labels)["clock_type"] for name, labels in read if name == "amd_gpu_clock"}
    assert clocks == {"system", "memory"}
    links = [dict(labels) for name, labels in read if name == "amd_gpu_xgmi_link_tx"]
    assert {labels["link_index"] for labels in links} == {str(n) for n in range(8)}
    nodes = {value for (name, _), value in read.items() if name == "amd_gpu_nodes_total"}
    assert nodes == {8.0}
    assert read["site_gpus_reporting", frozenset({("site", "small")})] == layout.site.gpus


def test_roll_ups_are_in_base_units(
    trained: Plant, read: dict[tuple[str, frozenset[tuple[str, str]]], float]
) -> None:
    """A roll-up that two exporters share has the scale of the one that the site has."""
    joules = trained.outputs()["amd_gpu"]["energy"].sum() * 1e-6
    site = frozenset({("site", "small")})
    power = read["site_gpu_power_watts", site]
    assert power == pytest.approx(trained.gpus.power.sum(), rel=0.01)
    assert joules == pytest.approx(trained.gpus.energy_joules.sum(), rel=1e-6)
    assert read["site_gpu_energy_joules_total", site] == 0.0  # since the aggregator began


def test_levels_are_those_that_were_measured(layout: Layout) -> None:
    """Near what was measured at 750 W in air: hottest spots 72 to 86 °C, memory 43 to 49."""
    plant = stepped(layout, Conditions.healthy(layout), 100)
    hottest, memory = [], []
    for _ in range(60):
        plant.step(1.0, Conditions.healthy(layout))
        chips = plant.outputs()["amd_gpu"]
        if chips["package_power"].mean() > 640:
            hottest.append(
                (chips["junction_temperature"].min(), chips["junction_temperature"].max())
            )
            memory.append(chips["memory_temperature"].mean())
    spots = np.array(hottest)
    assert 55 < spots[:, 0].min() < 72
    assert 78 < spots[:, 1].max() < 90
    assert 42 < np.mean(memory) < 50
    idle = Plant(layout, workload="idle")
    for _ in range(30):
        idle.step(1.0, Conditions.healthy(layout))
    chips = idle.outputs()["amd_gpu"]
    assert chips["package_power"].mean() == pytest.approx(142, abs=5)
    assert (chips["gfx_clock"] == 132).all()
    assert chips["memory_clock"].mean() == pytest.approx(900)


def test_errors_are_those_of_their_block_until_the_driver_is_loaded_anew(layout: Layout) -> None:
    """A lost page, a broken link and corrected bits are told apart; a reset takes them back."""
    conditions = Conditions.healthy(layout)
    plant = stepped(layout, conditions, 3)
    conditions.gpu_xid[0, 4], conditions.gpu_xid[1, 9] = 48, 74
    conditions.gpu_xid[1, 2] = 31
    conditions.gpu_single_bit_per_second[1, 5] = 50.0
    for _ in range(5):
        plant.step(1.0, conditions)
    chips = plant.outputs()["amd_gpu"]
    assert np.argwhere(chips["ecc_uncorrect_umc"]).tolist() == [[0, 4]]
    assert np.argwhere(chips["ecc_uncorrect_xgmi_wafl"]).tolist() == [[1, 9]]
    assert np.argwhere(chips["health"] == 0).tolist() == [[0, 4], [1, 9]]
    assert [1, 5] in np.argwhere(chips["ecc_correct_umc"]).tolist()
    conditions.gpu_xid[:] = 0
    plant.step(1.0, conditions)
    assert plant.outputs()["amd_gpu"]["health"].all()


def test_what_holds_a_clock_down_is_told_apart(layout: Layout) -> None:
    """The power brake counts as a hot processor's pin, a loose heat sink as heat of the socket."""
    conditions = Conditions.healthy(layout)
    conditions.power_brake_released[0, 0] = False
    braked = stepped(layout, conditions, 5).outputs()["amd_gpu"]["processor_hot_accumulated"]
    assert (braked[0, :8] == 5_000).all()
    assert braked.sum() == 8 * 5_000
    conditions = Conditions.healthy(layout)
    conditions.gpu_thermal_resistance[1, 3] = 4.0
    chips = stepped(layout, conditions, 90).outputs()["amd_gpu"]
    assert np.argwhere(chips["socket_thermal_accumulated"]).tolist() == [[1, 3]]
    assert not chips["hbm_thermal_accumulated"].any()


def test_what_does_not_answer_is_not_shown(layout: Layout) -> None:
    """A lost GPU is missing from its node's count; an exporter that is down tells nothing."""
    conditions = Conditions.healthy(layout)
    conditions.gpu_attached[0, 2] = False
    conditions.dcgm_running[1, 1] = False
    outputs = stepped(layout, conditions, 3).outputs()
    lost = np.isnan(outputs["amd_gpu"]["package_power"])
    assert lost.sum() == 9
    assert lost[0, 2]
    assert lost[1, 8:].all()
    assert outputs["amd_node"]["gpus"][0].tolist() == [7, 8]
    assert np.isnan(outputs["amd_node"]["gpus"][1]).tolist() == [False, True]
    assert outputs["server"]["up_amd"][1].tolist() == [1, 0]


def test_every_fault_of_a_gpu_can_strike(layout: Layout) -> None:
    """No fault of a GPU needs DCGM: a struck site still has values in their ranges."""
    for kind in FAULTS:
        if FAULTS[kind].system != "gpu":
            continue
        schedule = FaultSchedule(layout, FAULTS)
        schedule.inject("x", kind, FAULTS[kind].default_target, now=0.0)
        outputs = stepped(layout, schedule.conditions(1.0), 4).outputs()
        for name, values in outputs["amd_gpu"].items():
            assert np.nanmin(values) >= 0.0, (kind, name)


def test_the_preset_is_the_public_data_sheet() -> None:
    """192 GB, 5.3 TB/s, 1.307 PFLOPS dense, 750 W, 304 compute units, eight in a server."""
    model, site = load_gpu_model("mi300x"), load_site("mi300x-lab")
    assert model.framebuffer_mib * 2**20 == pytest.approx(206e9, rel=0.01)
    assert (model.memory_bytes_per_second, model.bf16_flops_per_second) == (5.3e12, 1.307e15)
    assert (model.power_limit_watts, model.multiprocessors) == (750, 304)
    assert site.server.gpus == 8
    assert site.gpu.nvlink_bytes_per_second == 7 * 128e9
