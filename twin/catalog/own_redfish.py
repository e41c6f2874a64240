"""Metrics of the Redfish service itself: who asks its BMCs, how it answers, what it takes in.

Their names are not the aggregator's, so that a rule on the aggregator's connection to the broker
never takes the connection of this process for it.
"""

from __future__ import annotations

from twin.catalog.own import OwnMetric

__all__ = [
    "BMCS",
    "BMC_BUILD_INFO",
    "BMC_CONNECTED",
    "BMC_CONNECTIONS_CUT",
    "BMC_DELIVERIES",
    "BMC_DROPPED",
    "BMC_DURATION",
    "BMC_FRAMES",
    "BMC_FRAMES_LOST",
    "BMC_MESSAGES_REFUSED",
    "BMC_NEWEST",
    "BMC_REQUESTS",
    "BMC_SESSIONS",
    "BMC_STREAMS",
    "BMC_SUBSCRIPTIONS",
    "BMC_UNANSWERED",
    "REDFISH_METRICS",
]

_KIND = ("kind",)

BMCS = OwnMetric("twin_redfish_bmcs", "gauge", "BMCs served.", _KIND)
BMC_REQUESTS = OwnMetric(
    "twin_redfish_requests_total",
    "counter",
    "Requests answered. The kind is that of the BMC, or service where the request is for the "
    "service itself.",
    ("kind", "method", "code"),
)
BMC_UNANSWERED = OwnMetric(
    "twin_redfish_requests_unanswered_total",
    "counter",
    "Requests to a BMC that is silent, whose connections are held and then cut.",
    _KIND,
)
BMC_DURATION = OwnMetric(
    "twin_redfish_request_duration_seconds",
    "histogram",
    "Time to make an answer, without sending it.",
    _KIND,
)
BMC_SESSIONS = OwnMetric("twin_redfish_sessions", "gauge", "Sessions that are open.", _KIND)
BMC_STREAMS = OwnMetric(
    "twin_redfish_event_streams", "gauge", "Clients that listen to server-sent events.", _KIND
)
BMC_SUBSCRIPTIONS = OwnMetric(
    "twin_redfish_subscriptions", "gauge", "Subscriptions to events, made by POST.", _KIND
)
BMC_DELIVERIES = OwnMetric(
    "twin_redfish_deliveries_total",
    "counter",
    "Attempts to send events or a report to the destination of a subscription: taken or failed.",
    ("result",),
)
BMC_CONNECTIONS_CUT = OwnMetric(
    "twin_redfish_connections_cut_total",
    "counter",
    "Requests refused without the token, and connections refused or cut off: beyond the limits, "
    "or of a client that is too slow.",
    ("reason",),
)
BMC_CONNECTED = OwnMetric(
    "twin_redfish_broker_connected", "gauge", "1 while connected to the broker."
)
BMC_FRAMES = OwnMetric("twin_redfish_frames_ingested_total", "counter", "Frames ingested.")
BMC_FRAMES_LOST = OwnMetric(
    "twin_redfish_frames_lost_total", "counter", "Frames lost, by gaps in the sequence numbers."
)
BMC_DROPPED = OwnMetric(
    "twin_redfish_messages_dropped_total",
    "counter",
    "Messages dropped unread because they arrived faster than they could be ingested.",
)
BMC_MESSAGES_REFUSED = OwnMetric(
    "twin_redfish_messages_refused_total", "counter", "Messages refused, by reason.", ("reason",)
)
BMC_NEWEST = OwnMetric(
    "twin_redfish_newest_frame_timestamp_seconds",
    "gauge",
    "Simulated time of the newest frame, unix seconds; missing before the first.",
)
BMC_BUILD_INFO = OwnMetric(
    "twin_redfish_build_info", "gauge", "Always 1; the label has the version.", ("version",)
)

REDFISH_METRICS = (
    BMCS,
    BMC_REQUESTS,
    BMC_UNANSWERED,
    BMC_DURATION,
    BMC_SESSIONS,
    BMC_STREAMS,
    BMC_SUBSCRIPTIONS,
    BMC_DELIVERIES,
    BMC_CONNECTIONS_CUT,
    BMC_CONNECTED,
    BMC_FRAMES,
    BMC_FRAMES_LOST,
    BMC_DROPPED,
    BMC_MESSAGES_REFUSED,
    BMC_NEWEST,
    BMC_BUILD_INFO,
)
"""Every metric that ``twin redfish`` makes of itself."""
