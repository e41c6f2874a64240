"""Power shelves of a rack and their supplies, as NICo reads them from the shelves' controllers.

Sensors and chassis are those of the LiteOn PF-1333-7R (``crates/bmc-mock`` of
dsx-ai-factory/infra-controller at 624b410e), whose firmware has no redundancy group: whether the
rest carries the rack follows from what each gives.
"""

from __future__ import annotations

from twin.catalog.device import DeviceClass
from twin.catalog.model import Detail, Unit
from twin.catalog.page import DEGRADED, SERIOUS, DeviceColumn, PageTable, TroubleSign
from twin.catalog.place import DeviceAddress, Hosts, Place, UnitKind
from twin.catalog.rack_scale.nico import nico_gauge, part, sensor
from twin.catalog.rollup import Operation, Rollup

__all__ = ["POWER_SHELF", "SHELF_PSU"]

_SHELVES = Hosts(
    lambda site: site.shelves.count, lambda place: f"{place.unit_name}-ps{place.host + 1}"
)
"""The power shelves of a rack."""


def _chassis(_: Place) -> str:
    return "powershelf"


def _supply(place: Place) -> str:
    return f"PSU_{place.slot + 1}"


_OUTPUT = sensor("shelf_output", lambda _: "TotalPowerOut", "power_supply", _chassis)
_VOLTAGE = sensor("shelf_voltage", lambda _: "BusVoltage", "power_supply", _chassis)
_CURRENT = sensor("shelf_current", lambda _: "TotalCurrentOut", "power_supply", _chassis)
_INLET = sensor("shelf_inlet", lambda _: "Temp_1", "intake", _chassis)

_PSU_OUTPUT = sensor("shelf_psu_output", lambda place: f"{_supply(place)}_PowerOut",
                     "power_supply", _chassis, powersupply_id=_supply)  # fmt: skip
_PSU_INPUT = sensor("shelf_psu_input", lambda place: f"{_supply(place)}_PowerIn",
                    "power_supply", _chassis, powersupply_id=_supply)  # fmt: skip
_PSU_TEMPERATURE = sensor("shelf_psu_temperature", lambda place: f"{_supply(place)}_Temp",
                          "power_supply", _chassis, powersupply_id=_supply)  # fmt: skip
_PSU = part("shelf_psu", powersupply_id=_supply, chassis_id=_chassis)

POWER_SHELF = DeviceClass(
    name="power_shelf",
    frame=UnitKind.RACK,
    title="power shelf",
    hosts=_SHELVES,
    detail=Detail.RACK,
    address=DeviceAddress("shelf", "power shelves", _SHELVES.count),
    rollups=(
        Rollup("shelf_output_power_watts", "power", Operation.SUM, Unit.WATTS,
               "DC power that the power shelves of the {level} deliver."),
        # A shelf that is off says 0 V of a bus that the others carry.
        Rollup("bus_voltage_min_volts", "voltage", Operation.MIN, Unit.VOLTS,
               "Least voltage of a bus of the {level}, at those of its power shelves that are on; "
               "0 where none of a rack is.", excluding=(0.0,)),
    ),
    table=PageTable("Power shelves", (
        DeviceColumn("power", "Power", "kW", "power", 1, 1e-3),
        DeviceColumn("voltage", "Bus", Unit.VOLTS, "voltage", 2),
        DeviceColumn("temperature", "Air", Unit.CELSIUS, "temperature"),
    )),
    signals=(
        nico_gauge("power", "hw_sensor_power_watts", _OUTPUT, unit=Unit.WATTS, decimals=1,
                   high=200_000),
        nico_gauge("voltage", "hw_sensor_voltage_volts", _VOLTAGE, unit=Unit.VOLTS, decimals=3,
                   high=1_000),
        nico_gauge("current", "hw_sensor_current_amperes", _CURRENT, unit=Unit.AMPERES, decimals=1,
                   high=100_000),
        nico_gauge("temperature", "hw_sensor_temperature_celsius", _INLET, unit=Unit.CELSIUS,
                   decimals=1, low=-40, high=200),
    ),
)  # fmt: skip

SHELF_PSU = DeviceClass(
    name="shelf_psu",
    frame=UnitKind.RACK,
    title="supply of a power shelf",
    hosts=_SHELVES,
    per_host=lambda site: site.shelves.psus,
    address=DeviceAddress("shelf_psu", "supplies of power shelves",
                          lambda site: site.shelves.supplies),
    rollups=(
        Rollup("shelf_psus_failed", "enabled", Operation.COUNT, Unit.NONE,
               "Supplies of the power shelves of the {level} that deliver nothing.", equals=0.0),
    ),
    signs=(
        TroubleSign(SERIOUS, ("no supply of the power shelves delivers", ""), "enabled",
                    none_equals=1, rank=2),
        TroubleSign(DEGRADED, ("a supply of a power shelf has failed",
                               "{} supplies of power shelves have failed"), "enabled", equals=0,
                    rank=8),
    ),
    signals=(
        nico_gauge("output_power", "hw_sensor_power_watts", _PSU_OUTPUT, unit=Unit.WATTS,
                   decimals=1, high=200_000),
        nico_gauge("input_power", "hw_sensor_power_watts", _PSU_INPUT, unit=Unit.WATTS,
                   decimals=1, high=200_000),
        nico_gauge("temperature", "hw_sensor_temperature_celsius", _PSU_TEMPERATURE,
                   unit=Unit.CELSIUS, decimals=1, low=-40, high=200),
        nico_gauge("enabled", "hw_powersupply_output_enabled_bool", _PSU, unit=Unit.NONE, high=1,
                   codes={0: "off", 1: "on"}),
    ),
)  # fmt: skip
