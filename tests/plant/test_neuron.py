"""A site of Trainium chips: another exporter tells of the same physics."""

from __future__ import annotations

import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from twin.aggregator import Core
from twin.catalog import (
    DEVICES,
    GPU,
    NEURON,
    NEURON_RUNTIME,
    NEURONCORE,
    ROLLUPS,
    SERVER,
    Level,
    UnitKind,
)
from twin.docs.schema import frame_schema
from twin.errors import ConfigError
from twin.faults import FAULTS, FaultSchedule, default_target
from twin.plant import Conditions, Plant
from twin.site import Layout, load_site, parse_site, series_by_detail
from twin.wire import Decoder, Encoder, Topics

SMALL = """
name: small
racks: 4
racks_per_array: 2
servers_per_rack: 2
pdus_per_rack: 1
gpu: trainium2
server: {gpus: 16, nics: 17, psus: 6, base_power_watts: 2800}
network: {bytes_per_second: 2.5e+10}
gensets: {count: 1}
megapacks: {count: 1}
"""
NEURONS = {"neuron", "neuroncore", "neuron_runtime"}


@pytest.fixture(scope="module")
def layout() -> Layout:
    """Two UltraServers: four racks of two servers."""
    return Layout(parse_site(SMALL, "small"))


def stepped(layout: Layout, conditions: Conditions, seconds: int = 30) -> Plant:
    """Return a plant of the site after some seconds."""
    plant = Plant(layout, seed=1)
    for _ in range(seconds):
        plant.step(1.0, conditions)
    return plant


def fed(layout: Layout, plant: Plant) -> Core:
    """Return an aggregator that has a frame of every unit."""
    core, topics, outputs = Core(layout), Topics(layout.site.name), plant.outputs()
    for kind in UnitKind:
        if not layout.units(kind):
            continue
        encoder = Encoder(layout, kind)
        encoder.load(outputs)
        for unit in range(layout.units(kind)):
            topic = topics.frame(kind, layout.unit_name(kind, unit))
            core.handle(topic, encoder.encode(unit, 1.0, 1), False, 1_000.0)
    assert not any(core.telemetry.tallies()["twin_messages_refused_total"].values())
    return core


def exposed(layout: Layout, plant: Plant) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return what an aggregator exposes of the plant's frames, as a Prometheus parser reads it."""
    core = fed(layout, plant)
    pages = [core.metrics(), *(core.array(array) for array in range(layout.site.arrays))]
    read = {}
    for page in pages:
        for family in text_string_to_metric_families(bytes(page).decode()):
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in read
                read[key] = sample.value
    return read


def test_site_has_the_classes_of_its_exporter(layout: Layout) -> None:
    """Chips and cores instead of GPUs; a site of GPUs has none of them."""
    assert {device.name for device in layout.devices} > NEURONS
    assert GPU not in layout.devices
    assert layout.shape(NEURON) == layout.site.accelerators == (4, 32)
    assert layout.shape(NEURONCORE) == (4, 128)
    assert layout.shape(NEURON_RUNTIME) == (4, 2)
    demo = Layout(load_site("demo"))
    joined = {device.name for device in Layout(load_site("nvl72-rack")).devices}
    own = {device.name for device in demo.devices}
    elsewhere = {"fan", "engine", "inference_server", "amd_gpu", "amd_node"} | (joined - own)
    assert own == {d.name for d in DEVICES} - NEURONS - elsewhere
    assert SERVER["up_neuron"] not in demo.reported["server"]
    assert SERVER["up_dcgm"] not in layout.reported["server"]


def test_plant_fills_the_classes(layout: Layout) -> None:
    """Every signal that travels is there, in its shape and range, and no other."""
    outputs = stepped(layout, Conditions.healthy(layout)).outputs()
    assert outputs.keys() == {device.name for device in layout.devices}
    for device in layout.devices:
        wired = {s.name for s in layout.reported[device.name] if s.on_wire}
        assert outputs[device.name].keys() == wired
        for name, values in outputs[device.name].items():
            assert values.shape == layout.shape(device), name
            assert np.isfinite(values).all(), name
            low, high = device[name].low, device[name].high
            assert low is None or (values >= low).all(), name
            assert high is None or (values <= high).all(), name


def test_frames_have_the_groups_of_the_site(layout: Layout) -> None:
    """What is encoded is what the decoder and the schema expect: no group without devices."""
    outputs = stepped(layout, Conditions.healthy(layout), 3).outputs()
    for kind in UnitKind:
        encoder = Encoder(layout, kind)
        encoder.load(outputs)
        payload = encoder.encode(0, 1.0, 1)
        snapshot = Decoder(layout, kind).decode(payload)
        assert set(snapshot.groups) == {device.name for device in layout.devices_of(kind)}
        Draft202012Validator(frame_schema(layout, kind)).validate(json.loads(payload))


def test_exposition_is_neuron_monitors(layout: Layout) -> None:
    """All announced series are exposed and parse, by the names and labels of the exporter."""
    read = exposed(layout, stepped(layout, Conditions.healthy(layout)))
    own = {key for key in read if not key[0].startswith(("twin_", "python_", "process_"))}
    assert len(own) == series_by_detail(layout)["gpu"]
    assert not any(name.startswith("DCGM") for name, _ in read)
    ups = [dict(labels) for name, labels in read if name == "up"]
    assert sum(labels["job"] == "neuron-monitor" for labels in ups) == layout.site.servers
    assert all(labels["job"] != "dcgm-exporter" for labels in ups)
    ecc = [dict(labels) for name, labels in read if name == "hardware_ecc_events_total"]
    assert {labels["neuron_device_index"] for labels in ecc} == {str(n) for n in range(16)}
    assert {labels["event_type"] for labels in ecc} == {signal.name for signal in NEURON}
    cores = [dict(labels) for name, labels in read if name == "neuroncore_utilization_ratio"]
    assert {labels["neuroncore"] for labels in cores} == {str(n) for n in range(64)}
    assert len({labels["instance_id"] for labels in cores}) == layout.site.servers
    assert cores[0].keys() == {
        "availability_zone", "instance_id", "instance_name", "instance_type", "neuroncore",
        "region", "runtime_tag", "subnet_id", "job", "instance", "site", "hall", "array", "rack",
    }  # fmt: skip
    assert (cores[0]["region"], cores[0]["availability_zone"]) == ("us-east-2", "us-east-2a")
    assert all(labels["instance"].endswith(":8000") for labels in cores)


def test_rollups_are_taken_over_what_there_is(layout: Layout) -> None:
    """Chips that report are counted; what neuron-monitor does not tell is not rolled up."""
    read = exposed(layout, stepped(layout, Conditions.healthy(layout)))
    site = frozenset({("site", "small")})
    assert read["site_gpus_reporting", site] == layout.site.gpus
    names = {name for name, _ in read}
    present = {rollup.name for device in layout.devices for rollup in device.rollups}
    for rollup in ROLLUPS:
        there = rollup.name in present
        for level in Level:
            expected = there and level in rollup.levels
            assert all((name in names) is expected for name in rollup.names(level)), rollup.name


def test_summary_knows_no_temperature(layout: Layout) -> None:
    """The page of the site says that nothing is known of it, and counts the chips."""
    summary = fed(layout, stepped(layout, Conditions.healthy(layout), 3)).summary()
    assert summary.gpus_reporting == summary.gpus == layout.site.gpus
    assert summary.hottest_gpu is None
    assert summary.gpu_temperature_max_celsius is None
    assert summary.series == series_by_detail(layout)["gpu"]


def test_power_and_work_follow_the_model(layout: Layout) -> None:
    """A server of chips draws what its model says, and every core executes its graph."""
    plant = stepped(layout, Conditions.healthy(layout), 60)
    outputs = plant.outputs()
    planned = layout.site.installed_power_watts / layout.site.servers
    assert outputs["server"]["power"].mean() == pytest.approx(planned, rel=0.15)
    runtime = outputs["neuron_runtime"]
    assert (runtime["completed"] > 60 * 64).all()
    assert (runtime["latency_p99"] > runtime["latency_p50"]).all()
    parts = [outputs["neuroncore"][s.name] for s in NEURONCORE if s.name != "utilization"]
    held = float(np.sum(parts))
    assert held == pytest.approx(runtime["memory_neuron_device"].sum())
    assert held / layout.site.gpus < 96 * 2**30


def test_errors_are_execution_errors(layout: Layout) -> None:
    """What is an XID elsewhere counts as an execution error, once, of the server it is in."""
    conditions = Conditions.healthy(layout)
    plant = stepped(layout, conditions, 5)
    conditions.gpu_xid[1, 17] = 48
    conditions.gpu_xid[0, 3] = 31
    conditions.gpu_responding[2, 0] = False
    conditions.gpu_single_bit_per_second[3, 5] = 50.0
    for _ in range(10):
        plant.step(1.0, conditions)
    outputs = plant.outputs()
    runtime, chips = outputs["neuron_runtime"], outputs["neuron"]
    assert np.argwhere(runtime["error_hardware"]).tolist() == [[1, 1]]
    assert np.argwhere(runtime["error_model"]).tolist() == [[0, 0]]
    assert runtime["completed_with_err"].sum() == 2
    assert np.argwhere(runtime["timed_out"]).tolist() == [[2, 0]]
    assert np.argwhere(chips["mem_ecc_uncorrected"]).tolist() == [[1, 17]]
    assert np.argwhere(chips["mem_ecc_corrected"]).tolist() == [[3, 5]]
    assert outputs["job"]["interruptions"].item() >= 1


def test_what_does_not_answer_is_not_shown(layout: Layout) -> None:
    """A lost chip takes its cores along; a monitor that is down takes its server's series."""
    conditions = Conditions.healthy(layout)
    conditions.gpu_attached[0, 2] = False
    conditions.dcgm_running[3, 1] = False
    outputs = stepped(layout, conditions, 5).outputs()
    lost = np.isnan(outputs["neuron"]["mem_ecc_corrected"])
    assert lost.sum() == 17
    assert lost[0, 2]
    assert lost[3, 16:].all()
    cores = np.isnan(outputs["neuroncore"]["utilization"])
    assert cores[0].nonzero()[0].tolist() == [8, 9, 10, 11]
    assert cores[3, 64:].all()
    assert np.isnan(outputs["neuron_runtime"]["completed"][3]).tolist() == [False, True]
    assert outputs["server"]["up_neuron"][3].tolist() == [1, 0]


STRIKING = [
    kind for kind in FAULTS if FAULTS[kind].system not in {"scheduler", "nvl72", "smoothing"}
]


@pytest.mark.parametrize("kind", STRIKING)
def test_every_fault_can_strike(layout: Layout, kind: str) -> None:
    """No fault of what such a site has needs DCGM: frames of a struck site are still valid."""
    if FAULTS[kind].system == "air":
        layout = Layout(parse_site(SMALL + "cooling: {medium: air}", "small"))
    schedule = FaultSchedule(layout, FAULTS)
    schedule.inject("x", kind, default_target(FAULTS[kind], layout), now=0.0)
    plant = stepped(layout, schedule.conditions(1.0), 8)
    outputs = plant.outputs()
    encoder = Encoder(layout, UnitKind.RACK)
    encoder.load(outputs)
    for rack in range(layout.site.racks):
        Decoder(layout, UnitKind.RACK).decode(encoder.encode(rack, 1.0, 1))


def test_blocks_share_an_exporter() -> None:
    """GPUs and Trainium chips in one site are refused."""
    text = "name: x\nblocks: [{racks: 1, gpu: h100-sxm}, {racks: 1, gpu: trainium2}]"
    with pytest.raises(ConfigError, match="the same exporter"):
        parse_site(text, "x")


def test_preset_is_the_announced_one() -> None:
    """UltraServers of 64 chips, 96 GiB and 3.2 Tb/s of compute network a server."""
    site = load_site("ultracluster")
    assert site.gpus % 64 == 0
    assert 490_000 < site.gpus < 500_000
    assert (site.server.gpus, site.gpu.framebuffer_mib) == (16, 96 * 1024)
    assert (site.server.nics - 1) * site.network.bytes_per_second * 8 == 3.2e12
    assert site.ec2.instance_type == "trn2u.48xlarge"
