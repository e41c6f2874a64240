"""Gridding of raw samples: series with times of their own as the steps of one clock.

A sample stands for its series from the next step on until the series' next sample, or for one of
the series' own intervals where the next comes later: then the series is gone, as Prometheus has
it after a scrape that failed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.clients.ranges import RawSeries

__all__ = ["LATE", "ScrapeGrid", "interval_of", "on_grid", "scrape_interval"]

Values = NDArray[np.float64]

LATE = 1.6
"""A sample that comes later than so many intervals does not follow the one before."""
_LEAST = 3
"""Samples that tell an interval."""


@dataclass(frozen=True, slots=True)
class ScrapeGrid:
    """Steps of time.

    Attributes:
        origin: unix seconds; the first scrape is a step later.
        step: seconds.
        scrapes: how many.
    """

    origin: float
    step: float
    scrapes: int

    @property
    def times(self) -> Values:
        """Moment of each scrape, unix seconds."""
        times: Values = self.origin + self.step * np.arange(1.0, self.scrapes + 1.0)
        return times

    @classmethod
    def between(cls, origin: float, end: float, step: float) -> ScrapeGrid:
        """Return the steps up to an end, which are at least two."""
        return cls(origin, step, max(2, math.ceil((end - origin) / step)))


def scrape_interval(series: Sequence[RawSeries]) -> float | None:
    """Return the shortest interval that a good part of the series has, in whole seconds.

    None where no series has enough samples.
    """
    counts = Counter(
        max(1.0, float(round(interval_of(own, 0.0)))) for own in series if len(own.times) >= _LEAST
    )
    if not counts:
        return None
    common = max(counts.values())
    return min(value for value, count in counts.items() if count * 20 >= common)


def interval_of(series: RawSeries, usual: float) -> float:
    """Return the seconds between two samples of a series, or the usual where it has too few."""
    return float(np.median(np.diff(series.times))) if len(series.times) >= _LEAST else usual


def on_grid(series: RawSeries, grid: ScrapeGrid) -> Values:
    """Return the values of a series at every step, NaN where there is none."""
    interval = max(interval_of(series, grid.step), grid.step)
    places = _places(series.times, grid)
    apart = np.diff(series.times, append=np.inf)
    lasts = np.full(len(places), round(interval / grid.step), np.int64)
    following = apart <= LATE * interval
    lasts[following] = np.diff(places, append=places[-1])[following]
    row = np.full(grid.scrapes, np.nan)
    spread = np.repeat(places, lasts) + _counting(lasts)
    inside = (spread >= 0) & (spread < grid.scrapes)
    row[spread[inside]] = np.repeat(series.values, lasts)[inside]
    return row


def _places(times: Values, grid: ScrapeGrid) -> NDArray[np.int64]:
    """Return the step of every sample, the first at or after it.

    A series' samples are a little early or late. So its own phase is rounded up, and each sample
    to the nearest whole step from there: two samples do not share a step for a few milliseconds.
    """
    ratio = (times - times[0]) / grid.step
    phase = times[0] + grid.step * float(np.median(ratio - np.round(ratio)))
    first = math.ceil((phase - grid.origin) / grid.step - 1e-6) - 1
    places: NDArray[np.int64] = first + np.round((times - phase) / grid.step).astype(np.int64)
    return places


def _counting(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, 2 … for each length."""
    ends = np.cumsum(lengths)
    counted: NDArray[np.int64] = np.arange(ends[-1] if len(ends) else 0) - np.repeat(
        ends - lengths, lengths
    )
    return counted
