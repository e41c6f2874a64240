"""NICs as node_exporter shows them, and their optics as transceiver-exporter does.

Names, types and help follow node_exporter 1.12 (``collector/infiniband_linux.go``,
``netclass_linux.go``, ``netdev_common.go``, ``ethtool_linux.go``, Apache-2.0) and
wobcom/transceiver-exporter (``transceiver-collector/collector.go``, MIT). The
infiniband collector covers RoCE devices too, hence the name of the prefix.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from twin.catalog.device import DeviceClass
from twin.catalog.host.network import port_families
from twin.catalog.model import UP_CODES, Exporter, MetricType, Signal, Unit
from twin.catalog.page import DEGRADED, DeviceColumn, FloorValue, PageTable, TroubleSign, scale_end
from twin.catalog.place import SERVERS, DeviceAddress, Place, UnitKind
from twin.catalog.rollup import ABOVE_RACK, Operation, Rollup

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["INFINIBAND", "INFINIBAND_INFO", "LASER", "MODULE", "NETDEV", "NIC"]

_node = partial(Exporter, job="node-exporter", port=9100, source="prometheus/node_exporter 1.12")
_optics = partial(
    Exporter, job="transceiver-exporter", port=9458, source="wobcom/transceiver-exporter"
)


def _hca(place: Place) -> tuple[str, ...]:
    """Return the infiniband collector's information about a port's adapter."""
    network = place.site.network
    return network.board_id, f"mlx5_{place.slot}", network.firmware_version, network.hca_type


INFINIBAND = _node(key="infiniband", labels=("device", "port"),
                   identify=lambda place: (f"mlx5_{place.slot}", "1"))  # fmt: skip
INFINIBAND_INFO = _node(
    key="infiniband_info",
    labels=("board_id", "device", "firmware_version", "hca_type"),
    identify=_hca,
)
NETDEV = _node(key="netdev", labels=("device",), identify=lambda place: (f"eth{place.slot}",))
MODULE = _optics(key="module", labels=("interface",), identify=NETDEV.identify)
LASER = _optics(key="laser", labels=("interface", "laser_index"),
                identify=lambda place: (f"eth{place.slot}", "0"))  # fmt: skip


_PORT_CODES = {0: "no change", 1: "down", 2: "init", 3: "armed", 4: "active", 5: "deferred"}
_PHYSICAL_CODES = {0: "no change", 1: "sleep", 2: "polling", 3: "disabled", 4: "shift",
                   5: "link up", 6: "recovering", 7: "test"}  # fmt: skip


def _ib(name: str, suffix: str, help: str, **fields: object) -> Signal:  # noqa: A002 - as the field
    """Return a counter of the infiniband collector, unless ``fields`` say otherwise."""
    values = {"kind": MetricType.COUNTER, "unit": Unit.NONE, **fields}
    return Signal(name, f"node_infiniband_{suffix}", INFINIBAND, help=help, **values)  # type: ignore[arg-type]


_net = partial(Signal, family=NETDEV)
_ethtool = partial(Signal, family=NETDEV, kind=MetricType.UNTYPED, unit=Unit.NONE, extra=True)
_module = partial(Signal, family=MODULE, kind=MetricType.GAUGE)
_laser = partial(Signal, family=LASER, kind=MetricType.GAUGE)

_NIC_ROLLUPS = (
    Rollup("nics_reporting", "up", Operation.COUNT, Unit.NONE, "NIC ports of the {level} that "
           "report."),
    Rollup("nics_up", "up", Operation.COUNT, Unit.NONE, "NIC ports of the {level} whose link is "
           "up.", equals=1.0),
    Rollup("nics_down", "up", Operation.COUNT, Unit.NONE, "NIC ports of the {level} whose link is "
           "down.", equals=0.0),
    Rollup("nic_transmitted_bytes_total", "tx_bytes", Operation.TOTAL, Unit.BYTES,
           "RDMA octets that the NIC ports of the {level} transmitted."),
    Rollup("nic_received_bytes_total", "rx_bytes", Operation.TOTAL, Unit.BYTES,
           "RDMA octets that the NIC ports of the {level} received."),
    Rollup("nic_ecn_marked_packets_total", "ecn_marked", Operation.TOTAL, Unit.NONE,
           "Packets marked with congestion that the NIC ports of the {level} received."),
    Rollup("nic_cnp_packets_sent_total", "cnp_sent", Operation.TOTAL, Unit.NONE,
           "Congestion notifications that the NIC ports of the {level} sent.", ABOVE_RACK),
    Rollup("nic_retransmits_total", "adaptive_retransmits", Operation.TOTAL, Unit.NONE,
           "Adaptive retransmissions of the NIC ports of the {level}.", ABOVE_RACK),
    Rollup("nic_links_downed_total", "link_downed", Operation.TOTAL, Unit.NONE,
           "Times that a link of a NIC port of the {level} went down."),
    Rollup("nic_pause_frames_received_total", "rx_pause", Operation.TOTAL, Unit.NONE,
           "Priority pause frames that the NIC ports of the {level} received.", ABOVE_RACK),
    Rollup("nic_pause_frames_transmitted_total", "tx_pause", Operation.TOTAL, Unit.NONE,
           "Priority pause frames that the NIC ports of the {level} transmitted.", ABOVE_RACK),
)  # fmt: skip

_LINE_SHARE = 0.2
"""Upper end of the network's scale, over the line rate: training sends in bursts, and over the
second of a frame it stays far below."""


def _line_share(site: Site) -> float:
    """Return that upper end for a port, in Gb/s."""
    return 8e-9 * (_LINE_SHARE * site.network.bytes_per_second)


_NIC_TABLE = PageTable("NIC ports", (
        DeviceColumn("sent", "Sent", "Gb/s", "tx_bytes", low=0.0, high=_line_share, scale=8e-9,
                     decimals=3, counter=True),
        DeviceColumn("received", "Received", "Gb/s", "rx_bytes", low=0.0, high=_line_share,
                     scale=8e-9, decimals=3, counter=True),
        DeviceColumn("module", "Optic temperature", Unit.CELSIUS, "module_temperature",
                     low=30.0, high=75.0),
        DeviceColumn("up", "Link", "", "up", states=("down", "up")),
        DeviceColumn("changes", "Carrier changes", "", "carrier_changes"),
), by_server=True)  # fmt: skip


def _highest_traffic(site: Site) -> float:
    """Return the upper end for all ports of a rack, in Gb/s."""
    return scale_end(_line_share(site) * SERVERS.count(site) * site.server.nics)


_NIC_FLOOR = (
    FloorValue("network", "Network", "sent by all NIC ports", "Gb/s", 0, "tx_bytes", Operation.SUM,
               lambda site: (0.0, _highest_traffic(site)), factor=8e-9, counter=True, rank=4),
)  # fmt: skip
_NIC_SIGNS = (
    TroubleSign(DEGRADED, ("a NIC port is down", "{} NIC ports are down"), "up", equals=0, rank=5),
)


NIC = DeviceClass(
    name="nic",
    frame=UnitKind.RACK,
    title="NIC port",
    table=_NIC_TABLE,
    rollups=_NIC_ROLLUPS,
    address=DeviceAddress(
        "nic", "nics a server", lambda site: site.server.nics, first=0, in_server=True
    ),
    floor=_NIC_FLOOR,
    signs=_NIC_SIGNS,
    hosts=SERVERS,
    per_host=lambda site: site.server.nics,
    derived=port_families(NETDEV),
    signals=(
        _ib("state", "state_id",
            "State of the InfiniBand port (0: no change, 1: down, 2: init, 3: armed, 4: active, "
            "5: act defer)", kind=MetricType.GAUGE, high=5, codes=_PORT_CODES),
        _ib("physical_state", "physical_state_id",
            "Physical state of the InfiniBand port (0: no change, 1: sleep, 2: polling, "
            "3: disable, 4: shift, 5: link up, 6: link error recover, 7: phytest)",
            kind=MetricType.GAUGE, high=7, codes=_PHYSICAL_CODES),
        _ib("rate", "rate_bytes_per_second", "Maximum signal transfer rate",
            kind=MetricType.GAUGE, unit=Unit.BYTES_PER_SECOND),
        Signal("info", "node_infiniband_info", INFINIBAND_INFO, MetricType.GAUGE, Unit.NONE,
               "Non-numeric data from /sys/class/infiniband/<device>, value is always 1.",
               constant=1.0),
        _ib("rx_bytes", "port_data_received_bytes_total",
            "Number of data octets received on all links", unit=Unit.BYTES),
        _ib("tx_bytes", "port_data_transmitted_bytes_total",
            "Number of data octets transmitted on all links", unit=Unit.BYTES),
        _ib("rx_packets", "port_packets_received_total",
            "Number of packets received on all VLs by this port (including errors)"),
        _ib("tx_packets", "port_packets_transmitted_total",
            "Number of packets transmitted on all VLs from this port (including errors)"),
        _ib("rx_errors", "port_errors_received_total",
            "Number of packets containing an error that were received on this port"),
        _ib("rx_discards", "port_discards_received_total",
            "Number of inbound packets discarded by the port because the port is down or "
            "congested"),
        _ib("tx_discards", "port_discards_transmitted_total",
            "Number of outbound packets discarded by the port because the port is down or "
            "congested"),
        _ib("tx_wait", "port_transmit_wait_total",
            "Number of ticks during which the port had data to transmit but no data was sent "
            "during the entire tick"),
        _ib("link_downed", "link_downed_total",
            "Number of times the link failed to recover from an error state and went down"),
        _ib("link_error_recovery", "link_error_recovery_total",
            "Number of times the link successfully recovered from an error state"),
        _ib("symbol_errors", "symbol_error_total",
            "Number of minor link errors detected on one or more physical lanes."),
        _ib("cnp_sent", "np_cnp_packets_sent_total",
            "The number of CNP packets sent by the Notification Point when it noticed congestion "
            "experienced in the RoCEv2 IP header (ECN bits). The counters was added in "
            "MLNX_OFED 4.1"),
        _ib("ecn_marked", "np_ecn_marked_roce_packets_received_total",
            "The number of RoCEv2 packets received by the notification point which were marked for "
            "experiencing the congestion (ECN bits where '11' on the ingress RoCE traffic) . "
            "The counters was added in MLNX_OFED 4.1"),
        _ib("cnp_handled", "rp_cnp_packets_handled_total",
            "The number of CNP packets handled by the Reaction Point HCA to throttle the "
            "transmission rate. The counters was added in MLNX_OFED 4.1"),
        _ib("out_of_sequence", "out_of_sequence_packets_received_total",
            "The number of out of sequence packets received."),
        _ib("sequence_errors", "packet_sequence_errors_total",
            "The number of received NAK sequence error packets. The QP retry limit was not "
            "exceeded."),
        _ib("out_of_buffer", "out_of_buffer_drops_total",
            "The number of drops occurred due to lack of WQE for the associated QPs."),
        _ib("ack_timeouts", "local_ack_timeout_errors_total",
            "The number of times QP's ack timer expired for RC, XRC, DCT QPs at the sender side. "
            "The QP retry limit was not exceed, therefore it is still recoverable error."),
        _ib("adaptive_retransmits", "roce_adp_retransmits_total",
            "The number of adaptive retransmissions for RoCE traffic. The counter was added in "
            "MLNX_OFED rev 5.0-1.0.0.0 and kernel v5.6.0"),
        _net("up", "node_network_up", kind=MetricType.GAUGE, unit=Unit.NONE, high=1, codes=UP_CODES,
             help="Value is 1 if operstate is 'up', 0 otherwise."),
        _net("carrier_changes", "node_network_carrier_changes_total", kind=MetricType.COUNTER,
             unit=Unit.NONE, help="Network device property: carrier_changes_total"),
        _net("speed", "node_network_speed_bytes", kind=MetricType.GAUGE, unit=Unit.BYTES_PER_SECOND,
             low=-125_000, help="Network device property: speed_bytes"),
        _net("net_rx_bytes", "node_network_receive_bytes_total", kind=MetricType.COUNTER,
             unit=Unit.BYTES, help="Network device statistic receive_bytes."),
        _net("net_tx_bytes", "node_network_transmit_bytes_total", kind=MetricType.COUNTER,
             unit=Unit.BYTES, help="Network device statistic transmit_bytes."),
        _net("net_rx_errors", "node_network_receive_errs_total", kind=MetricType.COUNTER,
             unit=Unit.NONE, help="Network device statistic receive_errs."),
        _net("net_rx_drops", "node_network_receive_drop_total", kind=MetricType.COUNTER,
             unit=Unit.NONE, help="Network device statistic receive_drop."),
        _ethtool("rx_pause", "node_ethtool_received_prio3_pause",
                 help="Network interface rx_prio3_pause"),
        _ethtool("tx_pause", "node_ethtool_transmitted_prio3_pause",
                 help="Network interface tx_prio3_pause"),
        _ethtool("symbol_errors_phy", "node_ethtool_received_symbol_err_phy",
                 help="Network interface rx_symbol_err_phy"),
        _ethtool("corrected_bits_phy", "node_ethtool_received_corrected_bits_phy",
                 help="Network interface rx_corrected_bits_phy"),
        _module("module_temperature", "transceiver_module_temperature_degrees_celsius",
                unit=Unit.CELSIUS, decimals=1, high=150, extra=True,
                help="Module temperature in degrees celsius"),
        _module("module_temperature_high_alarm",
                "transceiver_module_temperature_high_alarm_threshold_degrees_celsius",
                unit=Unit.CELSIUS, constant=75.0, extra=True,
                help="High alarm threshold for the module temperature in degrees celsius"),
        _module("module_voltage", "transceiver_module_voltage_volts", unit=Unit.VOLTS,
                decimals=3, high=10, extra=True, help="Module voltage in volts"),
        _laser("laser_bias", "transceiver_laser_bias_current_milliamperes",
               unit=Unit.MILLIAMPERES, decimals=2, high=1000, extra=True,
               help="Laser bias current in in milliamperes"),
        _laser("laser_tx_power", "transceiver_laser_tx_power_dbm", unit=Unit.DBM,
               decimals=2, low=-60, high=20, extra=True, help="Laser tx power in dBm"),
        _laser("laser_rx_power", "transceiver_laser_rx_power_dbm", unit=Unit.DBM,
               decimals=2, low=-60, high=20, extra=True, help="Laser rx power in dBm"),
        _laser("laser_rx_power_low_warning", "transceiver_laser_rx_power_low_warning_threshold_dbm",
               unit=Unit.DBM, low=None, constant=-5.0, extra=True,
               help="Low warning threshold for the laser rx power in dBm"),
    ),
)  # fmt: skip
