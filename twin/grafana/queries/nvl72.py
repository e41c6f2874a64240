"""NVL72 racks: NVLink domains, power shelves and compute trays."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.catalog import GPU, GRACE, NVLINK, POWER_SHELF, SWITCH_TRAY, Level
from twin.grafana.promql import Expr
from twin.grafana.units import COUNT
from twin.grafana.values import IN_ARRAY, of, rolled

_WORST = 20
_BY_RACK = ("array", "rack")
_BUS = 'sensor_name="BusVoltage"'
_BY_LINK = ("array", "rack", "tray_index", "device_num_on_tray", "port_label")

_site = partial(rolled, Level.SITE)
_rack = partial(rolled, Level.RACK, within=IN_ARRAY)
_link, _gpu = partial(of, NVLINK, within=IN_ARRAY), partial(of, GPU, within=IN_ARRAY)

# -- now ------------------------------------------------------------------------------

LINKS_DOWN = _site("nvlinks_down").in_unit(COUNT)
_SWITCH_UP = of(SWITCH_TRAY, "up", f'job="{SWITCH_TRAY["up"].family.job}"')
TRAYS_OFF = Expr(f"sum({_SWITCH_UP} == bool 0)", COUNT)
SUPPLIES_OFF = _site("shelf_psus_failed").in_unit(COUNT)
BUS_VOLTS = of(POWER_SHELF, "voltage", _BUS, within=IN_ARRAY).max(*_BY_RACK)
"""The greatest: a shelf that is off reads 0 V on a bus that the others carry."""
BUS_LOWEST = BUS_VOLTS.min()
TRAY_LOWEST = _site("tray_voltage_min_volts")
LEAK_LOWEST = _site("leak_detector_voltage_min_volts")

# -- NVLink ---------------------------------------------------------------------------

_RECOVERED = _link("recoveries").increase("1h").sum(*_BY_LINK)
_STATE = _link("opcode").max(*_BY_LINK)
_BAD, _ALONE = f"{limit.NVLINK_BAD_SIGNAL.value:g}", "2"
_RANK = f"1e6 * ({_STATE} == bool {_BAD}) + {_RECOVERED} + 0.5 * ({_STATE} == bool {_ALONE})"
WORST_LINKS = Expr(f"sort_desc(topk({_WORST}, {_RANK}))")
"""A bad signal comes before all that only recover; links without a partner come last: a switch
tray that is off leaves 144 of them, which would hide all others."""
WORST_RECOVERED = _RECOVERED.kept_by(WORST_LINKS).in_unit(COUNT)
WORST_STATE = _STATE.kept_by(WORST_LINKS).saying({0: "ok", 2: "no partner", 15: "bad signal"})
WORST_SYMBOLS = _link("symbol_errors").max(*_BY_LINK).kept_by(WORST_LINKS)
WORST_FALLS = _link("link_down").max(*_BY_LINK).kept_by(WORST_LINKS)
RECOVERIES = _link("recoveries").increase("10m").sum(*_BY_RACK).in_unit(COUNT)
LIMITED = Expr(f"sum by (array, rack) ({_gpu('fabric_health')} == bool 3)").in_unit(COUNT)

# -- power smoothing --------------------------------------------------------------------

SMOOTHED = _rack("gpus_smoothed").max(*_BY_RACK).in_unit(COUNT)
FLOOR = _rack("gpu_smoothing_floor_watts").max(*_BY_RACK)
GPUS_POWER = _rack("gpu_power_watts").max(*_BY_RACK).kept_by(FLOOR)
SMOOTHING_CEILING = _gpu("smoothing_ceiling").min(*_BY_RACK)
SMOOTHING_LIFETIME = _gpu("smoothing_lifetime").min(*_BY_RACK)

# -- power shelves and trays ----------------------------------------------------------

SHELF_POWER = _rack("shelf_output_power_watts").max(*_BY_RACK)
SWITCH_POWER = _rack("switch_tray_power_watts").max(*_BY_RACK)
TRAY_VOLTS = _rack("tray_voltage_min_volts").max(*_BY_RACK)
DETECTORS = _rack("leak_detector_voltage_min_volts").max(*_BY_RACK)
MODULES = of(GRACE, "module_power", within=IN_ARRAY).max(*_BY_RACK)
