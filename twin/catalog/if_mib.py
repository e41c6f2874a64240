"""Ports of leaf switches as snmp_exporter's whole ``if_mib`` module shows them.

State, octets, errors and discards travel; the rest follows from them, as every counter of a healthy
Ethernet port does, or stays as it is. Text-valued objects (``ifPhysAddress``, ``ifType_info``,
``ifSpecific``) are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from twin.catalog.arrays import Values, np
from twin.catalog.derived import DerivedFamily, DeviceValues, HostLevel, SeriesGroup
from twin.catalog.host.kind import hosts_shown
from twin.catalog.host.texts import declared
from twin.catalog.model import Exporter, Labels, Unit

if TYPE_CHECKING:
    from twin.catalog.place import Place
    from twin.parameters import Site

__all__ = ["port_families"]

_WRAP = 2.0**32
"""Where the counters without ``HC`` begin again."""
_MOST_SPEED = 4_294_967_295.0
"""``ifSpeed`` of a port that is faster than 32 bits can say."""
_MULTICAST, _BROADCAST = 1e-6, 1e-8
"""Packets to many for each to one, est."""
_FULL = (HostLevel.FULL,)


def _shown(site: Site) -> bool:
    return site.telemetry.extra_signals and hosts_shown(site)


def port_families(exporter: Exporter) -> tuple[DerivedFamily, ...]:
    """Return what the module has of a port beside the signals.

    Args:
        exporter: how snmp_exporter identifies the port.
    """

    def identity(place: Place) -> Sequence[Labels]:
        return (tuple(zip(exporter.names(place.site), exporter.identify(place), strict=True)),)

    group = SeriesGroup(exporter.key, exporter, exporter.labels, labels=identity)

    def family(name: str, values: Callable[[DeviceValues], Values | float], *,
               usual: bool = False, steady: bool = False) -> DerivedFamily:  # fmt: skip
        metric, kind, unit, text = declared(name, "if_mib.txt", "")
        unit = Unit.BYTES if name.endswith("Octets") else unit
        levels = {} if usual else {"levels": _FULL}
        return DerivedFamily(metric, kind, unit, text, group, values, "oper_status",
                             steady=steady, shown=_shown, **levels)  # type: ignore[arg-type]  # levels as they are declared  # fmt: skip

    def packets(values: DeviceValues, way: str, share: float = 1.0) -> Values:
        return np.floor(values[f"{way}_octets"] * share / values.site.network.packet_bytes)

    found = [family("ifAdminStatus", lambda _: 1.0, usual=True, steady=True)]
    for way, name in (("in", "In"), ("out", "Out")):
        ucast = partial(packets, way=way)
        many = partial(packets, way=way, share=_MULTICAST)
        all_of = partial(packets, way=way, share=_BROADCAST)
        found += [
            family(f"if{name}Octets", lambda v, w=way: v[f"{w}_octets"] % _WRAP),  # type: ignore[misc]  # a default keeps the value of each
            family(f"ifHC{name}UcastPkts", ucast, usual=True),
            family(f"ifHC{name}MulticastPkts", many, usual=True),
            family(f"ifHC{name}BroadcastPkts", all_of, usual=True),
            family(f"if{name}UcastPkts", lambda v, f=ucast: f(v) % _WRAP),  # type: ignore[misc]  # as above
            family(f"if{name}MulticastPkts", many),
            family(f"if{name}BroadcastPkts", all_of),
            family(f"if{name}NUcastPkts", many),
        ]
    constants = {
        "ifSpeed": _MOST_SPEED,
        "ifMtu": 9216.0,
        "ifLastChange": 4200.0,
        "ifInDiscards": 0.0,
        "ifOutErrors": 0.0,
    }
    rest = {
        "ifInUnknownProtos": 0.0,
        "ifOutQLen": 0.0,
        "ifLinkUpDownTrapEnable": 1.0,
        "ifPromiscuousMode": 2.0,
        "ifConnectorPresent": 1.0,
        "ifCounterDiscontinuityTime": 0.0,
    }
    found += [family(name, _always(value), usual=True, steady=True)
              for name, value in constants.items()]  # fmt: skip
    found += [family(name, _always(value), steady=True) for name, value in rest.items()]
    found.append(family("ifIndex", _index, steady=True))
    return tuple(found)


def _always(value: float) -> Callable[[DeviceValues], float]:
    return lambda _: value


def _index(values: DeviceValues) -> Values:
    """Return the index of each port on its switch, from 1."""
    ports = values.site.fabric.ports
    numbers: Values = (np.arange(values["oper_status"].size) % ports).astype(np.float64)
    numbers += 1.0
    return numbers
