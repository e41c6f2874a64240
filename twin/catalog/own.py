"""Metrics of the aggregator itself: health, throughput and losses of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ARRAY_JOB",
    "BROKER_CONNECTED",
    "BUILD_INFO",
    "BUS_DROPPED",
    "BUS_WAITING",
    "EMULATOR_BLOCKED",
    "EMULATOR_FRAMES",
    "EMULATOR_INTERVAL",
    "EMULATOR_LATE_TICKS",
    "EMULATOR_QUEUED",
    "EMULATOR_RESTARTS",
    "EMULATOR_RIVALS",
    "EMULATOR_SLOWDOWN",
    "EMULATOR_TICKS",
    "EMULATOR_UNSENT",
    "EMULATOR_UP",
    "FAULT_ACTIVE",
    "FRAMES_INGESTED",
    "FRAMES_LOST",
    "HTTP_REFUSED",
    "INGEST_LAG",
    "MESSAGES_REFUSED",
    "OWN_JOB",
    "OWN_METRICS",
    "ROLLUP_SHARDS",
    "ROLLUP_SHARDS_EXPECTED",
    "SCRAPE_DURATION",
    "SCRAPE_SERIES",
    "SIMULATION_TIME",
    "UNIT_LAST_FRAME",
    "UNIT_MISSING",
    "UNIT_REPORTING",
    "UNIT_RESTARTS",
    "OwnMetric",
]

OWN_JOB = "twin"
"""Scrape job of the aggregator itself, its roll-ups, and everything outside the arrays."""
ARRAY_JOB = "twin-array"
"""Scrape job of the arrays, a target each."""


@dataclass(frozen=True, slots=True)
class OwnMetric:
    """One metric that the aggregator makes itself.

    Attributes:
        name: metric name.
        kind: Prometheus type.
        help: help text.
        labels: label names; those of a unit are followed by its place.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


FRAMES_INGESTED = OwnMetric(
    "twin_frames_ingested_total", "counter", "Frames taken over.", ("kind",)
)
FRAMES_LOST = OwnMetric(
    "twin_frames_lost_total",
    "counter",
    "Frames that never came, by gaps in the running numbers.",
    ("kind",),
)
MESSAGES_REFUSED = OwnMetric(
    "twin_messages_refused_total", "counter", "Messages that were dropped.", ("reason",)
)
UNIT_RESTARTS = OwnMetric(
    "twin_unit_restarts_total", "counter", "Units that began to count anew.", ("kind",)
)
INGEST_LAG = OwnMetric(
    "twin_ingest_lag_seconds",
    "histogram",
    "Time between the moment a frame describes and the one from which its values are exposed.",
)
SCRAPE_DURATION = OwnMetric(
    "twin_http_scrape_duration_seconds",
    "histogram",
    "Time to render an answer, without sending it.",
    ("endpoint",),
)
SCRAPE_SERIES = OwnMetric(
    "twin_http_scrape_series_total", "counter", "Series rendered.", ("endpoint",)
)
HTTP_REFUSED = OwnMetric(
    "twin_http_refused_total",
    "counter",
    "Requests that were refused or cut off: without the token, more than can be answered, or "
    "from a client that is too slow.",
    ("reason",),
)
BROKER_CONNECTED = OwnMetric(
    "twin_broker_connected", "gauge", "1 while the connection to the broker stands."
)
BUS_DROPPED = OwnMetric(
    "twin_bus_messages_dropped_total",
    "counter",
    "Messages thrown away unread because they came faster than they could be taken over.",
)
BUS_WAITING = OwnMetric(
    "twin_bus_messages_waiting", "gauge", "Messages that came in and were not taken over yet."
)
BUILD_INFO = OwnMetric("twin_build_info", "gauge", "Always 1; the label tells.", ("version",))

SIMULATION_TIME = OwnMetric(
    "twin_simulation_time_seconds", "gauge", "Simulated time of the newest frame, unix seconds."
)
UNIT_REPORTING = OwnMetric(
    "twin_unit_reporting", "gauge", "1 while the unit reports, 0 otherwise.", ("kind", "unit")
)
UNIT_MISSING = OwnMetric(
    "twin_unit_missing",
    "gauge",
    "1 while the unit does not report; the reason says why.",
    ("kind", "unit", "reason"),
)
UNIT_LAST_FRAME = OwnMetric(
    "twin_unit_last_frame_timestamp_seconds",
    "gauge",
    "Simulated time of the unit's last frame, unix seconds.",
    ("kind", "unit"),
)
EMULATOR_UP = OwnMetric(
    "twin_emulator_up",
    "gauge",
    "1 while the emulator says that it is online. Of a site in shards, part says which it has: "
    "0/3, or facility.",
    ("emulator", "part"),
)
EMULATOR_TICKS = OwnMetric("twin_emulator_ticks_total", "counter", "Ticks done.", ("emulator",))
EMULATOR_LATE_TICKS = OwnMetric(
    "twin_emulator_late_ticks_total", "counter", "Ticks that began late.", ("emulator",)
)
EMULATOR_FRAMES = OwnMetric(
    "twin_emulator_frames_total", "counter", "Frames published.", ("emulator",)
)
EMULATOR_UNSENT = OwnMetric(
    "twin_emulator_frames_unsent_total",
    "counter",
    "Frames that could not be published: because the broker was away, or because it did not "
    "take those before them in time.",
    ("emulator", "reason"),
)
EMULATOR_QUEUED = OwnMetric(
    "twin_emulator_frames_queued",
    "gauge",
    "Frames that were due and that the broker had not taken yet.",
    ("emulator",),
)
EMULATOR_BLOCKED = OwnMetric(
    "twin_emulator_blocked_seconds_total",
    "counter",
    "Time that frames waited for the broker to take those before them.",
    ("emulator",),
)
EMULATOR_RESTARTS = OwnMetric(
    "twin_emulator_clock_restarts_total",
    "counter",
    "Times the clock began anew because the ticks were hopelessly late.",
    ("emulator",),
)
EMULATOR_INTERVAL = OwnMetric(
    "twin_emulator_interval_seconds",
    "gauge",
    "Simulated time between two frames of a unit.",
    ("emulator",),
)
EMULATOR_SLOWDOWN = OwnMetric(
    "twin_emulator_slowdown_ratio",
    "gauge",
    "The interval as a multiple of what was set; above 1 only when told to slow down.",
    ("emulator",),
)
EMULATOR_RIVALS = OwnMetric(
    "twin_emulator_rivals",
    "gauge",
    "Emulators that publish what another one publishes at the same time: their counters jump back "
    "and forth. 0 when all is well.",
)
ROLLUP_SHARDS = OwnMetric(
    "twin_rollup_shards",
    "gauge",
    "Aggregators whose part is in the roll-ups of the halls and the site, with this one; 0 where "
    "another one takes them.",
)
ROLLUP_SHARDS_EXPECTED = OwnMetric(
    "twin_rollup_shards_expected",
    "gauge",
    "Aggregators that share the arrays, whose parts belong into the roll-ups of the halls and the "
    "site; 0 where another one takes them.",
)
FAULT_ACTIVE = OwnMetric(
    "twin_fault_active",
    "gauge",
    "1 for each fault in force; hall, array, rack and host are those of its target, as far as it "
    "has one.",
    ("fault", "target", "id", "hall", "array", "rack", "host"),
)

OWN_METRICS = (
    FRAMES_INGESTED,
    FRAMES_LOST,
    MESSAGES_REFUSED,
    UNIT_RESTARTS,
    INGEST_LAG,
    SCRAPE_DURATION,
    SCRAPE_SERIES,
    HTTP_REFUSED,
    BROKER_CONNECTED,
    BUS_DROPPED,
    BUS_WAITING,
    BUILD_INFO,
    SIMULATION_TIME,
    UNIT_REPORTING,
    UNIT_MISSING,
    UNIT_LAST_FRAME,
    EMULATOR_UP,
    EMULATOR_TICKS,
    EMULATOR_LATE_TICKS,
    EMULATOR_FRAMES,
    EMULATOR_UNSENT,
    EMULATOR_QUEUED,
    EMULATOR_BLOCKED,
    EMULATOR_RESTARTS,
    EMULATOR_INTERVAL,
    EMULATOR_SLOWDOWN,
    EMULATOR_RIVALS,
    ROLLUP_SHARDS,
    ROLLUP_SHARDS_EXPECTED,
    FAULT_ACTIVE,
)
"""Every metric that the aggregator makes itself."""
