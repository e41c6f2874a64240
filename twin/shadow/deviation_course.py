"""Course of a deviation since it began: whether it moves with the driven part, or stays.

A capacity that is lost shows the more the further a charge has moved; a reading that is wrong by an
amount does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats

__all__ = ["DeviationCourse"]

_ALIKE, _APART = 0.85, 0.6
"""Correlation of a deviation with the driven part from which it goes with it, and up to which it
does not, est."""


class DeviationCourse:
    """Sums over the blocks since each deviation began, or since the observer's last start.

    Args:
        shape: racks, devices a rack.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._sums: Floats = np.zeros((6, *shape))

    def reset(self, where: NDArray[np.bool_]) -> None:
        """Forget some devices."""
        self._sums[:, where] = 0.0

    def add(
        self, gap: Floats, driven: Floats, there: NDArray[np.bool_], began: NDArray[np.bool_]
    ) -> None:
        """Add a block.

        Args:
            gap: deviation, 0 where there is none.
            driven: driven part, likewise.
            there: devices that the block judges.
            began: those that deviate since some block; the others are forgotten.
        """
        more = (there, gap, driven, gap * gap, driven * driven, gap * driven)
        for row, values in enumerate(more):
            self._sums[row] += values
        self._sums *= began

    def _spreads(self) -> tuple[Floats, Floats, Floats]:
        """Return squares and product of deviation and driven part, each about its mean."""
        count, gap, driven, gaps, drivens, both = self._sums
        n = np.maximum(count, 1.0)
        return gaps - gap**2 / n, drivens - driven**2 / n, both - gap * driven / n

    @property
    def follows(self) -> Floats:
        """How deviations move with the driven part: 1, -1, or not, 0; NaN where it is not clear."""
        gaps, drivens, both = self._spreads()
        alike = both / np.sqrt(np.maximum(gaps * drivens, 1e-30))
        told = np.where(np.abs(alike) < _APART, 0.0, np.nan)
        return np.where(np.abs(alike) > _ALIKE, np.sign(alike), told)

    @property
    def slope(self) -> Floats:
        """Change of a deviation over that of the driven part."""
        _, drivens, both = self._spreads()
        slope: Floats = both / np.maximum(drivens, 1e-12)
        return slope
