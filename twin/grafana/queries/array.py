"""The arrays of a hall, and one array: its racks side by side, its leaf switches."""

from __future__ import annotations

from functools import partial

from twin.catalog import CDU, LEAF, Level
from twin.grafana.promql import Expr
from twin.grafana.queries.racks import SILENT
from twin.grafana.units import COUNT
from twin.grafana.values import IN_ARRAY, ON_SITE, of, own, rolled

_IN_HALL = (*ON_SITE, 'hall=~"$hall"')

_hall = partial(rolled, Level.ARRAY, within=_IN_HALL)
_array = partial(rolled, Level.ARRAY, within=IN_ARRAY)
_rack = partial(rolled, Level.RACK, within=IN_ARRAY)
_leaf = partial(of, LEAF, within=IN_ARRAY)

# -- the arrays of a hall -------------------------------------------------------------

ARRAY_HEAT = _hall("gpu_temperature_max_celsius").max("array")
ARRAY_POWER = _hall("it_power_watts").sum("array")
ARRAY_GPUS = _hall("gpus_reporting").sum("array")
ARRAY_NICS_DOWN = _hall("nics_down").sum("array")
ARRAY_FLOW = _hall("coolant_flow_min_liters_per_minute").min("array")
ARRAY_UTILISATION = _hall("gpu_utilization_mean_percent").mean("array")

# -- one array ------------------------------------------------------------------------

RACKS = _rack("it_power_watts").count()
GPUS = _array("gpus_reporting").in_unit(COUNT)
GPUS_MISSING = _array("gpus_missing").in_unit(COUNT)
NICS = _array("nics_up").in_unit(COUNT)
NICS_DOWN = _array("nics_down").in_unit(COUNT)
POWER = _array("it_power_watts")
HEAT = _array("gpu_temperature_max_celsius")
PUMPS_FAILED = _array("pumps_failed")

RACK_HEAT = _rack("gpu_temperature_max_celsius")
_TILE = "max by (hall, array, rack)"
_REPORTS = own("unit_reporting", 'kind="rack"', 'array="$array"')
RACK_TILES = Expr(f"{_TILE} ({RACK_HEAT}) or {_TILE} ({SILENT} + {_REPORTS})", RACK_HEAT.unit)
"""The hottest GPU of every rack of the array; those without any keep their place."""
RACK_POWER = _rack("it_power_watts")
RACK_CLOCK = _rack("gpu_sm_clock_mean_megahertz")

FLOW = of(CDU, "flow", within=IN_ARRAY)
SUPPLY = of(CDU, "supply_temperature", within=IN_ARRAY)
RETURN = of(CDU, "return_temperature", within=IN_ARRAY)
RISE = RETURN.minus(SUPPLY)

LEAF_RECEIVED = _leaf("rx_bytes").rate()
LEAF_UPLINKS_USED = _leaf("uplink_tx_bytes").rate().per(_leaf("uplink_capacity"))
LEAF_UPLINKS = _leaf("uplinks_up")
LEAF_DOWNLINKS = _leaf("downlinks_up")
LEAF_MARKED = _leaf("ecn_marked").rate().in_unit("pps")
LEAF_PAUSES = _leaf("pause").rate().in_unit("pps")
LEAF_DISCARDS = _leaf("discarded_bytes").rate()
LEAF_HEAT = _leaf("temperature")
LEAF_POWER = _leaf("power")
