"""Outcome of a backtest: what was read of the past, what fired, and where the past has gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin.rules.engine import Episode
from twin.rules.source import Rule, RuleSet

__all__ = ["Gap", "PastOutcome", "PastSettings"]

WEEK = 604_800.0


@dataclass(frozen=True, slots=True)
class PastSettings:
    """What is wanted of a backtest.

    Attributes:
        start: unix seconds.
        end: unix seconds.
        step: seconds between two evaluations; None for the scrape interval.
        most: samples that are held at a time.
        threads: promtools at a time.
    """

    start: float
    end: float
    step: float | None = None
    most: int = 10_000_000
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without any sample, in which Prometheus itself saw nothing.

    Attributes:
        start: unix seconds.
        end: unix seconds.
    """

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class PastOutcome:
    """What became of the rules in the past.

    Attributes:
        settings: of the backtest, with the step that was taken.
        rules: that were judged.
        episodes: of the alerting rules, by their index, in unix seconds.
        errors: why a rule could not be evaluated, by its key.
        found: findings of the observer of the twin, as episodes.
        series: most series that were read at a time.
        samples: that were read.
        gaps: of the past.
        missing: metrics of which the past has nothing, with the names of the rules that read them.
        slower: series that were scraped less often than the step, by their interval in seconds.
        left_out: firings that began in a gap.
        warnings: what the server said beside its answers.
        partial: answers that were not whole.
        notes: what else was left out.
    """

    settings: PastSettings
    rules: RuleSet
    episodes: Sequence[Episode]
    errors: Mapping[str, str]
    found: Sequence[Episode] = ()
    series: int = 0
    samples: int = 0
    gaps: Sequence[Gap] = ()
    missing: Mapping[str, Sequence[str]] | None = None
    slower: Mapping[float, int] | None = None
    left_out: int = 0
    warnings: Sequence[str] = ()
    partial: int = 0
    notes: Sequence[str] = ()

    @property
    def step(self) -> float:
        """Seconds between two evaluations."""
        return self.settings.step or 0.0

    @property
    def weeks(self) -> float:
        """Length of the past that was judged, without its gaps."""
        own = self.settings
        return (own.end - own.start - sum(gap.end - gap.start for gap in self.gaps)) / WEEK

    def firings(self, index: int) -> list[Episode]:
        """Return the episodes in which an alert fired."""
        return [own for own in self.episodes if own.candidate == index and own.firing is not None]

    @property
    def alerts(self) -> Sequence[Rule]:
        """The alerting rules."""
        return self.rules.alerts
