"""Alerts on NICs, optics and switches."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Recording, Rules, Severity
from twin.alerts.rolled import ROLLED_NETWORK
from twin.catalog import LEAF, NIC
from twin.catalog.selectors import ARRAY, of, up

__all__ = ["NETWORK_RULES"]

_nic = partial(of, NIC)
_PORT = "Port {{ $labels.device }} of {{ $labels.instance }} in rack {{ $labels.rack }}"
_OPTIC = "The optic {{ $labels.interface }} of {{ $labels.instance }} in rack {{ $labels.rack }}"
_MARKED = "site:node_infiniband_ecn_marked:ratio_rate5m"
_UPLINKS = of(LEAF, "uplinks_up")

_RECORDINGS = (
    Recording(
        _MARKED,
        f"""
        sum by (site) (rate({_nic("ecn_marked")}[5m]))
          / sum by (site) (rate({_nic("rx_packets")}[5m]))
        """,
        "Share of the RoCE packets that arrive with a congestion mark (ECN).",
    ),
)

_LINKS = (
    Alert(
        name="NicLinkDown",
        severity=Severity.CRITICAL,
        why='State 4 is "active". Only RDMA ports have a state, so virtual devices do not match.',
        expr=f"{_nic('state')} < 4",
        hold=15,
        summary=f"{_PORT} is down",
        detail="The link is in state {{ $value }}, not 4 (active).",
        meaning="The job waits for this rank until its collective times out.",
        steps=(
            "If the same port is down on all servers of an array, the leaf is at fault.",
            "Check the optic's light levels and errors, then the cable and the switch port.",
            "Drain the server if the link does not come back.",
        ),
    ),
    Alert(
        name="NicLinkFlapping",
        severity=Severity.WARNING,
        expr=f"increase({_nic('link_downed')}[15m]) > {limit.NIC_FLAPS}",
        summary=f"{_PORT} flaps",
        detail='The link went down about {{ $value | printf "%.0f" }} times in 15 minutes.',
        meaning="Each flap stalls the job until the link is back.",
        steps=("Clean or replace the transceiver before it fails for good.",),
    ),
    Alert(
        name="NicDegradedRate",
        severity=Severity.WARNING,
        why="Compared with the same device of the array's other servers, so the rule fits any "
        "link rate.",
        expr=f"""
        {_nic("rate")}
          < on ({ARRAY}, device) group_left ()
        {limit.NIC_RATE} * quantile by ({ARRAY}, device) (0.5, {_nic("rate")})
        """,
        hold=60,
        summary=f"{_PORT} runs at {{{{ $value | humanize }}}}B/s, below its peers",
        meaning="The link came up at a lower rate or with fewer lanes. No link is down, but the "
        "collective waits for the slowest link at every step.",
        steps=(
            "Read the lanes and the reason for the last downshift: `mlxlink -d <device> -m`.",
            "Take the link down and up; if it stays slow, replace the optic or the cable.",
        ),
    ),
    Alert(
        name="NicPacketLoss",
        severity=Severity.WARNING,
        expr=f"""
        rate({_nic("rx_errors")}[2m])
          / rate({_nic("rx_packets")}[2m])
          > {limit.NIC_LOSS}
        """,
        hold=30,
        summary=f"{_PORT} loses {{{{ $value | humanizePercentage }}}} of its packets",
        meaning="RoCE resends a whole window for each lost packet: 0.1 % loss costs about a sixth "
        "of the throughput and slows down the job.",
        steps=(
            "Check the optic's symbol errors and light levels.",
            "Replace the cable or the optic.",
        ),
    ),
    Alert(
        name="NicSymbolErrors",
        severity=Severity.WARNING,
        expr=f"rate({_nic('symbol_errors')}[5m]) > {limit.NIC_SYMBOL_ERRORS}",
        hold=60,
        summary=f'{_PORT} has {{{{ $value | printf "%.0f" }}}} symbol errors a second',
        meaning="There are more bit errors than forward error correction can repair: the optic, "
        "the fibre or a connector is degrading, and the link will flap next.",
        steps=(
            "Clean the connectors.",
            "Replace the optic at the job's next pause.",
        ),
    ),
    Alert(
        name="OpticRxPowerLow",
        severity=Severity.WARNING,
        why="With no light at all the link is down, which NicLinkDown reports.",
        expr=f"""
        (
          {_nic("laser_rx_power")}
            < on (site, rack, instance, interface, laser_index)
          {_nic("laser_rx_power_low_warning")}
        ) > {limit.OPTIC_DARK}
        """,
        hold=60,
        summary=f'{_OPTIC} receives {{{{ $value | printf "%.1f" }}}} dBm',
        meaning="The received light is below the module's own warning threshold. If it drops by "
        "another decibel or two, the link flaps and stalls the job.",
        steps=(
            "Compare with the transmit power at the far end: is it the fibre or the laser?",
            "Clean the connectors; replace the optic if its laser is fading.",
        ),
    ),
)

_FABRIC = (
    Alert(
        name="PfcStorm",
        severity=Severity.CRITICAL,
        expr=f"rate({_nic('tx_pause')}[2m]) > {limit.PFC_PAUSES}",
        summary=f"{_PORT} floods its leaf with "
        '{{ $value | printf "%.0f" }} pause frames a second',
        meaning="A NIC that cannot accept its traffic pauses its leaf, which pauses all others on "
        "the rail. No link is down, but throughput falls and steps take much longer.",
        steps=(
            "Take the port down: the job loses a rank, but the rail recovers.",
            "Look for a hung host or full receive buffers; enable the switch's PFC watchdog.",
        ),
    ),
    Alert(
        name="FabricCongested",
        severity=Severity.WARNING,
        expr=f"{_MARKED} > {limit.FABRIC_MARKED}",
        hold=60,
        summary="{{ $value | humanizePercentage }} of the packets of {{ $labels.site }} arrive "
        "with a congestion mark (ECN)",
        meaning="Flows collide in the fabric: adaptive routing is off or broken, spines are down, "
        "or jobs share links. Bursts take longer, and so do steps.",
        steps=(
            "Compare the utilisation of the leaves' uplinks.",
            "Look for a routing change, and for spines and uplinks that are out of service.",
        ),
    ),
    Alert(
        name="LeafDown",
        severity=Severity.CRITICAL,
        why="A leaf belongs to an array; a spine does not.",
        expr=up(LEAF["up"], matchers=('array!=""',)) + " == 0",
        hold=15,
        summary="Leaf {{ $labels.instance }} of array {{ $labels.array }} does not answer",
        meaning="Every server of the array loses the link of the same NIC at the same moment. The "
        "job stalls.",
        steps=(
            "If those links are up, only the switch's management plane is down.",
            "Otherwise power-cycle the switch; if that does not help, install the spare.",
        ),
    ),
    Alert(
        name="SpineDown",
        severity=Severity.WARNING,
        expr=up(LEAF["up"], matchers=('array=""',)) + " == 0",
        hold=15,
        summary="Spine {{ $labels.instance }} of {{ $labels.site }} does not answer",
        meaning="The other spines carry its share. A large fabric with many spines hardly slows "
        "down; in a small one bursts and steps take longer.",
        steps=(
            "Power-cycle the switch, or replace it.",
            "Watch the leaves' uplinks.",
        ),
    ),
    Alert(
        name="LeafUplinksLost",
        severity=Severity.WARNING,
        why="When a spine fails, all leaves lose equally many uplinks, which SpineDown reports.",
        expr=f"""
        {_UPLINKS}
          < on (site) group_left ()
        quantile by (site) (0.5, {_UPLINKS})
        """,
        hold=60,
        summary="Leaf {{ $labels.instance }} of array {{ $labels.array }} has only "
        "{{ $value }} uplinks",
        meaning="The leaf has fewer paths to the spines than the others, so its rail is the "
        "slowest of the job.",
        steps=("Check the ports that are down, their optics and the spines at the far end.",),
    ),
)

NETWORK_RULES = Rules(
    Domain.NETWORK,
    "NIC ports by the metrics of node_exporter, optics by those of transceiver-exporter, switches "
    "by snmp_exporter's `up`. There are no common names for switch metrics.",
    _RECORDINGS,
    (*_LINKS, *_FABRIC, *ROLLED_NETWORK),
)
