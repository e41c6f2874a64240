"""Ports of leaf switches as snmp_exporter's whole ``if_mib`` module shows them.

State, octets, errors and discards travel; the rest follows from them, as every counter of a healthy
Ethernet port does, or stays as it is. A text is a label of a series that is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

from twin.catalog.arrays import Values, np
from twin.catalog.derived import DerivedFamily, DeviceValues, HostLevel, SeriesGroup
from twin.catalog.host.kind import hosts_shown, mac_address
from twin.catalog.host.texts import declared
from twin.catalog.model import Exporter, Labels, Unit

if TYPE_CHECKING:
    from twin.catalog.place import Place
    from twin.parameters import Site

__all__ = ["port_families", "switch_families"]

_WRAP = 2.0**32
"""Where the counters without ``HC`` begin again."""
_MOST_SPEED = 4_294_967_295.0
"""``ifSpeed`` of a port that is faster than 32 bits can say."""
_MULTICAST, _BROADCAST = 1e-6, 1e-8
"""Packets to many for each to one, est."""
_FULL = (HostLevel.FULL,)
_MODULE = (("module", "if_mib"),)
_OBJECTS = 41
"""Objects of a port that a walk returns: 22 columns of ``ifTable``, 19 of ``ifXTable``."""
_TABLES = 2
"""Subtrees that are walked, each by requests of its own."""
_REPETITIONS = 25
"""Objects that one answer brings: ``max_repetitions`` as the exporter sets it."""
_ANSWER_SECONDS, _PROCESSING_SECONDS = 4e-3, 2e-5
"""Until a switch's agent answers a request, and what the exporter takes for an object; est."""


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
    return (*found, *_texts(exporter))


def _texts(exporter: Exporter) -> tuple[DerivedFamily, ...]:
    """Return the objects of a port whose value is a text, in a label after the port's own."""

    def text(metric: str, label: str, value: Callable[[Place], str]) -> DerivedFamily:
        def labels(place: Place) -> Sequence[Labels]:
            own = zip(exporter.names(place.site), exporter.identify(place), strict=True)
            return ((*own, (label, value(place))),)

        group = SeriesGroup(f"{exporter.key}_{label}", exporter, (*exporter.labels, label),
                            labels=labels)  # fmt: skip
        name, kind, unit, about = declared(metric, "if_mib.txt", "")
        return DerivedFamily(name, kind, unit, about, group, _always(1.0), "oper_status",
                             steady=True, shown=_shown, levels=_FULL)  # fmt: skip

    return (
        text("ifPhysAddress", "ifPhysAddress", lambda own: mac_address(own, own.slot).upper()),
        text("ifSpecific", "ifSpecific", lambda _: "0.0"),
        text("ifType_info", "ifType", lambda _: "ethernetCsmacd"),
    )


def switch_families(exporter: Exporter) -> tuple[DerivedFamily, ...]:
    """Return what a scrape of a leaf switch has beside its ports.

    Args:
        exporter: how snmp_exporter identifies the switch.
    """
    scrape = SeriesGroup("snmp_scrape", exporter, ("module",), labels=lambda _: (_MODULE,))
    alone = SeriesGroup(exporter.key, exporter)

    def family(name: str, group: SeriesGroup, value: Callable[[Site], float]) -> DerivedFamily:
        metric, kind, unit, text = declared(name, "if_mib.txt", "")
        return DerivedFamily(metric, kind, unit, text, group, lambda own: value(own.site), "power",
                             steady=True, decimals=3 if unit is Unit.SECONDS else 0,
                             shown=_shown)  # fmt: skip

    return (
        family("ifNumber", alone, lambda site: site.fabric.ports),
        family("snmp_scrape_duration_seconds", scrape,
               lambda site: _walk(site) + _PROCESSING_SECONDS * _objects(site)),
        family("snmp_scrape_packets_retried", scrape, lambda _: 0.0),
        family("snmp_scrape_packets_sent", scrape, _packets),
        family("snmp_scrape_pdus_returned", scrape, _objects),
        family("snmp_scrape_walk_duration_seconds", scrape, _walk),
    )  # fmt: skip


def _objects(site: Site) -> float:
    """Return the objects that a walk of a leaf returns, ``ifNumber`` among them."""
    return 1.0 + _OBJECTS * site.fabric.ports


def _packets(site: Site) -> float:
    """Return the requests of a walk; each table ends with one that leads out of it."""
    return ceil(_objects(site) / _REPETITIONS) + _TABLES


def _walk(site: Site) -> float:
    """Return the seconds that a walk takes."""
    return _packets(site) * _ANSWER_SECONDS


def _always(value: float) -> Callable[[DeviceValues], float]:
    return lambda _: value


def _index(values: DeviceValues) -> Values:
    """Return the index of each port on its switch, from 1."""
    ports = values.site.fabric.ports
    numbers: Values = (np.arange(values["oper_status"].size) % ports).astype(np.float64)
    numbers += 1.0
    return numbers
