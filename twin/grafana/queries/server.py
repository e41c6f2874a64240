"""One host and its GPUs, by the labels of the real exporters alone."""

from __future__ import annotations

from twin.catalog import GPU, NIC, PSU, SERVER
from twin.grafana.promql import Expr
from twin.grafana.units import COUNT, RATIO
from twin.grafana.values import HOST, NODE, of

_CHOSEN = 'gpu=~"$gpu"'


def _gpu(signal: str) -> Expr:
    return of(GPU, signal, _CHOSEN, within=HOST)


def _nic(signal: str) -> Expr:
    return of(NIC, signal, within=NODE)


# -- now ------------------------------------------------------------------------------

_SEEN = "1d"
"""A GPU that has answered within this time belongs to the host, whether it answers now or not."""
_ALL = of(GPU, "gpu_temp", within=HOST)
_HERE = f"(count(count by (gpu) ({_ALL})) or vector(0))"
_EVER = f"count(count by (gpu) (last_over_time({_ALL}[{_SEEN}])))"
GPUS = Expr(
    f'(count_values("here", {_HERE}) * on () group_left (ever) count_values("ever", {_EVER})) '
    f"* on () group_left () ({_EVER} - {_HERE})",
    COUNT,
)
"""How many GPUs are lost; the labels ``here`` and ``ever`` say of how many."""
LOST = -1
_CHOSEN_SEEN = of(GPU, "gpu_temp", _CHOSEN, within=HOST)
TILES = Expr(
    f"max by (gpu) ({_CHOSEN_SEEN}) or "
    f"max by (gpu) ({LOST} + 0 * last_over_time({_CHOSEN_SEEN}[{_SEEN}]))",
    _ALL.unit,
)
"""Temperature of every GPU that the host has, :data:`LOST` for one that does not answer."""
MODEL = of(GPU, "gpu_temp", within=HOST).count("modelName", "DCGM_FI_DRIVER_VERSION")
HEAT_HIGHEST = _gpu("gpu_temp").max()
GPU_POWER_TOTAL = _gpu("power_usage").sum()
MEMORY_USED_TOTAL = _gpu("fb_used").sum()
XID_COUNT = Expr(f"count({_gpu('xid')} > 0) or vector(0)")

# -- GPUs -----------------------------------------------------------------------------

HEAT = _gpu("gpu_temp").max("gpu")
MEMORY_HEAT = _gpu("memory_temp").max("gpu")
POWER = _gpu("power_usage").max("gpu")
SM_CLOCK = _gpu("sm_clock").max("gpu")
UTILISATION = _gpu("gpu_util").max("gpu")
TENSOR = _gpu("tensor_active").max("gpu")
DRAM = _gpu("dram_active").max("gpu")
MEMORY_SHARE = Expr(
    f"max by (gpu) ({_gpu('fb_used')} / "
    f"({_gpu('fb_used')} + {_gpu('fb_free')} + {_gpu('fb_reserved')}))",
    RATIO,
)
NVLINK = _gpu("nvlink_bandwidth").max("gpu")
PCIE_SENT = _gpu("pcie_tx").max("gpu")
PCIE_RECEIVED = _gpu("pcie_rx").max("gpu")
PCIE_REPLAYS = _gpu("pcie_replay").rate("5m").max("gpu")
ROWS_CORRECTABLE = _gpu("correctable_rows").max("gpu")
ROWS_UNCORRECTABLE = _gpu("uncorrectable_rows").max("gpu")
ROW_REMAP_FAILURE = _gpu("row_remap_failure").max("gpu")
_XID_SEEN = of(GPU, "xid", _CHOSEN, within=HOST)
XID = Expr(
    f"max by (gpu) ({_XID_SEEN}) or "
    f"max by (gpu) ({LOST} + 0 * last_over_time({_XID_SEEN}[{_SEEN}]))"
).saying({0: "none"})
ECC_SINGLE = _gpu("ecc_sbe_volatile").max("gpu")
ECC_DOUBLE = _gpu("ecc_dbe_volatile").max("gpu")
NVLINK_CRC = _gpu("nvlink_crc_flit").rate("5m").max("gpu")
NVLINK_REPLAYS = _gpu("nvlink_replay").rate("5m").max("gpu")
NVLINK_RECOVERIES = _gpu("nvlink_recovery").rate("5m").max("gpu")
THROTTLED_BY_HEAT = _gpu("thermal_violation").rate().max("gpu")
THROTTLED_BY_POWER = _gpu("power_violation").rate().max("gpu")

# -- the host -------------------------------------------------------------------------

HOST_POWER = of(SERVER, "power", within=NODE)
INLET = of(SERVER, "inlet_temperature", within=NODE)
PSU_OUTPUT = of(PSU, "output_power", within=NODE)
SENT = _nic("tx_bytes").rate()
RECEIVED = _nic("rx_bytes").rate()
PORT_STATE = _nic("state")
PSU_STATE = of(PSU, "state", within=NODE)
INLET_STATE = of(SERVER, "inlet_state", within=NODE)
_TARGETS = "|".join(SERVER[name].family.job for name in ("up_dcgm", "up_node", "up_ipmi"))
EXPORTERS = of(SERVER, "up_node", f'job=~"{_TARGETS}"', within=NODE).max("job")
