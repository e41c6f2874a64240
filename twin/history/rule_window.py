"""Rule window: what some rules read, and what they did since the last evaluation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog
from numpy.typing import NDArray

from twin.history.page_reader import Block
from twin.rules.engine import Episode, evaluate
from twin.rules.jobs import Candidate
from twin.rules.promtool import RuleFailedError, UnfinishedError
from twin.rules.recorded_series import recorded_series
from twin.rules.sampling import MetricFamily, Samples, labels_of_block
from twin.rules.source import RuleSet

__all__ = ["AlertSpan", "KeptSeries", "RuleWindow", "WindowPlan"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """The rules of a window.

    Attributes:
        rules: the alerts, and the recordings that they read.
        owned: keys of the recordings whose series this window gives.
        lookback: seconds before an evaluation that still matter to it.
    """

    rules: RuleSet
    owned: frozenset[str]
    lookback: int


@dataclass(frozen=True, slots=True)
class KeptSeries:
    """Scrapes of some series of one metric.

    Attributes:
        name: of the metric.
        labels: label block of each series.
        times: unix time of each scrape in ms.
        values: (scrapes, series), NaN where a series was not there.
    """

    name: str
    labels: Sequence[bytes]
    times: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, block: Block) -> KeptSeries:
        """Return the scrapes of a block."""
        return cls(block.head.name, block.labels, block.times, block.values)

    def after(self, moment: int) -> KeptSeries:
        """Return the scrapes after a unix time."""
        keep = self.times > moment * 1000
        if keep.all():
            return self
        return replace(self, times=self.times[keep], values=self.values[keep])


@dataclass(frozen=True, slots=True)
class AlertSpan:
    """One time that an instance of an alert was pending, and perhaps fired.

    Attributes:
        labels: of the alert, ``alertname`` among them.
        pending: unix time at which its expression became true.
        firing: at which it fired; None if it has not.
        ended: at which it was over; None if it is not.
    """

    labels: Mapping[str, str]
    pending: int
    firing: int | None
    ended: int | None


class RuleWindow:
    """Rules that are evaluated piece by piece, as if it were at once.

    Each evaluation reads ``lookback`` seconds of what it has read before, and goes on with the
    alerts that were pending or firing, and with what a rule reads of its own last result.

    Args:
        plan: which rules.
        start: unix time of the first scrape less a step.
        step: seconds between two scrapes.
        interval: seconds between two evaluations, a multiple of ``step``.

    Attributes:
        evaluated: unix time of the last evaluation.
        kept: what was scraped and still matters.
        open: alerts that are pending or firing, by their rule's place in the rules and labels.
        recorded: name to the last evaluations of what rules read of themselves.
    """

    def __init__(self, plan: WindowPlan, start: int, step: int, interval: int) -> None:
        self._plan, self._start, self._step, self._interval = plan, start, step, interval
        self._reads = {name for rule in plan.rules.rules for own in rule.selectors
                       for name in [own.name] if name}  # fmt: skip
        self._own = [rule for rule in plan.rules.recordings if rule.key in plan.owned]
        self._itself = {
            rule.name
            for rule in self._own
            if any(own.names((rule.name,)) for own in rule.selectors)
        }
        self.evaluated = start
        self.kept: list[KeptSeries] = []
        self.open: dict[tuple[int, frozenset[tuple[str, str]]], AlertSpan] = {}
        self.recorded: dict[str, MetricFamily] = {}

    @property
    def reads(self) -> Collection[str]:
        """Names of the metrics that are read."""
        return self._reads

    @property
    def held(self) -> int:
        """Samples that are in memory."""
        return sum(own.values.size for own in self.kept)

    def take(self, blocks: Iterable[Block]) -> None:
        """Keep what the rules read."""
        self.kept += (KeptSeries.of(own) for own in blocks if own.head.name in self._reads)

    def evaluate(self, until: int) -> tuple[list[AlertSpan], dict[str, MetricFamily]]:
        """Return what the rules did after the last evaluation.

        Alerts come with their true beginning; recorded series have a value for each evaluation.

        Args:
            until: unix time of the last evaluation, of which all scrapes have been taken.

        Raises:
            ConfigError: promtool is not there, or takes too long.
        """
        origin = self._origin(self.evaluated)
        rules = self._plan.rules
        scrapes = (until - origin) // self._step
        samples = Samples(
            float(self._step), scrapes, self._families(origin, scrapes), self._before(origin)
        )
        candidates = [Candidate(rule, rule.body) for rule in rules.alerts]
        outcome = evaluate(samples, candidates, rules, float(self._interval))
        for index, reason in outcome.errors.items():
            _log.warning("alert left out of the past", alert=candidates[index].rule.name,
                         reason=reason)  # fmt: skip
        spans = self._spans(outcome.episodes, origin)
        recorded = self._recorded(samples, rules.without(outcome.failed), origin)
        self._go_on(recorded, until)
        return spans, recorded

    def _origin(self, evaluated: int) -> int:
        return max(self._start, evaluated - self._plan.lookback)

    def _families(self, origin: int, scrapes: int) -> dict[str, MetricFamily]:
        """Return what was scraped since ``origin``."""
        rows: dict[str, dict[bytes, NDArray[np.float64]]] = {}
        for kept in self.kept:
            at = (kept.times // 1000 - origin) // self._step - 1
            inside = (at >= 0) & (at < scrapes)
            own, at = rows.setdefault(kept.name, {}), at[inside]
            for place, labels in enumerate(kept.labels):
                if labels not in own:
                    own[labels] = np.full(scrapes, np.nan)
                values = kept.values[inside, place]
                there = np.isfinite(values)
                own[labels][at[there]] = values[there]
        return {
            name: MetricFamily([labels_of_block(labels) for labels in own],
                               np.array(list(own.values())))
            for name, own in rows.items()
        }  # fmt: skip

    def _before(self, origin: int) -> dict[str, MetricFamily]:
        """Return what rules that read themselves had last recorded at ``origin``."""
        back = (self.evaluated - origin) // self._interval + 1
        found = {}
        for name, family in self.recorded.items():
            if back <= family.values.shape[1]:
                at = family.values[:, -back]
                there = np.flatnonzero(np.isfinite(at)).tolist()
                if there:
                    labels = [family.labels[place] for place in there]
                    found[name] = MetricFamily(labels, at[there][:, None])
        return found

    def _spans(self, episodes: Iterable[Episode], origin: int) -> list[AlertSpan]:
        open_, found = {}, []
        for episode in episodes:
            moved = episode.moved(lambda at: at + origin)
            firing, ended = (
                None if at is None else round(at) for at in (moved.firing, moved.ended)
            )
            if ended is not None and ended <= self.evaluated:
                continue
            span = AlertSpan(episode.labels, round(moved.pending), firing, ended)
            key = episode.candidate, frozenset(episode.labels.items())
            known = self.open.get(key)
            if span.pending <= self.evaluated and known is not None:
                fired = span.firing if known.firing is None else known.firing
                span = replace(span, pending=known.pending, firing=fired)
            found.append(span)
            if ended is None:
                open_[key] = span
        self.open = open_
        return found

    def _recorded(self, samples: Samples, rules: RuleSet, origin: int) -> dict[str, MetricFamily]:
        own = [rule for rule in self._own if rule in rules.recordings]
        first = (self.evaluated - origin) // self._interval + 1
        try:
            return recorded_series(samples, rules, own, float(self._interval), first)
        except (RuleFailedError, UnfinishedError) as error:
            _log.warning("recorded series left out of the past", reason=str(error))
            return {}

    def _go_on(self, recorded: Mapping[str, MetricFamily], until: int) -> None:
        """Drop what no later evaluation reads."""
        origin = self._origin(until)
        most = self._plan.lookback // self._interval + 1
        self.recorded = {
            name: _joined(self.recorded.get(name), recorded[name], most)
            for name in self._itself
            if name in recorded
        }
        rest = (own.after(origin) for own in self.kept)
        self.kept = [own for own in rest if own.times.size]
        self.evaluated = until


def _joined(before: MetricFamily | None, family: MetricFamily, most: int) -> MetricFamily:
    """Return the last values of series over two spans of time; those that are gone are dropped."""
    if before is None:
        return MetricFamily(family.labels, family.values[:, -most:])
    known = {frozenset(own.items()): values
             for own, values in zip(before.labels, before.values, strict=True)}  # fmt: skip
    nothing = np.full(before.values.shape[1], np.nan)
    earlier = np.array([known.get(frozenset(own.items()), nothing) for own in family.labels])
    return MetricFamily(family.labels, np.hstack([earlier, family.values])[:, -most:])
