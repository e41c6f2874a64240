"""Fits of the devices: what each differs by from the model, by load and by an offset.

Blocks are added up as they come, each over its variance. The fit is held to what devices of the
relation are known to differ by, and to what those of the same kind turn out to be like.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats
from twin.shadow.medians import rooted
from twin.shadow.population import like_of, unlike

__all__ = ["DeviceFits"]

Flags = NDArray[np.bool_]

_CORRELATED = 4.0
"""Blocks whose errors are one: of lags and forms that are not quite the model's, est."""
_TOLD = 0.25
"""Deviation of a gain that data tell, over the assumed one, from which others are held to it."""
_NARROW = 0.1
"""Least spread of a kind over that which is assumed, est."""
_ALIKE = 0.1
"""The same of what gain and offset make together at the load that was learnt, est."""

_APART = 0.5
"""Least spread of a kind that is learnt at another load, over what gains are assumed to make of
that, est."""


class DeviceFits:
    """Gains and offsets; arrays are (racks, devices).

    Args:
        shape: racks, devices a rack.
        gain: standard deviation of a gain between devices, as it is assumed.
        offset: that of an offset, in units of the effect.
        kinds: of the racks, whose devices are like each other.

    Attributes:
        gain: of each device.
        offset: likewise.
        blocks: that the first calibration has of it.
        unlike: devices whose fit was far from all others: they have that of their like.
    """

    def __init__(
        self, shape: tuple[int, int], gain: float, offset: float, kinds: NDArray[np.int64]
    ) -> None:
        self._assumed = gain, offset
        self._kinds = kinds
        self.gain, self.offset, self.blocks = (np.zeros(shape) for _ in range(3))
        self.unlike = np.zeros(shape, dtype=np.bool_)
        self._sums = np.zeros((5, *shape))
        """Over the blocks, each over its variance: 1, x, x², r, r x."""
        self._least, self._most = np.full(shape, np.nan), np.full(shape, np.nan)
        """Ends of the driven part that is calibrated."""
        self._prior = np.zeros((2, shape[0], 1))
        """What gain and offset of the like of each device are."""
        self._prior_spread = np.full_like(self._prior, np.nan)

    def reset(self, where: Flags) -> None:
        """Forget some devices."""
        for own in (self.gain, self.offset, self.blocks):
            own[where] = 0.0
        self._sums[:, where] = 0.0
        self._least[where] = self._most[where] = np.nan
        self.unlike &= ~where

    def add(self, error: Floats, driven: Floats, noise: Floats, where: Flags) -> None:
        """Add a block of some devices, with the deviation of its error."""
        r, x = np.where(where, error, 0.0), np.where(where, driven, 0.0)
        sums = np.stack((where.astype(np.float64), x, x * x, r, r * x))
        self._sums += sums / (_CORRELATED * noise**2)

    def reach(self, driven: Floats, where: Flags) -> None:
        """Take note that the fit holds where these blocks have been."""
        self._least = np.where(where, np.fmin(self._least, driven), self._least)
        self._most = np.where(where, np.fmax(self._most, driven), self._most)

    def solve(self, where: Flags, learnt: Flags) -> None:
        """Fit some devices, and hold to their like those who are like none.

        Args:
            where: devices to fit.
            learnt: all that are calibrated.
        """
        self._compare(learnt)
        gain, offset, both, over = self._precision()
        n, sx, sxx, sr, srx = self._sums
        sr = sr + (offset - n) * self._prior[1]
        srx = srx + (gain - sxx) * self._prior[0]
        self.gain = np.where(where, (srx * offset - sr * both) / over, self.gain)
        self.offset = np.where(where, (sr * gain - srx * both) / over, self.offset)
        middle = sx / np.maximum(n, 1e-30)
        assumed = np.hypot(self._assumed[0] * middle, self._assumed[1])
        whole = (self.gain * middle + self.offset) / assumed
        # Others that were learnt at another load hardly tell what is usual at this one.
        usual, _ = like_of(middle, learnt, self._kinds)
        apart = _APART * self._assumed[0] * np.abs(middle - usual) / assumed
        far = where & unlike(whole, learnt, self._kinds, np.fmax(apart, _ALIKE))
        if not far.any():
            return
        self.unlike |= far
        for values in (self.gain, self.offset):
            usual, _ = like_of(values, learnt & ~self.unlike, self._kinds)
            np.copyto(values, usual, where=far & np.isfinite(usual))

    def _compare(self, learnt: Flags) -> None:
        """Find what gain and offset of a kind are, where the data of many devices tell them."""
        n, sx, sxx, sr, srx = self._sums
        over = np.maximum(n * sxx - sx**2, 1e-30)
        told = learnt & (n < over * (_TOLD * self._assumed[0]) ** 2) & ~self.unlike
        for part, values, variance in (
            (0, (srx * n - sr * sx) / over, n / over),
            (1, (sr * sxx - srx * sx) / over, sxx / over),
        ):
            most = self._assumed[part]
            middle, spread = like_of(values, told, self._kinds)
            chance, _ = like_of(variance, told, self._kinds)
            # Where chance makes most of what they differ by, how alike they are is not told.
            least = np.fmax(chance, (_NARROW * most) ** 2)
            wide = np.sqrt(np.maximum(spread**2 - chance, least))
            self._prior[part] = np.nan_to_num(middle)
            self._prior_spread[part] = np.fmin(wide, most)

    def _precision(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Return what is known of gain, of offset and of both, and their determinant."""
        n, sx, sxx, _, _ = self._sums
        gain, offset = (
            np.where(np.isfinite(spread), spread, assumed)
            for spread, assumed in zip(self._prior_spread, self._assumed, strict=True)
        )
        gain, offset = sxx + 1.0 / gain**2, n + 1.0 / offset**2
        return gain, offset, sx, np.maximum(gain * offset - sx**2, 1e-30)

    def spread(self, driven: Floats) -> Floats:
        """Return the deviation of what the fit foretells for being off its middle."""
        _, offset, _, over = self._precision()
        middle = self._sums[1] / np.maximum(self._sums[0], 1e-30)
        spread: Floats = np.abs(driven - middle) * np.sqrt(offset / over)
        return spread

    def away(self, driven: Floats, proven: Floats) -> Floats:
        """Return how far the driven part is from where it is calibrated.

        Within its ends the fit is wrong by what a bend makes of a straight line, there and at the
        middle of the proof, and near that by no more than how near it is.

        Args:
            driven: mean driven part of a block.
            proven: that of the proof, NaN where there is none yet.
        """
        below, above = driven - self._least, self._most - driven
        bend = self._bend(driven) + np.nan_to_num(self._bend(proven))
        within = np.fmin(bend, np.abs(driven - proven))
        away: Floats = np.maximum(np.maximum(-below, -above), within)
        return away

    def _bend(self, driven: Floats) -> Floats:
        """Return what a bend may make of a straight line between the ends, 0 beyond them."""
        below, above = driven - self._least, self._most - driven
        bend: Floats = 0.5 * below * above / np.maximum(below + above, 1e-12)
        return np.maximum(bend, 0.0)

    # -- what outlives a restart -----------------------------------------------------

    def kept(self) -> dict[str, NDArray[np.generic]]:
        """Return what a restart must not lose."""
        return {name: getattr(self, name) for name in _KEPT}

    def restore(self, kept: dict[str, NDArray[np.generic]]) -> None:
        """Go on from what :meth:`kept` returned."""
        for name in _KEPT:
            setattr(self, name, rooted(kept[name], getattr(self, name)))


_KEPT = ("gain", "offset", "blocks", "unlike", "_sums", "_least", "_most", "_prior",
         "_prior_spread")  # fmt: skip
