"""Intervals over all evaluations, and what operators make of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "arithmetic", "compared", "widened"]

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

_ROUNDING = 1e-9
"""Share by which sums and means may differ from ours in their last digits."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the values of a vector lie, evaluation by evaluation.

    Attributes:
        low: least value that an element can have, +inf where there can be none.
        high: greatest value, -inf where there can be none.
        count: most elements that the vector can have.
    """

    low: Values
    high: Values
    count: float

    @classmethod
    def unknown(cls, steps: int) -> Interval:
        """Return the unbounded interval."""
        return cls(np.full(steps, -np.inf), np.full(steps, np.inf), np.inf)

    @classmethod
    def where(cls, present: Flags, low: Values, high: Values, count: float) -> Interval:
        """Return these bounds where something is present, and empty elsewhere."""
        return cls(np.where(present, low, np.inf), np.where(present, high, -np.inf), count)

    @property
    def possible(self) -> Flags:
        """Where the vector can have an element."""
        # NaN compares false, and is taken to be possible.
        return ~(self.low > self.high)

    def kept(self, flags: Flags) -> Interval:
        """Return the interval where ``flags`` is true, and empty elsewhere."""
        return Interval.where(self.possible & flags, self.low, self.high, self.count)

    def valued(self, low: float, high: float) -> Interval:
        """Return other bounds for the same presence."""
        steps = len(self.low)
        return Interval.where(self.possible, np.full(steps, low), np.full(steps, high), self.count)

    def magnitude(self) -> Interval:
        """Return the interval of the absolute values."""
        low, high = np.abs(self.low), np.abs(self.high)
        least = np.where((self.low <= 0) & (self.high >= 0), 0.0, np.minimum(low, high))
        return Interval.where(self.possible, least, np.maximum(low, high), self.count)

    def united(self, other: Interval) -> Interval:
        """Return the interval of either."""
        return Interval(
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.count + other.count,
        )


def widened(interval: Interval) -> Interval:
    """Return an interval with room for rounding."""
    low = interval.low - _ROUNDING * np.abs(interval.low)
    high = interval.high + _ROUNDING * np.abs(interval.high)
    return Interval.where(
        interval.possible,
        np.where(np.isnan(low), -np.inf, low),
        np.where(np.isnan(high), np.inf, high),
        interval.count,
    )


def arithmetic(operator: str, left: Interval, right: Interval) -> Interval:
    """Return the interval of a sum, difference, product or quotient."""
    count = max(left.count, right.count)
    if operator == "+":
        return Interval(left.low + right.low, left.high + right.high, count)
    if operator == "-":
        return Interval(left.low - right.high, left.high - right.low, count)
    if operator == "*":
        corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
    else:
        corners = [a / b for a in (left.low, left.high) for b in (right.low, right.high)]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    odd = np.isnan(low) | np.isnan(high)
    if operator == "/":
        odd |= (right.low <= 0) & (right.high >= 0)
        # 0 over anything is 0 or no number, and no number satisfies no comparison but `!=`.
        nothing = (left.low == 0) & (left.high == 0)
        low, high, odd = np.where(nothing, 0.0, low), np.where(nothing, 0.0, high), odd & ~nothing
    return Interval(np.where(odd, -np.inf, low), np.where(odd, np.inf, high), count)


def compared(operator: str, left: Interval, right: Interval, *, swapped: bool) -> Interval:
    """Return the interval of a comparison, which keeps the elements that satisfy it.

    Args:
        operator: of the comparison.
        left: what stands before it.
        right: what stands after it.
        swapped: whether a number stands before it, so that the elements are those after it.
    """
    false = {
        ">": left.high <= right.low,
        ">=": left.high < right.low,
        "<": left.low >= right.high,
        "<=": left.low > right.high,
        "==": (left.high < right.low) | (left.low > right.high),
        "!=": np.zeros(len(left.low), np.bool_),
    }[operator]
    if swapped:
        return right.kept(~false)
    kept = left
    if operator in (">", ">=", "=="):
        kept = replace(kept, low=np.maximum(left.low, right.low))
    if operator in ("<", "<=", "=="):
        kept = replace(kept, high=np.minimum(kept.high, right.high))
    return kept.kept(~false)
