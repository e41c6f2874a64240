"""AMD GPUs, by the metrics of AMD's Device Metrics Exporter."""

from __future__ import annotations

from functools import partial

from twin.catalog import AMD_GPU, Level
from twin.catalog.selectors import select
from twin.grafana.promql import Expr
from twin.grafana.units import COUNT, NUMBER, WATTS
from twin.grafana.values import IN_ARRAY, of, rolled

_HOTTEST = 20
_BY_HOST = ("array", "rack", "hostname")
_BY_GPU = (*_BY_HOST, "gpu_id")

_gpu = partial(of, AMD_GPU, within=IN_ARRAY)
_rack = partial(rolled, Level.RACK, within=IN_ARRAY)
_ALL = select(AMD_GPU["health"].metric, *IN_ARRAY)


def _held(cause: str) -> Expr:
    """Return how many GPUs of each rack a cause holds back; it is counted in milliseconds."""
    samples = select(AMD_GPU[f"{cause}_accumulated"].metric, *IN_ARRAY)
    return Expr(f"sum by (array, rack) (rate({samples}[$__rate_interval])) / 1e3", NUMBER)


REPORTING = Expr(f"count({_ALL})", COUNT)
UNHEALTHY = _rack("gpus_unhealthy").sum().in_unit(COUNT)
POWER = Expr(f"sum({select(AMD_GPU['package_power'].metric, *IN_ARRAY)})", WATTS)
HOTTEST = _gpu("junction_temperature").max()

TEMPERATURES = _gpu("junction_temperature").max(*_BY_HOST)
MEMORY_TEMPERATURES = _gpu("memory_temperature").max(*_BY_HOST)
POWERS = _gpu("package_power").sum(*_BY_HOST)
ACTIVITY = _gpu("gfx_activity").mean(*_BY_HOST)
CLOCKS = _gpu("gfx_clock").min(*_BY_HOST)
HELD_BY_POWER = _held("ppt")
HELD_BY_HEAT = _held("socket_thermal")

WORST_TEMPERATURE = _gpu("junction_temperature").max(*_BY_GPU).top(_HOTTEST)
WORST_POWER = _gpu("package_power").max(*_BY_GPU).kept_by(WORST_TEMPERATURE)
WORST_CORRECTED = _gpu("ecc_correct_total").max(*_BY_GPU).kept_by(WORST_TEMPERATURE)
WORST_LOST = _gpu("ecc_uncorrect_total").max(*_BY_GPU).kept_by(WORST_TEMPERATURE)
