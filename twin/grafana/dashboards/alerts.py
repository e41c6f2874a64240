"""Alerts: firing, past, delay of detection, and noisy rules."""

from __future__ import annotations

from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, ORANGE, RED
from twin.grafana.dashboards.site import alert_columns, firing
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import bars, history, listing, numbers, timeline
from twin.grafana.queries import alerts as q
from twin.grafana.queries import pipeline, servers

__all__ = ["rows"]

_QUIET = "Nothing began to fire in the time shown"


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _firing(), _history(), _rules(), _path()]


def _now() -> Row:
    return "Now", [
        numbers(
            "Critical",
            "Critical alerts that are firing: act now.",
            [Query(q.CRITICAL_COUNT)],
            width=5,
            steps=colors.NONE_IS_GOOD,
        ),
        numbers(
            "Warnings",
            "Warnings that are firing: act this shift.",
            [Query(q.WARNING_COUNT)],
            width=5,
            steps=((None, colors.GREEN), (1, ORANGE)),
        ),
        numbers(
            "Pending",
            "Pending alerts: the condition holds, but not yet for long enough.",
            [Query(q.PENDING_COUNT)],
            width=5,
        ),
        numbers(
            "Rules that fire",
            "Alert rules that are firing, each counted once however many devices it names.",
            [Query(q.RULES_FIRING)],
            width=5,
        ),
        numbers(
            "Held by Alertmanager",
            "Alerts in Alertmanager: active, suppressed by silence or inhibition, or unprocessed.",
            [Query(servers.ALERTS_HELD, "{{state}}")],
            width=4,
            nothing="no Alertmanager is scraped",
        ),
    ]


def _firing() -> Row:
    return "Firing", [
        firing(9, 9),
        listing(
            "For how long",
            "Firing alerts and the time since which each condition has held. A click opens the "
            "place.",
            [Query(q.SINCE)],
            [*alert_columns(), TableColumn("Value", "Holds for", width=110, decimals=0)],
            width=8,
            height=9,
            nothing="Nothing fires",
            sort="Holds for",
            descending=True,
        ),
        listing(
            "Faults in force",
            "Injected faults that have not ended: the alerts should point to them.",
            [Query(pipeline.FAULTS)],
            [TableColumn("fault", "Fault"), TableColumn("target", "Target")],
            width=7,
            height=9,
            nothing="No fault is in force",
        ),
    ]


def _history() -> Row:
    return "History", [
        history(
            "What fired when",
            "One lane a rule, coloured while it fires.",
            Query(q.HISTORY, "{{severity}} {{alertname}}"),
            colors.SEVERITIES,
            width=16,
            height=10,
            nothing=_QUIET,
        ),
        listing(
            "Detection delay",
            "Time from the start of each fault on a rack to the first alert on that rack, in the "
            "time shown. An alert that already fired there counts as the first.",
            [Query(q.DELAY)],
            [
                TableColumn("fault", "Fault"),
                TableColumn("target", "Target"),
                TableColumn("Value", "Delay", width=90, decimals=0),
            ],
            width=8,
            height=10,
            nothing="No fault on a rack was detected in the time shown",
            sort="Delay",
            descending=True,
        ),
    ]


def _rules() -> Row:
    return "Rules", [
        timeline(
            "Firing by severity",
            "Firing alerts by severity.",
            [Query(q.BY_SEVERITY, "{{severity}}")],
            width=8,
            colors=colors.SEVERITIES,
            least=0,
            whole=True,
            nothing=_QUIET,
        ),
        bars(
            "Noisiest rules",
            "Number of times each rule started to fire, over all devices, in the time shown; "
            "pending alerts do not count.",
            [Query(q.NOISIEST, "{{alertname}} {{severity}}")],
            width=8,
            colors=colors.SEVERITIES,
            decimals=0,
            nothing=_QUIET,
        ),
        bars(
            "Longest firing",
            "Time that each rule was firing in the time shown, on the device where it fired "
            "longest.",
            [Query(q.LONGEST, "{{alertname}} {{severity}}")],
            width=8,
            colors=colors.SEVERITIES,
            decimals=0,
            nothing=_QUIET,
        ),
    ]


def _path() -> Row:
    return "From rule to person", [
        timeline(
            "Evaluation",
            "Evaluation time of the ten slowest rule groups; it must stay well below the "
            "evaluation interval.",
            [Query(servers.RULE_SECONDS, "{{group}}")],
            width=8,
            least=0,
        ),
        timeline(
            "Sent",
            "Alerts a second that Prometheus sends to Alertmanager.",
            [Query(servers.ALERTS_SENT, "sent", BLUE)],
            width=8,
            least=0,
            nothing="No Alertmanager is set in Prometheus",
        ),
        timeline(
            "Failures",
            "Rules that could not be evaluated and alerts that could not be delivered, in the "
            "last 15 minutes. Both must be zero.",
            [
                Query(servers.RULE_FAILURES, "evaluations failed", RED),
                Query(servers.ALERTS_DROPPED, "alerts dropped", ORANGE),
            ],
            width=8,
            least=0,
            most=1,
            whole=True,
        ),
    ]
