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
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twin.rules.jobs import ALERTS, Candidate, dealt, fed_by, grouped, job_for, linked
from twin.rules.prefilter import sieve
from twin.rules.promtool import Found, RuleFailedError, run, workers
from twin.rules.promtool_series import series_name
from twin.rules.recordings import evaluate_recordings
from twin.rules.rule_yaml import Value, labels_of, scalar, with_labels
from twin.rules.sampling import Samples
from twin.rules.source import Rule, RuleSet
from twin.scenario import parse_duration

__all__ = ["EngineOutcome", "Episode", "begins", "evaluate"]

Flags = NDArray[np.bool_]

_MARK = "twin_rule"
"""Label by which a firing alert is traced to its rule, where another has the same name."""
_TEMPLATE = "{{"
_ALIKE = 1.2
"""How much later than another an alert may end to be judged together with it."""
_WORD = re.compile(r"\w+")
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
        failed: why a recording rule could not be evaluated, by its key.
        recorded: most series at a time of every other recording rule, by its key.
    """

    episodes: Sequence[Episode]
    true: frozenset[int]
    errors: Mapping[int, str]
    failed: Mapping[str, str] = field(default_factory=dict)
    recorded: Mapping[str, int] = field(default_factory=dict)


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
        ConfigError: promtool is not there, or takes too long.
    """
    recorded = evaluate_recordings(samples, rules, interval, threads)
    failing = {rule.name: recorded.errors[rule.key] for rule in rules.recordings
               if rule.key in recorded.errors}  # fmt: skip
    errors = {}
    for index, candidate in enumerate(candidates):
        read = sorted(name for own in candidate.reads for name in own.names(failing))
        if read:
            errors[index] = f"it reads {read[0]}, which {failing[read[0]]}"
    rest = [index for index in range(len(candidates)) if index not in errors]
    outcome = _evaluated(
        samples,
        [candidates[index] for index in rest],
        rules.without(recorded.errors),
        interval,
        threads,
    )
    return EngineOutcome(
        [replace(own, candidate=rest[own.candidate]) for own in outcome.episodes],
        frozenset(rest[index] for index in outcome.true),
        errors | {rest[index]: text for index, text in outcome.errors.items()},
        recorded.errors,
        recorded.series,
    )


def _evaluated(
    samples: Samples,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    interval: float,
    threads: int,
) -> EngineOutcome:
    true, changing = sieve(samples, candidates, rules, interval, threads)
    errors: dict[int, str] = {}
    active = sorted(true)
    asked = {
        index: _asked(candidates[index].body, changing.get(index), samples, interval)
        for index in active
    }
    if linked(candidates, rules):
        # Variants of a rule must not be among the alerts that another rule reads.
        own = [[i for i in active if candidates[i].as_it_is is flag] for flag in (True, False)]
        chunks = [chunk for chunk in own if chunk]
    else:
        chunks = _alike(active, asked, threads)
    with workers(threads) as pool:
        found = pool.map(
            lambda chunk: _judged(samples, candidates, chunk, rules, interval, asked), chunks
        )
        episodes: list[Episode] = []
        for part, wrong in found:
            episodes += (own for own in part if own.candidate not in wrong)
            errors.update(wrong)
    first = begins(samples, interval)
    episodes.sort(key=lambda episode: (episode.pending, sorted(episode.labels.items())))
    lasting = [own for own in episodes if own.ended is None or own.ended > first]
    true -= {own.candidate for own in episodes} - {own.candidate for own in lasting}
    return EngineOutcome(lasting, frozenset(true), errors)


def _asked(
    body: Mapping[str, Value], changing: Flags | None, samples: Samples, interval: float
) -> list[int]:
    """Return the evaluations at which an alert of a rule may begin, fire or end.

    That is some time after its expression was true of other series than before: ``for`` and
    ``keep_firing_for`` go by. Labels with templates may change at any evaluation.
    """
    steps = round(samples.interval * samples.scrapes / interval) + 1
    if changing is None or any(_TEMPLATE in scalar(own) for own in labels_of(body).values()):
        return list(range(steps))
    held = (scalar(body.get(key)) for key in ("for", "keep_firing_for"))
    longest = max(0.0 if own in ("", "0") else parse_duration(own) for own in held)
    after = math.ceil(longest / interval) + 2
    edges = np.zeros(steps + 1, np.int64)
    begins_at = np.flatnonzero(changing)
    np.add.at(edges, begins_at, 1)
    np.add.at(edges, np.minimum(begins_at + after, steps), -1)
    return [int(step) for step in np.flatnonzero(np.cumsum(edges)[:-1])]


def _alike(active: Sequence[int], asked: Mapping[int, list[int]], threads: int) -> list[list[int]]:
    """Return the candidates in parts that end at about the same time."""
    waiting = sorted(active, key=lambda index: asked[index][-1])
    chunks: list[list[int]] = []
    while waiting:
        end = asked[waiting[0]][-1] * _ALIKE
        alike = [index for index in waiting if asked[index][-1] <= end]
        chunks += dealt(alike, threads)
        waiting = waiting[len(alike) :]
    return chunks


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
    asked: Mapping[int, Sequence[int]],
) -> tuple[list[Episode], dict[int, str]]:
    """Return the episodes of these candidates, and why some could not be evaluated.

    promtool gives up at the first rule that fails; so that one is taken out, and the others
    are judged without it.
    """
    try:
        episodes, oversized = _judge(samples, candidates, chosen, rules, interval, asked)
    except RuleFailedError as error:
        failed = [index for index in chosen if candidates[index].rule.name == error.rule]
        if not failed:
            return _without(samples, candidates, chosen, rules, interval, asked, error)
        if len(failed) == 1 or linked(candidates, rules):
            wrong = dict.fromkeys(failed, error.reason)
            parts = [[index for index in chosen if index not in wrong]]
        else:
            # A rule and its variants have one name; which of them fails is not told.
            wrong = {}
            parts = [[index for index in chosen if index not in failed], *([i] for i in failed)]
        found: list[Episode] = []
        for part in filter(None, parts):
            own, also_wrong = _judged(samples, candidates, part, rules, interval, asked)
            found += own
            wrong |= also_wrong
        return found, wrong
    return episodes, dict.fromkeys(oversized, _TOO_MANY)


def _without(
    samples: Samples,
    candidates: Sequence[Candidate],
    chosen: Sequence[int],
    rules: RuleSet,
    interval: float,
    asked: Mapping[int, Sequence[int]],
    error: RuleFailedError,
) -> tuple[list[Episode], dict[int, str]]:
    """Return what is found without a failing recording that reads the alerts."""
    failed = [rule for rule in rules.recordings if rule.name == error.rule]
    if not failed:
        raise error
    keys = {rule.key for rule in failed}
    text = f"it reads {error.rule}, which cannot be evaluated: {error.reason}"
    wrong = {
        index: text
        for index in chosen
        if any(rule.key in keys for rule in rules.feeding([candidates[index].as_read]))
    }
    rest = [index for index in chosen if index not in wrong]
    left = rules.without(keys)
    if not rest:
        return [], wrong
    found, also_wrong = _judged(samples, candidates, rest, left, interval, asked)
    return found, wrong | also_wrong


def _judge(
    samples: Samples,
    candidates: Sequence[Candidate],
    chosen: Sequence[int],
    rules: RuleSet,
    interval: float,
    asked: Mapping[int, Sequence[int]],
) -> tuple[list[Episode], set[int]]:
    """Return the episodes of these candidates, and those with too many of them to be told."""
    own = [candidates[index] for index in chosen]
    job = job_for(samples, own, rules, interval)
    job.end = max(interval, interval * max(asked[index][-1] for index in chosen))
    recordings = fed_by(own, rules)
    taken = None if linked(own, rules) else _label_names(samples, own, recordings)
    names = [candidate.rule.name for candidate in own]
    members = [(rule, rule.body) for rule in recordings]
    constant: dict[int, dict[str, str]] = {}
    found_by: dict[str, int] = {}
    for index, candidate in zip(chosen, own, strict=True):
        constant[index] = {} if taken is None else _constant(candidate.body, taken)
        mark = {"alertname": candidate.rule.name}
        body = _lean(candidate.body, constant[index])
        if names.count(candidate.rule.name) > 1:
            mark = {_MARK: str(index)}
            body = with_labels(body, {**labels_of(body), **mark})
        members.append((candidate.rule, body))
        found_by[series_name(ALERTS, mark)] = index
    job.groups = grouped(members, rules)
    # A query for each, since the engine's limit of samples is one of a query.
    places = {
        job.ask(_change(now, interval), [step * interval for step in asked[index]]): index
        for now, index in found_by.items()
    }
    answer = run(job)
    episodes = [
        replace(own, labels=dict(sorted({**own.labels, **constant[own.candidate]}.items())))
        for own in _episodes(answer.found, places)
    ]
    return episodes, {places[place] for place in answer.oversized}


def _lean(body: Mapping[str, Value], constant: Collection[str]) -> dict[str, Value]:
    """Return a rule without what promtool expands for every instance and no verdict needs."""
    lean = {key: value for key, value in body.items() if key != "annotations"}
    if not constant:
        return lean
    return with_labels(lean, {k: v for k, v in labels_of(body).items() if k not in constant})


def _constant(body: Mapping[str, Value], taken: Collection[str]) -> dict[str, str]:
    """Return the labels that every instance has alike, and that nothing but the rule gives it."""
    labels = {name: scalar(value) for name, value in labels_of(body).items()}
    return {
        name: value
        for name, value in labels.items()
        if value and _TEMPLATE not in value and name not in taken and not name.startswith("alert")
    }


def _label_names(
    samples: Samples, candidates: Sequence[Candidate], recordings: Sequence[Rule]
) -> set[str]:
    """Return every label name that a result of these expressions could have, and more."""
    names = {name for family in samples.families.values() for own in family.labels for name in own}
    for expr in (*(own.expr for own in candidates), *(own.expr for own in recordings)):
        names.update(_WORD.findall(expr))
    return names.union(*(own.labels for own in recordings))


def _change(now: str, interval: float) -> str:
    """Return a query for what is pending or firing of a candidate, or has just ceased to be."""
    before = f"{now} offset {round(interval)}s"
    return f"({now} unless {before}) or 0 * ({before} unless {now})"


def _episodes(found: Sequence[Found], places: Mapping[int, int]) -> list[Episode]:
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
        state, index = labels.pop("alertstate"), places[sample.query]
        labels.pop(_MARK, None)
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
