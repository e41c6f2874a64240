"""Kept outcomes: what the engine said of a rule, read from the cache instead of asked again.

An alert's episodes depend on what was scraped, on the rule, its group and the recordings
that feed it, and on nothing else; so after an edit only the rules that the edit touches are
evaluated. Rules that read ``ALERTS`` depend on all others, so one of them makes all be
evaluated. Errors are never kept: one may be due to a slow machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import orjson

from twin.content_cache import Cache, digest
from twin.rules.engine import EngineOutcome, Episode, evaluate
from twin.rules.fingerprint import evaluation_code
from twin.rules.jobs import Candidate, linked, linked_rules
from twin.rules.noise import SeriesSlice
from twin.rules.rule_yaml import Value, groups_yaml
from twin.rules.sampling import Samples
from twin.rules.source import Rule, RuleSet

__all__ = ["OutcomeCache", "kept_outcome"]

_MOST_KEPT = 4_000
"""Outcomes of one scenario that are kept, the ones used last."""

Kept = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OutcomeCache:
    """Where the outcomes of one scenario are kept.

    Attributes:
        entries: of all scenarios.
        scenario: key of what was scraped.
    """

    entries: Cache
    scenario: str


def kept_outcome(
    samples: Samples,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    interval: float,
    threads: int,
    calm: Mapping[int, float],
    cache: OutcomeCache | None,
) -> EngineOutcome:
    """Return what the alerts would have done, as :func:`evaluate` does.

    Args:
        samples: what was scraped.
        candidates: the alerts.
        rules: where they come from.
        interval: seconds between two evaluations.
        threads: promtools at a time.
        calm: until when, in seconds, each firing of a candidate is one too many, by its index.
        cache: where outcomes are kept; None asks the engine in any case.

    Raises:
        ConfigError: promtool is not there, or takes too long.
    """
    if cache is None or linked(candidates, rules):
        return evaluate(samples, candidates, rules, interval, threads, calm)
    key = digest("outcomes", evaluation_code(), cache.scenario, str(interval))
    kept = _decoded(cache.entries.read(key))
    of_alerts = [
        _key(own.as_read, rules, own, calm.get(index)) for index, own in enumerate(candidates)
    ]
    of_records = {rule.key: _key(rule, rules) for rule in rules.recordings}
    missing = [index for index, own in enumerate(of_alerts) if own not in kept]
    unknown = [
        rule
        for rule in rules.recordings
        if of_records[rule.key] not in kept and not linked_rules([rule], rules)
    ]
    fresh = EngineOutcome([], frozenset(), {})
    if missing or unknown:
        asked = [candidates[index] for index in missing]
        fresh = _indexed(
            evaluate(
                samples,
                asked,
                _narrowed(rules, unknown, asked),
                interval,
                threads,
                {place: calm[index] for place, index in enumerate(missing) if index in calm},
            ),
            missing,
        )
    outcome = _joined(kept, of_alerts, of_records, fresh)
    if missing or unknown:
        used = _encoded(outcome, of_alerts, of_records)
        rest = {own: value for own, value in kept.items() if own not in used}
        newest = dict(list({**rest, **used}.items())[-_MOST_KEPT:])
        cache.entries.write(key, orjson.dumps(newest))
    return outcome


def _decoded(content: bytes | None) -> Kept:
    """Return what was kept, by key; nothing where it is not what this module writes."""
    try:
        kept = {} if content is None else orjson.loads(content)
        for own in kept.values():
            if isinstance(own, dict):
                _ = (
                    own["true"],
                    own["cut"] and _slice(own["cut"]),
                    [Episode(0, *each) for each in own["episodes"]],
                )
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
    return dict(kept)


def _slice(kept: Sequence[Any]) -> SeriesSlice:
    label, values, divides = kept
    return SeriesSlice(label, tuple(values), divides)


def _key(
    rule: Rule, rules: RuleSet, candidate: Candidate | None = None, calm: float | None = None
) -> str:
    """Return a key of all that the outcome of a rule depends on besides what was scraped."""
    if candidate is not None and not candidate.as_it_is:
        text = _text(rule, rules, candidate.body)
    else:
        text = rules.texts.get(rule.key) or _text(rule, rules, rule.body)
        rules.texts[rule.key] = text
    return digest(text, str(calm))


def _text(rule: Rule, rules: RuleSet, body: Mapping[str, Value]) -> str:
    """Return a rule with this body, its group and what feeds it."""
    order = {own.key: place for place, own in enumerate(rules.rules)}
    fed = rules.feeding([rule])
    # A record is new or an evaluation old, by which of the two stands first in which group.
    stands = [
        (own.home.number == rule.home.number, order[own.key] < order[rule.key]) for own in fed
    ]
    text = groups_yaml([(rule.home, [body]), *((own.home, [own.body]) for own in fed)])
    return f"{text}{stands}"


def _narrowed(rules: RuleSet, unknown: Sequence[Rule], asked: Sequence[Candidate]) -> RuleSet:
    """Return the rules without the recordings that are never read."""
    needed = [*unknown, *rules.feeding([*unknown, *(own.as_read for own in asked)])]
    keys = {rule.key for rule in needed}
    return rules.without({rule.key for rule in rules.recordings if rule.key not in keys})


def _indexed(outcome: EngineOutcome, places: Sequence[int]) -> EngineOutcome:
    """Return an outcome of some candidates with the indices that they have among all."""
    return EngineOutcome(
        [replace(own, candidate=places[own.candidate]) for own in outcome.episodes],
        frozenset(places[index] for index in outcome.true),
        {places[index]: text for index, text in outcome.errors.items()},
        outcome.failed,
        outcome.recorded,
        {places[index]: own for index, own in outcome.cut.items()},
    )


def _joined(
    kept: Kept, of_alerts: Sequence[str], of_records: Mapping[str, str], fresh: EngineOutcome
) -> EngineOutcome:
    """Return the outcome of all candidates, from what was kept and what is new."""
    old = {index: kept[own] for index, own in enumerate(of_alerts) if own in kept}
    episodes = [
        *fresh.episodes,
        *(Episode(index, *each) for index, own in old.items() for each in own["episodes"]),
    ]
    episodes.sort(key=lambda own: (own.pending, sorted(own.labels.items())))
    recorded = {rule: kept[own] for rule, own in of_records.items() if own in kept}
    return EngineOutcome(
        episodes,
        fresh.true | {index for index, own in old.items() if own["true"]},
        fresh.errors,
        fresh.failed,
        {rule: {**recorded, **fresh.recorded}[rule] for rule in of_records
         if rule in recorded or rule in fresh.recorded},
        {**fresh.cut, **{index: _slice(own["cut"]) for index, own in old.items() if own["cut"]}},
    )  # fmt: skip


def _encoded(
    outcome: EngineOutcome, of_alerts: Sequence[str], of_records: Mapping[str, str]
) -> Kept:
    """Return what is worth keeping of an outcome, by key."""
    kept: Kept = {
        of_records[rule]: count
        for rule, count in outcome.recorded.items()
        if rule not in outcome.failed
    }
    for index, own in enumerate(of_alerts):
        if index not in outcome.errors:
            kept[own] = {
                "episodes": [
                    (each.labels, each.pending, each.firing, each.ended)
                    for each in outcome.episodes
                    if each.candidate == index
                ],
                "true": index in outcome.true,
                "cut": astuple(outcome.cut[index]) if index in outcome.cut else None,
            }
    return kept
