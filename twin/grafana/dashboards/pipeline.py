"""The telemetry itself: frames, lag, losses, scrapes, emulators."""

from __future__ import annotations

from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, GREY, ORANGE, PURPLE, RED, YELLOW
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import listing, numbers, timeline
from twin.grafana.place_columns import array_column
from twin.grafana.queries import pipeline as q
from twin.grafana.queries import servers

__all__ = ["rows"]


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _frames(), _emulators(), _scrapes(), _prometheus()]


def _now() -> Row:
    return "Now", [
        numbers(
            "Emulators",
            "Emulators that are online, and those that went offline.",
            [
                Query(q.EMULATORS_UP, "online"),
                Query(q.EMULATORS_DOWN, "offline", steps=colors.SOME_IS_BAD),
            ],
            width=4,
        ),
        numbers(
            "Frames", "Frames ingested a second.", [Query(q.FRAMES_TOTAL)], width=3, decimals=0
        ),
        numbers(
            "Lag",
            "99 % of frames arrive within this time of their timestamp.",
            [Query(q.LAG_HIGH)],
            width=3,
            decimals=0,
        ),
        numbers(
            "Lost and refused",
            "Frames lost, and messages refused, in the last five minutes.",
            [Query(q.LOST, "lost"), Query(q.REFUSED, "refused")],
            width=4,
            steps=colors.NONE_IS_GOOD,
            decimals=0,
        ),
        numbers(
            "Broker",
            "Whether the aggregator is connected to the broker.",
            [Query(q.CONNECTED)],
            width=3,
        ),
        numbers(
            "Targets",
            "Targets that Prometheus can scrape, and those that it cannot.",
            [
                Query(servers.TARGETS_UP, "up"),
                Query(servers.TARGETS_DOWN, "down", steps=colors.SOME_IS_BAD),
            ],
            width=4,
        ),
        numbers(
            "Series",
            "Series in the head of Prometheus.",
            [Query(servers.SERIES)],
            unit="locale",
            width=3,
        ),
    ]


def _frames() -> Row:
    return "Frames", [
        timeline(
            "Ingested",
            "Frames that the aggregator ingests a second, by kind of unit.",
            [Query(q.FRAMES, "{{kind}}")],
            width=5,
            least=0,
        ),
        timeline(
            "Lag",
            "Time from a frame's timestamp to its arrival, and age of the newest frame by the "
            "wall clock. With --speed the two clocks differ.",
            [
                Query(q.LAG_HIGH, "99 %", ORANGE),
                Query(q.LAG_MEDIAN, "median", YELLOW),
                Query(q.BEHIND, "newest frame", GREY, right=True),
            ],
            width=5,
            least=0,
        ),
        timeline(
            "Lost and refused",
            "In the last five minutes: frames lost, by kind, messages refused, and messages "
            "dropped because they arrived too fast.",
            [
                Query(q.LOST_BY_KIND, "lost: {{kind}}"),
                Query(q.REFUSED_BY_REASON, "refused: {{reason}}"),
                Query(q.DROPPED, "dropped", RED),
            ],
            width=8,
            worst_first=True,
            least=0,
            most=4,
            whole=True,
        ),
        listing(
            "Missing units",
            "Units that do not report, and why: at most 50 of them.",
            [Query(q.MISSING)],
            [
                TableColumn("kind", "Kind", width=90),
                array_column(70),
                TableColumn("unit", "Unit", width=90),
                TableColumn("reason", "Reason"),
            ],
            width=6,
            nothing="Every unit reports",
        ),
    ]


def _emulators() -> Row:
    return "Emulators", [
        timeline(
            "Ticks",
            "Ticks a second of each emulator.",
            [Query(q.TICKS, "{{emulator}}")],
            width=8,
            least=0,
        ),
        timeline(
            "Late ticks",
            "Ticks that started late, in the last five minutes. The emulator skips none, so late "
            "ticks mean that its machine is too slow.",
            [Query(q.LATE, "{{emulator}}")],
            width=8,
            least=0,
            most=4,
            whole=True,
        ),
        timeline(
            "Published",
            "Frames a second that each emulator publishes.",
            [Query(q.PUBLISHED, "{{emulator}}")],
            width=8,
            least=0,
        ),
        timeline(
            "Not sent",
            "Frames that could not be published in the last five minutes because the broker was "
            "unreachable, and units whose sequence numbers restarted in the last hour.",
            [
                Query(q.UNSENT, "{{emulator}}"),
                Query(q.RESTARTS, "restarts of units", PURPLE),
            ],
            width=12,
            least=0,
            most=4,
            whole=True,
        ),
        timeline(
            "Shards",
            "Aggregators whose roll-ups are in those of the halls and the site, and how many "
            "should be. A site that is not sharded has one.",
            [
                Query(q.PARTS, "present", BLUE),
                Query(q.PARTS_EXPECTED, "expected", BLUE, dashed=True),
            ],
            width=12,
            least=0,
            most=4,
            whole=True,
        ),
    ]


def _scrapes() -> Row:
    return "Scrapes", [
        timeline(
            "Duration",
            "The slowest scrape of each job; it must stay below the scrape timeout.",
            [Query(servers.SCRAPE_SECONDS, "{{job}}")],
            width=6,
            least=0,
        ),
        timeline(
            "Series scraped",
            "Series of all targets of a job.",
            [Query(servers.SCRAPED_SERIES, "{{job}}")],
            width=6,
            unit="locale",
            least=0,
        ),
        timeline(
            "Rendering",
            "99 % of responses are rendered within this time, by kind of page.",
            [Query(q.RENDER_HIGH, "{{endpoint}}")],
            width=6,
            least=0,
        ),
        timeline(
            "Series rendered",
            "Series a second that the aggregator renders, by kind of page.",
            [Query(q.RENDERED, "{{endpoint}}")],
            width=6,
            least=0,
        ),
    ]


def _prometheus() -> Row:
    return "Prometheus", [
        timeline(
            "Series",
            "Series in the head of Prometheus: about 3.2 KB each.",
            [Query(servers.SERIES, "series", BLUE)],
            width=8,
            unit="locale",
            least=0,
        ),
        timeline(
            "Samples",
            "Samples a second that Prometheus ingests.",
            [Query(servers.SAMPLES, "samples", BLUE)],
            width=8,
            least=0,
        ),
        timeline(
            "Memory",
            "Memory of the Prometheus process.",
            [Query(servers.MEMORY, "resident", BLUE)],
            width=8,
            least=0,
        ),
    ]
