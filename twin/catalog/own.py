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
    "SHADOW_BLOCK",
    "SHADOW_COVERAGE",
    "SHADOW_DEVICE_EXPECTED",
    "SHADOW_DEVICE_RESIDUAL",
    "SHADOW_DEVICE_SIGMAS",
    "SHADOW_DRIFT",
    "SHADOW_FALSE_ALARMS",
    "SHADOW_FINDING",
    "SHADOW_FINDING_DRIFT",
    "SHADOW_FINDING_EXPECTED",
    "SHADOW_FINDING_MEASURED",
    "SHADOW_FINDING_RESIDUAL",
    "SHADOW_FINDING_SIGMAS",
    "SHADOW_RACK_SIGMAS",
    "SHADOW_REPORT_TIME",
    "SHADOW_RESIDUAL",
    "SHADOW_SIGMAS",
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


FRAMES_INGESTED = OwnMetric("twin_frames_ingested_total", "counter", "Frames ingested.", ("kind",))
FRAMES_LOST = OwnMetric(
    "twin_frames_lost_total",
    "counter",
    "Frames lost, by gaps in the sequence numbers.",
    ("kind",),
)
MESSAGES_REFUSED = OwnMetric(
    "twin_messages_refused_total", "counter", "Messages refused, by reason.", ("reason",)
)
UNIT_RESTARTS = OwnMetric(
    "twin_unit_restarts_total", "counter", "Units whose sequence numbers restarted.", ("kind",)
)
INGEST_LAG = OwnMetric(
    "twin_ingest_lag_seconds",
    "histogram",
    "Time from a frame's timestamp until its values are exposed.",
)
SCRAPE_DURATION = OwnMetric(
    "twin_http_scrape_duration_seconds",
    "histogram",
    "Time to render a response, without sending it.",
    ("endpoint",),
)
SCRAPE_SERIES = OwnMetric(
    "twin_http_scrape_series_total", "counter", "Series rendered.", ("endpoint",)
)
HTTP_REFUSED = OwnMetric(
    "twin_http_refused_total",
    "counter",
    "Requests refused or cut off: without the token, beyond the limits, or from a client that is "
    "too slow.",
    ("reason",),
)
BROKER_CONNECTED = OwnMetric("twin_broker_connected", "gauge", "1 while connected to the broker.")
BUS_DROPPED = OwnMetric(
    "twin_bus_messages_dropped_total",
    "counter",
    "Messages dropped unread because they arrived faster than they could be ingested.",
)
BUS_WAITING = OwnMetric(
    "twin_bus_messages_waiting", "gauge", "Messages received and not yet ingested."
)
BUILD_INFO = OwnMetric(
    "twin_build_info", "gauge", "Always 1; the label has the version.", ("version",)
)

SIMULATION_TIME = OwnMetric(
    "twin_simulation_time_seconds", "gauge", "Simulated time of the newest frame, unix seconds."
)
UNIT_REPORTING = OwnMetric(
    "twin_unit_reporting", "gauge", "1 while the unit reports, 0 otherwise.", ("kind", "unit")
)
UNIT_MISSING = OwnMetric(
    "twin_unit_missing",
    "gauge",
    "1 while the unit does not report, by reason.",
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
    "1 while the emulator reports online. In a sharded site, part names its share: 0/3, or "
    "facility.",
    ("emulator", "part"),
)
EMULATOR_TICKS = OwnMetric("twin_emulator_ticks_total", "counter", "Ticks done.", ("emulator",))
EMULATOR_LATE_TICKS = OwnMetric(
    "twin_emulator_late_ticks_total", "counter", "Ticks that started late.", ("emulator",)
)
EMULATOR_FRAMES = OwnMetric(
    "twin_emulator_frames_total", "counter", "Frames published.", ("emulator",)
)
EMULATOR_UNSENT = OwnMetric(
    "twin_emulator_frames_unsent_total",
    "counter",
    "Frames that could not be published, because the broker was unreachable or too slow to "
    "accept earlier ones.",
    ("emulator", "reason"),
)
EMULATOR_QUEUED = OwnMetric(
    "twin_emulator_frames_queued",
    "gauge",
    "Frames that are due and not yet accepted by the broker.",
    ("emulator",),
)
EMULATOR_BLOCKED = OwnMetric(
    "twin_emulator_blocked_seconds_total",
    "counter",
    "Time that frames waited for the broker to accept earlier ones.",
    ("emulator",),
)
EMULATOR_RESTARTS = OwnMetric(
    "twin_emulator_clock_restarts_total",
    "counter",
    "Clock resets because ticks were too late to catch up.",
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
    "Interval as a multiple of the set interval; above 1 only with --slow-down.",
    ("emulator",),
)
EMULATOR_RIVALS = OwnMetric(
    "twin_emulator_rivals",
    "gauge",
    "Emulators that publish the same units as another emulator: their counters jump back and "
    "forth. 0 is normal.",
)
ROLLUP_SHARDS = OwnMetric(
    "twin_rollup_shards",
    "gauge",
    "Aggregators whose part is in the roll-ups of the halls and the site, including this one; 0 "
    "where another aggregator computes them.",
)
ROLLUP_SHARDS_EXPECTED = OwnMetric(
    "twin_rollup_shards_expected",
    "gauge",
    "Aggregators that share the arrays and whose parts are expected in the roll-ups of the halls "
    "and the site; 0 where another aggregator computes them.",
)
FAULT_ACTIVE = OwnMetric(
    "twin_fault_active",
    "gauge",
    "1 for each fault in force; hall, array, rack and host are those of its target, where it has "
    "them.",
    ("fault", "target", "id", "hall", "array", "rack", "host"),
)

_OF_RELATION = ("relation", "unit", "hall", "array")
_OF_FINDING = ("cause", "target", "relation", "unit", "hall", "array", "rack", "host")
SHADOW_REPORT_TIME = OwnMetric(
    "twin_shadow_report_timestamp_seconds",
    "gauge",
    "End of the block of time that the observer's last report on the array is about, unix seconds.",
    ("hall", "array"),
)
SHADOW_BLOCK = OwnMetric(
    "twin_shadow_block_seconds",
    "gauge",
    "Time over which the observer averages samples, and after which it reports again.",
    ("hall", "array"),
)
SHADOW_FALSE_ALARMS = OwnMetric(
    "twin_shadow_false_alarms_per_week",
    "gauge",
    "Findings a week on a healthy site, of all devices together, for which the observer sets its "
    "limits.",
    ("hall", "array"),
)
SHADOW_COVERAGE = OwnMetric(
    "twin_shadow_coverage_ratio",
    "gauge",
    "Share of the array's devices that the relation covers: calibrated, with measured causes, "
    "where the relation holds.",
    _OF_RELATION,
)
SHADOW_RESIDUAL = OwnMetric(
    "twin_shadow_residual",
    "gauge",
    "Mean of measured less expected over the covered devices, in the unit of the label.",
    _OF_RELATION,
)
SHADOW_SIGMAS = OwnMetric(
    "twin_shadow_residual_sigmas",
    "gauge",
    "Root mean square of the devices' residuals, each over its standard deviation: about 1 or "
    "below while all is well.",
    _OF_RELATION,
)
SHADOW_DRIFT = OwnMetric(
    "twin_shadow_drift_max_ratio",
    "gauge",
    "Largest change of a device's parameter since it was calibrated, as a fraction of it, with its "
    "sign.",
    _OF_RELATION,
)
_OF_RACK = ("relation", "unit", "hall", "array", "rack")
_OF_DEVICE = ("relation", "unit", "target", "hall", "array", "rack", "host")
SHADOW_RACK_SIGMAS = OwnMetric(
    "twin_shadow_rack_residual_max_sigmas",
    "gauge",
    "Largest smoothed residual of a device of the rack, or of all of them together, over its "
    "standard deviation, beyond what the model may be off by, with its sign.",
    _OF_RACK,
)
SHADOW_DEVICE_EXPECTED = OwnMetric(
    "twin_shadow_device_expected",
    "gauge",
    "Value that the observer expects of the device, mean over a block, in the unit of the label; "
    "where that is K, in degrees Celsius. Only with twin shadow --expected devices.",
    _OF_DEVICE,
)
SHADOW_DEVICE_RESIDUAL = OwnMetric(
    "twin_shadow_device_residual",
    "gauge",
    "Measured less expected of the device, mean over a block, in the unit of the label. Only with "
    "twin shadow --expected devices.",
    _OF_DEVICE,
)
SHADOW_DEVICE_SIGMAS = OwnMetric(
    "twin_shadow_device_residual_sigmas",
    "gauge",
    "Smoothed residual of the device over its standard deviation, beyond what the model may be off "
    "by, with its sign. Only with twin shadow --expected devices.",
    _OF_DEVICE,
)
SHADOW_FINDING = OwnMetric(
    "twin_shadow_finding_since_timestamp_seconds",
    "gauge",
    "Start of a lasting deviation that the observer has found, unix seconds; the labels name the "
    "culprit and the cause that fits best.",
    _OF_FINDING,
)
SHADOW_FINDING_EXPECTED = OwnMetric(
    "twin_shadow_finding_expected",
    "gauge",
    "Value that the observer expects of the device found, in the unit of the label; where that is "
    "K, in degrees Celsius.",
    _OF_FINDING,
)
SHADOW_FINDING_MEASURED = OwnMetric(
    "twin_shadow_finding_measured",
    "gauge",
    "Value that the device found shows, in the unit of the label; where that is K, in degrees "
    "Celsius.",
    _OF_FINDING,
)
SHADOW_FINDING_RESIDUAL = OwnMetric(
    "twin_shadow_finding_residual",
    "gauge",
    "Mean of measured less expected since the deviation began, in the unit of the label.",
    _OF_FINDING,
)
SHADOW_FINDING_SIGMAS = OwnMetric(
    "twin_shadow_finding_residual_sigmas",
    "gauge",
    "Size of that mean over the standard deviation of a block of time.",
    _OF_FINDING,
)
SHADOW_FINDING_DRIFT = OwnMetric(
    "twin_shadow_finding_drift_ratio",
    "gauge",
    "Change of the parameter of the device found since it was calibrated, as a fraction of it.",
    _OF_FINDING,
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
    SHADOW_REPORT_TIME,
    SHADOW_BLOCK,
    SHADOW_FALSE_ALARMS,
    SHADOW_COVERAGE,
    SHADOW_RESIDUAL,
    SHADOW_SIGMAS,
    SHADOW_DRIFT,
    SHADOW_RACK_SIGMAS,
    SHADOW_DEVICE_EXPECTED,
    SHADOW_DEVICE_RESIDUAL,
    SHADOW_DEVICE_SIGMAS,
    SHADOW_FINDING,
    SHADOW_FINDING_EXPECTED,
    SHADOW_FINDING_MEASURED,
    SHADOW_FINDING_RESIDUAL,
    SHADOW_FINDING_SIGMAS,
    SHADOW_FINDING_DRIFT,
)
"""Every metric that the aggregator makes itself."""
