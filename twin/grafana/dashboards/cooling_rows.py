"""Rows of both cooling dashboards: the facility water with the weather, and a rack's fans."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, GREY, ORANGE, PURPLE, RED, YELLOW
from twin.grafana.panel_parts import Query
from twin.grafana.panels import numbers, states, timeline
from twin.grafana.queries import cooling as q

__all__ = ["chillers_now", "facility_water", "fans"]


def chillers_now() -> Sequence[Builder[dashboard.Panel]]:
    """Return the tiles of the chillers and of the weather."""
    return [
        numbers(
            "Chillers",
            "Heat as a share of the capacity of the running chillers, and heat over electrical "
            "power (COP).",
            [
                Query(q.CAPACITY_USED, "used", steps=colors.rising(1, 0.95)),
                Query(q.PERFORMANCE, "COP"),
            ],
            width=5,
            decimals=1,
        ),
        numbers("Outdoors", "Outdoor temperature.", [Query(q.OUTDOOR)], width=2, decimals=0),
    ]


def facility_water(*, coolant: bool) -> Row:
    """Return the row of the chillers, their water and the air.

    Args:
        coolant: whether to show the coolant beside the dew point.
    """
    cooled = [Query(q.SUPPLY_MEAN, "coolant", PURPLE, dashed=True)] if coolant else []
    return "Facility water and weather", [
        timeline(
            "Heat and capacity",
            "Heat into the facility water, and capacity of the running chillers at the present "
            "outdoor temperature.",
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
            "Chillers by state. At least one is on standby.",
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
            "Outdoors and in the halls. Coolant below the dew point in the halls causes "
            "condensation on cold plates.",
            [
                Query(q.OUTDOOR, "outdoors", ORANGE),
                Query(q.OUTDOOR_DEW_POINT, "outdoor dew point", YELLOW),
                Query(q.ROOM, "halls", BLUE),
                Query(q.ROOM_DEW_POINT, "dew point in the halls", GREY),
                Query(q.INLET_HIGHEST, "warmest server inlet", RED),
                *cooled,
            ],
            width=6,
        ),
    ]


def fans() -> Row:
    """Return the row of the chosen rack's fans and air."""
    return "Fans of $rack", [
        timeline(
            "Speed of each server",
            "Mean speed of the fans of each air-cooled server, and its slowest one.",
            [
                Query(q.RACK_FANS, "{{instance}}"),
                Query(q.RACK_SLOWEST_FAN, "{{instance}} slowest", dashed=True),
            ],
            width=12,
            least=0,
            most=1,
        ),
        timeline(
            "Air through each server",
            "Air into each server of the rack, and out of those that air cools.",
            [
                Query(q.RACK_INLET, "{{instance}} in"),
                Query(q.RACK_OUTLET, "{{instance}} out"),
            ],
            width=12,
            nothing="Only the roll-ups of this rack are scraped",
        ),
    ]
