"""Leaf and spine switches of the fabric, and the ports of the leaves.

Ports follow snmp_exporter's ``if_mib`` module (``snmp.yml``, Apache-2.0): names, types,
help and labels; the exporter's ``instance`` is the probed switch, without a
port. Metrics of a whole switch have no name common to all vendors,
so they follow the Prometheus naming rules. By default only a port's state is
exposed: each further metric would be one series per port of a large site.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from twin.catalog.device import DeviceClass
from twin.catalog.if_mib import port_families, switch_families
from twin.catalog.model import UP_CODES, Detail, Exporter, MetricType, Signal, Unit
from twin.catalog.place import DeviceAddress, Hosts, Place, UnitKind
from twin.catalog.rollup import ABOVE_RACK, Operation, Rollup
from twin.catalog.server import SERVER

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["LEAF", "PORT", "SPINE"]

_snmp = partial(Exporter, job="snmp-exporter", port=None)


def _port(place: Place) -> tuple[str, ...]:
    """Return a leaf port's alias, description, index and name."""
    shape, site, names = place.site.fabric, place.site, place.names
    leaf, port = place.host, place.slot
    interface = shape.port_name(port)
    if port < shape.downlinks:
        rack, server = divmod(port, site.servers_per_rack)
        host = names.rack(place.unit * site.racks_per_array + rack).hostnames[server]
        alias = f"{host} mlx5_{leaf}"
    else:
        plane, spine = shape.spine_of(place.unit * shape.rails + leaf, port - shape.downlinks)
        alias = f"{names.unit_name(UnitKind.PLANE, plane)}-spine{spine + 1}"
    return alias, interface, str(port + 1), interface


def _reporting_ports(site: Site, racks: int) -> int:
    """Return the ports of an array that report: those to racks that it lacks do not."""
    return site.fabric.rails * (site.fabric.uplinks + racks * site.servers_per_rack)


_LEAVES = Hosts(
    lambda site: site.fabric.rails, lambda place: f"{place.unit_name}-leaf{place.host + 1}"
)
_SPINES = Hosts(
    lambda site: site.fabric.spines, lambda place: f"{place.unit_name}-spine{place.host + 1}"
)
_IF_MIB = _snmp(
    key="if_mib",
    labels=("ifAlias", "ifDescr", "ifIndex", "ifName"),
    source="prometheus/snmp_exporter if_mib",
    identify=_port,
)
_TARGET = _snmp(key="snmp_target", labels=(), source="Prometheus")
_SWITCH = _snmp(key="switch", labels=(), source="Prometheus naming")


_OPER_CODES = {1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "not present",
               7: "lower layer down"}  # fmt: skip
"""IF-MIB ``ifOperStatus``."""


def _whole(role: str) -> tuple[Signal, ...]:
    """Return the metrics of a switch as a whole."""
    gauge = partial(Signal, family=_SWITCH, kind=MetricType.GAUGE, labels=(("role", role),))
    count = partial(
        Signal, family=_SWITCH, kind=MetricType.COUNTER, unit=Unit.BYTES, labels=(("role", role),)
    )
    return (
        Signal("up", "up", _TARGET, MetricType.GAUGE, Unit.NONE, SERVER["up_node"].help, high=1,
               codes=UP_CODES),
        gauge("power", "switch_power_watts", unit=Unit.WATTS, decimals=1, high=100_000,
              help="Electrical power of the switch."),
        gauge("temperature", "switch_asic_temperature_celsius", unit=Unit.CELSIUS, decimals=1,
              low=-40, high=150, help="Temperature of the switch's ASIC."),
        count("rx_bytes", "switch_received_bytes_total", help="Octets received on all ports."),
        count("tx_bytes", "switch_transmitted_bytes_total",
              help="Octets transmitted on all ports."),
    )  # fmt: skip


_leaf = partial(Signal, family=_SWITCH, labels=(("role", "leaf"),))
_if = partial(Signal, family=_IF_MIB)

_LEAF_ROLLUPS = (
    Rollup("leaf_switches_up", "up", Operation.COUNT, Unit.NONE, "Leaf switches of the {level} "
           "that answer.", ABOVE_RACK, equals=1.0),
    Rollup("leaf_uplink_utilization_max_ratio", "uplink_utilization", Operation.MAX, Unit.RATIO,
           "Traffic of the busiest leaf switch of the {level} over what its uplinks in service "
           "can carry.", ABOVE_RACK),
    Rollup("leaf_discarded_bytes_total", "discarded_bytes", Operation.TOTAL, Unit.BYTES,
           "Octets that the leaf switches of the {level} discarded.", ABOVE_RACK),
)  # fmt: skip

LEAF = DeviceClass(
    name="leaf",
    frame=UnitKind.ARRAY,
    title="leaf switch",
    rollups=_LEAF_ROLLUPS,
    address=DeviceAddress("leaf", "leaves", _LEAVES.count),
    hosts=_LEAVES,
    detail=Detail.RACK,
    derived=switch_families(_TARGET),
    signals=(
        *_whole("leaf"),
        _leaf("discarded_bytes", "switch_discarded_bytes_total", kind=MetricType.COUNTER,
              unit=Unit.BYTES, help="Octets received and not transmitted, for want of a way on."),
        _leaf("ecn_marked", "switch_ecn_marked_packets_total", kind=MetricType.COUNTER,
              unit=Unit.NONE, help="Packets to servers that were marked with congestion."),
        _leaf("pause", "switch_pause_frames_transmitted_total", kind=MetricType.COUNTER,
              unit=Unit.NONE, help="Priority pause frames sent to servers."),
        _leaf("uplink_utilization", "switch_uplink_utilization_ratio", kind=MetricType.GAUGE,
              unit=Unit.RATIO, decimals=4, high=2,
              help="Traffic to the spines over what the uplinks in service can carry, within the "
                   "last second or so: a sample of it misses the bursts between two scrapes."),
        _leaf("uplink_tx_bytes", "switch_uplink_transmitted_bytes_total", kind=MetricType.COUNTER,
              unit=Unit.BYTES, help="Octets transmitted to the spines."),
        _leaf("uplink_capacity", "switch_uplink_capacity_bytes_per_second", kind=MetricType.GAUGE,
              unit=Unit.BYTES_PER_SECOND,
              help="What the uplinks in service can carry to the spines."),
        _leaf("uplinks_up", "switch_uplinks_up", kind=MetricType.GAUGE, unit=Unit.NONE,
              help="Uplinks in service."),
        _leaf("downlinks_up", "switch_downlinks_up", kind=MetricType.GAUGE, unit=Unit.NONE,
              help="Ports to servers in service."),
    ),
)  # fmt: skip

_PORT_ROLLUPS = (
    Rollup("leaf_ports_up", "oper_status", Operation.COUNT, Unit.NONE, "Ports of the leaf "
           "switches of the {level} that are up.", ABOVE_RACK, equals=1.0),
    Rollup("leaf_ports_down", "oper_status", Operation.COUNT, Unit.NONE,
           "Ports of the leaf switches of the {level} that are down.", ABOVE_RACK, equals=2.0),
)  # fmt: skip

PORT = DeviceClass(
    name="port",
    frame=UnitKind.ARRAY,
    title="leaf switch port",
    rollups=_PORT_ROLLUPS,
    hosts=_LEAVES,
    per_host=lambda site: site.fabric.ports,
    reporting=_reporting_ports,
    derived=port_families(_IF_MIB),
    signals=(
        _if("oper_status", "ifOperStatus", kind=MetricType.GAUGE, unit=Unit.NONE, low=1, high=7,
            codes=_OPER_CODES,
            help="The current operational state of the interface - 1.3.6.1.2.1.2.2.1.8"),
        _if("in_octets", "ifHCInOctets", kind=MetricType.COUNTER, unit=Unit.BYTES, extra=True,
            help="The total number of octets received on the interface, including framing "
                 "characters - 1.3.6.1.2.1.31.1.1.1.6"),
        _if("out_octets", "ifHCOutOctets", kind=MetricType.COUNTER, unit=Unit.BYTES, extra=True,
            help="The total number of octets transmitted out of the interface, including framing "
                 "characters - 1.3.6.1.2.1.31.1.1.1.10"),
        _if("high_speed", "ifHighSpeed", kind=MetricType.GAUGE, unit=Unit.MEGABITS_PER_SECOND,
            extra=True,
            help="An estimate of the interface's current bandwidth in units of 1,000,000 bits per "
                 "second - 1.3.6.1.2.1.31.1.1.1.15"),
        _if("in_errors", "ifInErrors", kind=MetricType.COUNTER, unit=Unit.NONE, extra=True,
            help="For packet-oriented interfaces, the number of inbound packets that contained "
                 "errors preventing them from being deliverable to a higher-layer protocol - "
                 "1.3.6.1.2.1.2.2.1.14"),
        _if("out_discards", "ifOutDiscards", kind=MetricType.COUNTER, unit=Unit.NONE, extra=True,
            help="The number of outbound packets which were chosen to be discarded even though no "
                 "errors had been detected to prevent their being transmitted - "
                 "1.3.6.1.2.1.2.2.1.19"),
    ),
)  # fmt: skip

SPINE = DeviceClass(
    name="spine",
    frame=UnitKind.PLANE,
    title="spine switch",
    address=DeviceAddress("spine", "spines", _SPINES.count),
    hosts=_SPINES,
    signals=_whole("spine"),
)
