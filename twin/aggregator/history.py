"""The last quarter of an hour of the site's own meters: a ring of rows in simulated time.

Pure and of bounded size: at most one row a second of simulated time is kept, so memory
does not grow with the site, the speed or the time that the aggregator has run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPAN_SECONDS", "MeterHistory"]

SPAN_SECONDS = 900.0
"""How far back the rows reach, in simulated time."""

_SPACING_SECONDS = 1.0
_SLACK_SECONDS = 0.05
"""A row that comes this much early still counts as one of the next second."""


class MeterHistory:
    """Rows of values by simulated time, the oldest overwritten first.

    Args:
        columns: values a row.
        span: simulated seconds that are kept.
    """

    def __init__(self, columns: int, span: float = SPAN_SECONDS) -> None:
        self._span = span
        self._rows = np.full((int(span / _SPACING_SECONDS) + 1, columns + 1), np.nan)
        self._next = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def newest(self) -> float | None:
        """Simulated time of the last row, None before the first."""
        return float(self._rows[self._next - 1, 0]) if self._count else None

    def add(self, ts: float, values: Sequence[float] | NDArray[np.float64]) -> bool:
        """Take over one row and return whether it was kept.

        A row that comes less than a second after the last one is left out. When time runs
        backwards, another run has begun, and the rows of the former are dropped.

        Args:
            ts: simulated time, unix seconds.
            values: one value a column, NaN for what is not reported.
        """
        newest = self.newest
        if newest is not None:
            if ts < newest:
                self._count = 0
            elif ts - newest < _SPACING_SECONDS - _SLACK_SECONDS:
                return False
        self._rows[self._next, 0] = ts
        self._rows[self._next, 1:] = values
        self._next = (self._next + 1) % len(self._rows)
        self._count = min(self._count + 1, len(self._rows))
        return True

    def since(self, ts: float | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rows that are newer than ``ts``; all when it is None or not yet reached.

        Returns:
            Times, shape (rows,), oldest first, and values, shape (columns, rows).
        """
        at = (self._next - self._count + np.arange(self._count)) % len(self._rows)
        rows = self._rows[at]
        if self._count:
            rows = rows[rows[:, 0] >= rows[-1, 0] - self._span]
            if ts is not None and ts <= rows[-1, 0]:
                rows = rows[rows[:, 0] > ts]
        return rows[:, 0], rows[:, 1:].T
