"""Input of promtool: alerts to evaluate, and the series they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.rules.expression import Selector, selectors
from twin.rules.promtool import PromtoolJob
from twin.rules.promtool_series import input_series
from twin.rules.sampling import Samples
from twin.rules.source import Rule, RuleSet

__all__ = ["ALERTS", "Candidate", "dealt", "group_of", "job_for", "linked"]

Flags = NDArray[np.bool_]

ALERTS = "ALERTS"
"""Series that Prometheus makes of alerts."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An alerting rule as it is to be evaluated.

    Attributes:
        rule: where it comes from.
        body: the rule as a rule file has it; not always that of ``rule``.
    """

    rule: Rule
    body: Mapping[str, Any]

    @property
    def expr(self) -> str:
        """Its expression."""
        return str(self.body["expr"]).strip()

    @property
    def as_it_is(self) -> bool:
        """Whether it is the rule itself and no variant of it."""
        return self.body is self.rule.body

    def inlined(self, rules: RuleSet) -> Candidate:
        """Return the candidate without recorded names, where they can be spared."""
        return replace(self, body={**self.body, "expr": rules.inlined(self.expr)})

    @property
    def as_read(self) -> Rule:
        """The rule with what this candidate reads."""
        return replace(self.rule, selectors=self.reads)

    @property
    def reads(self) -> tuple[Selector, ...]:
        """What it reads."""
        return self.rule.selectors if self.expr == self.rule.expr else selectors(self.expr)


def linked(candidates: Iterable[Candidate]) -> bool:
    """Return whether an alert reads the alerts, so that all must be evaluated together."""
    return any(selector.name == ALERTS for own in candidates for selector in own.reads)


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
    recordings = rules.feeding([own.as_read for own in candidates])
    if linked(candidates):
        recordings = rules.recordings
    recorded = {selector for rule in recordings for selector in rule.selectors}
    wanted = [selector for own in candidates for selector in own.reads]
    series = input_series(
        samples,
        list(dict.fromkeys((*wanted, *recorded))),
        # A recording rule is evaluated from the start to the end, and reads all.
        {k: v for k, v in _read(candidates, read).items() if k not in recorded},
    )
    groups = [group_of(recordings)] if recordings else []
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


def group_of(rules: Iterable[Rule]) -> dict[str, Any]:
    """Return these rules as one group."""
    return {"name": "recordings", "rules": [dict(rule.body) for rule in rules]}
