"""Input of promtool: alerts to evaluate, and the series they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.rules.expression import Selector, selectors
from twin.rules.promtool import PromtoolJob
from twin.rules.promtool_series import input_series
from twin.rules.rule_yaml import RuleGroup, Value, node_text, seconds_of
from twin.rules.sampling import Samples
from twin.rules.source import Rule, RuleSet

__all__ = [
    "ALERTS",
    "Candidate",
    "dealt",
    "fed_by",
    "grouped",
    "job_for",
    "linked",
    "linked_rules",
    "recording_job",
]

Flags = NDArray[np.bool_]

ALERTS = "ALERTS"
"""Series that Prometheus makes of alerts."""
_OF_ALERTS = frozenset({ALERTS, f"{ALERTS}_FOR_STATE"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """An alerting rule as it is to be evaluated.

    Attributes:
        rule: where it comes from.
        body: the rule as a rule file has it; not always that of ``rule``.
    """

    rule: Rule
    body: Mapping[str, Value]

    @property
    def expr(self) -> str:
        """Its expression."""
        return node_text(self.body["expr"]).strip()

    @property
    def lasts(self) -> float:
        """How long its expression must hold before it fires, in seconds."""
        return seconds_of(self.body.get("for"))

    @property
    def as_it_is(self) -> bool:
        """Whether it is the rule itself and no variant of it."""
        return self.body is self.rule.body

    def inlined(self, rules: RuleSet) -> Candidate:
        """Return the candidate without recorded names, where they can be spared."""
        return replace(self, body={**self.body, "expr": rules.inlined(self.expr, self.rule)})

    @property
    def as_read(self) -> Rule:
        """The rule with what this candidate reads."""
        return replace(self.rule, selectors=self.reads)

    @property
    def reads(self) -> tuple[Selector, ...]:
        """What it reads."""
        return self.rule.selectors if self.expr == self.rule.expr else selectors(self.expr)


def linked(candidates: Sequence[Candidate], rules: RuleSet) -> bool:
    """Return whether one reads the alerts, so that all must be evaluated together."""
    return linked_rules([candidate.as_read for candidate in candidates], rules)


def linked_rules(chosen: Sequence[Rule], rules: RuleSet) -> bool:
    """Return whether a rule reads the alerts, or a record that is made of them."""
    return any(
        selector.names(_OF_ALERTS)
        for rule in (*chosen, *rules.feeding(chosen))
        for selector in rule.selectors
    )


def fed_by(candidates: Sequence[Candidate], rules: RuleSet) -> tuple[Rule, ...]:
    """Return the recording rules that these alerts need."""
    if linked(candidates, rules):
        return rules.recordings
    return rules.feeding([own.as_read for own in candidates])


def recording_job(
    samples: Samples, recordings: Sequence[Rule], rules: RuleSet, interval: float
) -> PromtoolJob:
    """Return a job that evaluates these recording rules."""
    read = dict.fromkeys(own for rule in recordings for own in rule.selectors)
    return PromtoolJob(
        input_series(samples, list(read)),
        samples.interval,
        interval,
        samples.interval * samples.scrapes,
        grouped([(rule, rule.body) for rule in recordings], rules),
    )


def dealt(items: Sequence[Any], hands: int) -> list[list[Any]]:
    """Return the items in so many parts, as cards are dealt; no part is empty."""
    return [part for part in (list(items[hand::hands]) for hand in range(hands)) if part]


def job_for(
    samples: Samples,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    interval: float,
    read: Sequence[Flags] | None = None,
) -> PromtoolJob:
    """Return a job with the series and the recording rules that these candidates need.

    Args:
        samples: what was scraped.
        candidates: the alerts.
        rules: where they come from.
        interval: seconds between two evaluations.
        read: of each candidate, the scrapes that it reads; None if each reads all.
    """
    recordings = fed_by(candidates, rules)
    recorded = {selector for rule in recordings for selector in rule.selectors}
    wanted = [selector for own in candidates for selector in own.reads]
    series = input_series(
        samples,
        list(dict.fromkeys((*wanted, *recorded))),
        # A recording rule is evaluated from the start to the end, and reads all.
        {k: v for k, v in _read(candidates, read).items() if k not in recorded},
    )
    groups = grouped([(rule, rule.body) for rule in recordings], rules)
    return PromtoolJob(
        series, samples.interval, interval, samples.interval * samples.scrapes, groups
    )


def _read(candidates: Sequence[Candidate], read: Sequence[Flags] | None) -> dict[Selector, Flags]:
    """Return which scrapes each selector reads, whichever candidate it is of."""
    found: dict[Selector, Flags] = {}
    for own, flags in zip(candidates, read or (), strict=read is not None):
        for selector in own.reads:
            found[selector] = found.get(selector, False) | flags
    return found


def grouped(
    members: Sequence[tuple[Rule, Mapping[str, Value]]], rules: RuleSet
) -> list[tuple[RuleGroup, list[Mapping[str, Value]]]]:
    """Return rules in the groups that they are of, in the order of their evaluation.

    Groups stand as in the files, but one that records comes before those that read it: Prometheus
    evaluates them side by side, and promtool in any order unless it is told one.
    """
    place = {rule.key: index for index, rule in enumerate(rules.rules)}
    ordered = sorted(members, key=lambda own: place[own[0].key])
    waiting: dict[int, list[tuple[Rule, Mapping[str, Value]]]] = {}
    for rule, body in ordered:
        waiting.setdefault(rule.home.number, []).append((rule, body))
    records = {
        number: {rule.name for rule, _ in own if not rule.alerting}
        for number, own in waiting.items()
    }
    reads = {
        number: {
            other
            for other, names in records.items()
            if other != number and any(s.names(names) for rule, _ in own for s in rule.selectors)
        }
        for number, own in waiting.items()
    }
    found: list[tuple[RuleGroup, list[Mapping[str, Value]]]] = []
    names: set[str] = set()
    while waiting:
        free = (number for number in waiting if reads[number].isdisjoint(waiting))
        number = next(free, next(iter(waiting)))
        own = waiting.pop(number)
        home = own[0][0].home
        name = home.name if home.name not in names else f"{home.name} {number}"
        names.add(name)
        found.append((replace(home, name=name), [body for _, body in own]))
    return found
