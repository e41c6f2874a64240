"""Cooling: from the chillers to the cold plates."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, GREY, ORANGE, PURPLE, RED, YELLOW
from twin.grafana.dashboard_links import drill_down
from twin.grafana.dashboards.cooling_rows import chillers_now, facility_water, fans
from twin.grafana.pages import RACK
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import listing, numbers, timeline
from twin.grafana.place_columns import array_column, rack_column
from twin.grafana.queries import cooling as q
from twin.grafana.queries import energy

__all__ = ["rows"]


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _coolant(), _units(), facility_water(coolant=True), _rack(), _pumps(), fans()]


def _now() -> Row:
    return "Now", [
        numbers(
            "Pumps",
            "Coolant pumps that run, and pumps that have failed. Every rack has two and needs one.",
            [
                Query(q.PUMPS_RUNNING, "running"),
                Query(q.PUMPS_FAILED, "failed", steps=colors.SOME_IS_BAD),
            ],
            width=5,
        ),
        numbers(
            "Leaks",
            "Racks whose leak detector does not report OK.",
            [Query(q.LEAKING, "racks")],
            width=3,
            steps=colors.NONE_IS_GOOD,
        ),
        numbers(
            "Supplies failed",
            "Failed power supplies of coolant units; the second supply carries the unit.",
            [Query(q.SUPPLIES_FAILED)],
            width=3,
            steps=colors.NONE_IS_GOOD,
        ),
        numbers(
            "Lowest flow",
            "Lowest coolant flow of any rack.",
            [Query(q.FLOW_LOWEST)],
            width=3,
            steps=colors.NONE_IS_BAD,
            decimals=1,
        ),
        numbers(
            "Warmest supply",
            "Highest supply temperature of any rack.",
            [Query(q.SUPPLY_HIGHEST)],
            width=3,
            steps=colors.rising(limit.COOLANT_HOT, 36),
            decimals=1,
        ),
        *chillers_now(),
    ]


def _coolant() -> Row:
    return "Coolant of all racks", [
        timeline(
            "Flow of a rack",
            "Mean and lowest flow of all racks. After a pump failure it dips for some seconds.",
            [
                Query(q.FLOW_MEAN, "mean", BLUE),
                Query(q.FLOW_LOWEST, "lowest", ORANGE),
            ],
            width=6,
            least=0,
        ),
        timeline(
            "Temperatures",
            "Supply, return, and facility water from the chillers.",
            [
                Query(q.RETURN_HIGHEST, "hottest return", RED),
                Query(q.RETURN_MEAN, "mean return", ORANGE),
                Query(q.SUPPLY_MEAN, "mean supply", BLUE),
                Query(q.WATER_SUPPLY, "facility water", GREY),
            ],
            width=6,
        ),
        timeline(
            "Rise",
            "Mean return minus mean supply: 8 to 12 K are usual, more means too little flow. The "
            "table below lists the outliers.",
            [Query(q.RISE_MEAN, "mean", BLUE)],
            width=6,
            least=0,
            limit=limit.COOLANT_RISE.value,
        ),
        timeline(
            "Heat removed",
            "Heat removed by the coolant, and power of the IT equipment. The difference goes into "
            "the air; a lag between the two warms the loop.",
            [
                Query(energy.IT_POWER, "IT power", YELLOW),
                Query(q.HEAT_REMOVED, "removed", BLUE),
            ],
            width=6,
            least=0,
        ),
    ]


def _units() -> Row:
    return "Coolant units", [
        timeline(
            "Level and margin",
            "Lowest reservoir level (left), and smallest margin of the coolant above the dew "
            "point of the halls (right).",
            [
                Query(q.LEVEL_LOWEST, "level", BLUE),
                Query(q.MARGIN_LOWEST, "above the dew point", PURPLE, right=True),
            ],
            width=6,
            least=0,
            most=1,
        ),
        timeline(
            "Valves and filters",
            "Opening of the facility water valves (left): a fully open valve means that its heat "
            "exchanger has no reserve. The pressure drop of the filters (right) rises as they "
            "clog.",
            [
                Query(q.VALVE_HIGHEST, "valve, widest", ORANGE),
                Query(q.VALVE_MEAN, "valve, mean", YELLOW),
                Query(q.FILTER_HIGHEST, "filter, highest", PURPLE, right=True),
                Query(q.FILTER_MEAN, "filter, mean", BLUE, right=True),
            ],
            width=6,
            least=0,
            most=1,
        ),
        listing(
            "Racks with the least flow",
            "The ten racks with the lowest flow, and its likely causes. A click opens the rack.",
            [
                Query(q.WORST_FLOW),
                Query(q.WORST_RISE),
                Query(q.WORST_FILTER),
                Query(q.WORST_PUMPS),
            ],
            [
                array_column(70),
                rack_column(80),
                TableColumn("Value #A", "Flow", width=100, decimals=1, steps=colors.STILL),
                TableColumn(
                    "Value #B",
                    "Rise",
                    width=90,
                    steps=colors.rising(limit.COOLANT_RISE, 12),
                    decimals=1,
                ),
                TableColumn("Value #C", "Filter", width=100, decimals=0),
                TableColumn("Value #D", "Pumps", steps=((None, RED), (2, "transparent"))),
            ],
            width=8,
            nothing="No coolant unit reports",
            sort="Flow",
        ),
        listing(
            "Leaks",
            "Racks whose leak detector does not report OK.",
            [Query(q.LEAKS)],
            [
                array_column(),
                TableColumn(
                    "rack", "Rack", link=drill_down(RACK, rack="row.Rack", array="row.Array")
                ),
                TableColumn("state", "Says", colors=colors.STATES),
            ],
            width=4,
            nothing="No leak",
        ),
    ]


def _rack() -> Row:
    return "Coolant unit of $rack", [
        timeline(
            "Flow against heat",
            "Flow of the rack (left) and the heat that it removes (right): about 1.2 L/min a kW.",
            [
                Query(q.RACK_FLOW, "flow", BLUE),
                Query(q.RACK_HEAT, "heat", RED, right=True),
            ],
            width=6,
            least=0,
        ),
        timeline(
            "Temperatures",
            "Both sides of the heat exchanger.",
            [
                Query(q.RACK_RETURN, "coolant return", RED),
                Query(q.RACK_SUPPLY, "coolant supply", ORANGE),
                Query(q.RACK_WATER_RETURN, "water return", PURPLE),
                Query(q.RACK_WATER_SUPPLY, "water supply", BLUE),
            ],
            width=6,
        ),
        timeline(
            "Valve",
            "Opening of the facility water valve, and the command of the controller. They differ "
            "when the valve is stuck.",
            [
                Query(q.RACK_VALVE_ASKED, "asked", GREY, dashed=True),
                Query(q.RACK_VALVE, "is", BLUE),
            ],
            width=6,
            least=0,
            most=1,
        ),
        timeline(
            "Pressure and level",
            "Pressure drop over the manifolds and over the filter (left), and level of the "
            "reservoir (right), which falls during a leak.",
            [
                Query(q.RACK_DIFFERENCE, "manifolds", BLUE),
                Query(q.RACK_FILTER, "filter", PURPLE),
                Query(q.RACK_LEVEL, "level", GREY, right=True),
            ],
            width=6,
            least=0,
        ),
    ]


def _pumps() -> Row:
    return "Pumps of $rack", [
        timeline(
            "Speed",
            "Speed as a share of the rated speed. When one pump fails the other runs at about 95 "
            "%.",
            [Query(q.PUMP_SPEED, "pump {{pump}}")],
            width=6,
            least=0,
            most=1,
        ),
        timeline(
            "Flow",
            "Flow through each pump. A worn pump gives less at the same speed.",
            [Query(q.PUMP_FLOW, "pump {{pump}}")],
            width=6,
            least=0,
        ),
        timeline(
            "Power",
            "Electrical power of each pump; it rises with the cube of the speed (affinity law).",
            [Query(q.PUMP_POWER, "pump {{pump}}")],
            width=6,
            least=0,
        ),
        timeline(
            "Vibration",
            "Vibration at each pump's bearing; rises with wear.",
            [Query(q.PUMP_VIBRATION, "pump {{pump}}")],
            width=6,
            least=0,
        ),
    ]
