"""Network: netdev and netclass of every device, and what the kernel counts of protocols.

RDMA passes the kernel by, so these are the host's own few octets on a rail, TCP on a storage
port, and what monitoring and logins need on the management port.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twin.catalog.arrays import Values, np
from twin.catalog.derived import DerivedFamily, DeviceValues, SeriesGroup
from twin.catalog.host.kind import NODE, HostKind, mac_address
from twin.catalog.host.texts import constants, family, words
from twin.catalog.model import Exporter, Labels
from twin.catalog.place import Place

__all__ = ["MANAGEMENT_PORT", "network_families", "port_families"]

MANAGEMENT_PORT = "eno1"
"""Device of the port for management."""
_PACKET_BYTES = 900.0
"""Mean size of a packet in B, est."""
_MTU, _LOOPBACK_MTU, _RAIL_MTU = 1500.0, 65_536.0, 9000.0
_NO_RAIL = 99
"""Slot of the management port in MAC addresses."""

_QUIET_DEV = tuple(
    f"network_{name}_total"
    for name in (
        "receive_fifo", "receive_compressed", "receive_frame", "receive_nohandler",
        "transmit_fifo", "transmit_compressed", "transmit_carrier", "transmit_colls",
        "transmit_drop", "transmit_errs",
    )
)  # fmt: skip
_QUIET_CLASS = tuple(
    f"network_{name}"
    for name in ("dormant", "device_id", "iface_link_mode", "net_dev_group", "address_assign_type")
)


def network_families(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the families of the management port, the loopback device and the protocols."""
    both = ((("device", MANAGEMENT_PORT),), (("device", "lo"),))
    group = SeriesGroup("management", NODE, ("device",), lambda _: 2, lambda _: both)
    one = SeriesGroup("management_port", NODE, ("device",), labels=lambda _: both[:1])

    def octets(values: DeviceValues, which: str) -> Values:
        port, loop = values[f"management_{which}_bytes"], values["loopback_bytes"]
        return np.stack([port, loop], axis=1)

    def pair(port: float, loop: float) -> Callable[[DeviceValues], Values]:
        return lambda _: np.array([port, loop])

    steady = {
        "network_mtu_bytes": (_MTU, _LOOPBACK_MTU),
        "network_up": (1.0, 0.0),
        "network_carrier": (1.0, 1.0),
        "network_carrier_changes_total": (2.0, 0.0),
        "network_carrier_up_changes_total": (1.0, 0.0),
        "network_carrier_down_changes_total": (1.0, 0.0),
        "network_flags": (4099.0, 9.0),
        "network_iface_id": (2.0, 1.0),
        "network_iface_link": (2.0, 1.0),
        "network_protocol_type": (1.0, 772.0),
        "network_transmit_queue_length": (1000.0, 1000.0),
        "network_name_assign_type": (4.0, 4.0),
        "network_receive_drop_total": (0.0, 0.0),
        "network_receive_errs_total": (0.0, 0.0),
    }
    return (
        *_moving(group, octets, "management_rx_bytes"),
        *(
            family(f"network_{way}_bytes_total", group, lambda v, w=which: octets(v, w))  # type: ignore[misc]  # a default keeps the value of each
            for way, which in (("receive", "rx"), ("transmit", "tx"))
        ),
        *(family(name, group, pair(*value), steady=True) for name, value in steady.items()),
        *constants(group, dict.fromkeys((*_QUIET_DEV, *_QUIET_CLASS), 0.0)),
        *constants(one, {"network_speed_bytes": 1.25e9}),
        _info("management_info", NODE, 2, (MANAGEMENT_PORT, "lo")),
        *_protocols(kind),
    )


def port_families(exporter: Exporter) -> tuple[DerivedFamily, ...]:
    """Return what netdev and netclass show of a NIC port beside its signals.

    Args:
        exporter: how node_exporter identifies the port.
    """
    group = SeriesGroup(exporter.key, exporter, exporter.labels, labels=_identity(exporter))

    def octets(values: DeviceValues, which: str) -> Values:
        return values.each(f"net_{which}_bytes")

    known = "up"
    return (
        *_moving(group, octets, known),
        family("network_carrier", group, lambda v: v["up"], known),
        family("network_carrier_up_changes_total", group,
               lambda v: np.ceil(v["carrier_changes"] / 2.0), known),
        family("network_carrier_down_changes_total", group,
               lambda v: np.floor(v["carrier_changes"] / 2.0), known),
        *constants(group, dict.fromkeys((*_QUIET_DEV, *_QUIET_CLASS), 0.0), known),
        *constants(group, {
            "network_mtu_bytes": _RAIL_MTU,
            "network_flags": 4099.0,
            "network_protocol_type": 1.0,
            "network_transmit_queue_length": 1000.0,
            "network_name_assign_type": 4.0,
        }, known),
        family("network_iface_id", group, _numbers, known),
        family("network_iface_link", group, _numbers, known),
        _port_info(exporter),
    )  # fmt: skip


def _identity(exporter: Exporter) -> Callable[[Place], Sequence[Labels]]:
    """Return what labels a device by its exporter's own labels."""
    return lambda place: (tuple(zip(exporter.labels, exporter.identify(place), strict=True)),)


def _numbers(values: DeviceValues) -> Values:
    """Return the numbers of the network devices: after the loopback device and the port."""
    numbers = np.arange(values["up"].size) % values.site.server.nics
    return numbers.astype(np.float64) + 3.0


def _moving(
    group: SeriesGroup, octets: Callable[[DeviceValues, str], Values], known: str
) -> tuple[DerivedFamily, ...]:
    def packets(values: DeviceValues, which: str, factor: float) -> Values:
        return octets(values, which) * (factor / _PACKET_BYTES)

    of = (("receive_packets", "rx", 1.0), ("transmit_packets", "tx", 1.0),
          ("receive_multicast", "rx", 0.002))  # fmt: skip
    return tuple(
        family(f"network_{name}_total", group,
               lambda v, w=which, f=factor: packets(v, w, f), known)  # type: ignore[misc]  # a default keeps the value of each
        for name, which, factor in of
    )  # fmt: skip


_INFO = ("address", "adminstate", "broadcast", "device", "duplex", "ifalias", "operstate")


def _labels(address: str, device: str, state: str) -> Labels:
    broadcast = "00:00:00:00:00:00" if device == "lo" else "ff:ff:ff:ff:ff:ff"
    duplex = "" if device == "lo" else "full"
    values = (address, "up", broadcast, device, duplex, "", state)
    return tuple(zip(_INFO, values, strict=True))


def _info(key: str, exporter: Exporter, count: int, devices: Sequence[str]) -> DerivedFamily:
    def labels(place: Place) -> Sequence[Labels]:
        addresses = {MANAGEMENT_PORT: mac_address(place, _NO_RAIL), "lo": "00:00:00:00:00:00"}
        return tuple(
            _labels(addresses[name], name, "unknown" if name == "lo" else "up") for name in devices
        )

    group = SeriesGroup(key, exporter, _INFO, lambda _: count, labels)
    return family("network_info", group, lambda _: 1.0, steady=True)


def _port_info(exporter: Exporter) -> DerivedFamily:
    """Return ``network_info`` of a port, whose state is a label: one of two series is there."""

    def labels(place: Place) -> Sequence[Labels]:
        address, name = mac_address(place, place.slot), exporter.identify(place)[0]
        return tuple(_labels(address, name, state) for state in ("up", "down"))

    def present(values: DeviceValues) -> Values:
        up = values.each("up") == 1.0
        return np.where(np.concatenate([up, ~up], axis=1), 1.0, np.nan)

    group = SeriesGroup(f"{exporter.key}_info", exporter, _INFO, lambda _: 2, labels, shown=1)
    return family("network_info", group, present, "up")


def _protocols(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return netstat, sockstat, conntrack, ARP and UDP queues of a host."""
    del kind
    group = SeriesGroup("host", NODE)

    def segments(values: DeviceValues, which: str) -> Values:
        both = values[f"management_{which}_bytes"] + values["loopback_bytes"]
        return both / _PACKET_BYTES

    def octets(values: DeviceValues, which: str) -> Values:
        return values[f"management_{which}_bytes"] + values["loopback_bytes"]

    def connections(values: DeviceValues) -> Values:
        return 60.0 + 12.0 * values["load1"].round()

    moving: dict[str, Callable[[DeviceValues], Values]] = {
        "netstat_IpExt_InOctets": lambda v: octets(v, "rx"),
        "netstat_IpExt_OutOctets": lambda v: octets(v, "tx"),
        "netstat_Tcp_InSegs": lambda v: segments(v, "rx"),
        "netstat_Tcp_OutSegs": lambda v: segments(v, "tx"),
        "netstat_Tcp_RetransSegs": lambda v: 2e-5 * segments(v, "tx"),
        "netstat_Tcp_ActiveOpens": lambda v: v["forks"] * 0.4,
        "netstat_Tcp_PassiveOpens": lambda v: v["forks"] * 0.5,
        "netstat_Tcp_OutRsts": lambda v: v["forks"] * 0.02,
        "netstat_Tcp_CurrEstab": connections,
        "netstat_TcpExt_TCPTimeouts": lambda v: v["forks"] * 1e-3,
        "netstat_TcpExt_TCPSynRetrans": lambda v: v["forks"] * 1e-3,
        "netstat_TcpExt_TCPOFOQueue": lambda v: 1e-5 * segments(v, "rx"),
        "netstat_Udp_InDatagrams": lambda v: 2e-3 * segments(v, "rx"),
        "netstat_Udp_OutDatagrams": lambda v: 2e-3 * segments(v, "tx"),
        "netstat_Icmp_InMsgs": lambda v: v["uptime"] / 30.0,
        "netstat_Icmp_OutMsgs": lambda v: v["uptime"] / 30.0,
        "sockstat_TCP_inuse": lambda v: connections(v) + 20.0,
        "sockstat_TCP_alloc": lambda v: connections(v) + 60.0,
        "sockstat_sockets_used": lambda v: 2.0 * connections(v) + 900.0,
        "nf_conntrack_entries": lambda v: 1.5 * connections(v),
    }
    ip = tuple((("ip", ip), ("queue", queue)) for ip in ("v4", "v6") for queue in ("rx", "tx"))
    queues = SeriesGroup("udp_queues", NODE, ("ip", "queue"), lambda _: len(ip), lambda _: ip)
    arp = SeriesGroup("arp", NODE, ("device",), labels=lambda _: ((("device", MANAGEMENT_PORT),),))
    return (
        *(family(name, group, values) for name, values in moving.items()),
        *constants(group, dict.fromkeys(_ZERO, 0.0)),
        *constants(group, _FIXED),
        *constants(queues, {"udp_queues": 0.0}),
        *constants(arp, {"arp_entries": 12.0}),
    )


_ZERO = words("""
    netstat_Icmp6_InErrors netstat_Icmp6_InMsgs netstat_Icmp6_OutMsgs netstat_Icmp_InErrors
    netstat_Ip6_InOctets netstat_Ip6_OutOctets netstat_TcpExt_ListenDrops
    netstat_TcpExt_ListenOverflows netstat_TcpExt_SyncookiesFailed netstat_TcpExt_SyncookiesRecv
    netstat_TcpExt_SyncookiesSent netstat_TcpExt_TCPRcvQDrop netstat_Tcp_InErrs
    netstat_Udp6_InDatagrams netstat_Udp6_InErrors netstat_Udp6_NoPorts
    netstat_Udp6_OutDatagrams netstat_Udp6_RcvbufErrors netstat_Udp6_SndbufErrors
    netstat_UdpLite6_InErrors netstat_UdpLite_InErrors netstat_Udp_InErrors netstat_Udp_NoPorts
    netstat_Udp_RcvbufErrors netstat_Udp_SndbufErrors nf_conntrack_stat_drop
    nf_conntrack_stat_early_drop nf_conntrack_stat_found nf_conntrack_stat_ignore
    nf_conntrack_stat_insert nf_conntrack_stat_insert_failed nf_conntrack_stat_invalid
    nf_conntrack_stat_search_restart sockstat_FRAG6_inuse sockstat_FRAG6_memory
    sockstat_FRAG_inuse sockstat_FRAG_memory sockstat_RAW6_inuse sockstat_RAW_inuse
    sockstat_TCP_orphan sockstat_UDPLITE6_inuse sockstat_UDPLITE_inuse
""")
_FIXED = {
    "netstat_Ip_Forwarding": 2.0,
    "nf_conntrack_entries_limit": 262_144.0,
    "sockstat_TCP6_inuse": 6.0,
    "sockstat_TCP_tw": 14.0,
    "sockstat_TCP_mem": 40.0,
    "sockstat_TCP_mem_bytes": 163_840.0,
    "sockstat_UDP_inuse": 8.0,
    "sockstat_UDP6_inuse": 4.0,
    "sockstat_UDP_mem": 6.0,
    "sockstat_UDP_mem_bytes": 24_576.0,
}
