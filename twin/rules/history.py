"""Values of a selector's series, at an instant and over a range."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from twin.rules.interval import Interval
from twin.rules.sampling import Samples

__all__ = ["SeriesHistory", "Window", "recent"]

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

_LONG = 800
"""Scrapes above which a range is taken to reach back to the start."""


@dataclass(frozen=True)
class SeriesHistory:
    """Some series over all scrapes.

    Attributes:
        values: (series, scrapes), NaN where there was none.
        interval: seconds between two scrapes.
    """

    values: Values
    interval: float

    @classmethod
    def of(cls, values: Values | None, samples: Samples) -> SeriesHistory:
        """Return the history of these series; None for none at all."""
        if values is None:
            values = np.empty((0, samples.scrapes))
        return cls(values, samples.interval)

    @property
    def count(self) -> float:
        """Series."""
        return float(len(self.values))

    @cached_property
    def low(self) -> Values:
        """Least value of every scrape, +inf where there was none."""
        low: Values = np.where(self._gone, np.inf, self.values).min(axis=0, initial=np.inf)
        return low

    @cached_property
    def high(self) -> Values:
        """Greatest value of every scrape, -inf where there was none."""
        high: Values = np.where(self._gone, -np.inf, self.values).max(axis=0, initial=-np.inf)
        return high

    @cached_property
    def _gone(self) -> Flags:
        return np.isnan(self.values)

    @cached_property
    def whole(self) -> bool:
        """Whether no series has a gap."""
        return not self._gone.any()

    @cached_property
    def rises(self) -> Values:
        """Rise of a counter since the scrape before, (series, scrapes); a reset begins at 0."""
        known = _filled(self.values)
        before = np.concatenate([known[:, :1], known[:, :-1]], axis=1)
        rise = np.where(known < before, known, known - before)
        risen: Values = np.maximum(np.nan_to_num(rise, nan=0.0), 0.0)
        return risen

    @cached_property
    def differs(self) -> Flags:
        """Whether a value differs from that of the scrape before, (series, scrapes)."""
        known = _filled(self.values)
        differs = np.zeros(known.shape, np.bool_)
        # Before its first value a series is not there, which is no change.
        differs[:, 1:] = (known[:, 1:] != known[:, :-1]) & ~np.isnan(known[:, :-1])
        return differs

    def at(self, times: Values) -> Interval:
        """Return the bounds of an instant selector at these times."""
        scrape = (times // self.interval).astype(np.int64) - 1
        known = scrape >= 0
        place = np.maximum(scrape, 0)
        return Interval.where(known, self.low[place], self.high[place], self.count)

    def anywhen(self, steps: int) -> Interval:
        """Return bounds that hold whenever one looks."""
        low, high = self.low.min(initial=np.inf), self.high.max(initial=-np.inf)
        return Interval(np.full(steps, low), np.full(steps, high), self.count)


def _filled(values: Values) -> Values:
    """Return the values with every gap filled by the value before it."""
    places = np.where(np.isnan(values), 0, np.arange(values.shape[1]))
    np.maximum.accumulate(places, axis=1, out=places)
    filled: Values = np.take_along_axis(values, places, axis=1)
    return filled


@dataclass(frozen=True, slots=True)
class Window:
    """What a range held, evaluation by evaluation.

    Attributes:
        interval: bounds of all samples in it.
        present: whether there can be any.
        samples: most samples of a series in it.
        count: most series.
        greatest_rise: of the series, as a counter.
        any_change: whether any series changed.
        fewest_changes: of the series.
    """

    interval: Interval
    present: Flags
    samples: float
    count: float
    greatest_rise: Values
    any_change: Flags
    fewest_changes: Values


def recent(history: SeriesHistory, times: Values, seconds: float) -> Window:
    """Return what a range of so many seconds held at these times, both ends included."""
    length = int(seconds // history.interval) + 1
    scrape = (times // history.interval).astype(np.int64) - 1
    known = scrape >= 0
    place = np.maximum(scrape, 0)
    low = _least(history.low, length)[place]
    high = -_least(-history.high, length)[place]
    interval = Interval.where(known, low, high, history.count)
    rise = _sums(history.rises, length).max(axis=0, initial=0.0)[place]
    changes = _sums(history.differs, length)
    fewest = np.zeros(len(times))
    if history.whole and len(history.values):
        # The first sample of the range may be left out, and the change to it with it.
        fewest = _sums(history.differs, max(0, length - 2)).min(axis=0)[place].astype(np.float64)
    return Window(
        interval,
        interval.possible,
        float(length),
        history.count,
        rise,
        (changes.max(axis=0, initial=0) > 0)[place],
        fewest,
    )


def _least(values: Values, length: int) -> Values:
    """Return the least of the last ``length`` values at every place."""
    if length > min(_LONG, len(values)):
        return np.minimum.accumulate(values)
    padded = np.concatenate([np.full(length - 1, np.inf), values])
    least: Values = sliding_window_view(padded, length).min(axis=1)
    return least


def _sums(values: NDArray[np.generic], length: int) -> Values:
    """Return the sums of the last ``length`` values of every row."""
    total = np.cumsum(values, axis=1, dtype=np.float64)
    if length < total.shape[1]:
        before = np.zeros_like(total)
        before[:, length:] = total[:, : total.shape[1] - length]
        total = total - before
    return total
