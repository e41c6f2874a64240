"""Peak-to-peak swing of a value over the last minute, computed as it comes."""

from __future__ import annotations

from collections import deque

__all__ = ["Swing"]

_WINDOW_SECONDS = 60.0


class Swing:
    """Largest minus smallest value of the last minute.

    With steps of a second it holds what swings slower than 0.5 Hz; what is faster is told
    by :class:`twin.plant.power_oscillation.Ripple`.
    """

    def __init__(self) -> None:
        self._time = 0.0
        self._high: deque[tuple[float, float]] = deque()
        self._low: deque[tuple[float, float]] = deque()

    def add(self, value: float, dt: float) -> None:
        """Take in the value that held for the last ``dt`` seconds."""
        self._time += dt
        # Monotonic queues: an older value that a newer one exceeds can no longer be the largest.
        for queue, sign in ((self._high, 1.0), (self._low, -1.0)):
            while queue and sign * queue[-1][1] <= sign * value:
                queue.pop()
            queue.append((self._time, value))
            while queue[0][0] <= self._time - _WINDOW_SECONDS:
                queue.popleft()

    @property
    def value(self) -> float:
        """The swing; 0 before the first value."""
        return self._high[0][1] - self._low[0][1] if self._high else 0.0
