"""BMCs of a rack that is one machine: trays, switch trays, power shelves."""

from __future__ import annotations

import pytest

from tests.redfish.bmcs import BmcRig
from twin.catalog import GPU, GRACE, NVLINK
from twin.site import load_site

TRAY = "r0001-n2-bmc"


@pytest.fixture
def rack() -> BmcRig:
    """Return the BMCs of an NVL72 rack."""
    return BmcRig(site=load_site("nvl72-rack"))


def test_every_resource_of_every_kind(rack: BmcRig) -> None:
    """A rack has 18 compute trays, 9 switch trays, 8 shelves, a coolant unit and PDUs."""
    kinds: dict[str, int] = {}
    for bmc in rack.core.directory:
        kinds[bmc.kind.key] = kinds.get(bmc.kind.key, 0) + 1
    assert {name: kinds[name] for name in ("compute-tray", "switch-tray", "power-shelf")} == {
        "compute-tray": 18, "switch-tray": 9, "power-shelf": 8,
    }  # fmt: skip
    assert "server" not in kinds
    for name in (TRAY, "r0001-sw3-bmc", "r0001-ps2-bmc"):
        found = rack.core.directory.find(name)
        assert found is not None, name
        for path in rack.core.tree(found.kind).paths:
            rack.get(name, path.removeprefix("/redfish/v1").lstrip("/"))


def test_tray_reads_what_the_bus_says(rack: BmcRig) -> None:
    """GPU, CPU and detectors of a tray are the frame's, under the ids of a GB300 tray."""
    store = rack.core.store
    gpu = rack.get(TRAY, "Chassis/HGX_GPU_1/Sensors/HGX_GPU_1_TEMP_0")
    assert gpu["Reading"] == float(store.column(GPU, "gpu_temp")[0, 4 + 1])
    cpu = rack.get(TRAY, "Chassis/HGX_CPU_0/Sensors/HGX_CPU_0_Power_0")
    assert cpu["Reading"] == pytest.approx(float(store.column(GRACE, "power")[0, 2]))
    leak = rack.get(
        TRAY,
        "Chassis/Chassis_0/ThermalSubsystem/LeakDetection/LeakDetectors/"
        "Chassis_0_LeakDetector_1_Manifold",
    )
    assert leak["DetectorState"] == "OK"
    assert rack.get(TRAY, "Systems/System_0")["PowerState"] == "On"


def test_silent_controller_says_nothing(rack: BmcRig) -> None:
    """The tray whose controller is silent does not answer, though its GPUs work; others do."""
    rack.inject("bmc-silent", "r0001/n2")
    rack.run(2)
    assert rack.ask(TRAY, "/redfish/v1/") is None
    assert rack.get("r0001-n1-bmc", "Systems/System_0")["PowerState"] == "On"


def test_nvlinks_of_a_gpu_are_ports(rack: BmcRig) -> None:
    """A GPU has 18 ports, each with the errors of its link on the bus, and its report has them."""
    gpu = rack.get(TRAY, "Systems/HGX_Baseboard_0/Processors/GPU_1")
    ports = rack.get(TRAY, gpu["Ports"]["@odata.id"].removeprefix("/redfish/v1/"))
    assert len(ports["Members"]) == 18
    path = "Systems/HGX_Baseboard_0/Processors/GPU_1/Ports/NVLink_17"
    port = rack.get(TRAY, path)
    assert (port["PortProtocol"], port["LinkStatus"]) == ("NVLink", "LinkUp")
    assert port["Status"] == {"State": "Enabled", "Health": "OK"}
    said = rack.get(TRAY, f"{path}/Metrics")["Oem"]["Nvidia"]
    index = (4 + 1) * 18 + 17
    for name, signal in (("EffectiveBER", "effective_ber"), ("SymbolErrors", "symbol_errors"),
                         ("LinkDownedCount", "link_down"),
                         ("LinkErrorRecoveryCount", "recoveries")):  # fmt: skip
        assert said[name] == float(rack.core.store.column(NVLINK, signal)[0, index]), name
    report = rack.get(TRAY, "TelemetryService/MetricReports/HGX_ProcessorPortMetrics_0")
    assert len(report["MetricValues"]) == 4 * 18 * 4
    other = rack.get(TRAY, "TelemetryService/MetricReports/HGX_ProcessorMetrics_0")
    assert not [own for own in other["MetricValues"] if "/Ports/" in own["MetricProperty"]]


def test_link_that_is_down_is_a_critical_port(rack: BmcRig) -> None:
    """Its port says so, and those of other links do not."""
    rack.inject("nvlink-down", "r0001/n2/gpu2", link=4)
    rack.run(3)
    path = "Systems/HGX_Baseboard_0/Processors/GPU_2/Ports/NVLink_"
    down = [n for n in range(18) if rack.get(TRAY, f"{path}{n}")["LinkStatus"] == "LinkDown"]
    assert down == [4]
    assert rack.get(TRAY, f"{path}4")["Status"]["Health"] == "Critical"


def test_power_smoothing_is_what_the_bus_says() -> None:
    """Where the host may read it, a GPU links to its power smoothing, in W, W/s and s."""
    text = (
        "{name: smooth, rack: nvl72, racks: 1, gpu: gb300, "
        "smoothing: {enabled: true, in_band_level: 1, presets: [{floor_percent: 60}]}}"
    )
    rig = BmcRig(text)
    gpu = "Systems/HGX_Baseboard_0/Processors/GPU_0"
    where = rig.get(TRAY, gpu)["Oem"]["Nvidia"]["PowerSmoothing"]["@odata.id"]
    assert where == f"/redfish/v1/{gpu}/Oem/Nvidia/PowerSmoothing"
    said = rig.get(TRAY, where.removeprefix("/redfish/v1/"))
    assert (said["Enabled"], said["ImmediateRampDown"]) == (True, False)
    assert (said["TMPFloorPercent"], said["RampDownHysteresisSeconds"]) == (60.0, 10.0)
    assert (said["RampUpWattsPerSecond"], said["RampDownWattsPerSecond"]) == (20.0, 20.0)
    floor = float(rig.core.store.column(GPU, "smoothing_floor")[0, 4])
    assert said["TMPFloorWatts"] == pytest.approx(floor, abs=0.1)


def test_power_smoothing_as_shipped_is_not_there(rack: BmcRig) -> None:
    """Where nothing of it is on the bus, the BMC has no such resource and no link to it."""
    gpu = "Systems/HGX_Baseboard_0/Processors/GPU_0"
    assert "PowerSmoothing" not in rack.get(TRAY, gpu)["Oem"]["Nvidia"]
    answer = rack.ask(TRAY, f"/redfish/v1/{gpu}/Oem/Nvidia/PowerSmoothing")
    assert answer is not None
    assert answer.status == 404
