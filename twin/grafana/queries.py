"""PromQL of the dashboards: every metric is named by the catalogue, none by hand.

Most read the roll-ups, which cost the same at any size. Those that sum over the ports
and GPUs themselves are cheap for some thousands of them. ``$site`` is the dashboard's
variable.
"""

from __future__ import annotations

from twin.aggregator.telemetry import OWN_METRICS
from twin.catalog import (
    CDU,
    FACILITY,
    GENSET,
    GPU,
    GRID,
    JOB,
    MEGAPACK,
    NIC,
    PUMP,
    ROLLUPS,
    DeviceClass,
    Level,
)

__all__ = ["SITES", "of", "own", "rack", "site"]

_SITE = 'site="$site"'
_SHOWN_RACKS = 64
_LISTED_RACKS = 8


def _select(metric: str, *matchers: str) -> str:
    return f"{metric}{{{', '.join((_SITE, *matchers))}}}"


def of(device: DeviceClass, signal: str, *matchers: str) -> str:
    """Return the selector of one signal on this site.

    Raises:
        KeyError: the device class has no such signal.
    """
    return _select(device[signal].metric, *matchers)


def _rollup(level: Level, name: str) -> str:
    for rollup in ROLLUPS:
        if rollup.name == name:
            return rollup.metric(level)
    raise KeyError(f"there is no roll-up {name!r}")


def site(name: str) -> str:
    """Return the selector of a roll-up over the site.

    Raises:
        KeyError: there is no such roll-up.
    """
    return _select(_rollup(Level.SITE, name))


def rack(name: str) -> str:
    """Return the selector of a roll-up over each rack.

    Raises:
        KeyError: there is no such roll-up.
    """
    return _select(_rollup(Level.RACK, name))


def own(name: str, *matchers: str, suffix: str = "") -> str:
    """Return the selector of one of the aggregator's own metrics, named without prefix.

    Raises:
        KeyError: the aggregator has no such metric.
    """
    for metric in OWN_METRICS:
        if metric.name == f"twin_{name}":
            return _select(metric.name + suffix, *matchers)
    raise KeyError(f"the aggregator has no metric {name!r}")


SITES = f"label_values({_rollup(Level.SITE, 'gpus_reporting')}, site)"
"""The values of the variable ``$site``."""

# -- now ----------------------------------------------------------------------

GPUS_REPORTING = site("gpus_reporting")
GPUS_OF_JOB = of(JOB, "gpus")
_RACKS = own("unit_reporting", 'kind="rack"')
RACKS_REPORTING = f"sum({_RACKS})"
RACKS = f"count({_RACKS})"
JOB_STATE = f"{of(JOB, 'state')} == 1"
STEPS_PER_MINUTE = f"60 * rate({of(JOB, 'steps')}[5m])"
GOODPUT = of(JOB, "goodput")
IT_POWER = of(FACILITY, "it_power")
FACILITY_POWER = of(FACILITY, "power")
PUE = of(FACILITY, "pue")
FIRING = 'ALERTS{alertstate="firing", site=~"$site|"}'
FIRING_COUNT = f"count({FIRING}) or vector(0)"
_PLACED = (
    f'label_replace(label_replace({FIRING}, "place", "$1", "instance", "(.*)"), '
    '"place", "$1", "rack", "(.+)")'
)
FIRING_BY_PLACE = f"count by (severity, alertname, place) ({_PLACED})"

# -- power --------------------------------------------------------------------

GRID_IMPORT = f"sum({of(GRID, 'power')})"
GRID_LIMIT = f"sum({of(GRID, 'limit')})"
MEGAPACK_POWER = f"sum({of(MEGAPACK, 'power')})"
GENSET_POWER = f"sum({of(GENSET, 'power')})"
SOC_MEAN = f"avg({of(MEGAPACK, 'soc')})"
SOC_LOWEST = f"min({of(MEGAPACK, 'soc')})"
SOC_HIGHEST = f"max({of(MEGAPACK, 'soc')})"
GRID_USE = f"{GRID_IMPORT} / {GRID_LIMIT}"
MEGAPACK_STATES = f"sum by (state) ({of(MEGAPACK, 'inverter_state')})"


def swing(selector: str) -> str:
    """Return the difference between the highest and the lowest value of the last minute."""
    return f"max_over_time({selector}[1m]) - min_over_time({selector}[1m])"


FACILITY_SWING = swing(FACILITY_POWER)
GRID_SWING = f"sum({swing(of(GRID, 'power'))})"

# -- GPUs ---------------------------------------------------------------------

GPU_TEMPERATURE_MAX = site("gpu_temperature_max_celsius")
GPU_TEMPERATURE_MEAN = site("gpu_temperature_mean_celsius")
GPU_MEMORY_TEMPERATURE_MAX = site("gpu_memory_temperature_max_celsius")
GPU_UTILISATION = f"{site('gpu_utilization_mean_percent')} / 100"
GPU_CLOCK = f"1e6 * {site('gpu_sm_clock_mean_megahertz')}"
GPU_POWER = f"{site('gpu_power_watts')} / {GPUS_REPORTING}"
THERMAL_THROTTLED = f"count(rate({of(GPU, 'thermal_violation')}[1m]) > 0) or vector(0)"
POWER_THROTTLED = f"count(rate({of(GPU, 'power_violation')}[1m]) > 0) or vector(0)"

_RACK_HEAT = f"max by (rack) ({rack('gpu_temperature_max_celsius')})"
_HOTTEST = f"topk({_LISTED_RACKS}, {_RACK_HEAT})"
RACK_HEAT = f"topk({_SHOWN_RACKS}, {_RACK_HEAT})"
RACK_TEMPERATURES = rack("gpu_temperature_max_celsius")
HOTTEST_TEMPERATURE = _HOTTEST
HOTTEST_POWER = f"sum by (rack) ({rack('it_power_watts')}) and {_HOTTEST}"
HOTTEST_GPUS = f"sum by (rack) ({rack('gpus_reporting')}) and {_HOTTEST}"
HOTTEST_FLOW = f"sum by (rack) ({of(CDU, 'flow')}) and {_HOTTEST}"

# -- cooling ------------------------------------------------------------------

FLOW_MEAN = f"avg({of(CDU, 'flow')})"
FLOW_LOWEST = f"min({of(CDU, 'flow')})"
SUPPLY_MEAN = f"avg({of(CDU, 'supply_temperature')})"
RETURN_MEAN = f"avg({of(CDU, 'return_temperature')})"
RETURN_HIGHEST = f"max({of(CDU, 'return_temperature')})"
WATER_SUPPLY = of(FACILITY, "water_temperature")
PUMP_STATES = f"sum by (state) ({of(PUMP, 'state')})"
HEAT_REMOVED = f"sum({of(CDU, 'heat_removed')})"

# -- network ------------------------------------------------------------------

PORTS_UP = site("nics_up")
PORTS = f"count({of(NIC, 'up')})"
TRANSMITTED = f"sum(rate({of(NIC, 'tx_bytes')}[$__rate_interval]))"
RECEIVED = f"sum(rate({of(NIC, 'rx_bytes')}[$__rate_interval]))"
ECN_MARKED = f"sum(rate({of(NIC, 'ecn_marked')}[$__rate_interval]))"
CNP_SENT = f"sum(rate({of(NIC, 'cnp_sent')}[$__rate_interval]))"
RETRANSMITS = f"sum(rate({of(NIC, 'adaptive_retransmits')}[$__rate_interval]))"
LINKS_LOST = f"sum(increase({of(NIC, 'link_downed')}[5m]))"

# -- telemetry ----------------------------------------------------------------

FAULTS = f"{own('fault_active')} == 1"
FAULTS_TABLE = f"max by (fault, target) ({FAULTS})"
MISSING = f"count by (kind, reason) ({own('unit_missing')})"
FRAMES = f"sum by (kind) (rate({own('frames_ingested_total')}[1m]))"
LOST = f"sum(increase({own('frames_lost_total')}[5m]))"
REFUSED = f"sum(increase({own('messages_refused_total')}[5m]))"
_LAG = f"sum by (le) (rate({own('ingest_lag_seconds', suffix='_bucket')}[1m]))"
LAG_MEDIAN = f"histogram_quantile(0.5, {_LAG})"
LAG_HIGH = f"histogram_quantile(0.99, {_LAG})"
