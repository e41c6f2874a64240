"""Joining of windows: episodes that go on from one window of the past to the next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from twin.rules.backtest.outcome import Gap
from twin.rules.judging import Episode
from twin.rules.sampling import MetricFamily

__all__ = ["EpisodeLedger", "inside", "presence"]

_Key = tuple[int, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class EpisodeLedger:
    """Episodes of all windows so far.

    Attributes:
        done: those that are over.
        going: those that were not over at the end of the last window.
    """

    done: list[Episode] = field(default_factory=list)
    going: dict[_Key, Episode] = field(default_factory=dict)

    @property
    def episodes(self) -> list[Episode]:
        """All of them, in order of time."""
        return sorted([*self.done, *self.going.values()], key=lambda own: own.pending)

    def take(self, episodes: Iterable[Episode], at: float) -> None:
        """Add the episodes of a window.

        Args:
            episodes: in unix seconds, those of the warm-up before it included.
            at: the start of the window; what is over by then is known already.
        """
        before, self.going = self.going, {}
        for own in sorted(episodes, key=lambda own: own.pending):
            if own.ended is not None and own.ended <= at:
                continue
            key = (own.candidate, tuple(sorted(own.labels.items())))
            known = before.pop(key, None) if own.pending <= at else None
            now = own
            if known is not None:
                firing = own.firing if known.firing is None else known.firing
                now = replace(own, pending=known.pending, firing=firing)
            if now.ended is None:
                self.going[key] = now
            else:
                self.done.append(now)
        self.done += [replace(own, ended=at) for own in before.values()]


def presence(family: MetricFamily, step: float, name: str) -> list[Episode]:
    """Return when each series of a family was there, as episodes that fire from the start on.

    Args:
        family: of the metric.
        step: seconds between two scrapes; the first is a step after 0.
        name: label that names the episodes.
    """
    found: list[Episode] = []
    for labels, values in zip(family.labels, family.values, strict=True):
        there = np.concatenate([[False], np.isfinite(values), [False]])
        edges = np.flatnonzero(there[1:] != there[:-1])
        for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            at = (first + 1) * step
            over = None if after == len(values) else (after + 1) * step
            found.append(Episode(0, {**labels, "alertname": labels.get(name, "")}, at, at, over))
    return found


def inside(episode: Episode, gaps: Sequence[Gap]) -> bool:
    """Return whether an episode began to fire in a gap, when Prometheus evaluated nothing."""
    at = episode.firing
    return at is not None and any(gap.start < at <= gap.end for gap in gaps)
