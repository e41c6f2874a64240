"""AMD GPUs: health, heat, power and errors, as AMD's Device Metrics Exporter shows them."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import listing, numbers, timeline
from twin.grafana.place_columns import array_column, rack_column
from twin.grafana.queries import amd as q

__all__ = ["rows"]

_HOST = "{{hostname}}"


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _over_time(), _worst()]


def _now() -> Row:
    return "Now", [
        numbers(
            "GPUs that report",
            "AMD GPUs of the array whose exporter tells of them.",
            [Query(q.REPORTING)],
            width=6,
            decimals=0,
        ),
        numbers(
            "Unhealthy GPUs",
            "GPUs that their exporter calls unhealthy: it has counted uncorrectable errors.",
            [Query(q.UNHEALTHY)],
            width=6,
            steps=colors.SOME_IS_BAD,
            decimals=0,
        ),
        numbers(
            "Hottest spot",
            "Highest junction temperature of a GPU. An MI300X slows down at 100 °C.",
            [Query(q.HOTTEST)],
            width=6,
            steps=colors.rising(limit.AMD_GPU_HOT, 90),
        ),
        numbers(
            "Power",
            "Power of all these GPUs.",
            [Query(q.POWER)],
            width=6,
        ),
    ]


def _over_time() -> Row:
    return "Servers", [
        timeline(
            "Hottest spot",
            "Highest junction temperature of a server's GPUs.",
            [Query(q.TEMPERATURES, _HOST)],
            width=8,
        ),
        timeline(
            "Memory",
            "Highest temperature of the memory of a server's GPUs.",
            [Query(q.MEMORY_TEMPERATURES, _HOST)],
            width=8,
        ),
        timeline(
            "Power of the GPUs",
            "Power of a server's GPUs together.",
            [Query(q.POWERS, _HOST)],
            width=8,
            least=0,
        ),
        timeline(
            "Activity",
            "Share of time in which the compute engines of a server's GPUs are busy.",
            [Query(q.ACTIVITY, _HOST)],
            width=8,
            least=0,
            most=100,
        ),
        timeline(
            "Lowest clock",
            "Clock of a server's slowest GPU, for which all of the job wait.",
            [Query(q.CLOCKS, _HOST)],
            width=8,
        ),
        timeline(
            "GPUs held back",
            "How many GPUs of a rack the power limit holds below their greatest clock, as is usual "
            "in dense training, and how many heat does.",
            [Query(q.HELD_BY_POWER, "{{rack}} power"), Query(q.HELD_BY_HEAT, "{{rack}} heat")],
            width=8,
            least=0,
        ),
    ]


def _worst() -> Row:
    return "GPUs", [
        listing(
            "Hottest GPUs",
            "The twenty hottest GPUs of the array, and their ECC errors since the driver was "
            "loaded.",
            [
                Query(q.WORST_TEMPERATURE),
                Query(q.WORST_POWER),
                Query(q.WORST_CORRECTED),
                Query(q.WORST_LOST),
            ],
            [
                array_column(70),
                rack_column(80),
                TableColumn("hostname", "Server", width=120),
                TableColumn("gpu_id", "GPU", width=60),
                TableColumn("Value #A", "Hottest spot", width=110, decimals=0),
                TableColumn("Value #B", "Power", width=90, decimals=0),
                TableColumn("Value #C", "Corrected errors", width=130, decimals=0),
                TableColumn("Value #D", "Uncorrectable errors", decimals=0,
                            steps=colors.IN_A_TABLE),
            ],
            width=24,
            nothing="no AMD GPU reports",
            sort="Hottest spot",
            descending=True,
        ),
    ]  # fmt: skip
