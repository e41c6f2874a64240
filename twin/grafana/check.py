"""Asks a live Prometheus every query of the dashboards and says which fail or are empty."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any

from twin.clients.prometheus import Prometheus, QueryError
from twin.grafana.optional_metrics import OPTIONAL, OptionalMetrics, optional_of
from twin.grafana.queries import quiet_until, reason_to_be_empty
from twin.grafana.queries.chart_annotations import IN_FORCE
from twin.grafana.substitute import chosen_values, free_choices, substitute

__all__ = ["Checked", "QueryOutcome", "check_dashboard"]

_SHOWN_SECONDS = 900.0
"""The range of time that the dashboards show at first."""
_POINTS = 120
_HIDDEN = 2
"""What Grafana calls a variable that is carried along unseen."""
_INTERVALS = {
    "__interval": "15s",
    "__rate_interval": "1m",
    "__range": f"{_SHOWN_SECONDS:.0f}s",
    "__range_s": f"{_SHOWN_SECONDS:.0f}",
    "datasource": "",
}


class QueryOutcome(StrEnum):
    """What came of a query."""

    OK = "ok"
    QUIET = "quiet"
    """Empty, as it should be: the fault that it is to show is not in force, or the site does
    not export what the exporters have off by default."""
    EMPTY = "empty"
    ERROR = "error"

    @property
    def failed(self) -> bool:
        """Whether the check fails for it."""
        return self in (QueryOutcome.EMPTY, QueryOutcome.ERROR)


@dataclass(frozen=True, slots=True)
class Checked:
    """One query and what came of it.

    Attributes:
        dashboard: uid of the dashboard.
        place: title of the panel, or name of the variable or annotation.
        query: as it was asked.
        outcome: what came of it.
        series: series in the answer.
        seconds: time until the answer.
        detail: of an error, what Prometheus says; of a quiet query, its fault or that the site
            leaves its metric out.
    """

    dashboard: str
    place: str
    query: str
    outcome: QueryOutcome
    series: int
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _UnboundQuery:
    """A query before values are put in."""

    place: str
    text: str
    instant: bool
    may_be_empty: bool = False


def _faults_in_force(prometheus: Prometheus, values: Mapping[str, str]) -> frozenset[str]:
    """Return the kinds of the faults that are in force on the site that is shown."""
    found = prometheus.instant(substitute(IN_FORCE.text, values), prometheus.now())
    return frozenset(series["metric"].get("fault", "") for series in found)


def check_dashboard(
    dashboard: Mapping[str, Any], prometheus: Prometheus, chosen: Mapping[str, str]
) -> Iterator[Checked]:
    """Ask every query of a dashboard: variables, annotations, panels.

    A query that is declared to show a fault may be empty until that fault is in force.
    A query with a variable whose choices are in the dashboard is asked with each and
    has to answer with one.

    Args:
        dashboard: its JSON.
        prometheus: whom to ask.
        chosen: values of variables, for those that are not to have their first one.

    Yields:
        One result a query, in the order of the dashboard.

    Raises:
        ServiceError: Prometheus does not answer.
    """
    uid, end = dashboard["uid"], prometheus.now()
    window = (end - _SHOWN_SECONDS, end)
    values = {**_INTERVALS, **chosen}
    hidden = {one["name"] for one in dashboard["templating"]["list"] if one.get("hide") == _HIDDEN}
    for name, query, options, value in chosen_values(dashboard, prometheus, window, values):
        values[name] = value
        left_out = optional_of(query)
        absent = left_out is not None and not _has(left_out, prometheus, values)
        empty = QueryOutcome.QUIET if name in hidden or absent else QueryOutcome.EMPTY
        yield Checked(
            uid, f"${name}", query, QueryOutcome.OK if options else empty, len(options), 0.0
        )
    faults = _faults_in_force(prometheus, values)
    missing = [own for own in OPTIONAL if not _has(own, prometheus, values)]
    choices = {name: own for name, own in free_choices(dashboard).items() if name not in chosen}
    for question in _questions(dashboard):
        asked = _ask(question, prometheus, values, choices, window)
        yield _judged(uid, question, asked, faults, missing)


def _has(own: OptionalMetrics, prometheus: Prometheus, values: Mapping[str, str]) -> bool:
    """Return whether the site exports these metrics."""
    names = "|".join(own.markers)
    query = substitute(f'{{__name__=~"{names}", site="$site"}}', values)
    return bool(prometheus.instant(query, prometheus.now()))


def _questions(dashboard: Mapping[str, Any]) -> Iterator[_UnboundQuery]:
    for mark in dashboard["annotations"]["list"]:
        yield _UnboundQuery(mark["name"], mark["expr"], instant=False, may_be_empty=True)
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            # A panel with a time of its own looks at the present only.
            now = bool(target.get("instant") or panel.get("timeFrom"))
            yield _UnboundQuery(panel["title"], target["expr"], instant=now)


@dataclass(frozen=True, slots=True)
class _QueryAnswer:
    query: str
    series: int
    seconds: float
    error: str = ""


def _ask(
    question: _UnboundQuery,
    prometheus: Prometheus,
    values: Mapping[str, str],
    choices: Mapping[str, Sequence[str]],
    window: tuple[float, float],
) -> _QueryAnswer:
    """Return the best answer over all choices, with the time of the slowest."""
    used = [name for name in choices if f"${name}" in question.text]
    answers = [
        _ask_once(question, prometheus, {**values, **dict(zip(used, taken, strict=True))}, window)
        for taken in product(*(choices[name] for name in used))
    ]
    best = max(answers, key=lambda answer: (bool(answer.error), answer.series))
    slowest = max(answer.seconds for answer in answers)
    return _QueryAnswer(best.query, best.series, slowest, best.error)


def _ask_once(
    question: _UnboundQuery,
    prometheus: Prometheus,
    values: Mapping[str, str],
    window: tuple[float, float],
) -> _QueryAnswer:
    query = substitute(question.text, values)
    began = time.perf_counter()
    try:
        if question.instant:
            found = prometheus.instant(query, window[1])
        else:
            found = prometheus.over_time(query, *window, (window[1] - window[0]) / _POINTS)
    except QueryError as error:
        return _QueryAnswer(query, 0, time.perf_counter() - began, str(error))
    return _QueryAnswer(query, len(found), time.perf_counter() - began)


def _judged(
    uid: str,
    question: _UnboundQuery,
    answer: _QueryAnswer,
    faults: frozenset[str],
    missing: Sequence[OptionalMetrics],
) -> Checked:
    fault = quiet_until(question.text)
    outcome, detail = QueryOutcome.OK, ""
    if answer.error:
        outcome, detail = QueryOutcome.ERROR, answer.error
    elif not answer.series and (question.may_be_empty or (fault and fault not in faults)):
        outcome, detail = QueryOutcome.QUIET, fault or ""
    elif not answer.series and (reason := reason_to_be_empty(question.text)):
        outcome, detail = QueryOutcome.QUIET, reason
    elif not answer.series and (left_out := optional_of(question.text)) in missing and left_out:
        outcome, detail = QueryOutcome.QUIET, left_out.nothing
    elif not answer.series:
        outcome = QueryOutcome.EMPTY
    return Checked(
        uid, question.place, answer.query, outcome, answer.series, answer.seconds, detail
    )
