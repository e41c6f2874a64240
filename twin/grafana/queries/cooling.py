"""Cooling: from the chillers to the cold plates."""

from __future__ import annotations

from functools import partial

from twin.catalog import CDU, CHILLER, FACILITY, FAN, PUMP, SERVER, WATER, Level
from twin.grafana.promql import Expr
from twin.grafana.units import COUNT, RATIO
from twin.grafana.values import IN_RACK, of, rolled

_WORST = 10
_INLET, _OUTLET = 'name="Inlet Temp"', 'name="Outlet Temp"'
_BY_RACK = ("array", "rack")

_site = partial(rolled, Level.SITE)
_rack = partial(rolled, Level.RACK)
_cdu = partial(of, CDU)
_one = partial(of, CDU, within=IN_RACK)
_pump = partial(of, PUMP, within=IN_RACK)

# -- all coolant units ----------------------------------------------------------------

PUMPS_RUNNING = _site("pumps_running").in_unit(COUNT)
PUMPS_FAILED = _site("pumps_failed").in_unit(COUNT)
SUPPLIES_FAILED = _site("coolant_unit_psus_failed").in_unit(COUNT)
LEAKING = _site("coolant_leaks").in_unit(COUNT)
FLOW_MEAN = _site("coolant_flow_mean_liters_per_minute")
FLOW_LOWEST = _site("coolant_flow_min_liters_per_minute")
SUPPLY_MEAN = _site("coolant_supply_temperature_mean_celsius")
SUPPLY_HIGHEST = _site("coolant_supply_temperature_max_celsius")
RETURN_MEAN = _site("coolant_return_temperature_mean_celsius")
RETURN_HIGHEST = _site("coolant_return_temperature_max_celsius")
RISE_MEAN = RETURN_MEAN.minus(SUPPLY_MEAN)
HEAT_REMOVED = _site("coolant_heat_removed_watts")
MARGIN_LOWEST = _site("coolant_condensation_margin_min_celsius")
LEVEL_LOWEST = _site("coolant_level_min_ratio")

_RISES = _cdu("return_temperature").minus(_cdu("supply_temperature"))
VALVE_MEAN = _cdu("valve_position").mean()
VALVE_HIGHEST = _cdu("valve_position").max()
FILTER_HIGHEST = _cdu("filter_pressure").max()
FILTER_MEAN = _cdu("filter_pressure").mean()

WORST_FLOW = _cdu("flow").min(*_BY_RACK).bottom(_WORST)
WORST_RISE = _RISES.max(*_BY_RACK).kept_by(WORST_FLOW)
WORST_FILTER = _cdu("filter_pressure").max(*_BY_RACK).kept_by(WORST_FLOW)
WORST_PUMPS = of(PUMP, "state", 'state="running"').sum(*_BY_RACK).kept_by(WORST_FLOW)
LEAKS = _cdu("leak", 'state=~"Warning|Critical"').equals(1).during("coolant-leak")

# -- facility water and weather -------------------------------------------------------

WATER_SUPPLY = of(FACILITY, "water_temperature")
WATER_RETURN = of(WATER, "return_temperature")
WATER_FLOW = of(WATER, "flow")
WATER_HEAT = of(WATER, "heat")
CAPACITY = of(WATER, "capacity")
CAPACITY_USED = WATER_HEAT.per(CAPACITY, RATIO)
PERFORMANCE = of(WATER, "performance").in_unit("none")
COOLING_POWER = of(FACILITY, "cooling_power")
CHILLER_STATES = of(CHILLER, "state").sum("state")
OUTDOOR = of(WATER, "outdoor_temperature")
OUTDOOR_DEW_POINT = of(WATER, "outdoor_dew_point")
ROOM = of(WATER, "room_temperature")
ROOM_DEW_POINT = of(WATER, "room_dew_point")

# -- air-cooled servers ---------------------------------------------------------------

FANS_FAILED = _site("fans_failed").in_unit(COUNT)
FAN_SPEED_MEAN = _site("fan_speed_mean_ratio")
FAN_SPEED_HIGHEST = _site("fan_speed_max_ratio")
INLET_HIGHEST = _site("server_inlet_temperature_max_celsius")
HOT_AISLE = of(WATER, "hot_aisle")

_FAILED = _rack("fans_failed").max(*_BY_RACK)
_SPEED = _rack("fan_speed_max_ratio").max(*_BY_RACK)
_WORST_FANS = Expr(f"topk({_WORST}, {_FAILED} + {_SPEED})")
"""A rack with a failed fan comes before all without one, even if all of its fans stand still."""
WORST_FAILED = _FAILED.kept_by(_WORST_FANS)
WORST_SPEED = _SPEED.kept_by(_WORST_FANS)
WORST_INLET = _rack("server_inlet_temperature_max_celsius").max(*_BY_RACK).kept_by(_WORST_FANS)
WORST_GPU = _rack("gpu_temperature_max_celsius").max(*_BY_RACK).kept_by(_WORST_FANS)
_FANS = of(FAN, "speed_ratio", within=IN_RACK).by_host()
RACK_FANS = _FANS.mean("instance")
RACK_SLOWEST_FAN = _FANS.min("instance")
RACK_INLET = of(SERVER, "inlet_temperature", _INLET, within=IN_RACK).by_host()
RACK_OUTLET = (
    of(SERVER, "outlet_temperature", _OUTLET, within=IN_RACK)
    .by_host()
    .empty_when("only air-cooled servers show the air out of them")
)

# -- one rack -------------------------------------------------------------------------

RACK_FLOW = _one("flow")
RACK_HEAT = _one("heat_removed")
RACK_SUPPLY = _one("supply_temperature")
RACK_RETURN = _one("return_temperature")
RACK_WATER_SUPPLY = _one("facility_supply_temperature")
RACK_WATER_RETURN = _one("facility_return_temperature")
RACK_VALVE = _one("valve_position")
RACK_VALVE_ASKED = _one("valve_command")
RACK_FILTER = _one("filter_pressure")
RACK_DIFFERENCE = _one("differential_pressure")
RACK_LEVEL = _one("level")
PUMP_SPEED = _pump("speed_ratio")
PUMP_FLOW = _pump("flow")
PUMP_POWER = _pump("power")
PUMP_VIBRATION = _pump("vibration")
