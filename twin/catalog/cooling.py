"""Coolant distribution units and their pumps.

No Prometheus exporter for CDUs is common, so names follow the Prometheus naming
rules and meanings follow DMTF Redfish 2025.4: ``Pump`` v1.2 (PumpSpeedPercent,
InletPressurekPa, ServiceHours), ``CoolantConnector`` v1.3 (FlowLitersPerMinute,
SupplyTemperatureCelsius, ReturnTemperatureCelsius, SupplyPressurekPa,
DeltaPressurekPa, HeatRemovedkW, ValvePositionPercent), ``LeakDetector`` v1.6
(DetectorState). Flow keeps Redfish's litres per minute and says so in its name.
"""

from __future__ import annotations

from functools import partial

from twin.catalog.device import DeviceClass
from twin.catalog.model import Detail, Exporter, MetricType, Signal, Unit
from twin.catalog.page import (
    DEGRADED,
    SERIOUS,
    DeviceColumn,
    FloorValue,
    PageTable,
    TroubleSign,
    scale_end,
)
from twin.catalog.place import CDU_HOST, DeviceAddress, UnitKind
from twin.catalog.rollup import ABOVE_RACK, Operation, Rollup

__all__ = ["CDU", "CDU_PSU", "CDU_PSU_STATES", "LEAK_STATES", "PUMP", "PUMP_STATES"]

_SOURCE = "DMTF Redfish 2025.4, Prometheus naming"
_CDU = Exporter(key="cdu", job="cdu", port=8080, labels=(), source=_SOURCE)
_PUMP = Exporter(key="pump", job="cdu", port=8080, labels=("pump",), source=_SOURCE,
                 identify=lambda place: (str(place.slot + 1),))  # fmt: skip
_PSU = Exporter(key="cdu_psu", job="cdu", port=8080, labels=("psu",), source=_SOURCE,
                identify=lambda place: (str(place.slot + 1),))  # fmt: skip

PUMP_STATES = {0: "stopped", 1: "running", 2: "failed"}
CDU_PSU_STATES = {0: "ok", 1: "failed"}
LEAK_STATES = {0: "OK", 1: "Warning", 2: "Critical", 3: "Unavailable", 4: "Absent"}
"""Redfish LeakDetector.DetectorState."""

_pump = partial(Signal, family=_PUMP, kind=MetricType.GAUGE)
_psu = partial(Signal, family=_PSU, kind=MetricType.GAUGE)
_cdu = partial(Signal, family=_CDU, kind=MetricType.GAUGE)
_pascals = partial(_cdu, unit=Unit.PASCALS, high=5_000_000)
_celsius = partial(_cdu, unit=Unit.CELSIUS, decimals=2, low=-50, high=200)

_PUMP_ROLLUPS = (
    Rollup("pumps_running", "state", Operation.COUNT, Unit.NONE, "Coolant pumps of the {level} "
           "that run.", ABOVE_RACK, equals=1.0),
    Rollup("pumps_failed", "state", Operation.COUNT, Unit.NONE, "Coolant pumps of the {level} "
           "that have failed.", ABOVE_RACK, equals=2.0),
)  # fmt: skip

_PUMP_TABLE = PageTable("Coolant pumps", (
        DeviceColumn("state", "State", "", "state"),
        DeviceColumn("speed", "Speed", Unit.PERCENT, "speed_ratio", 0, 100.0),
        DeviceColumn("flow", "Flow", Unit.LITERS_PER_MINUTE, "flow", 1),
        DeviceColumn("power", "Power", Unit.WATTS, "power"),
        DeviceColumn("pressure", "Inlet", "kPa", "inlet_pressure", 0, 1e-3),
))  # fmt: skip

_RUNNING, _FAILED = 1, 2
_PUMP_SIGNS = (
    TroubleSign(SERIOUS, ("no coolant pump runs", ""), "state", none_equals=_RUNNING, rank=1),
    TroubleSign(DEGRADED, ("a pump has failed", "{} pumps have failed"), "state", equals=_FAILED,
                rank=1),
)  # fmt: skip


PUMP = DeviceClass(
    name="pump",
    frame=UnitKind.RACK,
    title="coolant pump",
    table=_PUMP_TABLE,
    rollups=_PUMP_ROLLUPS,
    address=DeviceAddress("pump", "pumps", lambda site: site.cooling.pumps),
    signs=_PUMP_SIGNS,
    hosts=CDU_HOST,
    per_host=lambda site: site.cooling.pumps * site.has_liquid,
    detail=Detail.RACK,
    signals=(
        _pump("speed_ratio", "cdu_pump_speed_ratio", unit=Unit.RATIO, decimals=4, high=1.5,
              help="Pump speed as a fraction of its rated speed."),
        _pump("speed", "cdu_pump_speed_rpm", unit=Unit.RPM, high=100_000,
              help="Pump speed in revolutions per minute."),
        _pump("power", "cdu_pump_power_watts", unit=Unit.WATTS, decimals=1, high=100_000,
              help="Electrical power of the pump."),
        _pump("flow", "cdu_pump_flow_liters_per_minute", unit=Unit.LITERS_PER_MINUTE,
              decimals=2, high=10_000, help="Coolant flow through the pump."),
        _pump("inlet_pressure", "cdu_pump_inlet_pressure_pascals", unit=Unit.PASCALS,
              high=5_000_000, help="Coolant pressure at the pump inlet."),
        _pump("vibration", "cdu_pump_vibration_meters_per_second", unit=Unit.METERS_PER_SECOND,
              decimals=6, high=1,
              help="Vibration velocity at the pump's bearing, root mean square."),
        _pump("operating_seconds", "cdu_pump_operating_seconds_total", unit=Unit.SECONDS,
              kind=MetricType.COUNTER, help="Time the pump has run in its life."),
        _pump("state", "cdu_pump_state", unit=Unit.NONE, states=PUMP_STATES, high=2,
              help="State of the pump: 1 for the state it is in, 0 for the others."),
    ),
)  # fmt: skip

_CDU_PSU_ROLLUPS = (
    Rollup("coolant_unit_psus_failed", "state", Operation.COUNT, Unit.NONE,
           "Power supplies of the coolant units of the {level} that have failed.", ABOVE_RACK,
           equals=1.0),
)  # fmt: skip

_CDU_PSU_SIGNS = (
    TroubleSign(DEGRADED, ("a power supply of the coolant unit has failed",
                           "{} power supplies of the coolant unit have failed"),
                "state", equals=1, rank=3),
)  # fmt: skip


CDU_PSU = DeviceClass(
    name="cdu_psu",
    frame=UnitKind.RACK,
    title="coolant unit power supply",
    rollups=_CDU_PSU_ROLLUPS,
    address=DeviceAddress(
        "cdu/psu", "supplies a coolant unit", lambda site: site.cooling.psus
    ),
    signs=_CDU_PSU_SIGNS,
    hosts=CDU_HOST,
    per_host=lambda site: site.cooling.psus * site.has_liquid,
    detail=Detail.RACK,
    signals=(
        _psu("power", "cdu_power_supply_power_watts", unit=Unit.WATTS, decimals=1, high=1_000_000,
             help="Power that the supply delivers to the coolant unit."),
        _psu("state", "cdu_power_supply_state", unit=Unit.NONE, states=CDU_PSU_STATES, high=1,
             help="State of the power supply: 1 for the state it is in, 0 for the others."),
    ),
)  # fmt: skip

_CDU_ROLLUPS = (
    Rollup("coolant_flow_liters_per_minute", "flow", Operation.SUM, Unit.LITERS_PER_MINUTE,
           "Coolant flow of all loops of the {level} together.", ABOVE_RACK),
    Rollup("coolant_flow_min_liters_per_minute", "flow", Operation.MIN, Unit.LITERS_PER_MINUTE,
           "Coolant flow of the loop of the {level} with least.", ABOVE_RACK),
    Rollup("coolant_flow_mean_liters_per_minute", "flow", Operation.MEAN, Unit.LITERS_PER_MINUTE,
           "Mean coolant flow of the loops of the {level}.", ABOVE_RACK),
    Rollup("coolant_supply_temperature_mean_celsius", "supply_temperature", Operation.MEAN,
           Unit.CELSIUS, "Mean temperature of the coolant to the servers of the {level}.",
           ABOVE_RACK),
    Rollup("coolant_supply_temperature_max_celsius", "supply_temperature", Operation.MAX,
           Unit.CELSIUS, "Warmest coolant to the servers of the {level}."),
    Rollup("coolant_return_temperature_mean_celsius", "return_temperature", Operation.MEAN,
           Unit.CELSIUS, "Mean temperature of the coolant from the servers of the {level}.",
           ABOVE_RACK),
    Rollup("coolant_return_temperature_max_celsius", "return_temperature", Operation.MAX,
           Unit.CELSIUS, "Warmest coolant from the servers of the {level}.", ABOVE_RACK),
    Rollup("coolant_heat_removed_watts", "heat_removed", Operation.SUM, Unit.WATTS,
           "Heat that the coolant of the {level} carries off.", ABOVE_RACK),
    Rollup("coolant_level_min_ratio", "level", Operation.MIN, Unit.RATIO,
           "Coolant in the emptiest reservoir of the {level}, as a fraction of its volume.",
           ABOVE_RACK),
    Rollup("coolant_condensation_margin_min_celsius", "condensation_margin", Operation.MIN,
           Unit.CELSIUS, "Least supply temperature of the {level} above the dew point of the "
           "room.", ABOVE_RACK),
    Rollup("coolant_leaks", "leak", Operation.COUNT, Unit.NONE, "Leak detectors of the {level} "
           "that say Warning or Critical.", ABOVE_RACK, excluding=(0.0, 3.0, 4.0)),
    Rollup("coolant_unit_power_watts", "power", Operation.SUM, Unit.WATTS,
           "Electrical power of the coolant units of the {level}.", ABOVE_RACK),
)  # fmt: skip

_CDU_TABLE = PageTable("Coolant unit", (
        DeviceColumn("flow", "Flow", Unit.LITERS_PER_MINUTE, "flow", 1),
        DeviceColumn("supply", "Supply", Unit.CELSIUS, "supply_temperature", 1),
        DeviceColumn("return", "Return", Unit.CELSIUS, "return_temperature", 1),
        DeviceColumn("heat", "Heat", "kW", "heat_removed", 1, 1e-3),
        DeviceColumn("level", "Level", Unit.PERCENT, "level", 0, 100.0),
        DeviceColumn("leak", "Leak", "", "leak"),
))  # fmt: skip

_FLOW_RATIO = 1.2
"""Upper end of the flow's scale, over the flow that the coolant unit holds."""
_CDU_FLOOR = (
    FloorValue("temperature", "Temperature", "coolant from the servers", Unit.CELSIUS, 1,
               "return_temperature", Operation.MAX, lambda _: (25.0, 60.0), rank=1),
    FloorValue("flow", "Flow", "coolant through the rack", Unit.LITERS_PER_MINUTE, 1, "flow",
               Operation.SUM, lambda site: (
                   0.0, scale_end(_FLOW_RATIO * site.cooling.flow_liters_per_minute)), rank=3),
)  # fmt: skip
_CDU_SIGNS = (
    TroubleSign(SERIOUS, ("the coolant leaks", ""), "leak", equals=2, rank=2),
    TroubleSign(DEGRADED, ("the leak detector warns", ""), "leak", equals=1, rank=2),
)


CDU = DeviceClass(
    name="cdu",
    frame=UnitKind.RACK,
    title="coolant distribution unit",
    table=_CDU_TABLE,
    rollups=_CDU_ROLLUPS,
    floor=_CDU_FLOOR,
    signs=_CDU_SIGNS,
    hosts=CDU_HOST,
    per_host=lambda site: int(site.has_liquid),
    detail=Detail.RACK,
    signals=(
        _cdu("flow", "cdu_coolant_flow_liters_per_minute", unit=Unit.LITERS_PER_MINUTE,
             decimals=2, high=10_000, help="Coolant flow in the rack's loop."),
        _celsius("supply_temperature", "cdu_coolant_supply_temperature_celsius",
                 help="Coolant temperature to the servers."),
        _celsius("return_temperature", "cdu_coolant_return_temperature_celsius",
                 help="Coolant temperature from the servers."),
        _pascals("supply_pressure", "cdu_coolant_supply_pressure_pascals",
                 help="Coolant pressure at the supply manifold."),
        _pascals("differential_pressure", "cdu_coolant_differential_pressure_pascals",
                 help="Pressure difference between supply and return manifold."),
        _pascals("filter_pressure", "cdu_filter_differential_pressure_pascals",
                 help="Pressure drop of the coolant filter; rises as it clogs."),
        _cdu("heat_removed", "cdu_heat_removed_watts", unit=Unit.WATTS, high=10_000_000,
             low=-10_000_000,
             help="Heat carried off by the coolant: flow times heat capacity times temperature "
                  "difference."),
        _cdu("level", "cdu_coolant_level_ratio", unit=Unit.RATIO, decimals=4, high=1,
             help="Coolant in the reservoir, as a fraction of its volume."),
        _celsius("facility_supply_temperature", "cdu_facility_water_supply_temperature_celsius",
                 help="Facility water temperature into the heat exchanger."),
        _celsius("facility_return_temperature", "cdu_facility_water_return_temperature_celsius",
                 help="Facility water temperature out of the heat exchanger."),
        _cdu("facility_flow", "cdu_facility_water_flow_liters_per_minute",
             unit=Unit.LITERS_PER_MINUTE, decimals=2, high=10_000,
             help="Facility water through the heat exchanger."),
        _cdu("facility_heat", "cdu_facility_water_heat_watts", unit=Unit.WATTS, high=10_000_000,
             low=-10_000_000, help="Heat that the facility water takes up."),
        _cdu("valve_position", "cdu_facility_water_valve_position_ratio", unit=Unit.RATIO,
             decimals=4, high=1, help="Opening of the facility water valve."),
        _cdu("valve_command", "cdu_facility_water_valve_command_ratio", unit=Unit.RATIO,
             decimals=4, high=1, help="Opening that the controller asks of the valve."),
        _cdu("condensation_margin", "cdu_condensation_margin_celsius", unit=Unit.CELSIUS,
             decimals=2, low=-100, high=200,
             help="Supply temperature above the dew point of the room."),
        _cdu("leak", "cdu_leak_detector_state", unit=Unit.NONE, states=LEAK_STATES, high=4,
             help="State of the leak detector: 1 for the state it is in, 0 for the others."),
        _cdu("power", "cdu_power_watts", unit=Unit.WATTS, decimals=1, high=1_000_000,
             help="Electrical power of the unit, pumps and controls."),
    ),
)  # fmt: skip
