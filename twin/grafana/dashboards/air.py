"""Cooling by air: fans, aisles, and the air into and out of the servers."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, ORANGE, RED
from twin.grafana.dashboards.cooling_rows import chillers_now, facility_water, fans
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import listing, numbers, timeline
from twin.grafana.place_columns import array_column, rack_column
from twin.grafana.queries import cooling as q
from twin.grafana.queries import gpus

__all__ = ["rows"]


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _servers(), facility_water(coolant=False), fans()]


def _now() -> Row:
    return "Now", [
        numbers(
            "Fans",
            "Failed fans of air-cooled servers, and the mean speed of all as a share of full "
            "speed.",
            [
                Query(q.FANS_FAILED, "failed", steps=colors.SOME_IS_BAD),
                Query(q.FAN_SPEED_MEAN, "mean speed"),
            ],
            width=5,
            decimals=0,
        ),
        numbers(
            "Fastest fan",
            "Highest speed of any fan. A controller drives fans to full speed for a failed fan, a "
            "blocked filter or warm air.",
            [Query(q.FAN_SPEED_HIGHEST)],
            width=3,
            steps=colors.rising(1, limit.FANS_FAST.value),
            decimals=0,
        ),
        numbers(
            "Warmest inlet",
            "Temperature of the warmest air into a server.",
            [Query(q.INLET_HIGHEST)],
            width=3,
            steps=colors.rising(limit.ROOM_WARM, 28),
            decimals=1,
        ),
        numbers(
            "Hot aisle",
            "Temperature of the air out of the servers.",
            [Query(q.HOT_AISLE)],
            width=3,
            decimals=1,
        ),
        numbers(
            "GPUs slowed",
            "GPUs that throttled for their temperature, on average over the last minute.",
            [Query(gpus.SLOWED_BY_HEAT)],
            width=3,
            nothing="not exported",
            steps=((None, colors.GREEN), (0.5, RED)),
            decimals=0,
        ),
        *chillers_now(),
    ]


def _servers() -> Row:
    return "Air-cooled servers", [
        timeline(
            "Fan speed",
            "Mean and highest speed of the fans as a share of full speed.",
            [
                Query(q.FAN_SPEED_MEAN, "mean", BLUE),
                Query(q.FAN_SPEED_HIGHEST, "fastest", ORANGE),
            ],
            width=5,
            least=0,
            most=1,
        ),
        timeline(
            "Aisles",
            "Air from the air handlers, the warmest air into a server, and air out of the servers.",
            [
                Query(q.HOT_AISLE, "hot aisle", RED),
                Query(q.INLET_HIGHEST, "warmest inlet", ORANGE),
                Query(q.ROOM, "air handlers", BLUE),
            ],
            width=5,
        ),
        timeline(
            "GPU temperature",
            "Hottest GPU, the mean of all, and the limit of the alert rule (dashed).",
            [
                Query(gpus.TEMPERATURE_HIGHEST, "hottest", RED),
                Query(gpus.TEMPERATURE_MEAN, "mean", BLUE),
            ],
            width=5,
            limit=limit.GPU_HOT.value,
        ),
        listing(
            "Racks with failed or fast fans",
            "The ten racks with the most failed fans, then those with the fastest ones. A click "
            "opens the rack.",
            [
                Query(q.WORST_FAILED),
                Query(q.WORST_SPEED),
                Query(q.WORST_INLET),
                Query(q.WORST_GPU),
            ],
            [
                array_column(70),
                rack_column(80),
                TableColumn("Value #A", "Failed", steps=colors.IN_A_TABLE, width=80, decimals=0),
                TableColumn("Value #B", "Fastest", width=90, decimals=0, steps=_FAST),
                TableColumn("Value #C", "Inlet", width=90, decimals=1),
                TableColumn("Value #D", "Hottest GPU", decimals=0, steps=colors.HEAT),
            ],
            width=9,
            nothing="No air-cooled servers",
            sort="Failed",
            descending=True,
        ),
    ]


_FAST: colors.Steps = ((None, "transparent"), (limit.FANS_FAST.value, ORANGE))
