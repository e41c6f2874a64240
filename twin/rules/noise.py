"""Noise: alerts that certainly fire while nothing is wrong, judged by a few of their series.

A rule that is true of 512 GPUs on a healthy site is wrong whatever the other 496 do. So it is
asked at some moments which series it is true of. Where these are many, it is judged to the end
of the scenario for a few of them: promtool is given their series alone, or, where a part of the
expression needs all (an average of the fleet), all series and what narrows the result. What
fires then fires for the whole site, too. Work grows with the rules, not with the series.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from twin.rules.bounds import Bounds
from twin.rules.expression import LOOKBACK, Selector, reach, sievable
from twin.rules.jobs import Candidate, dealt, job_for, linked
from twin.rules.judging import TEMPLATE, Episode, judged
from twin.rules.promtool import Found, RuleFailedError, UnfinishedError, run, workers
from twin.rules.rows import divides
from twin.rules.rule_yaml import labels_of, scalar
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import RuleSet

__all__ = ["SeriesSlice", "certain_noise"]

_MOMENTS = 3
_MANY = 64
"""Series that an alert is true of, from which on a few of them stand for all."""
_FEW = 16
_CHOSEN = "twin_chosen"
"""Input series that has the labels of the few."""
_SECONDS = 120.0
_Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SeriesSlice:
    """A few of the series that an alert is true of.

    Attributes:
        label: by which they are chosen.
        values: that it has of them.
        divides: whether the alert gives the same of them when no other series is there.
    """

    label: str
    values: tuple[str, ...]
    divides: bool

    def samples(self, whole: Samples) -> Samples:
        """Return what promtool needs to judge them."""
        if self.divides:
            return whole.only(self.label, self.values)
        labels = [{self.label: value} for value in self.values]
        chosen = MetricFamily(labels, np.ones((len(labels), whole.scrapes)))
        return replace(whole, families={**whole.families, _CHOSEN: chosen})

    def candidate(self, own: Candidate) -> Candidate:
        """Return the alert for them alone."""
        if self.divides:
            return own
        expr = f"({own.expr}\n) and on ({self.label}) {_CHOSEN}"
        return replace(own, body={**own.body, "expr": expr})


def certain_noise(
    samples: Samples,
    candidates: Mapping[int, Candidate],
    rules: RuleSet,
    interval: float,
    threads: int,
    calm: Mapping[int, float],
    bounds: Bounds,
) -> tuple[list[Episode], dict[int, SeriesSlice]]:
    """Return the episodes, for a few series each, of what fires for many and should for none.

    Beside them, by the index of each such alert, which few these are.

    Args:
        samples: what was scraped.
        candidates: the alerts, by their index.
        rules: where they come from, for the recording rules that feed them.
        interval: seconds between two evaluations.
        threads: promtools at a time.
        calm: until when, in seconds, each firing of an alert is one too many, by its index.
        bounds: of what expressions can be.
    """
    if not calm or linked(list(candidates.values()), rules):
        return [], {}
    moments = {
        index: _moments(own, calm[index], interval, bounds)
        for index, own in candidates.items()
        if index in calm and _is_like_its_parts(own) and _many(own, samples, rules)
    }
    asked = [index for index, own in moments.items() if own]
    with workers(threads) as pool:
        found = pool.map(
            lambda part: _true_of(samples, candidates, part, moments, rules, interval),
            dealt(asked, threads),
        )
        slices: dict[SeriesSlice, list[int]] = {}
        for index, rows in chain.from_iterable(found):
            if (own := _slice(candidates[index], rows, samples, rules)) is not None:
                slices.setdefault(own, []).append(index)
        parts = [
            (own, part)
            for own, indices in slices.items()
            for part in dealt(indices, threads if own.divides else len(indices))
        ]
        few = {own: own.samples(samples) for own in slices}
        steps = range(round(samples.interval * samples.scrapes / interval) + 1)
        judgements = list(
            pool.map(
                lambda part: judged(
                    few[part[0]],
                    [part[0].candidate(candidates[index]) for index in part[1]],
                    range(len(part[1])),
                    rules,
                    interval,
                    dict.fromkeys(range(len(part[1])), steps),
                ),
                parts,
            )
        )
    episodes = [
        replace(own, candidate=indices[own.candidate])
        for (_, indices), (judged_, wrong) in zip(parts, judgements, strict=True)
        for own in judged_
        if own.candidate not in wrong
    ]
    noisy = {
        own.candidate
        for own in episodes
        if own.firing is not None and own.firing < calm[own.candidate]
    }
    cut = {index: own for own, indices in slices.items() for index in indices if index in noisy}
    return [own for own in episodes if own.candidate in noisy], cut


def _is_like_its_parts(candidate: Candidate) -> bool:
    """Return whether an alert does for a few series what it does for all."""
    limited = scalar(candidate.rule.home.attributes.get("limit")) not in ("", "0")
    labels = map(scalar, labels_of(candidate.body).values())
    queries = any(TEMPLATE in own and "query" in own for own in labels)
    return sievable(candidate.expr) and not limited and not queries


def _many(candidate: Candidate, samples: Samples, rules: RuleSet) -> bool:
    """Return whether an alert may be true of many series."""
    read = _read(candidate, rules)
    return sum(len(samples.families[name].labels) for name in _names(read, samples)) >= _MANY


def _read(candidate: Candidate, rules: RuleSet) -> list[Selector]:
    """Return what an alert reads, also by way of recording rules."""
    fed = rules.feeding([candidate.as_read])
    return [*candidate.reads, *(selector for rule in fed for selector in rule.selectors)]


def _names(read: Sequence[Selector], samples: Samples) -> set[str]:
    return {name for selector in read for name in selector.names(samples.families)}


def _moments(candidate: Candidate, calm: float, interval: float, bounds: Bounds) -> list[int]:
    """Return the evaluations at which to ask, those at which it could fire while all is calm."""
    first, last = math.ceil(candidate.lasts / interval) + 2, math.ceil(calm / interval) - 1
    if last < first:
        return []
    possible = bounds.possible(candidate.expr)
    return [
        own
        for own in np.unique(np.linspace(first, last, _MOMENTS).round().astype(int)).tolist()
        if possible[own]
    ]


def _true_of(
    samples: Samples,
    candidates: Mapping[int, Candidate],
    chosen: Sequence[int],
    moments: Mapping[int, Sequence[int]],
    rules: RuleSet,
    interval: float,
) -> Iterator[tuple[int, list[Found]]]:
    """Yield for each alert what it is true of at these evaluations, if the engine can tell."""
    asked = [candidates[index].inlined(rules) for index in chosen]
    times = [np.array(moments[index]) * interval for index in chosen]
    read = [
        samples.between(at - _back(own.expr, samples), at)
        for own, at in zip(asked, times, strict=True)
    ]
    job = job_for(samples, asked, rules, interval, read)
    places = [
        job.ask(own.expr, [float(second) for second in at])
        for own, at in zip(asked, times, strict=True)
    ]
    try:
        answer = run(job, _SECONDS)
    except (UnfinishedError, RuleFailedError):
        return
    rows: dict[int, list[Found]] = {}
    for found in answer.found:
        rows.setdefault(found.query, []).append(found)
    for index, place in zip(chosen, places, strict=True):
        if place in rows and place not in {*answer.errors, *answer.oversized}:
            yield index, rows[place]


def _back(expr: str, samples: Samples) -> float:
    """Return how far back to read, where the newest sample of each series is enough."""
    return max(reach(expr) - LOOKBACK, 0.0) + 2 * samples.interval


def _slice(
    candidate: Candidate, found: Sequence[Found], samples: Samples, rules: RuleSet
) -> SeriesSlice | None:
    """Return a few of the series that an alert is true of; None where it is not of many."""
    rows = [{k: v for k, v in own.labels.items() if k != "__name__"} for own in found]
    names = set(rows[0]).intersection(*rows) - {"le"}
    at = Counter(own.at for own in found)
    distinct = {(own.at, *sorted(row.items())) for own, row in zip(found, rows, strict=True)}
    if max(at.values()) < _MANY or len(distinct) < len(rows) or labels_of(candidate.body).keys() & {
        name for row in rows for name in row
    }:  # fmt: skip
        return None
    counts = {name: Counter(row[name] for row in rows) for name in names}
    recorded: dict[str, list[str]] = {}
    read = rules.feeding([candidate.as_read])
    for rule in read:
        recorded.setdefault(rule.name, []).append(rule.expr)
    everywhere = _everywhere(_read(candidate, rules), samples, recorded).difference(
        *(rule.labels for rule in read)
    )
    fine = sorted(names, key=lambda name: (-len(counts[name]), name))
    dividing = [n for n in fine if n in everywhere and divides(candidate.expr, n, recorded)]
    for name in (*dividing, *fine):
        values = sorted(counts[name], key=lambda value: (-counts[name][value], value))
        rows_of = [math.ceil(counts[name][value] / len(at)) for value in values]
        enough = next((i for i, n in enumerate(np.cumsum(rows_of), 1) if n >= _FEW), len(values))
        if sum(rows_of[:enough]) <= _MANY / 2:
            return SeriesSlice(name, tuple(sorted(values[:enough])), name in dividing)
    return None


def _everywhere(
    read: Sequence[Selector], samples: Samples, recorded: Mapping[str, object]
) -> set[str]:
    """Return the labels that every scraped series has that these selectors read."""
    labels: set[str] | None = None
    for selector in read:
        for name in selector.names(samples.families.keys() - recorded.keys()):
            for own in samples.families[name].chosen([selector]).labels:
                filled = {label for label, value in own.items() if value}
                labels = filled if labels is None else labels & filled
    return labels or set()
