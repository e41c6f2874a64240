"""One array: its racks side by side, and the leaf switches that connect them."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import HEAT
from twin.grafana.dashboard_links import drill_down
from twin.grafana.pages import ARRAY, RACK
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import cells, listing, numbers, timeline
from twin.grafana.place_columns import array_column
from twin.grafana.queries import array as q
from twin.grafana.queries import racks
from twin.grafana.units import COUNT

__all__ = ["rows"]

_EMPTY = "Only the roll-ups of this array are scraped"


def rows() -> list[Row]:
    """Return the rows."""
    return [_hall(), _now(), _racks(), _cooling(), _leaves(), _traffic()]


def _hall() -> Row:
    return "Arrays of the hall", [
        cells(
            "Hottest GPU of every array",
            "One cell for each array of the halls chosen above. A click chooses the array.",
            Query(q.ARRAY_HEAT, "{{array}}"),
            width=12,
            height=8,
            steps=HEAT,
            link=drill_down(ARRAY, array="array"),
        ),
        listing(
            "Arrays",
            "Power of each array, and its GPUs and NIC ports that report. A click chooses the "
            "array.",
            [
                Query(q.ARRAY_POWER),
                Query(q.ARRAY_HEAT),
                Query(q.ARRAY_GPUS),
                Query(q.ARRAY_NICS_DOWN),
                Query(q.ARRAY_FLOW),
                Query(q.ARRAY_UTILISATION),
            ],
            [
                array_column(80),
                TableColumn("Value #A", "IT power", width=100),
                TableColumn("Value #B", "Hottest GPU", steps=HEAT, width=110),
                TableColumn("Value #C", "GPUs", width=80),
                TableColumn("Value #D", "Ports down", width=100, steps=colors.IN_A_TABLE),
                TableColumn("Value #E", "Lowest flow", width=110, decimals=1, steps=colors.STILL),
                TableColumn("Value #F", "Utilisation", decimals=0),
            ],
            width=12,
            nothing="No array reports",
            sort="Array",
        ),
    ]


def _now() -> Row:
    return "Array $array", [
        numbers(
            "Racks",
            "Racks of the array that are reporting.",
            [Query(q.RACKS)],
            unit=COUNT,
            width=4,
        ),
        numbers(
            "GPUs",
            "GPUs of the array that report, and those that do not although their rack does.",
            [
                Query(q.GPUS, "reporting"),
                Query(q.GPUS_MISSING, "missing", steps=colors.SOME_IS_BAD),
            ],
            width=5,
        ),
        numbers(
            "NIC ports",
            "Ports of the array's servers whose link is up, and those whose link is down.",
            [Query(q.NICS, "up"), Query(q.NICS_DOWN, "down", steps=colors.SOME_IS_BAD)],
            width=5,
        ),
        numbers(
            "IT power",
            "Power of the array's servers, at their inlets.",
            [Query(q.POWER)],
            width=5,
            decimals=1,
        ),
        numbers(
            "Hottest GPU", "The hottest GPU of the array.", [Query(q.HEAT)], width=5, steps=HEAT
        ),
    ]


def _racks() -> Row:
    return "Racks side by side", [
        cells(
            "Racks",
            "Hottest GPU of every rack of the array. A rack whose GPUs do not answer is “gone”, "
            "one that does not report is “silent”. A click opens the rack.",
            Query(q.RACK_TILES, "{{rack}}"),
            words=racks.WORDS,
            width=12,
            height=8,
            steps=HEAT,
            link=drill_down(RACK, rack="rack", array="array"),
        ),
        timeline(
            "Hottest GPU",
            "Hottest GPU of every rack. In a healthy array the lines lie within a few kelvin.",
            [Query(q.RACK_HEAT, "{{rack}}")],
            width=12,
            least=30,
        ),
        timeline(
            "IT power",
            "Power of every rack's servers. All racks of a synchronous job move together.",
            [Query(q.RACK_POWER, "{{rack}}")],
            width=12,
            least=0,
            every="1s",
        ),
        timeline(
            "SM clock",
            "Mean SM clock of every rack. A rack that lags behind is throttled, and the whole job "
            "waits for it.",
            [Query(q.RACK_CLOCK, "{{rack}}")],
            width=12,
            least=0,
        ),
    ]


def _cooling() -> Row:
    return "Coolant", [
        timeline(
            "Flow",
            "Coolant flow of every rack. After a pump failure it dips for some seconds, until the "
            "other pump has taken over.",
            [Query(q.FLOW, "{{rack}}")],
            width=12,
            least=0,
            nothing=_EMPTY,
        ),
        timeline(
            "Supply",
            "Supply temperature of every rack.",
            [Query(q.SUPPLY, "{{rack}}")],
            width=12,
            nothing=_EMPTY,
        ),
        timeline(
            "Return",
            "Return temperature of every rack.",
            [Query(q.RETURN, "{{rack}}")],
            width=12,
            nothing=_EMPTY,
        ),
        timeline(
            "Rise",
            "Return minus supply of every rack: 8 to 12 K are usual. A rise means too little flow.",
            [Query(q.RISE, "{{rack}}")],
            width=12,
            least=0,
            limit=limit.COOLANT_RISE.value,
            nothing=_EMPTY,
        ),
    ]


def _leaves() -> Row:
    return "Leaf switches", [
        timeline(
            "Traffic",
            "Bits a second received by every leaf switch: bursts at the end of each step.",
            [Query(q.LEAF_RECEIVED, "{{instance}}")],
            width=8,
            least=0,
            nothing=_EMPTY,
        ),
        timeline(
            "Use of the uplinks",
            "Traffic to the spines as a share of the capacity of the uplinks in service, averaged "
            "between two points: bursts at the end of a step are far higher.",
            [Query(q.LEAF_UPLINKS_USED, "{{instance}}")],
            width=8,
            least=0,
            most=1,
            nothing=_EMPTY,
        ),
        timeline(
            "Ports in service",
            "Uplinks to the spines and downlinks to servers that are up. A flat line is good.",
            [
                Query(q.LEAF_UPLINKS, "{{instance}} uplinks"),
                Query(q.LEAF_DOWNLINKS, "{{instance}} downlinks"),
            ],
            width=8,
            least=0,
            whole=True,
            nothing=_EMPTY,
        ),
    ]


def _traffic() -> Row:
    return "Leaf switches: congestion and heat", [
        timeline(
            "ECN marks",
            "Packets a second that every leaf marked (ECN); expected in bursts only.",
            [Query(q.LEAF_MARKED, "{{instance}}")],
            width=12,
            least=0,
            nothing=_EMPTY,
        ),
        timeline(
            "Pause frames",
            "Priority pause frames a second to servers. Many of them are a PFC storm: a NIC that "
            "does not accept its packets.",
            [Query(q.LEAF_PAUSES, "{{instance}}")],
            width=12,
            least=0,
            nothing=_EMPTY,
        ),
        timeline(
            "Discards",
            "Bits a second that a leaf received and dropped, because no uplink was in service.",
            [Query(q.LEAF_DISCARDS, "{{instance}}")],
            width=12,
            least=0,
            nothing=_EMPTY,
        ),
        timeline(
            "ASIC temperature and power",
            "Temperature (left) and electrical power (right) of every leaf switch.",
            [
                Query(q.LEAF_HEAT, "{{instance}}"),
                Query(q.LEAF_POWER, "{{instance}} power", right=True),
            ],
            width=12,
            nothing=_EMPTY,
        ),
    ]
