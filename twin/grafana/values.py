"""Values of the catalogue as a dashboard shows them: selector, scope and unit.

A *scope* is the matchers that narrow a metric down to what a dashboard's variables
name. Servers are found by the labels of the exporters alone, so that the same query
works on series without the labels site and rack.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twin.catalog import (
    DEVICES,
    LEAF,
    NIC,
    PORT,
    SPINE,
    DeviceClass,
    Level,
    Signal,
    Unit,
    selectors,
)
from twin.catalog.selectors import rollup, select
from twin.grafana.promql import Expr
from twin.grafana.units import GRAFANA, KELVIN, NUMBER, OF_A_NETWORK, SECONDS

__all__ = [
    "HOST",
    "IN_ARRAY",
    "IN_RACK",
    "NODE",
    "NO_VIRTUAL_DEVICE",
    "ON_SITE",
    "SCOPES",
    "Scope",
    "buckets",
    "of",
    "own",
    "rolled",
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

NO_VIRTUAL_DEVICE = 'device!~"lo|docker.*|br-.*|veth.*|virbr.*|cni.*|cali.*|flannel.*|dummy.*"'
"""Network devices with a link. The kernel never calls the loopback device up, nor a bridge that
nothing is plugged into."""

SCOPES: Mapping[str, Scope] = MappingProxyType(
    {
        "site": (),
        "array": ('array=~"$array|"',),
        "rack": ('array=~"$array|"', 'rack=~"$rack|"'),
        "host": ('array=~"$array|"', 'rack=~"$rack|"', 'host=~"$host|"'),
    }
)
"""What concerns an array, a rack or a host: its own, and what has no such place, because it
concerns all."""

_NETWORK = frozenset(device.name for device in (NIC, LEAF, SPINE, PORT))
_DIFFERENCES = frozenset({"condensation_margin"})
"""Signals in °C that say by how much two temperatures differ."""


def of(device: DeviceClass, signal: str, *matchers: str, within: Scope = ON_SITE) -> Expr:
    """Return one signal of the catalogue.

    Raises:
        KeyError: the device class has no such signal.
    """
    found = device[signal]
    unit, factor = _unit(device, found, found.unit)
    return Expr(
        selectors.of(device, signal, *matchers, within=within),
        unit,
        factor,
        states=tuple(found.states.values()),
        codes=tuple(found.codes.items()),
    )


def _unit(device: DeviceClass, signal: Signal, exposed: Unit) -> tuple[str, float]:
    """Return the unit in Grafana of a signal or a roll-up of it, and the factor to it."""
    if signal.name in _DIFFERENCES:
        return KELVIN, 1.0
    if device.name in _NETWORK and exposed in OF_A_NETWORK:
        return OF_A_NETWORK[exposed]
    return GRAFANA[exposed]


def rolled(level: Level, name: str, *matchers: str, within: Scope = ON_SITE) -> Expr:
    """Return the values of a roll-up.

    Raises:
        KeyError: it is not taken at this level.
    """
    found = rollup(level, name)
    device = next(device for device in DEVICES if found in device.rollups)
    unit, factor = _unit(device, device[found.signal], found.unit)
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
    unit = SECONDS if name.endswith("_seconds") and not suffix else NUMBER
    return Expr(selectors.own(name, *ON_SITE, *matchers, suffix=suffix), unit)
