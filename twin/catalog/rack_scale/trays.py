"""Compute trays: hot-swap controllers and leak detectors, as NICo reads them by Redfish.

Names, chassis and limits are those of a Supermicro GB300 tray (spyroot/redfish_ctl at 4c1765c0). A
detector is a sensor of its voltage, which leaves its window when wet or broken.
"""

from __future__ import annotations

from twin.catalog.device import DeviceClass
from twin.catalog.model import Unit
from twin.catalog.page import DeviceColumn, PageTable
from twin.catalog.place import SERVERS, DeviceAddress, Place, UnitKind
from twin.catalog.rack_scale.nico import nico_gauge, sensor
from twin.catalog.rollup import Operation, Rollup

__all__ = ["HOT_SWAP", "LEAK_DETECTOR"]

_PLACES = ("ColdPlate", "Manifold")
"""Where detectors lie: half of them under the cold plates, half at the manifold."""


def _board(_: Place) -> str:
    return "PDB_0"


def _tray(_: Place) -> str:
    return "Chassis_0"


def _detector(place: Place) -> str:
    half = max(place.site.tray.leak_detectors // len(_PLACES), 1)
    kind, number = divmod(place.slot, half)
    return f"Chassis_0_LeakDetector_{number}_{_PLACES[kind % len(_PLACES)]}"


def _swap(tail: str) -> dict[str, object]:
    return {
        "name": lambda place: f"PDB_0_HSC_{place.slot}_{tail}",
        "context": "voltage_regulator",
        "chassis": _board,
    }


_POWER = sensor("tray_swap_power", **_swap("Pwr"))  # type: ignore[arg-type]  # by name
_VOLTAGE = sensor("tray_swap_voltage", **_swap("Volt_In"))  # type: ignore[arg-type]  # by name
_CURRENT = sensor("tray_swap_current", **_swap("Cur"))  # type: ignore[arg-type]  # by name
_TEMPERATURE = sensor("tray_swap_temperature", **_swap("Temp"))  # type: ignore[arg-type]  # by name
_LEAK = sensor("tray_leak_detector", _detector, "chassis", _tray)

HOT_SWAP = DeviceClass(
    name="hot_swap",
    frame=UnitKind.RACK,
    title="hot-swap controller of a compute tray",
    hosts=SERVERS,
    per_host=lambda site: site.tray.hot_swaps,
    rollups=(
        Rollup("tray_voltage_min_volts", "voltage", Operation.MIN, Unit.VOLTS,
               "Least voltage at the input of a compute tray of the {level}."),
    ),
    signals=(
        nico_gauge("power", "hw_sensor_power_watts", _POWER, unit=Unit.WATTS, decimals=1,
                   high=200_000),
        nico_gauge("voltage", "hw_sensor_voltage_volts", _VOLTAGE, unit=Unit.VOLTS, decimals=3,
                   high=1_000),
        nico_gauge("current", "hw_sensor_current_amperes", _CURRENT, unit=Unit.AMPERES, decimals=1,
                   high=100_000),
        nico_gauge("temperature", "hw_sensor_temperature_celsius", _TEMPERATURE,
                   unit=Unit.CELSIUS, decimals=1, low=-40, high=200),
    ),
)  # fmt: skip

LEAK_DETECTOR = DeviceClass(
    name="leak_detector",
    frame=UnitKind.RACK,
    title="leak detector of a compute tray",
    hosts=SERVERS,
    per_host=lambda site: site.tray.leak_detectors,
    address=DeviceAddress("leak", "leak detectors a tray",
                          lambda site: site.tray.leak_detectors, first=0, in_server=True),
    rollups=(
        Rollup("leak_detector_voltage_min_volts", "voltage", Operation.MIN, Unit.VOLTS,
               "Least voltage of a leak detector in a compute tray of the {level}."),
    ),
    table=PageTable("Leak detectors", (
        DeviceColumn("voltage", "Voltage", Unit.VOLTS, "voltage", 2, low=1.3, high=2.0),
    ), by_server=True),
    signals=(
        nico_gauge("voltage", "hw_sensor_voltage_volts", _LEAK, unit=Unit.VOLTS, decimals=3,
                   high=1_000),
    ),
)  # fmt: skip
