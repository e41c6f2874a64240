"""Every rack of the site at once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twin.catalog import Level
from twin.catalog.selectors import rollup
from twin.grafana import colors
from twin.grafana.promql import Expr
from twin.grafana.units import GRAFANA
from twin.grafana.values import ON_SITE, own

_RACKS = own("unit_reporting", 'kind="rack"')

_BY = "max by (hall, array, rack)"
_MISSING = rollup(Level.SITE, "gpus_missing").metric(Level.SITE) + '{site="$site"}'

REPORTING = _RACKS.sum()
INSTALLED = _RACKS.count()
SILENT_COUNT = INSTALLED.minus(REPORTING)
GONE, SILENT, NONE = -1, -2, -3
"""What the map has instead of a value: a rack whose devices do not answer, a rack that does not
report at all, and one that never had any of what the map shows."""

WORDS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        GONE: ("gone", colors.GONE),
        SILENT: ("silent", colors.SILENT),
        NONE: ("none", colors.GREY),
    }
)
"""What they are called, and the colour of their cell."""

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

    Every rack has a value, so that each keeps its place: sorted by hall, array and rack.

    Raises:
        KeyError: the map has no such choice.
    """
    found = rollup(Level.RACK, _MAP[title])
    metric = found.metric(Level.RACK)
    unit, factor = GRAFANA[found.unit]
    where = ", ".join(ON_SITE)
    known = Expr(f'{{__name__="{metric}", __name__=~"$map", {where}}}', unit, factor)
    chosen = 'and on () (label_replace(vector(1), "map", "$map", "", "") and on (map) '
    chosen += f'label_replace(vector(1), "map", "{metric}", "", ""))'
    expected = f'count by (site) ({{__name__="{metric}", {where}}}) or ({_MISSING} > 0)'
    raw = (
        f"{_BY} ({known})"
        f" or {_BY} (({SILENT} + {_RACKS} and on (site) ({expected})) {chosen})"
        f" or {_BY} ((({SILENT} - {_RACKS})) {chosen})"
    )
    return Expr(raw, unit)
