"""The fabric: leaves and spines of the site, ports and optics of one array."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.catalog import LEAF, NIC, SPINE, Level
from twin.grafana.promql import Expr
from twin.grafana.units import BITS_PER_SECOND, COUNT
from twin.grafana.values import IN_ARRAY, NO_VIRTUAL_DEVICE, of, rolled

_PACKETS = "pps"
_LISTED = 10
_BY_LEAF = ("array", "instance")


_site = partial(rolled, Level.SITE)
_leaf = partial(of, LEAF)
_nic = partial(of, NIC, within=IN_ARRAY)
_array = partial(rolled, Level.ARRAY, within=IN_ARRAY)

# -- the site -------------------------------------------------------------------------

PORTS_UP = _site("nics_up").in_unit(COUNT)
PORTS_DOWN_ALL = _site("nics_down").in_unit(COUNT)
LEAF_PORTS_UP = _site("leaf_ports_up").in_unit(COUNT)
LEAF_PORTS_DOWN = _site("leaf_ports_down").in_unit(COUNT)
LEAVES_UP = _site("leaf_switches_up").in_unit(COUNT)
_SNMP = f'job="{SPINE["up"].family.job}"'
"""All switches and their ports are targets of one job."""
_LEAVES = _leaf("up", _SNMP, 'array!=""')
_SPINES = of(SPINE, "up", _SNMP, 'array=""')
"""A leaf belongs to an array; spines belong to all of them."""
LEAVES_DOWN = Expr(f"sum({_LEAVES} == bool 0)", COUNT)
SPINES_UP = _SPINES.sum().in_unit(COUNT)
SPINES_DOWN = Expr(f"sum({_SPINES} == bool 0)", COUNT)
SWITCHES_DOWN = of(SPINE, "up", _SNMP).equals(0).during("spine-down")

TRANSMITTED = _site("nic_transmitted_bytes_total").rate()
RECEIVED = _site("nic_received_bytes_total").rate()
_SPINE_LOAD = of(SPINE, "rx_bytes").rate()
SPINE_HIGHEST = _SPINE_LOAD.max()
SPINE_MEAN = _SPINE_LOAD.mean()
SPINE_LOWEST = _SPINE_LOAD.min()
_UPLINKS_USED = _leaf("uplink_tx_bytes").rate().per(_leaf("uplink_capacity"))
UPLINKS_USED_HIGHEST = _UPLINKS_USED.max()
MARKED = _site("nic_ecn_marked_packets_total").rate().in_unit(_PACKETS)
NOTIFIED = _site("nic_cnp_packets_sent_total").rate().in_unit(_PACKETS)
PAUSES = _site("nic_pause_frames_transmitted_total").rate().in_unit(_PACKETS)
RETRANSMITTED = _site("nic_retransmits_total").rate().in_unit(_PACKETS)
LINKS_LOST = _site("nic_links_downed_total").increase("15m")
DISCARDED = _site("leaf_discarded_bytes_total").rate()
SPINE_HEAT = of(SPINE, "temperature").max()
SPINE_POWER = of(SPINE, "power").sum()

BUSIEST_USED = _UPLINKS_USED.max(*_BY_LEAF).top(_LISTED)
BUSIEST_UPLINKS = _leaf("uplinks_up").max(*_BY_LEAF).kept_by(BUSIEST_USED)
BUSIEST_DOWNLINKS = _leaf("downlinks_up").max(*_BY_LEAF).kept_by(BUSIEST_USED)
BUSIEST_HEAT = _leaf("temperature").max(*_BY_LEAF).kept_by(BUSIEST_USED)

# -- one array ------------------------------------------------------------------------

SENT = rolled(Level.RACK, "nic_transmitted_bytes_total", within=IN_ARRAY).rate()
CNP = _array("nic_cnp_packets_sent_total").rate().in_unit(_PACKETS)
CNP_HANDLED = _nic("cnp_handled").rate().sum().in_unit(_PACKETS)
ECN = _array("nic_ecn_marked_packets_total").rate().in_unit(_PACKETS)
PFC_SENT = _array("nic_pause_frames_transmitted_total").rate().in_unit(_PACKETS)
PFC_RECEIVED = _array("nic_pause_frames_received_total").rate().in_unit(_PACKETS)
RETRANSMITS = _array("nic_retransmits_total").rate().in_unit(_PACKETS)
OUT_OF_SEQUENCE = _nic("out_of_sequence").rate().sum().in_unit(_PACKETS)
ACK_TIMEOUTS = _nic("ack_timeouts").rate().sum().in_unit(_PACKETS)
PORTS_DOWN = _array("nics_down")
FLAPS = _nic("carrier_changes").increase("15m").sum()
LINKS_DOWN = _nic("up", NO_VIRTUAL_DEVICE).by_host().equals(0).during("nic-down")
FLAPPING = (
    Expr(f"({_nic('carrier_changes').increase('15m')} > 1.5)")
    .by_host()
    .top(_LISTED)
    .during("nic-flap")
)
"""A link that is lost and stays lost changes once; the increase of a counter is no whole number."""
SLOW_LINKS = (
    Expr(
        f"8 * ({_nic('rate').raw} < on (site) group_left () max by (site) ({_nic('rate').raw}))",
        BITS_PER_SECOND,
    )
    .by_host()
    .during("nic-degraded-rate")
)
SYMBOL_ERRORS = _nic("symbol_errors_phy").rate().sum()
CORRECTED_BITS = _nic("corrected_bits_phy").rate().sum()

OPTIC_HEAT = _nic("module_temperature").max()
OPTIC_HEAT_MEAN = _nic("module_temperature").mean()
_LIGHT = Expr(f"{_nic('laser_rx_power')} > {limit.OPTIC_DARK.value:g}", "dBm")
"""Of the lasers that are received at all: a dark one is at -40 dBm, far from all others."""
OPTIC_LIGHT = _LIGHT.by_host()
OPTIC_LIGHT_LOWEST = _LIGHT.min()
OPTIC_LIGHT_MEAN = _LIGHT.mean()
OPTIC_DARK = Expr(
    f"count({_nic('laser_rx_power')} <= {limit.OPTIC_DARK.value:g}) or "
    f"0 * count({_nic('laser_rx_power')})"
)
OPTIC_WARNING = Expr(f"max({_nic('laser_rx_power_low_warning')})", "dBm")
OPTIC_BIAS = _nic("laser_bias").max()
