"""Fluctuation with given quantiles: the power of a server around its usual level.

A normal variable that forgets with a time constant is mapped on the quantiles, so the levels
come out as measured whatever their distribution is.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np

from twin.plant.units import Floats, lag

__all__ = ["Fluctuation", "usual_activity"]

_LEAST_SHARE, _MOST_SHARE = 0.0005, 0.9995


def usual_activity(quantiles: Sequence[tuple[float, float]]) -> float:
    """Return the median of quantiles; 1 without any."""
    if not quantiles:
        return 1.0
    shares, levels = zip(*quantiles, strict=True)
    return float(np.interp(0.5, shares, levels))


class Fluctuation:
    """The levels of all servers; arrays are (racks, servers).

    Args:
        shape: racks, servers a rack.
        quantiles: shares of the time, and levels that are not exceeded in them, rising.
        seconds: time constant.
        together: share of the variance that all servers have together.
        rng: source of all randomness.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        quantiles: Sequence[tuple[float, float]],
        seconds: float,
        together: float,
        rng: np.random.Generator,
    ) -> None:
        normal = NormalDist()
        shares = [min(max(share, _LEAST_SHARE), _MOST_SHARE) for share, _ in quantiles]
        self._places = np.array([normal.inv_cdf(share) for share in shares])
        self._levels = np.array([level for _, level in quantiles])
        self._seconds = max(seconds, 1e-3)
        self._rng = rng
        self._weights = sqrt(together), sqrt(1.0 - together)
        self._own = rng.standard_normal(shape, dtype=np.float32)
        self._common = float(rng.normal())

    def advance(self, dt: float) -> None:
        """Let ``dt`` seconds pass."""
        share = lag(dt, self._seconds)
        fresh = sqrt(share * (2.0 - share))
        self._common += -share * self._common + fresh * float(self._rng.normal())
        noise = self._rng.standard_normal(self._own.shape, dtype=np.float32)
        self._own = (self._own + (-share * self._own + fresh * noise)).astype(np.float32)

    @property
    def level(self) -> Floats:
        """Levels now."""
        common, own = self._weights
        place = common * self._common + own * self._own
        level: Floats = np.interp(place, self._places, self._levels).astype(np.float32)
        return level
