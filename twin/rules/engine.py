"""Evaluation: the episodes of every alert from scraped series, by promtool alone.

``promtool test rules`` is the engine of Prometheus, ``for``, staleness and templates
included, but it evaluates rule by rule and step by step, which costs some 5 µs a series.
So it is given less. *Bounds* leave out what cannot be true given the values that were
scraped. The *sieve* asks promtool itself whether the rest is ever true, in windows that
stay below its 10,000 samples a query: one subquery does a hundred evaluations at a tenth
of the price. The *judge* then evaluates the alerts that were ever true as the rules they
are. An alert whose expression is never true at any evaluation cannot fire, so nothing is
lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from twin.errors import ConfigError
from twin.rules.jobs import ALERTS, Candidate, dealt, job_for, linked
from twin.rules.prefilter import sieve
from twin.rules.promtool import Found, RuleFailedError, run
from twin.rules.sampling import Samples
from twin.rules.source import RuleSet

__all__ = ["EngineOutcome", "Episode", "begins", "evaluate"]

_MARK = "twin_rule"
"""Label by which a firing alert is traced to its rule."""
_TOO_MANY = (
    "it is true of so many series that its alerts are more than the 10,000 samples that promtool "
    "allows a query; aggregate in the rule, or take a smaller slice of the site"
)


@dataclass(frozen=True, slots=True)
class Episode:
    """One time that an instance of an alert was pending, and perhaps fired.

    Attributes:
        candidate: index of the candidate.
        labels: of the alert, ``alertname`` among them.
        pending: when its expression became true.
        firing: when it fired; None when the expression did not hold for long enough.
        ended: when it was over; None at the end of the scenario.
    """

    candidate: int
    labels: Mapping[str, str]
    pending: float
    firing: float | None
    ended: float | None


@dataclass(frozen=True, slots=True)
class EngineOutcome:
    """What the engine found.

    Attributes:
        episodes: of all candidates, in order of time.
        true: indices of the candidates whose expression was ever true.
        errors: why a candidate could not be evaluated, by its index.
    """

    episodes: Sequence[Episode]
    true: frozenset[int]
    errors: Mapping[int, str]


def evaluate(
    samples: Samples,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    interval: float,
    threads: int = 1,
) -> EngineOutcome:
    """Return what the alerts would have done.

    Args:
        samples: what was scraped.
        candidates: the alerts.
        rules: where they come from, for the recording rules that feed them.
        interval: seconds between two evaluations.
        threads: promtools at a time.

    Raises:
        ConfigError: promtool is not there, or it cannot evaluate a recording rule, without
            which nothing can be said.
    """
    try:
        return _evaluated(samples, candidates, rules, interval, threads)
    except RuleFailedError as error:
        places = (rule.place for rule in rules.recordings if rule.name == error.rule)
        raise ConfigError(f"{next(places, 'rules')}: {error}") from None


def _evaluated(
    samples: Samples,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    interval: float,
    threads: int,
) -> EngineOutcome:
    true, errors = sieve(samples, candidates, rules, interval, threads)
    active = [index for index in sorted(true) if index not in errors]
    if not active:
        return EngineOutcome([], frozenset(true), errors)
    if linked(candidates):
        # Variants of a rule must not be among the alerts that another rule reads.
        own = [[i for i in active if candidates[i].as_it_is is flag] for flag in (True, False)]
        chunks = [chunk for chunk in own if chunk]
    else:
        chunks = dealt(active, threads)
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(lambda chunk: _judged(samples, candidates, chunk, rules, interval), chunks)
        episodes: list[Episode] = []
        for part, wrong in found:
            episodes += (own for own in part if own.candidate not in wrong)
            errors.update(wrong)
    first = begins(samples, interval)
    episodes.sort(key=lambda episode: (episode.pending, sorted(episode.labels.items())))
    lasting = [own for own in episodes if own.ended is None or own.ended > first]
    true -= {own.candidate for own in episodes} - {own.candidate for own in lasting}
    return EngineOutcome(lasting, frozenset(true), errors)


def begins(samples: Samples, interval: float) -> float:
    """Return the first evaluation that sees a scrape.

    Before it there is nothing at all, of which ``absent()`` is true: what is over by then says
    nothing about the site.
    """
    return interval * math.ceil(samples.interval / interval)


# -- judge --------------------------------------------------------------------


def _judged(
    samples: Samples,
    candidates: Sequence[Candidate],
    chosen: Sequence[int],
    rules: RuleSet,
    interval: float,
) -> tuple[list[Episode], dict[int, str]]:
    """Return the episodes of these candidates, and why some could not be evaluated.

    promtool gives up at the first rule that fails; so that one is taken out, and the others
    are judged without it.
    """
    try:
        episodes, oversized = _judge(samples, candidates, chosen, rules, interval)
    except RuleFailedError as error:
        failed = [index for index in chosen if candidates[index].rule.name == error.rule]
        if not failed:
            raise
        if len(chosen) == 1 or linked(candidates):
            wrong = dict.fromkeys(failed, error.reason)
            parts = [[index for index in chosen if index not in wrong]]
        else:
            # A rule and its variants have one name; which of them fails is not told.
            wrong = {}
            parts = [[index for index in chosen if index not in failed], *([i] for i in failed)]
        found: list[Episode] = []
        for part in filter(None, parts):
            own, also_wrong = _judged(samples, candidates, part, rules, interval)
            found += own
            wrong |= also_wrong
        return found, wrong
    return episodes, dict.fromkeys(oversized, _TOO_MANY)


def _judge(
    samples: Samples,
    candidates: Sequence[Candidate],
    chosen: Sequence[int],
    rules: RuleSet,
    interval: float,
) -> tuple[list[Episode], set[int]]:
    """Return the episodes of these candidates, and those with too many of them to be told."""
    own = [candidates[index] for index in chosen]
    job = job_for(samples, own, rules, interval)
    marked = [
        {**own.body, "labels": {**(own.body.get("labels") or {}), _MARK: str(index)}}
        for index, own in zip(chosen, own, strict=True)
    ]
    job.groups = [*job.groups, {"name": "alerts", "rules": marked}]
    steps = [step * interval for step in range(round(job.end / interval) + 1)]
    # A query for each, since the engine's limit of samples is one of a query.
    asked = {job.ask(_change(index, interval), steps): index for index in chosen}
    answer = run(job)
    return _episodes(answer.found), {asked[place] for place in answer.oversized}


def _change(index: int, interval: float) -> str:
    """Return a query for what is pending or firing of a candidate, or has just ceased to be."""
    now = f'{ALERTS}{{{_MARK}="{index}"}}'
    before = f"{now} offset {round(interval)}s"
    return f"({now} unless {before}) or 0 * ({before} unless {now})"


def _episodes(found: Sequence[Found]) -> list[Episode]:
    """Return the episodes that the beginnings and ends of ALERTS series make."""
    open_: dict[tuple[tuple[str, str], ...], Episode] = {}
    done: list[Episode] = []
    now = 0.0
    # An end comes before a beginning of the same moment: pending ends when firing begins.
    for sample in sorted(found, key=lambda own: (own.at, own.value)):
        if sample.at > now:
            now = sample.at
            over = [key for key, own in open_.items() if own.ended is not None]
            done.extend(open_.pop(key) for key in over)
        labels = {k: v for k, v in sample.labels.items() if k != "__name__"}
        state, index = labels.pop("alertstate"), int(labels.pop(_MARK))
        key = (("", str(index)), *sorted(labels.items()))
        episode = open_.get(key)
        if sample.value > 0:
            firing = sample.at if state == "firing" else None
            if episode is None:
                open_[key] = Episode(index, labels, sample.at, firing, None)
            else:
                open_[key] = replace(episode, firing=firing, ended=None)
        elif episode is not None:
            # Whether it goes on as firing is told by the next sample of the same moment.
            open_[key] = replace(episode, ended=sample.at)
    return [*done, *open_.values()]
