"""Which alerts were ever true: bounds first, then promtool in windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from twin.rules.bounds import Bounds, Flags
from twin.rules.expression import sievable
from twin.rules.jobs import Candidate, job_for, linked
from twin.rules.promtool import Answer, run
from twin.rules.sampling import Samples
from twin.rules.source import RuleSet

__all__ = ["sieve"]

_BUDGET = 4000
"""Samples that a window may read: promtool holds at most 10,000, results included."""


@dataclass(frozen=True, slots=True)
class _Question:
    """An expression that might be true somewhere.

    Attributes:
        candidate: one that has it.
        indices: of all candidates that have it.
        possible: the evaluations at which it might be true.
        reads: series that it reads, once for each time that it does.
    """

    candidate: Candidate
    indices: Sequence[int]
    possible: Flags
    reads: int

    @property
    def steps(self) -> int:
        """Evaluations that one window may hold."""
        return max(1, _BUDGET // max(1, self.reads))

    @property
    def ends(self) -> list[int]:
        """Last evaluations of the windows that hold all possible ones."""
        ends: list[int] = []
        for step in np.flatnonzero(self.possible).tolist():
            if not ends or step > ends[-1]:
                ends.append(min(step + self.steps - 1, len(self.possible) - 1))
        return ends

    @property
    def cost(self) -> float:
        """How long it will take, in some unit."""
        return len(self.ends) * (100.0 + self.reads)


def sieve(
    samples: Samples,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    interval: float,
    threads: int,
) -> tuple[set[int], dict[int, str]]:
    """Return the candidates that were ever true, and why some could not be evaluated.

    A candidate that cannot be asked in windows, or that is too large for one, is taken to
    have been true.
    """
    by_expr: dict[str, list[int]] = {}
    true: set[int] = set()
    for index, candidate in enumerate(candidates):
        if sievable(candidate.expr) and not linked([candidate]):
            by_expr.setdefault(candidate.expr, []).append(index)
        else:
            true.add(index)
    questions = list(_questions(samples, candidates, by_expr, rules, interval))
    parts = _shared_out(questions, rules, threads)
    errors: dict[int, str] = {}
    with ThreadPoolExecutor(threads) as pool:
        answers = pool.map(lambda part: _ask(samples, part, rules, interval), parts)
        for part, answer in zip(parts, answers, strict=True):
            for place in {found.query for found in answer.found} | answer.oversized:
                true.update(part[place].indices)
            for place, text in answer.errors.items():
                errors.update(dict.fromkeys(part[place].indices, text))
    return true, errors


def _questions(
    samples: Samples,
    candidates: Sequence[Candidate],
    by_expr: dict[str, list[int]],
    rules: RuleSet,
    interval: float,
) -> Iterator[_Question]:
    bounds = Bounds(samples, interval, {rule.name: rule.expr for rule in rules.recordings})
    for expr, indices in by_expr.items():
        possible = bounds.possible(expr)
        if possible.any():
            candidate = candidates[indices[0]].inlined(rules)
            reads = _reads(samples, candidate, bounds)
            yield _Question(candidate, indices, possible, reads)


def _reads(samples: Samples, candidate: Candidate, bounds: Bounds) -> int:
    scraped = sum(
        len(family.chosen([selector]).labels)
        for selector in candidate.reads
        for name, family in samples.families.items()
        if selector.names((name,))
    )
    return scraped + sum(bounds.recorded_series(own.name or "") for own in candidate.reads)


def _shared_out(
    questions: Sequence[_Question], rules: RuleSet, hands: int
) -> list[list[_Question]]:
    """Return the questions in parts that take about as long.

    Those that need the same recording rules stay together: these are evaluated once a part.
    """
    groups: dict[tuple[str, ...], list[_Question]] = {}
    for number, question in enumerate(questions):
        fed = tuple(rule.key for rule in rules.feeding([question.candidate.as_read]))
        groups.setdefault(fed or (f"{number}",), []).append(question)
    parts: list[list[_Question]] = [[] for _ in range(hands)]
    for group in sorted(groups.values(), key=lambda own: -sum(q.cost for q in own)):
        min(parts, key=lambda part: sum(q.cost for q in part)).extend(group)
    return [part for part in parts if part]


def _ask(
    samples: Samples, questions: Sequence[_Question], rules: RuleSet, interval: float
) -> Answer:
    job = job_for(samples, [question.candidate for question in questions], rules, interval)
    for question in questions:
        window = f"{round(question.steps * interval)}s:{round(interval)}s"
        query = f"count(last_over_time(({question.candidate.expr}\n)[{window}]))"
        job.ask(query, [end * interval for end in question.ends])
    return run(job)
