"""The reaction of a job's servers when it stops or goes on: one after the other.

Ranks of a pipeline run dry, and fill again, one stage after the other. So the power of an array
that loses its job falls over several seconds, not at once.
"""

from __future__ import annotations

import numpy as np

from twin.plant.units import Floats, clamp, mean_of

__all__ = ["Reaction"]

_MEAN_SECONDS, _LONGEST_SECONDS = 1.2, 5.0
"""Mean and longest time until a server follows, est."""


class Reaction:
    """When each server follows; arrays are (racks, servers).

    Args:
        shape: racks, servers a rack.
        rng: source of all randomness.
    """

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        late = rng.standard_exponential(shape, dtype=np.float32) * np.float32(_MEAN_SECONDS)
        self._late: Floats = np.minimum(late, np.float32(_LONGEST_SECONDS))
        self._sorted = np.sort(self._late, axis=None)
        self._worked = True
        self._since = _LONGEST_SECONDS
        self._from: Floats = np.zeros(shape, dtype=np.float32)
        self._shown = self._from
        self._mean_from = 0.0
        self._mean_shown = 0.0

    def begin(self, *, works: bool) -> None:
        """Begin a step of the plant in which the job works, or not."""
        if works != self._worked:
            self._since, self._from, self._mean_from = 0.0, self._shown, self._mean_shown
        self._worked = works

    def activity(self, asked: Floats, dt: float) -> Floats:
        """Return the activity of each server in a step of ``dt`` seconds that ends with this.

        Args:
            asked: what the job asks, (racks, servers) or (1, 1).
            dt: step in s.
        """
        since = self._since
        self._since = min(since + dt, _LONGEST_SECONDS)
        shown = asked
        if since < _LONGEST_SECONDS:
            behind = clamp(self._late - since, 0.0, dt) / dt
            shown = (asked + behind * (self._from - asked)).astype(np.float32)
        shape = self._late.shape
        self._shown = shown.view() if shown.shape == shape else np.broadcast_to(shown, shape)
        return shown

    def course(self, asked: Floats, dt: float) -> Floats:
        """Return the mean activity within the step; to be told before :meth:`activity`."""
        shown = asked
        if self._since < _LONGEST_SECONDS:
            times = self._since + dt * (np.arange(asked.size) + 0.5) / asked.size
            behind = 1.0 - np.searchsorted(self._sorted, times) / self._sorted.size
            shown = asked + behind * (self._mean_from - asked)
        self._mean_shown = mean_of(shown)
        return shown
