"""What BMCs say of faults: silence, a server that is off, a supply, a pump, a GPU, a leak."""

from __future__ import annotations

from tests.redfish.bmcs import BmcRig

SERVER_BMC, OTHER_BMC, CDU_BMC = "r0001-n1-bmc", "r0001-n2-bmc", "r0001-cdu"


def health(rig: BmcRig, bmc: str, path: str) -> str:
    """Return the health of a resource."""
    found: str = rig.get(bmc, path)["Status"]["Health"]
    return found


def test_silent_gateway_silences_the_bmcs(rig: BmcRig) -> None:
    """Of a rack whose gateway is silent no BMC answers, and those of the others do."""
    rig.inject("gateway-silent", "r0001")
    rig.run(8)
    for bmc in (SERVER_BMC, CDU_BMC, "r0001-pdu1"):
        assert rig.ask(bmc, "/redfish/v1/") is None
    assert rig.get("r0002-n1-bmc", "Systems/DGX")["PowerState"] == "On"


def test_server_that_is_off_says_so(rig: BmcRig) -> None:
    """Its BMC has standby power and says Off, without readings and without blaming the GPUs."""
    rig.inject("server-down", "r0001/n1")
    rig.run(3)
    system = rig.get(SERVER_BMC, "Systems/DGX")
    assert (system["PowerState"], system["Status"]["State"]) == ("Off", "Disabled")
    assert system["BootProgress"]["LastState"] == "None"
    sensor = rig.get(SERVER_BMC, "Chassis/HGX_GPU_SXM_1/Sensors/HGX_GPU_SXM_1_TEMP_0")
    assert sensor["Reading"] is None
    assert sensor["Status"] == {"State": "UnavailableOffline"}
    gpu = rig.get(SERVER_BMC, "Systems/HGX_Baseboard_0/Processors/GPU_SXM_1")
    assert gpu["Status"] == {"State": "UnavailableOffline", "Health": "OK"}
    report = rig.get(SERVER_BMC, "TelemetryService/MetricReports/HGX_PlatformEnvironmentMetrics_0")
    assert {own["MetricValue"] for own in report["MetricValues"]} == {"nan"}
    assert rig.get(OTHER_BMC, "Systems/DGX")["PowerState"] == "On"


def test_rack_without_power_has_no_bmc(rig: BmcRig) -> None:
    """With both PDUs tripped there is no standby power either, so the servers' BMCs are dead."""
    for pdu in ("r0001/pdu1", "r0001/pdu2"):
        rig.inject("pdu-breaker-trip", pdu)
    rig.run(3)
    assert rig.ask(SERVER_BMC, "/redfish/v1/") is None
    mains = rig.get("r0001-pdu1", "PowerEquipment/RackPDUs/1/Mains/AC1")
    assert (mains["BreakerState"], mains["Status"]["Health"]) == ("Tripped", "Critical")
    assert rig.get("r0002-n1-bmc", "Systems/DGX")["PowerState"] == "On"


def test_failed_supply_is_critical(rig: BmcRig) -> None:
    """The supply, its subsystem and the chassis say Critical; the line says that it lost input."""
    rig.inject("psu-failure", "r0001/n1/psu2")
    rig.run(2)
    power = "Chassis/DGX/PowerSubsystem"
    supply = rig.get(SERVER_BMC, f"{power}/PowerSupplies/PSU2")
    assert (supply["Status"]["Health"], supply["LineInputStatus"]) == ("Critical", "LossOfInput")
    assert health(rig, SERVER_BMC, power) == "Critical"
    assert health(rig, SERVER_BMC, "Chassis/DGX") == "Critical"
    assert health(rig, SERVER_BMC, f"{power}/PowerSupplies/PSU1") == "OK"


def test_failed_pump_is_critical(rig: BmcRig) -> None:
    """The pump stands and says Critical, and so does its unit."""
    rig.inject("pump-failure", "r0001/pump1")
    rig.run(3)
    unit = "ThermalEquipment/CDUs/1"
    assert health(rig, CDU_BMC, f"{unit}/Pumps/Pump1") == "Critical"
    assert health(rig, CDU_BMC, f"{unit}/Pumps/Pump2") == "OK"
    assert health(rig, CDU_BMC, unit) == "Critical"


def test_lost_gpu_is_critical(rig: BmcRig) -> None:
    """A GPU that fell off the bus of a running server is offline and Critical."""
    rig.inject("gpu-off-bus", "r0001/n1/gpu3")
    rig.run(3)
    gpu = rig.get(SERVER_BMC, "Systems/HGX_Baseboard_0/Processors/GPU_SXM_4")
    assert gpu["Status"] == {"State": "UnavailableOffline", "Health": "Critical"}
    assert health(rig, SERVER_BMC, "Systems/HGX_Baseboard_0") == "Critical"
    assert health(rig, SERVER_BMC, "Chassis/HGX_GPU_SXM_4") == "Critical"
    assert health(rig, SERVER_BMC, "Systems/DGX") == "OK"


def test_leak_is_told(rig: BmcRig) -> None:
    """The detector goes to Critical while the coolant runs out, and its chassis with it."""
    rig.inject("coolant-leak", "r0001")
    path = "Chassis/CDU/ThermalSubsystem/LeakDetection/LeakDetectors/LeakDetector_0"
    for _ in range(120):
        rig.run(5)
        leak = rig.get(CDU_BMC, path)
        if leak["DetectorState"] == "Critical":
            break
    assert (leak["DetectorState"], leak["Status"]["Health"]) == ("Critical", "Critical")
    assert health(rig, CDU_BMC, "Chassis/CDU/ThermalSubsystem") == "Critical"
