"""The signals behind an alert over time, and which part of its expression was false.

An expression is cut at its set operators and comparisons; each part is evaluated by
promtool like the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from twin.rules.engine import Episode
from twin.rules.expression import ExpressionPart, parts
from twin.rules.jobs import Candidate, job_for
from twin.rules.promtool import PromtoolAnswer, run
from twin.rules.result import Curve, Panel
from twin.rules.sampling import Samples
from twin.rules.silence import held, why_silent
from twin.rules.source import Rule, RuleSet
from twin.scenario import show_duration

__all__ = ["POINTS", "curves", "limit_of", "panel", "panels", "reasons", "signal_of"]

POINTS = 240
"""Moments at which a signal is drawn."""
_CURVES = 3


@dataclass(frozen=True, slots=True)
class _Asked:
    """One part of a rule and the places of its queries."""

    rule: Rule
    part: ExpressionPart
    value: int
    limit: int | None


def panels(
    samples: Samples, chosen: Sequence[Rule], rules: RuleSet, interval: float
) -> list[Panel]:
    """Return the signals behind these alerts over the whole scenario."""
    if not chosen:
        return []
    end = samples.interval * samples.scrapes
    step = max(interval, interval * round(end / interval / POINTS))
    times = [step * index for index in range(1, round(end / step) + 1) if step * index <= end]
    job = job_for(samples, [Candidate(rule, rule.body) for rule in chosen], rules, interval)
    asked: list[_Asked] = []

    def ask(expr: str) -> int:
        return job.ask(expr, times)

    for rule in chosen:
        for part in parts(rule.expr):
            value, limit = signal_of(part), limit_of(part)
            asked.append(_Asked(rule, part, ask(value), None if limit is None else ask(limit)))
    answer = run(job)
    return [
        panel(
            own.rule.name,
            own.part,
            _curves(answer, own.value),
            [] if own.limit is None else _curves(answer, own.limit),
            end,
        )
        for own in asked
    ]


def signal_of(part: ExpressionPart) -> str:
    """Return the query of the series that come nearest to making a part true."""
    pick = "bottomk" if part.comparison.startswith("<") else "topk"
    return f"{pick}({_CURVES}, {part.value})"


def limit_of(part: ExpressionPart) -> str | None:
    """Return the query of what a part compares with; None where that is a number, or nothing."""
    return f"max({part.limit})" if part.limit and not _number(part.limit) else None


def panel(
    alert: str, part: ExpressionPart, signals: Sequence[Curve], limits: Sequence[Curve], end: float
) -> Panel:
    """Return the drawing of a part: its signals, and the limit, be it a number or a signal."""
    if part.limit and _number(part.limit):
        value = float(part.limit)
        ends = [(0.0, value), (end, value)] if math.isfinite(value) else []
        limits = [Curve(part.limit, ends)]
    return Panel(alert, f"{part.join} {part.text}".strip(), signals, limits)


def curves(samples: Iterable[tuple[Mapping[str, str], float, float]]) -> list[Curve]:
    """Return labels, times and values as curves, those with the most points first.

    A division by zero has no place on the paper: it is left out like a gap.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    for labels, at, value in samples:
        if math.isfinite(value):
            own = (f"{k}={v}" for k, v in labels.items() if k != "__name__")
            series.setdefault(", ".join(own) or "value", []).append((at, value))
    longest = sorted(series.items(), key=lambda item: -len(item[1]))[:_CURVES]
    return [Curve(name, points) for name, points in longest]


def _curves(answer: PromtoolAnswer, query: int) -> list[Curve]:
    return curves((own.labels, own.at, own.value) for own in answer.found if own.query == query)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def reasons(
    samples: Samples,
    rule: Rule,
    rules: RuleSet,
    interval: float,
    episodes: Sequence[Episode],
    window: tuple[float, float],
    spans: Sequence[float] = (),
) -> list[str]:
    """Return sentences that say why an alert did not fire within a window.

    Args:
        samples: what was scraped.
        rule: the rule.
        rules: where it comes from.
        interval: seconds between two evaluations.
        episodes: of the alert.
        window: from when to when, in seconds.
        spans: length of each fault, in seconds.
    """
    pending = [
        own for own in episodes if own.pending < window[1] and (own.ended or window[1]) > window[0]
    ]
    if pending:
        return [f"the expression was {why_silent(rule, held(rule, pending, window[1]), spans)}"]
    times = _times(window, interval)
    job = job_for(samples, [Candidate(rule, rule.body)], rules, interval)
    asked = []
    for part in parts(rule.expr):
        pick = "min" if part.comparison.startswith("<") else "max"
        truth, value = f"count({part.text})", f"{pick}({part.value})"
        asked.append((part, job.ask(truth, times), job.ask(value, times)))
    answer = run(job)
    return [_reason(part, answer, truth, value) for part, truth, value in asked]


def _times(window: tuple[float, float], interval: float) -> list[float]:
    steps = max(1, round((window[1] - window[0]) / interval))
    stride = max(1, steps // POINTS)
    first = -(-window[0] // interval) * interval
    return [first + interval * step for step in range(0, steps, stride)]


def _reason(part: ExpressionPart, answer: PromtoolAnswer, truth: int, value: int) -> str:
    true = [own.at for own in answer.found if own.query == truth]
    values = [own.value for own in answer.found if own.query == value]
    text = f"{part.join} {part.text}".strip()
    if true:
        return f"{text}: true from {show_duration(min(true))} to {show_duration(max(true))}"
    if not values:
        return f"{text}: no series"
    if not part.comparison:
        return f"{text}: never true"
    low = part.comparison.startswith("<")
    extreme = min(values) if low else max(values)
    return f"{text}: false; the {'lowest' if low else 'highest'} value was {extreme:.6g}"
