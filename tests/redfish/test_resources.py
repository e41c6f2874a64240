"""What BMCs show: the values of the bus, in Redfish's words and units."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from tests.redfish.bmcs import BmcRig
from twin.catalog import CDU, GPU, PDU, PSU, SERVER
from twin.redfish import BMC_KINDS
from twin.redfish.schemas import SCHEMAS
from twin.redfish.units import READINGS

SERVER_BMC, CDU_BMC, PDU_BMC = "r0001-n2-bmc", "r0001-cdu", "r0001-pdu1"
NAMES = (SERVER_BMC, CDU_BMC, PDU_BMC)
GPU_3 = "Chassis/HGX_GPU_SXM_3"


def links(value: Any) -> list[str]:
    """Return every link in a resource."""
    if isinstance(value, list):
        return [path for own in value for path in links(own)]
    if not isinstance(value, dict):
        return []
    own = [value["@odata.id"]] if value.keys() == {"@odata.id"} else []
    sources = [value["DataSourceUri"]] if "DataSourceUri" in value else []
    return own + sources + [path for part in value.values() for path in links(part)]


def stored(rig: BmcRig, device: Any, signal: str, index: int) -> float:
    """Return a value of rack r0001 as the aggregator's store has it."""
    return float(rig.core.store.column(device, signal)[0, index])


def test_bmcs_have_names(steady: BmcRig) -> None:
    """Each rack has a BMC for each server, its coolant unit and its PDUs, found in any case."""
    directory = steady.core.directory
    names = [directory.name(bmc) for bmc in directory]
    assert names[:5] == ["r0001-n1-bmc", "r0001-n2-bmc", "r0001-cdu", "r0001-pdu1", "r0001-pdu2"]
    assert len(names) == len(set(names)) == 10
    found = directory.find("R0002-N1-BMC.example.org")
    assert found is not None
    assert directory.name(found) == "r0002-n1-bmc"
    assert directory.find("r0003-n1-bmc") is None


@pytest.mark.parametrize("bmc", NAMES)
def test_tree_is_whole(steady: BmcRig, bmc: str) -> None:
    """Every path answers with its own id and a known schema, and every link leads to one."""
    found = steady.core.directory.find(bmc)
    assert found is not None
    paths = steady.core.tree(found.kind).paths
    known = {*paths, "/redfish/v1/SessionService/Sessions"}
    for path in paths:
        resource = steady.get(bmc, path.removeprefix("/redfish/v1").lstrip("/"))
        assert resource["@odata.id"].rstrip("/") == path
        kind, *version, name = resource["@odata.type"].removeprefix("#").split(".")
        assert kind == name
        schema = name.removesuffix("Collection") if "Members" in resource else name
        assert version == ([] if "Members" in resource else [SCHEMAS[schema]])
        assert set(links(resource)) <= known, path
        if "Members" in resource:
            assert resource["Members@odata.count"] == len(resource["Members"])
        else:
            assert resource["Name"]


def test_everything_is_linked(steady: BmcRig) -> None:
    """From the root every resource can be reached."""
    for bmc in NAMES:
        found = steady.core.directory.find(bmc)
        assert found is not None
        wanted, seen, todo = set(steady.core.tree(found.kind).paths), set(), ["/redfish/v1"]
        while todo:
            path = todo.pop()
            if path not in seen and path in wanted:
                seen.add(path)
                todo += links(steady.get(bmc, path.removeprefix("/redfish/v1").lstrip("/")))
        assert seen == wanted, bmc


def test_gpu_reads_what_the_bus_says(steady: BmcRig) -> None:
    """Temperatures, power and energy of a GPU are the frame's, in Redfish's units."""
    index = 8 + 2
    sensors = f"{GPU_3}/Sensors/HGX_GPU_SXM_3"
    temperature = steady.get(SERVER_BMC, f"{sensors}_TEMP_0")
    assert temperature["Reading"] == stored(steady, GPU, "gpu_temp", index)
    assert (temperature["ReadingType"], temperature["ReadingUnits"]) == ("Temperature", "Cel")
    assert temperature["Thresholds"]["UpperFatal"] == {"Reading": 95.0}
    margin = steady.get(SERVER_BMC, f"{sensors}_TEMP_1")
    assert margin["Reading"] == 87.0 - temperature["Reading"]
    assert margin["ReadingBasis"] == "Headroom"
    power = steady.get(SERVER_BMC, f"{sensors}_Power_0")
    assert power["Reading"] == stored(steady, GPU, "power_usage", index)
    assert power["ReadingUnits"] == "W"
    energy = steady.get(SERVER_BMC, f"{sensors}_Energy_0")
    assert energy["Reading"] == pytest.approx(stored(steady, GPU, "energy", index) / 1e3)
    assert (energy["ReadingType"], energy["ReadingUnits"]) == ("EnergyJoules", "J")
    environment = steady.get(SERVER_BMC, f"{GPU_3}/EnvironmentMetrics")
    assert environment["PowerWatts"]["Reading"] == power["Reading"]
    assert environment["PowerLimitWatts"]["SetPoint"] == 700.0


def test_gpu_is_the_one_of_the_driver(steady: BmcRig) -> None:
    """A GPU's UUID and model are those that its exporter gives, with NVIDIA's own part."""
    gpu = steady.get(SERVER_BMC, "Systems/HGX_Baseboard_0/Processors/GPU_SXM_3")
    names = steady.core.store.names.rack(0)
    assert f"GPU-{gpu['UUID']}" == names.gpu_uuids[8 + 2]
    assert (gpu["ProcessorType"], gpu["Model"]) == ("GPU", "NVIDIA H100 80GB HBM3")
    assert gpu["Oem"]["Nvidia"]["@odata.type"] == "#NvidiaProcessor.v1_4_0.NvidiaGPU"
    assert gpu["Oem"]["Nvidia"]["MIGModeEnabled"] is False
    board = "Systems/HGX_Baseboard_0"
    metrics = steady.get(SERVER_BMC, f"{board}/Processors/GPU_SXM_3/ProcessorMetrics")
    assert metrics["OperatingSpeedMHz"] == stored(steady, GPU, "sm_clock", 8 + 2)
    nvidia = metrics["Oem"]["Nvidia"]
    assert nvidia["SMActivityPercent"] == pytest.approx(
        100 * stored(steady, GPU, "sm_active", 8 + 2), abs=0.01
    )
    assert re.fullmatch(r"P(\d+D)?T(\d+H)?(\d+M)?[\d.]+S", metrics["PowerLimitThrottleDuration"])
    memory = steady.get(SERVER_BMC, f"{board}/Memory/GPU_SXM_3_DRAM_0/MemoryMetrics")
    assert memory["LifeTime"]["UncorrectableECCErrorCount"] == 0
    assert memory["Oem"]["Nvidia"]["RowRemapping"]["UncorrectableRowRemappingCount"] == 0


def test_server_reads_what_the_bus_says(steady: BmcRig) -> None:
    """Inlet, power, supplies and fans of a server are the frame's, under the names of IPMI."""
    chassis = "Chassis/DGX"
    inlet = steady.get(SERVER_BMC, f"{chassis}/Sensors/Inlet_Temp")
    assert (inlet["Name"], inlet["PhysicalContext"]) == ("Inlet Temp", "Intake")
    assert inlet["Reading"] == stored(steady, SERVER, "inlet_temperature", 1)
    assert steady.get(SERVER_BMC, f"{chassis}/EnvironmentMetrics")["PowerWatts"] == {
        "DataSourceUri": "/redfish/v1/Chassis/DGX/Sensors/Total_Power",
        "Reading": stored(steady, SERVER, "power", 1),
    }
    supply = steady.get(SERVER_BMC, f"{chassis}/PowerSubsystem/PowerSupplies/PSU2")
    assert (supply["LineInputStatus"], supply["Status"]["Health"]) == ("Normal", "OK")
    metrics = steady.get(SERVER_BMC, f"{chassis}/PowerSubsystem/PowerSupplies/PSU2/Metrics")
    assert metrics["OutputPowerWatts"]["Reading"] == stored(steady, PSU, "output_power", 4 + 1)
    fan = steady.get(SERVER_BMC, f"{chassis}/ThermalSubsystem/Fans/FAN1")
    assert fan["SpeedPercent"]["SpeedRPM"] == pytest.approx(
        160.0 * fan["SpeedPercent"]["Reading"], abs=161
    )
    assert "LeakDetection" not in steady.get(SERVER_BMC, f"{chassis}/ThermalSubsystem")


def test_coolant_unit_reads_what_the_bus_says(steady: BmcRig) -> None:
    """Flow, temperatures, pressures and pumps are the frame's, in Redfish's units."""
    unit = "ThermalEquipment/CDUs/1"
    connector = steady.get(CDU_BMC, f"{unit}/SecondaryCoolantConnectors/1")
    assert connector["FlowLitersPerMinute"]["Reading"] == stored(steady, CDU, "flow", 0)
    assert connector["SupplyPressurekPa"]["Reading"] == pytest.approx(
        stored(steady, CDU, "supply_pressure", 0) / 1e3
    )
    assert connector["HeatRemovedkW"]["Reading"] == pytest.approx(
        stored(steady, CDU, "heat_removed", 0) / 1e3
    )
    pump = steady.get(CDU_BMC, f"{unit}/Pumps/Pump1")
    assert pump["PumpSpeedPercent"] == {"Reading": 60.0, "SpeedRPM": 3600.0}
    leak = steady.get(
        CDU_BMC, "Chassis/CDU/ThermalSubsystem/LeakDetection/LeakDetectors/LeakDetector_0"
    )
    assert (leak["DetectorState"], leak["Status"]["Health"]) == ("OK", "OK")


def test_pdu_reads_what_the_bus_says(steady: BmcRig) -> None:
    """Currents, voltages and power of the three phases are the frame's."""
    mains = steady.get(PDU_BMC, "PowerEquipment/RackPDUs/1/Mains/AC1")
    assert mains["BreakerState"] == "Normal"
    for phase in range(3):
        current = mains["PolyPhaseCurrentAmps"][f"Line{phase + 1}"]["Reading"]
        assert current == stored(steady, PDU, "current", phase)
    power = sum(stored(steady, PDU, "power", phase) for phase in range(3))
    assert mains["PowerWatts"]["Reading"] == pytest.approx(power, abs=0.2)


def test_older_clients_read_the_same(steady: BmcRig) -> None:
    """Thermal and Power, which the subsystems replaced, say what these say."""
    thermal = steady.get(SERVER_BMC, "Chassis/DGX/Thermal")
    inlet = steady.get(SERVER_BMC, "Chassis/DGX/Sensors/Inlet_Temp")
    named = {own["Name"]: own for own in thermal["Temperatures"]}
    assert named["Inlet Temp"]["ReadingCelsius"] == inlet["Reading"]
    fan = steady.get(SERVER_BMC, "Chassis/DGX/ThermalSubsystem/Fans/FAN1")
    assert thermal["Fans"][0]["Reading"] == fan["SpeedPercent"]["SpeedRPM"]
    power = steady.get(SERVER_BMC, "Chassis/DGX/Power")
    assert power["PowerControl"][0]["PowerConsumedWatts"] == stored(steady, SERVER, "power", 1)
    assert [own["Name"] for own in power["PowerSupplies"]] == ["PSU1", "PSU2", "PSU3", "PSU4"]
    output = stored(steady, PSU, "output_power", 4)
    assert power["PowerSupplies"][0]["PowerOutputWatts"] == output


def test_every_sensor_has_a_unit_of_redfish(steady: BmcRig) -> None:
    """Type and unit of every sensor go together as the Sensor schema has them."""
    pairs = {(own.kind, own.units) for own in READINGS.values()}
    for bmc in NAMES:
        found = steady.core.directory.find(bmc)
        assert found is not None
        paths = [p for p in steady.core.tree(found.kind).paths if "/Sensors/" in p]
        assert paths
        for path in paths:
            sensor = steady.get(bmc, path.removeprefix("/redfish/v1/"))
            assert (sensor["ReadingType"], sensor["ReadingUnits"]) in pairs
            assert sensor["Reading"] is not None, path


def test_report_has_every_sensor(steady: BmcRig) -> None:
    """The report of the environment has every sensor's reading as a string."""
    report = steady.get(
        SERVER_BMC, "TelemetryService/MetricReports/HGX_PlatformEnvironmentMetrics_0"
    )
    values = {own["MetricProperty"]: own["MetricValue"] for own in report["MetricValues"]}
    where = f"/redfish/v1/{GPU_3}/Sensors/HGX_GPU_SXM_3_TEMP_0#/Reading"
    assert float(values[where]) == stored(steady, GPU, "gpu_temp", 8 + 2)
    assert report["Timestamp"] == "2023-11-14T22:13:22.000Z"


def test_kinds_do_not_share_a_name() -> None:
    """Ids are unique in a chassis, kinds have keys of their own, and rows name real sensors."""
    assert len({kind.key for kind in BMC_KINDS}) == len(BMC_KINDS)
    for kind in BMC_KINDS:
        ids = [row.id for row in kind.chassis]
        assert len(set(ids)) == len(ids)
        for row in kind.chassis:
            sensors = [own.id for own in row.sensors]
            assert len(set(sensors)) == len(sensors)
            quoted = {row.temperature, row.power, row.energy} - {""}
            quoted |= {own for supply in row.supplies for own in (supply.input, supply.output)}
            assert quoted - {""} <= set(sensors)


def test_payloads_are_json(steady: BmcRig) -> None:
    """No resource has a number that JSON does not have."""
    found = steady.core.directory.find(SERVER_BMC)
    assert found is not None
    view = steady.core.directory.view(found)
    tree = steady.core.tree(found.kind)
    for path in tree.paths:
        node = tree.find(path)
        assert node is not None
        assert b"NaN" not in orjson.dumps(node.make(view))
