"""Names, labels and targets: the arithmetic between the levels of a site."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.catalog import (
    CDU,
    CDU_PSU,
    CHILLER,
    CPU,
    DEVICES,
    ENGINE,
    FACILITY,
    FAN,
    GENSET,
    GPU,
    GRACE,
    GRID,
    HOT_SWAP,
    INFERENCE_SERVER,
    JOB,
    LEAF,
    LEAK_DETECTOR,
    MEGAPACK,
    NIC,
    NVLINK,
    PDU,
    PORT,
    POWER_SHELF,
    PSU,
    PUMP,
    ROLLUPS,
    SERVER,
    SHELF_PSU,
    SPINE,
    STORAGE,
    SWITCH_TRAY,
    WATER,
    DeviceClass,
    Level,
    Signal,
    UnitKind,
)
from twin.errors import TargetError
from twin.site import (
    Layout,
    Target,
    derived_labels,
    find_target,
    load_site,
    parse_site,
    place_labels,
    rollup_labels,
    series_by_detail,
    series_labels,
    site_rollups,
)

PLACE = 'site="demo",hall="h1",array="a002",rack="r0016"'
LAST = 15

RACK_SCALE = {
    rollup.name
    for device in (GRACE, NVLINK, SWITCH_TRAY, POWER_SHELF, SHELF_PSU, HOT_SWAP, LEAK_DETECTOR)
    for rollup in device.rollups
}
"""Roll-ups of racks that are one machine."""


def rendered(layout: Layout, device: DeviceClass, signal: Signal, unit: int, index: int) -> str:
    """Return the labels as an exposition writes them."""
    return ",".join(f'{k}="{v}"' for k, v in series_labels(layout, signal, device, unit, index))


@pytest.mark.parametrize(
    ("device", "signal", "index", "expected"),
    [
        (
            GPU,
            "gpu_temp",
            61,
            ('gpu="5",UUID="GPU-38832ee8-a3e7-551a-b4e1-a2a132ccfb1b",'
            'pci_bus_id="00000000:AB:00.0",device="nvidia5",modelName="NVIDIA H100 80GB HBM3",'
            'Hostname="r0016-n8",DCGM_FI_DRIVER_VERSION="570.124.06",job="dcgm-exporter",'
            f'instance="r0016-n8:9400",{PLACE}'),
        ),
        (
            NIC,
            "tx_bytes",
            71,
            f'device="mlx5_8",port="1",job="node-exporter",instance="r0016-n8:9100",{PLACE}',
        ),
        (
            NIC,
            "info",
            0,
            ('board_id="MT_0000000838",device="mlx5_0",firmware_version="28.43.2026",'
            f'hca_type="MT4129",job="node-exporter",instance="r0016-n1:9100",{PLACE}'),
        ),
        (NIC, "up", 9, f'device="eth0",job="node-exporter",instance="r0016-n2:9100",{PLACE}'),
        (
            NIC,
            "laser_rx_power",
            1,
            ('interface="eth1",laser_index="0",job="transceiver-exporter",'
            f'instance="r0016-n1:9458",{PLACE}'),
        ),
        (SERVER, "power", 7, f'job="ipmi-exporter",instance="r0016-n8:9290",{PLACE}'),
        (
            SERVER,
            "inlet_temperature",
            0,
            ('id="4",name="Inlet Temp",job="ipmi-exporter",'
            f'instance="r0016-n1:9290",{PLACE}'),
        ),
        (SERVER, "up_dcgm", 2, f'job="dcgm-exporter",instance="r0016-n3:9400",{PLACE}'),
        (
            PSU,
            "output_power",
            5,
            ('id="61",name="PS2 Output Power",job="ipmi-exporter",'
            f'instance="r0016-n2:9290",{PLACE}'),
        ),
        (
            PSU,
            "input_power",
            5,
            ('id="51",name="PS2 Input Power",job="ipmi-exporter",'
            f'instance="r0016-n2:9290",{PLACE}'),
        ),
        (PUMP, "speed", 1, f'pump="2",job="cdu",instance="r0016-cdu:8080",{PLACE}'),
        (CDU, "flow", 0, f'job="cdu",instance="r0016-cdu:8080",{PLACE}'),
        (PDU, "power", 5, f'pdu="2",phase="L3",job="pdu",instance="r0016-pdu2:161",{PLACE}'),
    ],
)  # fmt: skip
def test_labels_of_a_rack_device_are_the_exporters(
    demo: Layout, device: DeviceClass, signal: str, index: int, expected: str
) -> None:
    """Identity first and in the exporter's own order, then job and instance, then the place."""
    assert rendered(demo, device, device[signal], LAST, index) == expected


@pytest.mark.parametrize(
    ("device", "unit", "expected"),
    [
        (MEGAPACK, 1, 'megapack="mp002",job="megapack",instance="mp002:502",site="demo"'),
        (GENSET, 0, 'genset="g01",job="genset",instance="g01:502",site="demo"'),
        (GRID, 0, 'feed="1",job="grid",instance="grid:502",site="demo"'),
        (FACILITY, 0, 'job="facility",instance="facility:502",site="demo"'),
        (CHILLER, 0, 'chiller="1",job="chiller",instance="chiller1:47808",site="demo"'),
        (WATER, 0, 'job="water",instance="facility:47808",site="demo"'),
        (JOB, 0, 'training_job="pretrain",job="trainer",instance="pretrain:8000",site="demo"'),
    ],
)
def test_labels_of_site_equipment_have_no_rack(
    demo: Layout, device: DeviceClass, unit: int, expected: str
) -> None:
    """What serves the whole site stands in no rack."""
    assert rendered(demo, device, device.signals[0], unit, 0) == expected


@pytest.mark.parametrize(
    ("device", "signal", "unit", "index", "expected"),
    [
        (LEAF, "up", 1, 2, 'job="snmp-exporter",instance="a002-leaf3",{array}'),
        (LEAF, "power", 1, 0, 'role="leaf",job="snmp-exporter",instance="a002-leaf1",{array}'),
        (
            PORT,
            "in_octets",
            1,
            2 * 96 + 63,
            (
                'ifAlias="r0016-n8 mlx5_2",ifDescr="swp32s1",ifIndex="64",ifName="swp32s1",'
                'job="snmp-exporter",instance="a002-leaf3",{array}'
            ),
        ),
        (
            PORT,
            "oper_status",
            1,
            64 + 9,
            (
                'ifAlias="p02-spine1",ifDescr="swp42",ifIndex="74",ifName="swp42",'
                'job="snmp-exporter",instance="a002-leaf1",{array}'
            ),
        ),
        (SPINE, "power", 7, 0, 'role="spine",job="snmp-exporter",instance="p08-spine1",{site}'),
        (STORAGE, "power", 0, 4, 'job="ipmi-exporter",instance="s001-n5:9290",{site}'),
        (
            STORAGE,
            "avail_bytes",
            0,
            0,
            (
                'device="/dev/md0",device_error="",fstype="xfs",mountpoint="/data",'
                'job="node-exporter",instance="s001-n1:9100",{site}'
            ),
        ),
        (
            STORAGE,
            "written_bytes",
            0,
            1,
            'device="md0",job="node-exporter",instance="s001-n2:9100",{site}',
        ),
        (CPU, "load1", 0, 2, 'job="node-exporter",instance="s001-c3:9100",{site}'),
    ],
)
def test_labels_of_switches_and_service_racks(
    demo: Layout, device: DeviceClass, signal: str, unit: int, index: int, expected: str
) -> None:
    """A switch is its own instance, without a port; a leaf belongs to its array."""
    site = 'site="demo"'
    wanted = expected.format(site=site, array=f'{site},hall="h1",array="a002"')
    assert rendered(demo, device, device[signal], unit, index) == wanted


def test_fabric_follows_the_arrays(demo: Layout, colossus: Layout) -> None:
    """Eight leaves an array, uplinks as fast as downlinks, a third tier for a large site."""
    small, large = demo.site.fabric, colossus.site.fabric
    assert (small.rails, small.downlinks, small.uplinks) == (8, 64, 32)
    assert (small.leaves, small.planes, small.spines, small.tiers) == (16, 8, 1, 2)
    assert (large.leaves, large.planes, large.spines, large.tiers) == (1_568, 32, 49, 3)
    assert small.port_name(0) == "swp1s0"
    assert small.port_name(63) == "swp32s1"
    assert small.port_name(64) == "swp33"
    assert small.port_name(95) == "swp64"


@given(
    racks=st.integers(1, 400),
    servers=st.integers(1, 16),
    nics=st.integers(1, 17),
    in_array=st.integers(1, 32),
)
def test_fabric_has_ports_for_all(racks: int, servers: int, nics: int, in_array: int) -> None:
    """Every leaf reaches every plane, no spine has more links than ports, every leaf a spine."""
    layout = Layout(
        parse_site(
            f"name: x\nracks: {racks}\nracks_per_array: {in_array}\n"
            f"servers_per_rack: {servers}\nserver: {{nics: {nics}}}",
            "x",
        )
    )
    shape, ports = layout.site.fabric, layout.site.network.spine_ports
    assert 1 <= shape.planes <= shape.uplinks
    assert shape.spines * shape.leaves_per_spine >= shape.leaves
    links = -(-shape.uplinks // shape.planes) * min(shape.leaves_per_spine, shape.leaves)
    assert links <= 2 * ports
    assert shape.spine_of(shape.leaves - 1, 0)[1] < shape.spines
    names = {shape.port_name(port) for port in range(shape.ports)}
    assert len(names) == shape.ports


def test_hostname_label_follows_the_exporter_version() -> None:
    """A site with a newer dcgm-exporter spells the label in lower case, at the same place."""
    layout = Layout(parse_site("name: x\nracks: 1\ntelemetry: {hostname_label: hostname}", "x"))
    names = [name for name, _ in series_labels(layout, GPU["xid"], GPU, 0, 0)]
    assert names[:7] == [
        "gpu", "UUID", "pci_bus_id", "device", "modelName", "hostname", "DCGM_FI_DRIVER_VERSION",
    ]  # fmt: skip


def test_every_series_of_the_demo_is_one_series(demo: Layout) -> None:
    """No two series have the same metric and labels, and there are as many as announced."""
    seen: set[tuple[object, ...]] = set()
    count = 0
    for device in DEVICES:
        units, per_unit = demo.shape(device)
        for signal in (s for s in demo.reported[device.name] if not s.hidden):
            for unit in range(units):
                for index in range(per_unit):
                    key = (
                        signal.metric,
                        frozenset(series_labels(demo, signal, device, unit, index)),
                    )
                    assert key not in seen, key
                    seen.add(key)
                    count += signal.series
        for unit in range(units):
            array = demo.array_of(unit) if device.frame is UnitKind.RACK else unit
            level = demo.host_level(array if device.frame.in_array else None)
            for family in device.exposed(demo.site, level):
                for index in range(per_unit):
                    for labels in derived_labels(demo, family.group, device, unit, index):
                        key = (family.metric, frozenset(labels))
                        assert key not in seen, key
                        seen.add(key)
                    count += family.group.series(demo.site)
    groups = {Level.SITE: 1, Level.HALL: 1, Level.ARRAY: 2, Level.RACK: 16}
    rollups = sum(
        rollup.series * groups[level]
        for rollup, _, _ in site_rollups(demo)
        for level in rollup.levels
    )
    assert series_by_detail(demo)["gpu"] == count + rollups


def test_label_names_are_unique_within_a_series(demo: Layout) -> None:
    """A name that occurs twice would make the exposition invalid."""
    text = "{name: x, racks: 1, jobs: [{name: a, racks: 1, workload: llm-small}]}"
    serving = parse_site(text, "x")
    others = {FAN.name: load_site("gefion"), ENGINE.name: serving, INFERENCE_SERVER.name: serving}
    joined = load_site("nvl72-rack")
    for device in DEVICES:
        site = others.get(device.name, demo.site if device.count(demo.site) else joined)
        layout = Layout(site)
        for signal in device:
            names = [name for name, _ in series_labels(layout, signal, device, 0, 0)]
            names += ["state"] * bool(signal.states)
            names += [k for labels in list(signal.value_labels.values())[:1] for k, _ in labels]
            assert len(names) == len(set(names)), signal.metric
            assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) for name in names)


def test_gpu_uuids_are_stable_and_unique(demo: Layout) -> None:
    """A GPU keeps its UUID between runs, and no two places share one, even across sites."""
    other = Layout(load_site("colossus-array"))
    uuids = [demo.names.rack(rack).gpu_uuids[gpu] for rack in range(16) for gpu in range(64)]
    uuids += [other.names.rack(rack).gpu_uuids[gpu] for rack in range(8) for gpu in range(64)]
    assert len(set(uuids)) == 1_024 + 512
    assert demo.names.rack(0).gpu_uuids[0] == "GPU-41958860-efa6-51be-9a62-be1e2a7097d0"


@pytest.mark.parametrize("frame", UnitKind)
def test_unit_names_are_the_inverse_of_unit_indices(colossus: Layout, frame: UnitKind) -> None:
    """A name in a topic leads back to its row."""
    for unit in range(colossus.units(frame)):
        assert colossus.unit_index(frame, colossus.unit_name(frame, unit)) == unit
    assert colossus.unit_index(frame, colossus.names.unit_name(UnitKind.RACK, 99_999)) is None
    assert colossus.unit_index(frame, "") is None


def test_array_names_are_the_inverse_of_array_indices(colossus: Layout) -> None:
    """A name in a URL leads back to its array, and to nothing when it is misspelt."""
    for array in range(colossus.site.arrays):
        assert (
            colossus.unit_index(UnitKind.ARRAY, colossus.unit_name(UnitKind.ARRAY, array)) == array
        )
    for wrong in (
        "a000",
        "a197",
        "a0001",
        "a1",
        "A001",
        "a001\n",
        "r0001",
        "a\u0660\u0660\u0661",
        "",
    ):
        assert colossus.unit_index(UnitKind.ARRAY, wrong) is None


def test_rollup_labels_say_where(demo: Layout) -> None:
    """A roll-up carries the place of what it is taken over, and nothing below."""
    assert rollup_labels(demo, Level.SITE, 0) == (("site", "demo"),)
    assert rollup_labels(demo, Level.HALL, 0) == (("site", "demo"), ("hall", "h1"))
    assert rollup_labels(demo, Level.ARRAY, 1) == place_labels(demo, UnitKind.ARRAY, 1)
    assert rollup_labels(demo, Level.RACK, 15) == place_labels(demo, UnitKind.RACK, 15)


def test_rollups_are_those_that_the_site_reports(demo: Layout, colossus: Layout) -> None:
    """Signals that are off, and devices that a site has not, have no roll-up there."""
    names = {
        layout: {rollup.name for rollup, _, _ in site_rollups(layout)}
        for layout in (demo, colossus)
    }
    site = demo.site
    off = {
        r.name for d in DEVICES for r in d.rollups if d[r.signal].extra and d[r.signal].needs(site)
    }
    assert names[demo] - names[colossus] == off != set()
    assert {rollup.name for rollup in ROLLUPS} - names[demo] == {
        "neuroncore_utilization_mean_ratio",
        "gpus_smoothed",
        "gpu_smoothing_floor_watts",
        "gpu_junction_temperature_mean_celsius",
        "gpu_junction_temperature_max_celsius",
        "gpus_unhealthy",
        *(rollup.name for device in (FAN, ENGINE) for rollup in device.rollups),
        *RACK_SCALE,
    }
    joined = Layout(load_site("nvl72-rack"))
    assert {rollup.name for rollup, _, _ in site_rollups(joined)} >= RACK_SCALE
    airy = {rollup.name for rollup, _, _ in site_rollups(Layout(load_site("gefion")))}
    assert airy >= {rollup.name for rollup in FAN.rollups}
    assert airy.isdisjoint(r.name for d in (PUMP, CDU, CDU_PSU) for r in d.rollups)
    chips = Layout(parse_site("{name: x, racks: 1, gpu: trainium2}", "x"))
    sources = {rollup.name: device.name for rollup, device, _ in site_rollups(chips)}
    assert sources["gpus_reporting"] == sources["gpus_missing"] == "neuron"
    assert "gpu_power_watts" not in sources


@given(racks=st.integers(1, 300), in_array=st.integers(1, 16), data=st.data())
def test_halls_begin_where_their_name_does(racks: int, in_array: int, data: st.DataObject) -> None:
    """The first array of a hall is the first that is called so."""
    arrays = -(-racks // in_array)
    halls = data.draw(st.integers(1, min(arrays, 100)))
    text = f"{{name: x, racks: {racks}, racks_per_array: {in_array}, halls: {halls}}}"
    layout = Layout(parse_site(text, "x"))
    names = [layout.hall_name(array) for array in range(arrays)]
    assert [names.index(f"h{hall + 1}") for hall in range(halls)] == list(layout.hall_arrays)


@pytest.mark.parametrize(
    ("text", "kind", "unit", "device"),
    [
        ("r0001", "rack", 0, 0),
        ("r0016", "rack", 15, 0),
        ("r0003/n2", "server", 2, 1),
        ("r0003/n2/gpu5", "gpu", 2, 13),
        ("r0003/n8/gpu7", "gpu", 2, 63),
        ("r0003/n1/nic0", "nic", 2, 0),
        ("r0003/n2/nic8", "nic", 2, 17),
        ("r0003/n2/psu1", "psu", 2, 4),
        ("r0003/n2/psu4", "psu", 2, 7),
        ("r0003/pump2", "pump", 2, 1),
        ("r0003/cdu/psu2", "cdu_psu", 2, 1),
        ("ch03", "chiller", 0, 2),
        ("facility", "facility", 0, 0),
        ("a002", "array", 8, 0),
        ("mp002", "megapack", 1, 0),
        ("g01", "genset", 0, 0),
        ("grid", "grid", 0, 0),
        ("grid/feed1", "grid", 0, 1),
        ("r0002/pdu2", "pdu", 1, 1),
        ("a002/leaf8", "leaf", 1, 7),
        ("p08/spine1", "spine", 7, 0),
        ("fabric", "fabric", 0, 0),
        ("s001", "service", 0, 0),
    ],
)
def test_target_is_a_place(demo: Layout, text: str, kind: str, unit: int, device: int) -> None:
    """An address leads to the row and the column of the device's arrays."""
    assert find_target(demo, text) == Target(text, kind, unit, device)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("r0017", "the last of its racks is r0016"),
        ("r0000", "the last of its racks is r0016"),
        ("r00001", "the last of its racks is r0016"),
        ("r0001/n9", "the last of its servers a rack is n8"),
        ("r0001/n0", "the last of its servers a rack is n8"),
        ("r0001/n1/gpu8", "the last of its gpus a server is gpu7"),
        ("r0001/n1/nic9", "the last of its nics a server is nic8"),
        ("r0001/n1/psu0", "the last of its psus a server is psu4"),
        ("r0001/n1/psu5", "the last of its psus a server is psu4"),
        ("r0001/n1/fan11", "the last of its fans a server is fan10"),
        ("r0001/pump0", "the last of its pumps is pump2"),
        ("r0001/pump3", "the last of its pumps is pump2"),
        ("r0001/cdu/psu3", "the last of its supplies a coolant unit is psu2"),
        ("ch05", "the last of its chillers is ch04"),
        ("ch001", "the last of its chillers is ch04"),
        ("a003", "the last of its arrays is a002"),
        ("mp003", "the last of its megapacks is mp002"),
        ("g02", "the last of its gensets is g01"),
        ("a003/leaf1", "the last of its arrays is a002"),
        ("a001/leaf0", "the last of its leaves is leaf8"),
        ("a001/leaf9", "the last of its leaves is leaf8"),
        ("p01/spine2", "the last of its spines is spine1"),
        ("s002", "the last of its services is s001"),
    ],
)
def test_target_that_is_absent_names_the_last_one(demo: Layout, text: str, sentence: str) -> None:
    """Whoever counts one too far is told where the site ends."""
    with pytest.raises(TargetError) as caught:
        find_target(demo, text)
    assert str(caught.value) == f"target {text!r} does not exist on site 'demo'; {sentence}"


def test_target_on_a_site_without_generators() -> None:
    """Where there is none, the last is none."""
    with pytest.raises(TargetError, match=r"'colossus-array'; the last of its gensets is none$"):
        find_target(Layout(load_site("colossus-array")), "g01")


@pytest.mark.parametrize(
    "text",
    [
        "", "rack1", "R0001", "r1", "r0001/", "r0001/gpu1", "r0001/n1/", "r0001/n1/belt1",
        "r0001/n1/gpu", "r0001/n01", "r0001/n1/gpu05", "r0001/n1/pump1", "r0001\n", " r0001",
        "r\u0660\u0660\u0660\u0661", "r0001/pump\uff11", "grid/1", "a002/r0009", "mp1", "+", "#",
    ],
)  # fmt: skip
def test_target_that_is_no_address_is_told_how_to_write_one(demo: Layout, text: str) -> None:
    """The sentence shows every form that there is."""
    with pytest.raises(TargetError, match="is not an address; write a rack") as caught:
        find_target(demo, text)
    for form in ("r0001/n3/gpu0", "r0001/n3/nic0", "r0001/n3/psu1", "r0001/pump1", "a001"):
        assert form in str(caught.value)


@given(text=st.text() | st.from_regex(r"[rnagmp0-9/]{1,20}", fullmatch=True))
def test_target_raises_nothing_else(demo: Layout, text: str) -> None:
    """Whatever a command carries, it is a place or a TargetError."""
    try:
        target: Target | None = find_target(demo, text)
    except TargetError:
        target = None
    assert target is None or target.text == text


def test_identity_of_an_nvl72_is_that_of_captures() -> None:
    """GPUs have the PCI addresses of a GB300 tray, and each controller an address of its own."""
    layout = Layout(load_site("nvl72-rack"))
    addresses = layout.names.rack(0).gpu_pci_addresses
    assert addresses[:4] == tuple(f"000000{domain}:06:00.0" for domain in ("08", "09", "18", "19"))
    assert len(addresses) == 72
    keys = {
        dict(series_labels(layout, device["power"], device, 0, index))["endpoint_key"]
        for device, index in ((POWER_SHELF, 0), (SWITCH_TRAY, 0), (HOT_SWAP, 0))
    }
    assert len(keys) == 3
