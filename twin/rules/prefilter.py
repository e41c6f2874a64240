"""Prefilter: the alerts that were ever true, by bounds and by promtool in windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np

from twin.rules.bounds import Bounds, Flags
from twin.rules.expression import Selector, reach, sievable
from twin.rules.jobs import Candidate, dealt, job_for, linked
from twin.rules.promtool import PromtoolAnswer, UnfinishedError, run, shorter, workers
from twin.rules.sampling import Samples
from twin.rules.source import RuleSet

__all__ = ["sieve"]

_BUDGET = 4000
"""Samples that a window may read: promtool holds at most 10,000, results included."""
_TIMES = "twin_times"
"""Label of the number of evaluations of a window at which a series was there."""
_WINDOW_SECONDS = 1e-4
_LOAD_SECONDS = 1.5e-6
_READ_SECONDS = 5e-6
_RANGED_SECONDS = 1e-7
"""What promtool takes for a window, to load a sample, and at an evaluation to read a series and
a sample of its range. Measured with Prometheus 2.42; only their ratios matter here."""


@dataclass(frozen=True, slots=True)
class _Suspect:
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

    def scrapes(self, samples: Samples, interval: float) -> Flags:
        """Which scrapes its windows read: promtool need not load the others."""
        ends = np.array(self.ends) * interval
        # A subquery looks at the evaluation before its range too.
        starts = ends - self.steps * interval - reach(self.candidate.expr)
        return samples.between(starts, ends)

    def cost(self, samples: Samples, interval: float) -> float:
        """About how long it takes, in seconds."""
        evaluations = len(self.ends) * self.steps
        seconds = _WINDOW_SECONDS * len(self.ends)
        read = int(np.count_nonzero(self.scrapes(samples, interval)))
        for selector in dict.fromkeys(self.candidate.reads):
            series = _series_of(samples, selector)
            ranged = selector.seconds / samples.interval * _RANGED_SECONDS
            seconds += series * (read * _LOAD_SECONDS + evaluations * (_READ_SECONDS + ranged))
        return seconds


def sieve(
    samples: Samples,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    interval: float,
    threads: int,
    bounds: Bounds,
) -> tuple[set[int], dict[int, Flags]]:
    """Return the candidates that were ever true, and the evaluations at which some may change.

    A candidate that cannot be asked in windows, or that is too large for one, or that the engine
    refuses or does not finish, is taken to have been true. Of any other it is known at which
    evaluations it was true of the same series as before.
    """
    by_expr: dict[str, list[int]] = {}
    true: set[int] = set()
    changing: dict[int, Flags] = {}
    for index, candidate in enumerate(candidates):
        shifted = _shifted(candidate, rules)
        if sievable(candidate.expr) and not shifted and not linked([candidate], rules):
            by_expr.setdefault(candidate.expr, []).append(index)
        else:
            true.add(index)
    questions = list(_questions(samples, candidates, by_expr, rules, bounds))
    parts = _shared_out(questions, samples, rules, interval, threads)
    with workers(threads) as pool:
        found = pool.map(lambda part: list(_asked(samples, part, rules, interval)), parts)
        for part, answer in chain.from_iterable(found):
            for place in {own.query for own in answer.found}:
                if place not in {*answer.errors, *answer.oversized}:
                    flags = _changing(part[place], place, answer, interval)
                    changing.update(dict.fromkeys(part[place].indices, flags))
            for place in {own.query for own in answer.found} | answer.oversized | {*answer.errors}:
                true.update(part[place].indices)
    return true, changing


def _shifted(candidate: Candidate, rules: RuleSet) -> bool:
    """Return whether Prometheus evaluates a part of the rule as of an earlier moment."""
    parts = (candidate.rule, *rules.feeding([candidate.as_read]))
    return any("query_offset" in own.home.attributes for own in parts)


def _changing(question: _Suspect, place: int, answer: PromtoolAnswer, interval: float) -> Flags:
    """Return the evaluations at which the expression may be true of other series than before.

    A window shares its first evaluation with the one before. So when every series of it has as
    many values as there are evaluations, it is true of the same series all through.
    """
    counts: dict[int, set[str]] = {}
    for found in answer.found:
        if found.query == place:
            counts.setdefault(round(found.at / interval), set()).add(found.labels[_TIMES])
    flags = np.zeros(len(question.possible), np.bool_)
    never = len(flags) + question.steps
    for end, after in zip_longest(question.ends, question.ends[1:], fillvalue=never):
        if counts.get(end, set()) - {str(question.steps + 1)}:
            flags[max(0, end - question.steps) : end + 1] = True
        if after - question.steps > end:
            flags[end + 1 : end + 2] = True  # where it cannot be true, it is no more
    flags[0] = True
    return flags


def _questions(
    samples: Samples,
    candidates: Sequence[Candidate],
    by_expr: dict[str, list[int]],
    rules: RuleSet,
    bounds: Bounds,
) -> Iterator[_Suspect]:
    for expr, indices in by_expr.items():
        possible = bounds.possible(expr)
        if possible.any():
            candidate = candidates[indices[0]].inlined(rules)
            reads = _reads(samples, candidate, bounds)
            yield _Suspect(candidate, indices, possible, reads)


def _reads(samples: Samples, candidate: Candidate, bounds: Bounds) -> int:
    return sum(
        _series_of(samples, own) + bounds.recorded_series(own.name or "") for own in candidate.reads
    )


def _series_of(samples: Samples, selector: Selector) -> int:
    """Return how many of the scraped series a selector reads."""
    return sum(
        len(family.chosen([selector]).labels)
        for name, family in samples.families.items()
        if selector.names((name,))
    )


def _shared_out(
    questions: Sequence[_Suspect],
    samples: Samples,
    rules: RuleSet,
    interval: float,
    hands: int,
) -> list[list[_Suspect]]:
    """Return the questions in parts that take about as long.

    Those that need the same recording rules stay together: these are evaluated once a part.
    """
    if hands == 1:
        return [list(questions)] if questions else []
    groups: dict[tuple[str, ...], list[_Suspect]] = {}
    costs: dict[tuple[str, ...], float] = {}
    for number, question in enumerate(questions):
        fed = tuple(rule.key for rule in rules.feeding([question.candidate.as_read]))
        key = fed or (f"{number}",)
        groups.setdefault(key, []).append(question)
        costs[key] = costs.get(key, 0.0) + question.cost(samples, interval)
    parts: list[list[_Suspect]] = [[] for _ in range(hands)]
    loads = [0.0] * hands
    for key in sorted(groups, key=lambda own: -costs[own]):
        least = loads.index(min(loads))
        parts[least] += groups[key]
        loads[least] += costs[key]
    return [part for part in parts if part]


def _asked(
    samples: Samples,
    questions: Sequence[_Suspect],
    rules: RuleSet,
    interval: float,
    seconds: float | None = None,
) -> Iterator[tuple[Sequence[_Suspect], PromtoolAnswer]]:
    """Yield the questions with their answers, in smaller parts where they take too long."""
    try:
        yield questions, _ask(samples, questions, rules, interval, seconds)
    except UnfinishedError as error:
        if len(questions) == 1:
            yield questions, PromtoolAnswer([], {0: str(error)})
            return
        for half in dealt(questions, 2):
            yield from _asked(samples, half, rules, interval, shorter(seconds))


def _ask(
    samples: Samples,
    questions: Sequence[_Suspect],
    rules: RuleSet,
    interval: float,
    seconds: float | None,
) -> PromtoolAnswer:
    candidates = [question.candidate for question in questions]
    read = [question.scrapes(samples, interval) for question in questions]
    job = job_for(samples, candidates, rules, interval, read)
    for question in questions:
        # Half an interval more than it needs: whether a range has its first moment, that is
        # another in Prometheus 3.
        window = f"{round((question.steps + 0.5) * interval * 1000)}ms:{round(interval)}s"
        inside = f"count_over_time(({question.candidate.expr}\n)[{window}])"
        job.ask(f'count_values("{_TIMES}", {inside})', [end * interval for end in question.ends])
    return run(job, seconds)
