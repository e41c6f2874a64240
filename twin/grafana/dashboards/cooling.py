"""Cooling: from the chillers to the cold plates."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, GREY, ORANGE, PURPLE, RED, YELLOW
from twin.grafana.dashboard_links import drill_down
from twin.grafana.pages import RACK
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import listing, numbers, states, timeline
from twin.grafana.queries import cooling as q
from twin.grafana.queries import energy

__all__ = ["rows"]


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _coolant(), _units(), _water(), _rack(), _pumps()]


def _now() -> Row:
    return "Now", [
        numbers(
            "Pumps",
            "Coolant pumps that run, and those that have failed. Every rack has two, of which one "
            "is enough.",
            [
                Query(q.PUMPS_RUNNING, "running"),
                Query(q.PUMPS_FAILED, "failed", steps=colors.SOME_IS_BAD),
            ],
            width=5,
        ),
        numbers(
            "Leaks",
            "Racks whose leak detector does not say OK.",
            [Query(q.LEAKING, "racks")],
            width=3,
            steps=colors.NONE_IS_GOOD,
        ),
        numbers(
            "Supplies failed",
            "Power supplies of coolant units that have failed; the other one carries the unit.",
            [Query(q.SUPPLIES_FAILED)],
            width=3,
            steps=colors.NONE_IS_GOOD,
        ),
        numbers(
            "Lowest flow",
            "The least coolant flow of any rack.",
            [Query(q.FLOW_LOWEST)],
            width=3,
            steps=colors.NONE_IS_BAD,
            decimals=1,
        ),
        numbers(
            "Warmest supply",
            "The warmest coolant to the servers of any rack.",
            [Query(q.SUPPLY_HIGHEST)],
            width=3,
            steps=colors.rising(limit.COOLANT_HOT, 36),
            decimals=1,
        ),
        numbers(
            "Chillers",
            "Heat over what the running chillers can carry off, and heat over the electrical "
            "power that it takes (COP).",
            [
                Query(q.CAPACITY_USED, "used", steps=colors.rising(1, 0.95)),
                Query(q.PERFORMANCE, "COP"),
            ],
            width=5,
            decimals=1,
        ),
        numbers("Outdoors", "Outdoor temperature.", [Query(q.OUTDOOR)], width=2, decimals=0),
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
            "To the servers, from them, and the facility water from the chillers.",
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
            "table below has the racks that stand out.",
            [Query(q.RISE_MEAN, "mean", BLUE)],
            width=6,
            least=0,
            limit=limit.COOLANT_RISE.value,
        ),
        timeline(
            "Heat removed",
            "Heat that the coolant carries off, beside the power of the IT equipment: the rest "
            "goes into the air, and what lags behind warms the loop.",
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
            "The lowest reservoir (left), and how far the coldest coolant is above the dew point "
            "of the halls (right).",
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
            "Opening of the facility water valves (left): full open means that a heat exchanger "
            "has no reserve. Pressure drop of the filters (right) rises as they clog.",
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
            "The ten racks with the least flow, and what explains it. A click opens the rack.",
            [
                Query(q.WORST_FLOW),
                Query(q.WORST_RISE),
                Query(q.WORST_FILTER),
                Query(q.WORST_PUMPS),
            ],
            [
                TableColumn("array", "Array", width=70),
                TableColumn(
                    "rack",
                    "Rack",
                    width=80,
                    link=drill_down(RACK, rack="row.Rack", array="row.Array"),
                ),
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
            "Racks whose leak detector does not say OK.",
            [Query(q.LEAKS)],
            [
                TableColumn("array", "Array"),
                TableColumn(
                    "rack", "Rack", link=drill_down(RACK, rack="row.Rack", array="row.Array")
                ),
                TableColumn("state", "Says", colors=colors.STATES),
            ],
            width=4,
            nothing="No leak",
        ),
    ]


def _water() -> Row:
    return "Facility water and weather", [
        timeline(
            "Heat and capacity",
            "Heat that the facility water takes up, and what the running chillers can carry off "
            "at the present outdoor temperature.",
            [
                Query(q.CAPACITY, "capacity", GREY, dashed=True),
                Query(q.WATER_HEAT, "heat", RED),
                Query(q.COOLING_POWER, "power of cooling", BLUE),
            ],
            width=6,
            least=0,
        ),
        states(
            "Chillers",
            "Chillers by state. One or more stand by.",
            Query(q.CHILLER_STATES, "{{state}}"),
            width=6,
        ),
        timeline(
            "Facility water",
            "Temperature of the facility water to the racks and back (left), and its flow (right).",
            [
                Query(q.WATER_RETURN, "return", ORANGE),
                Query(q.WATER_SUPPLY, "supply", BLUE),
                Query(q.WATER_FLOW, "flow", GREY, right=True),
            ],
            width=6,
        ),
        timeline(
            "Air",
            "Outdoors and in the halls. Coolant below the dew point of the room makes cold plates "
            "wet.",
            [
                Query(q.OUTDOOR, "outdoors", ORANGE),
                Query(q.OUTDOOR_DEW_POINT, "outdoor dew point", YELLOW),
                Query(q.ROOM, "halls", BLUE),
                Query(q.ROOM_DEW_POINT, "dew point in the halls", GREY),
                Query(q.SUPPLY_MEAN, "coolant", PURPLE, dashed=True),
            ],
            width=6,
        ),
    ]


def _rack() -> Row:
    return "Coolant unit of $rack", [
        timeline(
            "Flow against heat",
            "Flow of the rack (left) beside the heat that it carries off (right): about 1.2 L/min "
            "a kW.",
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
            "Opening of the facility water valve, and what the controller asks. They differ when "
            "the valve is stuck.",
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
            "Pressure over the manifolds and over the filter (left), and coolant in the reservoir "
            "(right), which falls when there is a leak.",
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
            "Speed over the rated one. When one pump fails the other runs at about 95 %.",
            [Query(q.PUMP_SPEED, "pump {{pump}}")],
            width=6,
            least=0,
            most=1,
        ),
        timeline(
            "Flow",
            "Flow through each pump. A worn one gives less at the same speed.",
            [Query(q.PUMP_FLOW, "pump {{pump}}")],
            width=6,
            least=0,
        ),
        timeline(
            "Power",
            "Electrical power of each pump: the cube of the speed.",
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
