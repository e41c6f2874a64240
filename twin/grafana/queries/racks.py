"""Every rack of the site at once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twin.catalog import Level
from twin.grafana.promql import Expr
from twin.grafana.selectors import ON_SITE, own, rollup
from twin.grafana.units import GRAFANA

_RACKS = own("unit_reporting", 'kind="rack"')

REPORTING = _RACKS.sum()
INSTALLED = _RACKS.count()
WITHOUT_VALUE = Expr(
    f'0 * {_RACKS} unless on (rack) {{__name__=~"$map", {", ".join(ON_SITE)}}}'
).during("gateway-silent")
"""Racks that are silent, or whose devices that are asked for are."""

_MAP: Mapping[str, str] = {
    "Hottest GPU": "gpu_temperature_max_celsius",
    "IT power": "it_power_watts",
    "GPU utilisation": "gpu_utilization_mean_percent",
    "GPUs missing": "gpus_missing",
    "NIC ports down": "nics_down",
    "Coolant supply": "coolant_supply_temperature_max_celsius",
}

CHOICES: Mapping[str, str] = MappingProxyType(
    {title: rollup(Level.RACK, name).metric(Level.RACK) for title, name in _MAP.items()}
)
"""What the map can be coloured by: title to metric, the value of the variable ``$map``."""


def map_of(title: str) -> Expr:
    """Return the values of all racks, which answer only while ``$map`` chooses them.

    Raises:
        KeyError: the map has no such choice.
    """
    found = rollup(Level.RACK, _MAP[title])
    unit, factor = GRAFANA[found.unit]
    chosen = f'__name__="{found.metric(Level.RACK)}", __name__=~"$map"'
    return Expr(f"{{{chosen}, {', '.join(ON_SITE)}}}", unit, factor)
