"""Rows of the BMCs of a rack that is one machine: compute trays, switch trays, power shelves.

Ids of a compute tray are those of a GB300 tray's controllers (Redfish 1.17, spyroot/redfish_ctl,
July 2026), of a shelf those of LiteOn's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.catalog import GRACE, HOT_SWAP, SERVER, SWITCH_TRAY
from twin.catalog.rack_scale.shelves import POWER_SHELF, SHELF_PSU
from twin.catalog.rack_scale.trays import LEAK_DETECTOR
from twin.redfish.gpu_rows import NVLINKS, SMOOTHING, gpu_chassis, gpu_processors
from twin.redfish.rows import LeakRow, SensorRow, SupplyRow
from twin.redfish.table import BmcKind, ChassisRow, ProcessorRow, SystemRow

if TYPE_CHECKING:
    from twin.parameters import Site
    from twin.redfish.view import BmcView

__all__ = ["RACK_SCALE_KINDS", "has_trays"]

_DRY_VOLTS = (1.3, 2.0)
"""Between them a detector is dry (the same capture)."""
_ENABLED_HEALTH = {0: "Critical", 1: "OK"}


def has_trays(site: Site, _rack: int) -> bool:
    """Return whether the racks of a site are made of compute trays."""
    return site.shelves.count > 0


def _controller(view: BmcView) -> bool:
    return view.code(SERVER, SERVER["up_ipmi"]) == 1


def _tray_on(view: BmcView) -> bool:
    return _controller(view) or view.code(SERVER, SERVER["up_node"]) == 1


def _tray_answers(view: BmcView) -> bool:
    """Whether the controller answers, or the tray is off on a bus that has power."""
    if _controller(view):
        return True
    silent = view.code(SERVER, SERVER["up_node"]) == 1
    powered = any(view.values_of_rack(POWER_SHELF, POWER_SHELF["voltage"]))
    return powered and not silent


def _leak(place: str, number: int, slot: int) -> LeakRow:
    return LeakRow(f"Chassis_0_LeakDetector_{number}_{place}", LEAK_DETECTOR,
                   LEAK_DETECTOR["voltage"], slot=slot, dry=_DRY_VOLTS)  # fmt: skip


_BOARD = "PDB_0_HSC_{n}"
_CPU = "HGX_CPU_{n}"
_TRAY = BmcKind(
    key="compute-tray",
    title="compute tray",
    hosts=SERVER.hosts,
    suffix="-bmc",
    answers=_tray_answers,
    stands=has_trays,
    on=_tray_on,
    booted=lambda view: view.code(SERVER, SERVER["up_node"]) == 1,
    memory=lambda view: view.site.server.memory_bytes,
    managers={"BMC_0": "Chassis_0", "HGX_BMC_0": "HGX_Chassis_0"},
    reports="HGX_{}_0",
    chassis=(
        ChassisRow(
            id="Chassis_0",
            name="compute tray",
            type="RackMount",
            sensors=(
                SensorRow("TotalHSC_Power_0", "tray power", SERVER, SERVER["power"], "Chassis"),
                SensorRow("Front_IO_Temp_0", "air into the tray", SERVER,
                          SERVER["inlet_temperature"], "Intake"),
            ),
            leaks=(_leak("ColdPlate", 0, 0), _leak("ColdPlate", 1, 1), _leak("Manifold", 0, 2),
                   _leak("Manifold", 1, 3)),
            temperature="Front_IO_Temp_0",
            power="TotalHSC_Power_0",
        ),
        ChassisRow(
            id="PDB_0",
            name="power distribution board",
            type="Component",
            within="Chassis_0",
            sensors=(
                SensorRow(f"{_BOARD}_Pwr", "hot-swap {n} power", HOT_SWAP, HOT_SWAP["power"],
                          "VoltageRegulator"),
                SensorRow(f"{_BOARD}_Volt_In", "hot-swap {n} input", HOT_SWAP,
                          HOT_SWAP["voltage"], "VoltageRegulator"),
                SensorRow(f"{_BOARD}_Cur", "hot-swap {n} current", HOT_SWAP, HOT_SWAP["current"],
                          "VoltageRegulator"),
                SensorRow(f"{_BOARD}_Temp", "hot-swap {n} temperature", HOT_SWAP,
                          HOT_SWAP["temperature"], "VoltageRegulator"),
            ),
        ),
        ChassisRow("HGX_Chassis_0", "baseboard", "Module", within="Chassis_0",
                   manufacturer="NVIDIA"),
        ChassisRow(
            id=_CPU,
            name="CPU {n}",
            type="Module",
            device=GRACE,
            within="HGX_Chassis_0",
            sensors=(
                SensorRow(f"{_CPU}_TempAvg_0", "CPU {n} temperature", GRACE,
                          GRACE["temperature"], "CPU"),
                SensorRow(f"{_CPU}_Power_0", "CPU {n} power", GRACE, GRACE["power"], "CPU"),
            ),
            temperature=f"{_CPU}_TempAvg_0",
            power=f"{_CPU}_Power_0",
            manufacturer="NVIDIA",
        ),
        gpu_chassis("HGX_GPU_{n}", "HGX_Chassis_0", 0),
    ),
    systems=(
        SystemRow("System_0", "compute tray", "Chassis_0", host=True),
        SystemRow(
            id="HGX_Baseboard_0",
            name="baseboard",
            chassis="HGX_Chassis_0",
            manufacturer="NVIDIA",
            processors=(
                ProcessorRow(id="CPU_{n}", name="CPU {n}", type="CPU", device=GRACE,
                             anchor=(GRACE, GRACE["temperature"]), chassis=_CPU,
                             manufacturer="NVIDIA", model=lambda _: "Grace",
                             temperature=f"{_CPU}_TempAvg_0"),
                gpu_processors("GPU_{n}", "HGX_GPU_{n}", 0, NVLINKS, SMOOTHING),
            ),
        ),
    ),
)  # fmt: skip

_SWITCH = BmcKind(
    key="switch-tray",
    title="NVLink switch tray",
    hosts=SWITCH_TRAY.hosts,
    suffix="-bmc",
    answers=lambda view: view.code(SWITCH_TRAY, SWITCH_TRAY["up"]) == 1,
    stands=has_trays,
    managers={"BMC_0": "Chassis_0"},
    chassis=(
        ChassisRow(
            id="Chassis_0",
            name="NVLink switch tray",
            type="RackMount",
            sensors=(
                SensorRow("Total_Power_0", "tray power", SWITCH_TRAY, SWITCH_TRAY["power"],
                          "Chassis"),
                SensorRow("NVSwitch_0_Temp_0", "switch chip 0", SWITCH_TRAY,
                          SWITCH_TRAY["asic1_temperature"], "ASIC"),
                SensorRow("NVSwitch_1_Temp_0", "switch chip 1", SWITCH_TRAY,
                          SWITCH_TRAY["asic2_temperature"], "ASIC"),
            ),
            leaks=(LeakRow("Chassis_0_LeakDetector_0", SWITCH_TRAY, SWITCH_TRAY["leakage"],
                           words={0: "OK", 1: "Critical", 2: "Unavailable"}),),
            temperature="NVSwitch_0_Temp_0",
            power="Total_Power_0",
        ),
    ),
)  # fmt: skip

_SHELF = BmcKind(
    key="power-shelf",
    title="power shelf",
    hosts=POWER_SHELF.hosts,
    suffix="-bmc",
    answers=lambda view: view.value(POWER_SHELF, POWER_SHELF["power"]) is not None,
    stands=has_trays,
    managers={"BMC": "powershelf"},
    chassis=(
        ChassisRow(
            id="powershelf",
            name="power shelf",
            type="RackMount",
            sensors=(
                SensorRow("TotalPowerOut", "power that it gives", POWER_SHELF,
                          POWER_SHELF["power"], "PowerSubsystem"),
                SensorRow("BusVoltage", "voltage of the bus", POWER_SHELF,
                          POWER_SHELF["voltage"], "DCBus"),
                SensorRow("TotalCurrentOut", "current that it gives", POWER_SHELF,
                          POWER_SHELF["current"], "DCBus"),
                SensorRow("Temperature", "temperature", POWER_SHELF, POWER_SHELF["temperature"],
                          "PowerSubsystem"),
                SensorRow("PSU{n}_Input_Power", "supply {n} input", SHELF_PSU,
                          SHELF_PSU["input_power"], "PowerSupply", 1),
                SensorRow("PSU{n}_Output_Power", "supply {n} output", SHELF_PSU,
                          SHELF_PSU["output_power"], "PowerSupply", 1),
                SensorRow("PSU{n}_Temperature", "supply {n} temperature", SHELF_PSU,
                          SHELF_PSU["temperature"], "PowerSupply", 1),
            ),
            supplies=(
                SupplyRow("PSU{n}", SHELF_PSU, SHELF_PSU["enabled"], _ENABLED_HEALTH,
                          "PSU{n}_Output_Power", "PSU{n}_Input_Power", first=1),
            ),
            temperature="Temperature",
            power="TotalPowerOut",
        ),
    ),
)  # fmt: skip

RACK_SCALE_KINDS = (_TRAY, _SWITCH, _SHELF)
