"""Charts of an alert: the value of each part of its expression over time, and its threshold.

Which series are drawn is decided first: those that made the part true, for the longest
time first, and then those that came nearest. Their whole course is asked for after that.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from twin.rules.expression import ExpressionPart, parts
from twin.rules.jobs import Candidate, job_for
from twin.rules.noise import SeriesSlice
from twin.rules.promtool import PromtoolAnswer, UnfinishedError, run
from twin.rules.result import Curve, Panel, ScenarioResult
from twin.rules.sampling import Samples
from twin.rules.source import Rule, RuleSet

__all__ = ["POINTS", "Series", "drawn", "gathered", "panels", "panels_of"]

POINTS = 240
"""Moments at which a signal is drawn."""
_CURVES = 3
_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """A series that a query gave.

    Attributes:
        labels: without its name.
        points: seconds and values; NaN is left out like a gap.
    """

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


Asker = Callable[[Sequence[str]], Sequence[Sequence[Series]]]
"""Evaluates queries over the whole scenario, in their order; empty for one that fails."""


def drawn(expressions: Sequence[tuple[str, str]], ask: Asker, end: float) -> list[Panel]:
    """Return the charts of alerts, given as name and expression.

    Args:
        expressions: name and expression of each alert.
        ask: answers queries.
        end: of the scenario, in seconds.
    """
    asked = [(name, part) for name, expr in expressions for part in parts(expr)]
    choice = ask([query for _, part in asked for query in (_truth(part), _near(part))])
    wanted = [
        _chosen(part, choice[2 * index], choice[2 * index + 1])
        for index, (_, part) in enumerate(asked)
    ]
    found = ask(
        [
            query
            for (_, part), keys in zip(asked, wanted, strict=True)
            for query in (_only(part.value, keys), _limit(part))
        ]
    )
    return [
        Panel(
            name,
            f"{part.join} {part.text}".strip(),
            _curves(found[2 * index], wanted[index]),
            [
                Curve(part.limit, _spanned(own.points, end, steady=part.scalar))
                for own in (found[2 * index + 1] if part.limit else ())
            ],
        )
        for index, (name, part) in enumerate(asked)
    ]


def _curves(found: Sequence[Series], wanted: Sequence[_Labels]) -> list[Curve]:
    """Return the curves of the wanted series, in their order."""
    by_key = {_key(own.labels): own for own in found}
    keys = [key for key in wanted if key in by_key]
    # What all have in common does not tell one from the other.
    common = set(keys[0]).intersection(*keys[1:]) if len(keys) > 1 else set()
    return [
        Curve(_name([item for item in key if item not in common]), by_key[key].points)
        for key in keys
    ]


def _truth(part: ExpressionPart) -> str:
    return f"topk({_CURVES}, {part.text})"


def _near(part: ExpressionPart) -> str:
    """Return the query of the series that come nearest to making a part true."""
    if part.comparison.startswith("=") and part.scalar:
        return f"bottomk({_CURVES}, abs(({part.value}) - ({part.limit})))"
    return f"{'bottomk' if part.comparison.startswith('<') else 'topk'}({_CURVES}, {part.value})"


def _limit(part: ExpressionPart) -> str:
    """Return the query of what a part compares with."""
    if not part.limit:
        return "vector(0)"
    return f"vector({part.limit})" if part.scalar else f"max({part.limit})"


def _chosen(part: ExpressionPart, true: Sequence[Series], near: Sequence[Series]) -> list[_Labels]:
    """Return the labels of the series that are worth drawing, the most telling ones first."""
    times = Counter({_key(own.labels): len(own.points) for own in true})
    low = part.comparison.startswith("<") or (part.comparison.startswith("=") and part.scalar)
    ranked = sorted(
        (own for own in near if own.points),
        key=lambda own: min((1.0 if low else -1.0) * value for _, value in own.points),
    )
    keys = [key for key, _ in times.most_common(_CURVES)]
    keys += [key for own in ranked if (key := _key(own.labels)) not in times]
    return keys[:_CURVES]


def _key(labels: Mapping[str, str]) -> _Labels:
    return tuple(sorted(labels.items()))


def _only(value: str, chosen: Sequence[_Labels]) -> str:
    """Return the query of a value for these series alone."""
    names = sorted({name for labels in chosen for name, _ in labels})
    if not names:
        return value
    ways = []
    for labels in chosen:
        way = "vector(1)"
        for name, text in labels:
            quoted = json.dumps(text.replace("$", "$$"), ensure_ascii=False)
            way = f'label_replace({way}, "{name}", {quoted}, "", "")'
        ways.append(way)
    return f"({value}) and on ({', '.join(names)}) ({' or '.join(ways)})"


def _spanned(
    points: Sequence[tuple[float, float]], end: float, *, steady: bool
) -> Sequence[tuple[float, float]]:
    """Return a limit from the start to the end if it is always the same."""
    values = {value for _, value in points}
    if steady and len(values) == 1:
        value = values.pop()
        return [(0.0, value), (end, value)]
    return points


def _name(labels: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels) or "value"


# -- by promtool --------------------------------------------------------------


def panels(
    samples: Samples, chosen: Sequence[Rule], rules: RuleSet, interval: float
) -> list[Panel]:
    """Return the charts of these alerts over the whole scenario."""
    if not chosen:
        return []
    end = samples.interval * samples.scrapes
    step = max(interval, interval * round(end / interval / POINTS))
    times = [step * index for index in range(1, round(end / step) + 1) if step * index <= end]
    job = job_for(samples, [Candidate(rule, rule.body) for rule in chosen], rules, interval)

    def ask(queries: Sequence[str]) -> list[list[Series]]:
        own = replace(job, queries=[])
        places = [own.ask(query, times) for query in queries]
        try:
            answer = run(own)
        except UnfinishedError:
            answer = PromtoolAnswer([], {})  # a report without a chart is one still
        return [_series(answer, place) for place in places]

    return drawn([(rule.name, rule.expr) for rule in chosen], ask, end)


def panels_of(
    result: ScenarioResult, samples: Samples, rules: RuleSet, few: Mapping[int, SeriesSlice]
) -> list[Panel]:
    """Return the charts of the alerts that are checked or fired.

    Args:
        result: what happened.
        samples: what was scraped.
        rules: that were tested.
        few: which series of an alert are drawn, by its index, where a few stand for all.
    """
    shown = {check.alert for check in result.checks if check.alert}
    shown |= {
        episode.labels["alertname"]
        for episodes in result.episodes.values()
        for episode in episodes
        if episode.firing is not None
    }
    chosen: dict[SeriesSlice | None, list[Rule]] = {}
    for index, rule in enumerate(rules.alerts):
        if rule.name in shown:
            chosen.setdefault(few.get(index), []).append(rule)
    return [
        panel
        for own, rules_of in chosen.items()
        for panel in panels(
            own.samples(samples) if own else samples, rules_of, rules, result.evaluate
        )
    ]


def _series(answer: PromtoolAnswer, query: int) -> list[Series]:
    samples = ((own.labels, own.at, own.value) for own in answer.found if own.query == query)
    return gathered(samples)


def gathered(samples: Iterable[tuple[Mapping[str, str], float, float]]) -> list[Series]:
    """Return labels, times and values as series."""
    found: dict[_Labels, list[tuple[float, float]]] = {}
    for labels, at, value in samples:
        if math.isfinite(value):
            own = {name: text for name, text in labels.items() if name != "__name__"}
            found.setdefault(_key(own), []).append((at, value))
    return [Series(dict(key), points) for key, points in found.items()]
