"""Reasons for a miss: which part of an alert's expression was false, and how near it came.

An expression is cut at its set operators and comparisons; each part is evaluated by
promtool like the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from twin.rules.engine import Episode
from twin.rules.expression import ExpressionPart, parts
from twin.rules.jobs import Candidate, job_for
from twin.rules.promtool import PromtoolAnswer, UnfinishedError, run
from twin.rules.sampling import Samples
from twin.rules.silence import held, why_silent
from twin.rules.source import Rule, RuleSet
from twin.scenario import show_duration

__all__ = ["reasons"]

_MOMENTS = 240
"""Evaluations that are looked at."""


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
    try:
        answer = run(job)
    except UnfinishedError as error:
        return [f"which part of it was false cannot be told: {error}"]
    return [_reason(part, answer, truth, value) for part, truth, value in asked]


def _times(window: tuple[float, float], interval: float) -> list[float]:
    steps = max(1, round((window[1] - window[0]) / interval))
    stride = max(1, steps // _MOMENTS)
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
