"""Queries of the dashboard variables, and the labels they choose by."""

from __future__ import annotations

from twin.catalog import GPU, Level
from twin.catalog.selectors import rollup, select

__all__ = ["ARRAYS", "GPUS", "HALLS", "HOSTS", "RACKS", "SITES"]


def _metric(level: Level, name: str) -> str:
    return rollup(level, name).metric(level)


def _values(label: str, metric: str, *matchers: str) -> str:
    return f"label_values({select(metric, *matchers)}, {label})"


_OF_RACKS = _metric(Level.RACK, "it_power_watts")
_OF_GPUS = GPU["gpu_temp"].metric
_SITE = 'site="$site"'
_ANY_SITE, _ANY_ARRAY, _ANY_RACK = 'site=~"$site|"', 'array=~"$array|"', 'rack=~"$rack|"'

SITES = _values("site", _metric(Level.SITE, "it_power_watts"))
HALLS = _values("hall", _OF_RACKS, _SITE)
ARRAYS = _values("array", _OF_RACKS, _SITE, 'hall=~"$hall"')
RACKS = _values("rack", _OF_RACKS, _SITE, 'array=~"$array|"')
HOSTS = _values("Hostname", _OF_GPUS, _ANY_SITE, _ANY_ARRAY, _ANY_RACK)
GPUS = _values("gpu", _OF_GPUS, _ANY_SITE, 'Hostname="$host"')
