"""Run of a backtest: the past in windows that memory holds, each judged by promtool.

A window begins so long before the part of it that counts that every range, ``for`` and recording
rule has what it needs. So windows may be as short as the samples are many.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twin.catalog import UP
from twin.catalog.own import SHADOW_FINDING_RESIDUAL
from twin.clients.gridding import ScrapeGrid, scrape_interval
from twin.clients.moments import shown_moment
from twin.clients.prometheus import QueryError
from twin.clients.ranges import PastReader, RangeSource, RawSeries, TooManySamplesError
from twin.errors import ConfigError
from twin.rules.backtest.gridding import gridded
from twin.rules.backtest.joining import EpisodeLedger, inside, presence
from twin.rules.backtest.outcome import Gap, PastOutcome, PastSettings
from twin.rules.backtest.reads import readers, selectors_of, warm_up
from twin.rules.backtest.wall_clock import on_wall_clock
from twin.rules.engine import EngineOutcome, evaluate
from twin.rules.jobs import Candidate
from twin.rules.sampling import Samples
from twin.rules.source import Rule, RuleSet
from twin.scenario import show_duration

__all__ = ["Past", "backtest", "paces"]

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

_DAY = 86_400.0
_SHORTEST = 600.0
_ALIGNED = 300.0
"""Windows begin at multiples of it, as the steps of subqueries do in Prometheus."""
_ASSUMED_STEP = 15.0
_HEARTBEAT = 60.0
_CAUSE = "cause"


class Past(RangeSource, Protocol):
    """A server with a past, which can also be asked over time."""

    def over_time(self, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series of a query over time."""


def backtest(
    source: Past,
    rules: RuleSet,
    settings: PastSettings,
    tell: Callable[[str], None] = lambda _: None,
) -> PastOutcome:
    """Return what the rules would have done in the past.

    Args:
        source: the server that has it.
        rules: to judge.
        settings: of the backtest.
        tell: called with how far it is.

    Raises:
        ConfigError: the past has nothing that the rules read, or more than memory is to hold.
        ServiceError: the server does not answer, or refuses.
    """
    return _PastRun(source, rules, settings, tell).outcome()


@dataclass(slots=True)
class _PastRun:
    """A backtest under way."""

    source: Past
    rules: RuleSet
    settings: PastSettings
    tell: Callable[[str], None]
    errors: dict[str, str] = field(default_factory=dict)
    alerts: EpisodeLedger = field(default_factory=EpisodeLedger)
    findings: EpisodeLedger = field(default_factory=EpisodeLedger)
    seen: set[str] = field(default_factory=set)
    slower: Counter[float] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    series: int = 0
    reader: PastReader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = PastReader(self.source)

    def outcome(self) -> PastOutcome:
        """Go through the past and return what was found."""
        own = self.settings
        judged = self._judged()
        before = max((judged[rule.key] for rule in self.rules.alerts if rule.key in judged),
                     default=0.0)  # fmt: skip
        span = min(max(_DAY, before), own.end - own.start)
        at = own.start
        while at < own.end:
            until = min(at + span, own.end)
            self.tell(f"{shown_moment(at)} to {shown_moment(until)}")
            origin = math.floor((at - before) / _ALIGNED) * _ALIGNED
            try:
                self._window(origin, at, until)
            except TooManySamplesError:
                span /= 2
                if span < min(_SHORTEST, own.end - own.start):
                    raise ConfigError(self._too_many(before)) from None
                continue
            at = until
        if not self.seen:
            raise ConfigError(
                f"Prometheus at {self.source.url} has nothing that these rules read between "
                f"{shown_moment(own.start)} and {shown_moment(own.end)} UTC; are the server, the "
                "rules and --from the right ones?"
            )
        return self._outcome()

    def _judged(self) -> dict[str, float]:
        """Return the seconds before a window that each alert needs, by its key."""
        found = warm_up(self.rules)
        for key in [key for key, seconds in found.items() if math.isinf(seconds)]:
            self.errors[key] = "looks at a fixed time or ahead, so that no window has all it reads"
            del found[key]
        return found

    def _too_many(self, before: float) -> str:
        back = f", and rules look back {show_duration(before)}" if before > _SHORTEST else ""
        return (
            f"ten minutes of what these rules read have more than {self.settings.most:,} samples"
            f"{back}; give fewer rules, narrow their selectors, or raise --most-samples"
        )

    def _window(self, origin: float, at: float, until: float) -> None:
        wanted = [*selectors_of(self.rules), SHADOW_FINDING_RESIDUAL.name]
        raw = self.reader.read(wanted, origin, until, self.settings.most)
        step = self._step(raw)
        grid = ScrapeGrid.between(origin, until, step)
        if len(raw) * grid.scrapes > self.settings.most:
            raise TooManySamplesError
        samples, slower = gridded(raw, grid)
        self.slower |= slower
        self.series = max(self.series, len(raw))
        self.seen.update(samples.families.keys() - {SHADOW_FINDING_RESIDUAL.name})
        # What precedes the past may have fired in a gap, too.
        since = origin if at == self.settings.start else at
        there = grid.times[_there(samples)]
        alive = self._heard(since, until, step, there)
        if samples.families or alive:
            self._judge(samples, grid, at)
        if (found := samples.families.get(SHADOW_FINDING_RESIDUAL.name)) is not None:
            episodes = presence(found, step, _CAUSE)
            self.findings.take([own.moved(lambda s: s + origin) for own in episodes], at)

    def _step(self, raw: list[RawSeries]) -> float:
        """Return the seconds between two evaluations, found once."""
        if self.settings.step is None and (step := scrape_interval(raw)) is not None:
            self.settings = replace(self.settings, step=step)
        return self.settings.step or _ASSUMED_STEP

    def _judge(self, samples: Samples, grid: ScrapeGrid, at: float) -> None:
        rules = on_wall_clock(self.rules.without(self.errors), grid.origin)
        for pace, alerts in sorted(paces(rules, grid.step).items()):
            self._evaluate(samples, grid, at, rules, pace, alerts)

    def _evaluate(
        self,
        samples: Samples,
        grid: ScrapeGrid,
        at: float,
        rules: RuleSet,
        pace: float,
        alerts: Sequence[Rule],
    ) -> None:
        """Judge the alerts whose groups are evaluated at a pace, in seconds."""
        numbers = {rule.key: index for index, rule in enumerate(self.rules.alerts)}
        candidates = [Candidate(rule, rule.body) for rule in alerts]
        found = evaluate(samples, candidates, rules, pace, self.settings.threads)
        self._blame(found, alerts)
        self.alerts.take(
            [
                replace(
                    own.moved(lambda second: second + grid.origin),
                    candidate=numbers[candidates[own.candidate].rule.key],
                )
                for own in found.episodes
            ],
            at,
        )

    def _blame(self, found: EngineOutcome, alerts: Sequence[Rule]) -> None:
        for index, text in found.errors.items():
            self.errors.setdefault(alerts[index].key, text)
        for key, text in found.failed.items():
            self.errors.setdefault(key, text)

    def _heard(self, at: float, until: float, step: float, there: Values) -> bool:
        """Take note of when Prometheus stored nothing; return whether it stored anything.

        Args:
            at: the start, unix seconds.
            until: the end.
            step: seconds between two evaluations.
            there: moments at which any series is there.
        """
        beat = max(_HEARTBEAT, step)
        query = f"count(count_over_time({UP}[{round(1.5 * beat)}s]))"
        try:
            answer = self.source.over_time(query, at, until, beat)
        except QueryError as error:
            note = f"gaps are not known: {error}"
            if note not in self.notes:
                self.notes.append(note)
            return True
        heard = {round((float(time) - at) / beat) for own in answer for time, _ in own["values"]}
        if not heard and (there > at).any():
            return True  # of a store that has no series of targets, gaps are not known
        for index in range(int((until - at) / beat) + 1):
            if index not in heard:
                end = at + index * beat
                before = there[(there > end - 2.5 * beat) & (there <= end)]
                start = before[-1] if len(before) else end - min(1.5, index + 1) * beat
                self._gap(float(start), end)
        return bool(heard)

    def _gap(self, start: float, end: float) -> None:
        if self.gaps and start <= self.gaps[-1].end:
            self.gaps[-1] = Gap(self.gaps[-1].start, end)
        elif end > start:
            self.gaps.append(Gap(start, end))

    def _outcome(self) -> PastOutcome:
        own = self.reader
        episodes = self.alerts.episodes
        start, end = self.settings.start, self.settings.end
        gaps = [Gap(max(gap.start, start), min(gap.end, end)) for gap in self.gaps]
        kept = [episode for episode in episodes if not inside(episode, self.gaps)]
        notes = list(self.notes)
        step = self.settings.step or _ASSUMED_STEP
        if short := sorted(
            rule.name
            for rule in self.rules.rules
            if any(0 < each.seconds < 2 * step for each in rule.selectors)
        ):
            notes.append(f"a step of {step:g} s is too long for a range of {', '.join(short)}")
        if own.histograms:
            notes.append(f"native histograms are not read: {', '.join(sorted(own.histograms))}")
        return PastOutcome(
            settings=self.settings,
            rules=self.rules,
            episodes=kept,
            errors=self.errors,
            found=self.findings.episodes,
            series=self.series,
            samples=own.samples,
            gaps=[gap for gap in gaps if gap.end > gap.start],
            missing={
                name: read for name, read in readers(self.rules).items() if name not in self.seen
            },
            slower=self.slower,
            left_out=len(episodes) - len(kept),
            warnings=own.warnings,
            partial=own.partial,
            notes=notes,
        )


def paces(rules: RuleSet, step: float) -> dict[float, list[Rule]]:
    """Return the alerts by the seconds between two evaluations of their groups, whole steps."""
    paces: dict[float, list[Rule]] = {}
    for rule in rules.alerts:
        own = rule.interval or step
        paces.setdefault(max(1, math.ceil(own / step - 1e-9)) * step, []).append(rule)
    return paces


def _there(samples: Samples) -> Flags:
    """Return at which scrapes any series is there."""
    found = np.zeros(samples.scrapes, np.bool_)
    for family in samples.families.values():
        found |= np.isfinite(family.values).any(axis=0)
    return found
