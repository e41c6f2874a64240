"""Queries of the dashboard variables, and the labels they choose by."""

from __future__ import annotations

from twin.catalog import GPU, Level
from twin.catalog.selectors import rollup, select

__all__ = [
    "AMD_ARRAYS",
    "ARRAYS",
    "GPUS",
    "HALLS",
    "HOSTS",
    "JOINED_ARRAYS",
    "RACKS",
    "SERVING_ARRAYS",
    "SITES",
]


def _metric(level: Level, name: str) -> str:
    return rollup(level, name).metric(level)


def _values(label: str, metric: str, *matchers: str) -> str:
    return f"label_values({select(metric, *matchers)}, {label})"


_OF_RACKS = _metric(Level.RACK, "it_power_watts")
_OF_GPUS = GPU["gpu_temp"].metric
_SERVES = _metric(Level.ARRAY, "inference_requests_running")
_JOINED = _metric(Level.RACK, "bus_voltage_min_volts")
_SITE, _HALL = 'site="$site"', 'hall=~"$hall"'
_ANY_SITE, _ANY_ARRAY, _ANY_RACK = 'site=~"$site|"', 'array=~"$array|"', 'rack=~"$rack|"'

SITES = _values("site", _metric(Level.SITE, "it_power_watts"))
HALLS = _values("hall", _OF_RACKS, _SITE)
ARRAYS = _values("array", _OF_RACKS, _SITE, _HALL)
SERVING_ARRAYS = _values("array", _SERVES, _SITE, _HALL)
"""Those with servers that serve a model."""
JOINED_ARRAYS = _values("array", _JOINED, _SITE, _HALL)
"""Those with NVL72 racks."""
AMD_ARRAYS = _values("array", _metric(Level.RACK, "gpus_unhealthy"), _SITE, _HALL)
"""Those with AMD GPUs."""
RACKS = _values("rack", _OF_RACKS, _SITE, 'array=~"$array|"')
HOSTS = _values("Hostname", _OF_GPUS, _ANY_SITE, _ANY_ARRAY, _ANY_RACK)
GPUS = _values("gpu", _OF_GPUS, _ANY_SITE, 'Hostname="$host"')
