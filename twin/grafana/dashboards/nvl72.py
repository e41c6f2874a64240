"""NVL72 racks: the NVLink domain of each, its power shelves and its compute trays."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import listing, numbers, timeline
from twin.grafana.place_columns import array_column, rack_column
from twin.grafana.queries import nvl72 as q

__all__ = ["rows"]

_RACK = "{{rack}}"
_LEAST_VOLTS = limit.TRAY_VOLTS.value - 2
"""Of an axis: on one from 0 a bad joint would be hidden in the line's width."""


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _links(), _shelves(), _trays(), _smoothing()]


def _now() -> Row:
    return "Now", [
        numbers(
            "NVLinks down",
            "Links between GPUs and switch trays that are down.",
            [Query(q.LINKS_DOWN)],
            width=4,
            steps=colors.SOME_IS_BAD,
            decimals=0,
        ),
        numbers(
            "Switch trays off",
            "NVLink switch trays of the site that do not answer, of nine in each NVL72.",
            [Query(q.TRAYS_OFF)],
            width=4,
            steps=colors.SOME_IS_BAD,
            decimals=0,
        ),
        numbers(
            "Supplies off",
            "Supplies of power shelves that deliver nothing.",
            [Query(q.SUPPLIES_OFF)],
            width=4,
            steps=colors.SOME_IS_BAD,
            decimals=0,
        ),
        numbers(
            "Lowest bus",
            "Lowest voltage of a bus in the array, at those of its power shelves that are on.",
            [Query(q.BUS_LOWEST)],
            width=4,
            decimals=2,
        ),
        numbers(
            "Lowest tray",
            "Lowest voltage at the input of a compute tray. One that is far below the bus has a "
            "bad joint.",
            [Query(q.TRAY_LOWEST)],
            width=4,
            steps=colors.bad_below(limit.TRAY_VOLTS),
            decimals=2,
        ),
        numbers(
            "Wettest detector",
            "Lowest voltage of a leak detector: 1.73 V when dry, below 1.3 V when wet.",
            [Query(q.LEAK_LOWEST)],
            width=4,
            steps=colors.bad_below(limit.LEAK_LOW),
            decimals=2,
        ),
    ]


def _links() -> Row:
    return "NVLink domains", [
        listing(
            "Worst NVLinks",
            "The twenty worst links of the array: those with a bad signal, then those that have "
            "recovered most within an hour, then those without a partner, as all of a switch tray "
            "that is off.",
            [
                Query(q.WORST_LINKS),
                Query(q.WORST_RECOVERED),
                Query(q.WORST_STATE),
                Query(q.WORST_FALLS),
                Query(q.WORST_SYMBOLS),
            ],
            [
                array_column(70),
                rack_column(80),
                TableColumn("tray_index", "Tray", width=60),
                TableColumn("device_num_on_tray", "GPU", width=60),
                TableColumn("port_label", "Link", width=90),
                TableColumn("Value #C", "State"),
                TableColumn("Value #B", "Recovered", decimals=0, steps=colors.IN_A_TABLE),
                TableColumn("Value #D", "Falls", decimals=0),
                TableColumn("Value #E", "Symbol errors", decimals=0),
            ],
            width=24,
            nothing="No NVL72 racks",
        ),
        timeline(
            "Recoveries in ten minutes",
            "Recoveries of links by rack. A healthy link has none; one that has them fails within "
            "days.",
            [Query(q.RECOVERIES, _RACK)],
            width=12,
            least=0,
        ),
        timeline(
            "GPUs with limited bandwidth",
            "GPUs by rack whose fabric health is limited, because links are missing.",
            [Query(q.LIMITED, _RACK)],
            width=12,
            least=0,
        ),
    ]  # fmt: skip


def _shelves() -> Row:
    return "Power shelves", [
        timeline(
            "Power by rack",
            "DC power that the power shelves of each rack deliver.",
            [Query(q.SHELF_POWER, _RACK)],
            width=8,
            least=0,
        ),
        timeline(
            "Bus",
            "Voltage of each rack's bus, at those of its shelves that are on; it falls with the "
            "current.",
            [Query(q.BUS_VOLTS, _RACK)],
            width=8,
            least=_LEAST_VOLTS,
        ),
        timeline(
            "Lowest tray input",
            "Lowest voltage at the input of a compute tray of each rack, and the limit of the "
            "alert rule (dashed).",
            [Query(q.TRAY_VOLTS, _RACK)],
            width=8,
            least=_LEAST_VOLTS,
            limit=limit.TRAY_VOLTS.value,
        ),
    ]


def _smoothing() -> Row:
    return "Power smoothing", [
        timeline(
            "Power and floor",
            "Power of the GPUs of each rack, and the floor that power smoothing holds "
            "them above while they have work. Power that lies on its floor is burnt in part.",
            [Query(q.GPUS_POWER, _RACK), Query(q.FLOOR, "{{rack}} floor")],
            width=12,
            least=0,
        ),
        timeline(
            "GPUs with smoothing on",
            "GPUs of each rack whose power smoothing is on. A rack that has fewer than the others "
            "brings its swing back to the grid.",
            [Query(q.SMOOTHED, _RACK)],
            width=12,
            least=0,
        ),
        timeline(
            "Lowest ceiling",
            "Least power that a GPU of each rack may draw: after a start it rises with the "
            "profile's rate, and holds the job back until then.",
            [Query(q.SMOOTHING_CEILING, _RACK)],
            width=12,
            least=0,
        ),
        timeline(
            "Circuitry's lifetime",
            "Lifetime that is left to the smoothing circuitry of the GPU of each rack that has "
            "least. XID 164 says that it is low, 165 that it is used up.",
            [Query(q.SMOOTHING_LIFETIME, _RACK)],
            width=12,
            least=0,
            most=100,
        ),
    ]


def _trays() -> Row:
    return "Trays", [
        timeline(
            "Highest module power",
            "Power of the superchip that draws most in each rack: its CPU and both of its GPUs.",
            [Query(q.MODULES, _RACK)],
            width=8,
            least=0,
        ),
        timeline(
            "Switch trays",
            "Power of the NVLink switch trays of each rack.",
            [Query(q.SWITCH_POWER, _RACK)],
            width=8,
            least=0,
        ),
        timeline(
            "Leak detectors",
            "Lowest voltage of a leak detector of each rack, and the limit of the alert rule "
            "(dashed).",
            [Query(q.DETECTORS, _RACK)],
            width=8,
            limit=limit.LEAK_LOW.value,
        ),
    ]
