"""One rack: GPUs, servers, NIC ports, pumps, power supplies, PDUs."""

from __future__ import annotations

from dataclasses import replace

from twin.catalog import CDU, GPU, NIC, PSU, PUMP, SERVER, Level
from twin.grafana.promql import Expr
from twin.grafana.units import COUNT
from twin.grafana.values import IN_RACK, NO_VIRTUAL_DEVICE, of, rolled


def _rack(name: str) -> Expr:
    return rolled(Level.RACK, name, within=IN_RACK)


def _gpu(signal: str) -> Expr:
    return of(GPU, signal, within=IN_RACK)


def _nic(signal: str, *matchers: str) -> Expr:
    return of(NIC, signal, *matchers, within=IN_RACK)


def _pump(signal: str, *matchers: str) -> Expr:
    return of(PUMP, signal, *matchers, within=IN_RACK)


def _cdu(signal: str, *matchers: str) -> Expr:
    return of(CDU, signal, *matchers, within=IN_RACK)


# -- now ------------------------------------------------------------------------------

GPUS = _rack("gpus_reporting").in_unit(COUNT)
GPUS_MISSING = _rack("gpus_missing").in_unit(COUNT)
NICS = _rack("nics_up").in_unit(COUNT)
NICS_DOWN = _rack("nics_down").in_unit(COUNT)
POWER = _rack("it_power_watts")
HEAT = _rack("gpu_temperature_max_celsius")
PUMPS_RUNNING = _pump("state", 'state="running"').sum()

_BY_GPU = "max by (array, rack, Hostname, gpu)"

# -- GPUs -----------------------------------------------------------------------------

_SEEN = "1d"
LOST = -1
GPU_HEAT = Expr(
    f"{_BY_GPU} ({_gpu('gpu_temp')}) or "
    f"{_BY_GPU} ({LOST} + 0 * last_over_time({_gpu('gpu_temp')}[{_SEEN}]))",
    _gpu("gpu_temp").unit,
)
"""Of every GPU that has answered within a day, :data:`LOST` for one that does not now."""
GPU_TILES = replace(
    GPU_HEAT, raw=f'label_replace({GPU_HEAT.raw}, "node", "$1", "Hostname", "(?:.*-)?(.+)")'
)
"""The same, called by what comes after the last dash of the host's name: the rest is the rack's."""
GPU_POWER = _gpu("power_usage")
GPU_CLOCK = _gpu("sm_clock")
HOST_HEAT = _gpu("gpu_temp").max("Hostname")
HOST_POWER = GPU_POWER.sum("Hostname")
HOST_CLOCK = GPU_CLOCK.mean("Hostname")
THROTTLED_BY_HEAT = _gpu("thermal_violation").rate().mean("Hostname")
THROTTLED_BY_POWER = _gpu("power_violation").rate().mean("Hostname")
XID = Expr(f"{_gpu('xid')} > 0").during("gpu-xid")

# -- servers --------------------------------------------------------------------------

SERVER_POWER = of(SERVER, "power", within=IN_RACK).by_host()
INLET = of(SERVER, "inlet_temperature", within=IN_RACK)
PSU_STATE = of(PSU, "state", within=IN_RACK).by_host().max("instance")
PSU_OUTPUT = of(PSU, "output_power", within=IN_RACK)

# -- network --------------------------------------------------------------------------

SENT = _nic("tx_bytes").rate().by_host().sum("instance")
RECEIVED = _nic("rx_bytes").rate().by_host().sum("instance")
PORTS_DOWN = _nic("up", NO_VIRTUAL_DEVICE).by_host().equals(0).during("nic-down")
LINKS_LOST = _nic("link_downed").increase("15m").by_host().sum("instance")
MARKED = _nic("ecn_marked").rate().by_host().sum("instance").in_unit("pps")

# -- cooling and power ----------------------------------------------------------------

FLOW = _cdu("flow")
SUPPLY = _cdu("supply_temperature")
RETURN = _cdu("return_temperature")
PUMP_SPEED = _pump("speed_ratio")
PUMP_FLOW = _pump("flow")
PUMP_POWER = _pump("power")
