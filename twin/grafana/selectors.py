"""Selectors of the metrics that the catalogue declares; no metric is named by hand.

A *scope* is the matchers that narrow a metric down to what a dashboard's variables
name. Servers are found by the labels of the exporters alone, so that the same query
works where nobody gave them a site or a rack.
"""

from __future__ import annotations

from twin.catalog import OWN_METRICS, ROLLUPS, DeviceClass, Level, Rollup
from twin.grafana.promql import Expr, select
from twin.grafana.units import GRAFANA, NUMBER, SECONDS

__all__ = [
    "HOST",
    "IN_ARRAY",
    "IN_RACK",
    "NODE",
    "ON_SITE",
    "Scope",
    "buckets",
    "of",
    "own",
    "rolled",
    "rollup",
]

Scope = tuple[str, ...]

ON_SITE: Scope = ('site="$site"',)
IN_ARRAY: Scope = ('site="$site"', 'array="$array"')
IN_RACK: Scope = ('site="$site"', 'rack="$rack"')
_ANY_SITE = 'site=~"$site|"'
HOST: Scope = (_ANY_SITE, 'Hostname="$host"')
"""One server to dcgm-exporter."""
NODE: Scope = (_ANY_SITE, 'instance=~"$host(:[0-9]+)?"')
"""One server to the exporters that name it by their target only."""


def of(device: DeviceClass, signal: str, *matchers: str, within: Scope = ON_SITE) -> Expr:
    """Return one signal of the catalogue.

    Raises:
        KeyError: the device class has no such signal.
    """
    found = device[signal]
    fixed = tuple(f'{label}="{value}"' for label, value in found.labels)
    unit, factor = GRAFANA[found.unit]
    return Expr(select(found.metric, *within, *fixed, *matchers), unit, factor)


def rollup(level: Level, name: str) -> Rollup:
    """Return a roll-up of the catalogue, by its name without the level.

    Raises:
        KeyError: it is not taken at this level.
    """
    for found in ROLLUPS:
        if found.name == name and level in found.levels:
            return found
    raise KeyError(f"there is no roll-up {name!r} over a {level}")


def rolled(level: Level, name: str, *matchers: str, within: Scope = ON_SITE) -> Expr:
    """Return the values of a roll-up.

    Raises:
        KeyError: it is not taken at this level.
    """
    found = rollup(level, name)
    unit, factor = GRAFANA[found.unit]
    return Expr(select(found.metric(level), *within, *matchers), unit, factor)


def buckets(level: Level, name: str, *matchers: str, within: Scope = ON_SITE) -> Expr:
    """Return how many devices lie in which bucket of a distribution, one series a bucket.

    Raises:
        KeyError: it is not taken at this level.
    """
    found = rollup(level, name)
    selector = select(f"{found.metric(level)}_bucket", *within, *matchers)
    return Expr(f"sum by (le) ({selector})", GRAFANA[found.unit][0])


def own(name: str, *matchers: str, suffix: str = "") -> Expr:
    """Return one of the aggregator's own metrics, named without its prefix.

    Raises:
        KeyError: the aggregator has no such metric.
    """
    for metric in OWN_METRICS:
        if metric.name == f"twin_{name}":
            unit = SECONDS if metric.name.endswith("_seconds") and not suffix else NUMBER
            return Expr(select(metric.name + suffix, *ON_SITE, *matchers), unit)
    raise KeyError(f"the aggregator has no metric {name!r}")
