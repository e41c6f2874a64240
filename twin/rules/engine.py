"""Evaluation: the episodes of every alert from scraped series, by promtool alone.

``promtool test rules`` is the engine of Prometheus, ``for``, staleness and templates
included, but it evaluates rule by rule and step by step, which costs some 5 µs a series.
So it is given less. *Bounds* leave out what cannot be true given the values that were
scraped. The *sieve* asks promtool itself whether the rest is ever true, in windows that
stay below its 10,000 samples a query: one subquery does a hundred evaluations at a tenth
of the price. The *judge* then evaluates the alerts that were ever true as the rules they
are. An alert whose expression is never true at any evaluation cannot fire, so nothing is
lost. Before all that, *noise* tells by a few series what fires for many while nothing is wrong.
What would read more samples than promtool takes is evaluated host by host.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twin.rules.bounds import Bounds
from twin.rules.by_host import candidate_by_host, rules_by_host
from twin.rules.jobs import Candidate, dealt, linked
from twin.rules.judging import TEMPLATE, Episode, judged
from twin.rules.noise import SeriesSlice, certain_noise
from twin.rules.prefilter import sieve
from twin.rules.promtool import workers
from twin.rules.recordings import evaluate_recordings
from twin.rules.rule_yaml import Value, labels_of, scalar, seconds_of
from twin.rules.sampling import Samples
from twin.rules.source import RuleSet

__all__ = ["EngineOutcome", "Episode", "begins", "evaluate"]

Flags = NDArray[np.bool_]

_ALIKE = 1.2
"""How much later than another an alert may end to be judged together with it."""


@dataclass(frozen=True, slots=True)
class EngineOutcome:
    """What the engine found.

    Attributes:
        episodes: of all candidates, in order of time.
        true: indices of the candidates whose expression was ever true.
        errors: why a candidate could not be evaluated, by its index.
        failed: why a recording rule could not be evaluated, by its key.
        recorded: most series at a time of every other recording rule, by its key.
        cut: by the index of a candidate that was judged by a few of its series, being noisy for
            certain, which these are.
    """

    episodes: Sequence[Episode]
    true: frozenset[int]
    errors: Mapping[int, str]
    failed: Mapping[str, str] = field(default_factory=dict)
    recorded: Mapping[str, int] = field(default_factory=dict)
    cut: Mapping[int, SeriesSlice] = field(default_factory=dict)


def evaluate(
    samples: Samples,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    interval: float,
    threads: int = 1,
    calm: Mapping[int, float] | None = None,
) -> EngineOutcome:
    """Return what the alerts would have done.

    Args:
        samples: what was scraped.
        candidates: the alerts.
        rules: where they come from, for the recording rules that feed them.
        interval: seconds between two evaluations.
        threads: promtools at a time.
        calm: until when, in seconds, each firing of a candidate is one too many, by its index;
            where it fires for many series, a few of them are enough.

    Raises:
        ConfigError: promtool is not there, or takes too long.
    """
    candidates = [candidate_by_host(own, samples) for own in candidates]
    rules = rules_by_host(rules, samples)
    recorded = evaluate_recordings(samples, rules, interval, threads)
    failing = {rule.name: recorded.errors[rule.key] for rule in rules.recordings
               if rule.key in recorded.errors}  # fmt: skip
    errors = {}
    for index, candidate in enumerate(candidates):
        read = sorted(name for own in candidate.reads for name in own.names(failing))
        if read:
            errors[index] = f"it reads {read[0]}, which {failing[read[0]]}"
    rest = [index for index in range(len(candidates)) if index not in errors]
    healthy = rules.without(recorded.errors)
    bounds = Bounds(samples, interval, {rule.name: rule.expr for rule in healthy.recordings})
    suspects = {index: candidates[index] for index in rest}
    noise, cut = certain_noise(samples, suspects, healthy, interval, threads, calm or {}, bounds)
    rest = [index for index in rest if index not in cut]
    left = [candidates[index] for index in rest]
    outcome = _evaluated(samples, left, healthy, interval, threads, bounds)
    episodes = [replace(own, candidate=rest[own.candidate]) for own in outcome.episodes]
    return EngineOutcome(
        sorted([*noise, *episodes], key=_in_time),
        frozenset({*cut, *(rest[index] for index in outcome.true)}),
        errors | {rest[index]: text for index, text in outcome.errors.items()},
        recorded.errors,
        recorded.series,
        cut,
    )


def _evaluated(
    samples: Samples,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    interval: float,
    threads: int,
    bounds: Bounds,
) -> EngineOutcome:
    true, changing = sieve(samples, candidates, rules, interval, threads, bounds)
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
    episodes: list[Episode] = []
    with workers(threads) as pool:
        for part, wrong in pool.map(
            lambda chunk: judged(samples, candidates, chunk, rules, interval, asked), chunks
        ):
            episodes += (own for own in part if own.candidate not in wrong)
            errors.update(wrong)
    first = begins(samples, interval)
    episodes.sort(key=_in_time)
    lasting = [own for own in episodes if own.ended is None or own.ended > first]
    true -= {own.candidate for own in episodes} - {own.candidate for own in lasting}
    return EngineOutcome(lasting, frozenset(true), errors)


def _in_time(episode: Episode) -> tuple[float, list[tuple[str, str]]]:
    return episode.pending, sorted(episode.labels.items())


def _asked(
    body: Mapping[str, Value], changing: Flags | None, samples: Samples, interval: float
) -> list[int]:
    """Return the evaluations at which an alert of a rule may begin, fire or end.

    That is some time after its expression was true of other series than before: ``for`` and
    ``keep_firing_for`` go by. Labels with templates may change at any evaluation.
    """
    steps = round(samples.interval * samples.scrapes / interval) + 1
    if changing is None or any(TEMPLATE in scalar(own) for own in labels_of(body).values()):
        return list(range(steps))
    after = math.ceil(_held(body) / interval) + 2
    edges = np.zeros(steps + 1, np.int64)
    begins_at = np.flatnonzero(changing)
    np.add.at(edges, begins_at, 1)
    np.add.at(edges, np.minimum(begins_at + after, steps), -1)
    return [int(step) for step in np.flatnonzero(np.cumsum(edges)[:-1])]


def _held(body: Mapping[str, Value]) -> float:
    """Return for how long an alert waits at most, in seconds, before it begins or ends to fire."""
    return max(seconds_of(body.get(key)) for key in ("for", "keep_firing_for"))


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
