"""Slowing down when told to: a longer interval instead of late ticks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SlowDown"]

_STEP = 1.5
"""The interval grows and shrinks by this factor."""
_MOST = 100.0
_LATE_IN_A_ROW = 3
_CALM_IN_A_ROW = 30
_CALM_IDLE = 0.5
"""With half of the period to spare, the next shorter one would still be kept."""


@dataclass(slots=True)
class SlowDown:
    """Finds the interval that can be kept, as a multiple of the one that was set.

    Three late ticks in a row make it longer by half; thirty in a row that leave half of
    their period unused make it shorter again, never shorter than set.

    Attributes:
        factor: times the interval that was set, from 1 to 100.
    """

    factor: float = 1.0
    _late: int = 0
    _calm: int = 0

    def judge(self, late: bool, idle: float) -> bool:
        """Take note of a tick and return whether the factor changed.

        Args:
            late: whether it began late.
            idle: share of the period before it that was spent waiting for it.
        """
        self._late = self._late + 1 if late else 0
        self._calm = self._calm + 1 if idle > _CALM_IDLE else 0
        before = self.factor
        if self._late >= _LATE_IN_A_ROW:
            self.factor = min(_MOST, before * _STEP)
        elif self._calm >= _CALM_IN_A_ROW:
            self.factor = max(1.0, before / _STEP)
        if self.factor == before:
            return False
        self._late = self._calm = 0
        return True
