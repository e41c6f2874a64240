"""Throughput, congestion, lost links, optics, switches."""

from __future__ import annotations

from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, GREEN, GREY, ORANGE, RED, YELLOW
from twin.grafana.dashboard_links import drill_down
from twin.grafana.pages import RACK
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import density, listing, numbers, timeline
from twin.grafana.place_columns import array_column
from twin.grafana.queries import network as q

__all__ = ["rows"]

_EMPTY = "Only the roll-ups of this array are scraped"
_RACK = TableColumn("rack", "Rack", width=80, link=drill_down(RACK, rack="row.Rack"))


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _fabric(), _switches(), _ports(), _links(), _optics()]


def _now() -> Row:
    return "Now", [
        numbers(
            "Server ports",
            "Server ports with link up, and with link down.",
            [Query(q.PORTS_UP, "up"), Query(q.PORTS_DOWN_ALL, "down", steps=colors.SOME_IS_BAD)],
            width=5,
        ),
        numbers(
            "Switch ports",
            "Ports of the leaf switches that are up, and those that are down.",
            [
                Query(q.LEAF_PORTS_UP, "up"),
                Query(q.LEAF_PORTS_DOWN, "down", steps=colors.SOME_IS_BAD),
            ],
            width=5,
        ),
        numbers(
            "Leaf switches",
            "Leaf switches that answer, and those that do not.",
            [Query(q.LEAVES_UP, "up"), Query(q.LEAVES_DOWN, "down", steps=colors.SOME_IS_BAD)],
            width=4,
        ),
        numbers(
            "Spine switches",
            "Spine switches that answer, and those that do not.",
            [Query(q.SPINES_UP, "up"), Query(q.SPINES_DOWN, "down", steps=colors.SOME_IS_BAD)],
            width=4,
        ),
        numbers(
            "Busiest uplinks",
            "Highest uplink utilisation of any leaf, averaged between two points.",
            [Query(q.UPLINKS_USED_HIGHEST)],
            width=3,
            decimals=1,
        ),
        numbers(
            "Discarded",
            "Bits a second that leaves received and could not forward.",
            [Query(q.DISCARDED)],
            width=3,
            steps=colors.NONE_IS_GOOD,
            decimals=1,
        ),
    ]


def _fabric() -> Row:
    return "Fabric", [
        timeline(
            "Throughput",
            "Bits a second that all RDMA ports send and receive: quiet in the step, at line rate "
            "at its end, when gradients are exchanged.",
            [Query(q.TRANSMITTED, "sent", BLUE), Query(q.RECEIVED, "received", GREEN)],
            width=6,
            least=0,
        ),
        timeline(
            "Congestion",
            "Packets a second that switches marked (ECN), congestion notifications sent for them "
            "(CNP), and pause frames (PFC). All rise only in the bursts at the end of a step.",
            [
                Query(q.MARKED, "ECN marks", ORANGE),
                Query(q.NOTIFIED, "CNP", YELLOW),
                Query(q.PAUSES, "pause frames", RED),
            ],
            width=6,
            least=0,
        ),
        timeline(
            "Use of the uplinks",
            "Traffic to the spines as a share of the capacity of the uplinks in service, of the "
            "busiest leaf, averaged between two points.",
            [Query(q.UPLINKS_USED_HIGHEST, "busiest leaf", ORANGE)],
            width=6,
            least=0,
            most=1,
        ),
        timeline(
            "Trouble",
            "Adaptive retransmissions a second (left), and links that were lost in the last 15 "
            "minutes (right). Both are near zero on a healthy fabric.",
            [
                Query(q.RETRANSMITTED, "retransmissions", YELLOW),
                Query(q.LINKS_LOST, "links lost", RED, right=True),
            ],
            width=6,
            least=0,
            most=4,
        ),
    ]


def _switches() -> Row:
    return "Switches", [
        timeline(
            "Spines",
            "Bits a second received by the spines. Their load is even while routing is adaptive.",
            [
                Query(q.SPINE_HIGHEST, "busiest", ORANGE),
                Query(q.SPINE_MEAN, "mean", BLUE),
                Query(q.SPINE_LOWEST, "least busy", GREY),
            ],
            width=6,
            least=0,
        ),
        timeline(
            "Heat and power of the spines",
            "Hottest ASIC (left), and power of all spines (right).",
            [
                Query(q.SPINE_HEAT, "hottest", ORANGE),
                Query(q.SPINE_POWER, "power", BLUE, right=True),
            ],
            width=5,
        ),
        listing(
            "Busiest leaves",
            "The ten leaves with the busiest uplinks. A click opens the array.",
            [
                Query(q.BUSIEST_USED),
                Query(q.BUSIEST_UPLINKS),
                Query(q.BUSIEST_DOWNLINKS),
                Query(q.BUSIEST_HEAT),
            ],
            [
                array_column(80),
                TableColumn("instance", "Leaf", width=110),
                TableColumn("Value #A", "Uplinks used", width=110, decimals=1),
                TableColumn("Value #B", "Uplinks", width=90),
                TableColumn("Value #C", "Downlinks", width=100),
                TableColumn("Value #D", "ASIC"),
            ],
            width=9,
            nothing="No leaf reports",
            sort="Uplinks used",
            descending=True,
        ),
        listing(
            "Switches down",
            "Leaf and spine switches that do not answer. A leaf takes the ports of its servers "
            "with it; a spine takes capacity from all.",
            [Query(q.SWITCHES_DOWN)],
            [
                array_column(70),
                TableColumn("instance", "Switch"),
            ],
            width=4,
            nothing="All switches answer",
        ),
    ]


def _ports() -> Row:
    return "Server ports of $array", [
        timeline(
            "Sent",
            "Bits a second sent by the servers of each rack.",
            [Query(q.SENT, "{{rack}}")],
            width=12,
            least=0,
            nothing=_EMPTY,
        ),
        timeline(
            "Congestion notifications",
            "ECN marks received, and congestion notifications (CNP) sent and handled.",
            [
                Query(q.ECN, "ECN marks received", ORANGE),
                Query(q.CNP, "CNP sent", YELLOW),
                Query(q.CNP_HANDLED, "CNP handled", BLUE),
            ],
            width=12,
            least=0,
            nothing=_EMPTY,
        ),
        timeline(
            "Pause frames",
            "Pause frames (PFC) a second, sent and received. node_exporter has them off by "
            "default.",
            [
                Query(q.PFC_SENT, "sent", RED),
                Query(q.PFC_RECEIVED, "received", ORANGE),
            ],
            width=12,
            least=0,
        ),
        timeline(
            "Loss",
            "Packets a second that were resent, arrived out of order or were not acknowledged. "
            "Near zero on a healthy fabric.",
            [
                Query(q.RETRANSMITS, "adaptive retransmissions", YELLOW),
                Query(q.OUT_OF_SEQUENCE, "out of sequence", ORANGE),
                Query(q.ACK_TIMEOUTS, "acknowledgements timed out", RED),
            ],
            width=12,
            least=0,
            most=10,
            nothing=_EMPTY,
        ),
    ]


def _links() -> Row:
    return "Links of $array", [
        timeline(
            "Down and flapping",
            "Ports whose link is down, and changes of carrier in the last 15 minutes.",
            [
                Query(q.PORTS_DOWN, "down", RED, bold=True),
                Query(q.FLAPS, "changes of carrier", ORANGE),
            ],
            width=6,
            least=0,
            most=4,
            whole=True,
            nothing=_EMPTY,
        ),
        listing(
            "Links down",
            "Ports whose link is down now.",
            [Query(q.LINKS_DOWN)],
            [
                _RACK,
                TableColumn("instance", "Server", width=140),
                TableColumn("device", "Port"),
            ],
            width=6,
            nothing="All links are up",
        ),
        listing(
            "Flapping links",
            "Ports that lost or found their carrier more than once in the last 15 minutes.",
            [Query(q.FLAPPING)],
            [
                _RACK,
                TableColumn("instance", "Server", width=110),
                TableColumn("device", "Port", width=80),
                TableColumn("Value", "Changes", width=90, decimals=0),
            ],
            width=6,
            nothing="No link flaps",
            sort="Changes",
            descending=True,
        ),
        listing(
            "Slow links",
            "Ports that run at a lower rate than the others.",
            [Query(q.SLOW_LINKS)],
            [
                _RACK,
                TableColumn("instance", "Server", width=110),
                TableColumn("device", "Port", width=80),
                TableColumn("Value", "Rate", width=90),
            ],
            width=6,
            nothing="All links run at full rate",
        ),
    ]


def _optics() -> Row:
    return "Optics of $array", [
        density(
            "Light received",
            "Number of lasers by received power. An ageing laser falls below the band; ports "
            "without any light are counted separately.",
            Query(q.OPTIC_LIGHT, "{{instance}} {{interface}}"),
            width=8,
            bucket=0.25,
        ),
        timeline(
            "Weakest light",
            "Lowest received power of any port, the mean, and the module's own warning threshold "
            "(left); ports without light (right).",
            [
                Query(q.OPTIC_LIGHT_MEAN, "mean", BLUE),
                Query(q.OPTIC_LIGHT_LOWEST, "weakest", ORANGE),
                Query(q.OPTIC_WARNING, "warning", GREY, dashed=True),
                Query(q.OPTIC_DARK, "ports without light", RED, right=True),
            ],
            width=5,
            nothing=_EMPTY,
        ),
        timeline(
            "Modules",
            "Hottest and mean transceiver (left), and the highest laser current (right).",
            [
                Query(q.OPTIC_HEAT, "hottest", ORANGE),
                Query(q.OPTIC_HEAT_MEAN, "mean", BLUE),
                Query(q.OPTIC_BIAS, "laser current", GREEN, right=True),
            ],
            width=5,
            nothing=_EMPTY,
        ),
        timeline(
            "Errors on the line",
            "Uncorrected symbol errors (left) and bits repaired by error correction (right), a "
            "second, over all ports.",
            [
                Query(q.SYMBOL_ERRORS, "symbol errors", RED),
                Query(q.CORRECTED_BITS, "corrected bits", GREY, right=True),
            ],
            width=6,
            least=0,
            most=1,
        ),
    ]
