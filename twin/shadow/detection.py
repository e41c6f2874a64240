"""Detection of lasting deviations at a known error rate, by CUSUM over many devices at once.

Means over blocks of time, less what calibration may be wrong by and over their own deviation, go
into a two-sided CUSUM. Its limit follows from the false alarms that are wanted: the mean time to
one on one side is ``(exp(2 k b) - 2 k b - 1) / (2 k^2)`` blocks with ``b = limit + 1.166`` and the
allowance k (D. Siegmund, Sequential Analysis, 1985, 2.48 to 2.52), so that all sides of all devices
together give the rate. What one block adds is bounded: no single block is an alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats
from twin.shadow.deviation_course import DeviationCourse
from twin.shadow.medians import rooted
from twin.shadow.population import like_of, unlike

__all__ = ["ALLOWANCE", "Detector", "blocks_to_false_alarm", "limit_for"]

ALLOWANCE = 0.5
"""k: half of the shift, in standard deviations of a block, that is found soonest."""
_OVERSHOOT = 1.166
"""What the statistic passes a limit by, twice, of normal steps (Siegmund)."""
_MOST_STEP = 5.0
"""Standard deviations beyond which one block counts no more."""
_KEPT_OVER = 1.25
"""The statistic stays below so many limits, so that it comes down soon once all is well."""
_SMOOTH = 0.2
"""Share of the newest block in the smoothed deviation that tells the present state."""
_EVIDENT = 4.0
"""Standard deviations of the smoothed deviation beyond which it supports a cause."""
_PRIOR_BLOCKS = 20.0
"""Blocks that the deviation of all devices counts for in that of one."""
_MOST_CORRELATION = 0.9
_REFINED = 4
"""Times of the proof for which the center is found better; then it stays as it is."""
_ORDINARY = 5.0
"""Deviation over its least beyond which blocks depend on each other too much for that."""
_CALM = 0.1
"""Statistic over its limit below which nothing is suspected."""
_ROUGH = 0.05
"""Share of the newest block in how rough a device's deviation is at present."""
_ROUGHER = 1.5
"""How far a device may be rougher than it was proven to be by chance."""
_ROUGH_OF_NOISE = 0.9
"""Mean of the smaller of two successive squared steps of white noise, over its variance."""


def blocks_to_false_alarm(limit: float, allowance: float = ALLOWANCE) -> float:
    """Return the mean number of blocks until one side of one healthy device passes the limit."""
    reach = 2.0 * allowance * (limit + _OVERSHOOT)
    return (exp(min(reach, 700.0)) - reach - 1.0) / (2.0 * allowance**2)


def limit_for(sides: int, blocks_a_week: float, false_alarms_a_week: float) -> float:
    """Return the limit at which so many sides of CUSUMs give the wanted false alarms.

    Args:
        sides: two for each device and relation.
        blocks_a_week: blocks of time in a week.
        false_alarms_a_week: wanted, above 0.
    """
    wanted = sides * blocks_a_week / false_alarms_a_week
    low, high = 0.5, 350.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if blocks_to_false_alarm(middle) < wanted else (low, middle)
    return high


def _beyond(values: Floats, slack: Floats | float) -> Floats:
    """Return what values are beyond what they may be wrong by."""
    beyond: Floats = np.sign(values) * np.maximum(np.abs(values) - slack, 0.0)
    return beyond


@dataclass(slots=True)
class _ProofSums:
    """Sums over the blocks in which the deviation of each device is proven."""

    count: Floats
    total: Floats
    clear: Floats
    square: Floats
    product: Floats
    driven: Floats
    last: Floats
    coarse: Floats

    @classmethod
    def of(cls, shape: tuple[int, int]) -> _ProofSums:
        return cls(*(np.zeros(shape) for _ in range(8)))


class Detector:
    """CUSUMs of many devices; arrays are (racks, devices).

    Args:
        shape: racks, devices a rack.
        proving: blocks in which mean and deviation of a device are found.
        kinds: of the racks, whose devices are like each other; None where all are.

    Attributes:
        watching: devices that are judged.
        deviation: of a block's mean, in units of the effect.
        center: what a healthy device showed, in units of the effect.
        drift: present parameter over the calibrated one, less 1.
        course: how deviations go with the driven part.
    """

    def __init__(
        self, shape: tuple[int, int], proving: int, kinds: NDArray[np.int64] | None = None
    ) -> None:
        self._proving = proving
        self._kinds = np.zeros(shape[0], np.int64) if kinds is None else kinds
        self.watching = np.zeros(shape, dtype=np.bool_)
        self.deviation: Floats = np.full(shape, np.inf)
        self.center: Floats = np.zeros(shape)
        self.at: Floats = np.zeros(shape)
        """Driven part at which it was calibrated."""
        self._proven: Floats = np.zeros(shape)
        """Blocks whose mean the center is."""
        self._coarse: Floats = np.zeros(shape)
        """What rounding may have made of the center."""
        self.drift: Floats = np.zeros(shape)
        self._proof = _ProofSums.of(shape)
        self._above, self._below = np.zeros(shape), np.zeros(shape)
        self.smooth: Floats = np.zeros(shape)
        """Smoothed deviation over its standard deviation, beyond what the model may be off by."""
        self._smooth_whole: Floats = np.zeros(shape)
        """The same with what the model may be off by."""
        self.z: Floats = np.full(shape, np.nan)
        """Deviation of the last block over its standard deviation, NaN where it is not judged."""
        self.blocks: Floats = np.zeros(shape)
        """Blocks since the deviation began."""
        self._rough: Floats = np.zeros(shape)
        """Variance of a block by its steps, which a lasting shift does not raise."""
        self._gap: Floats = np.full(shape, np.nan)
        self._step: Floats = np.full(shape, np.nan)
        self._error, self._moved, self._squared = (np.zeros(shape) for _ in range(3))
        self._slow_moved, self._slow_squared = np.zeros(shape), np.zeros(shape)
        self.course = DeviationCourse(shape)
        self.alarmed = np.zeros(shape, dtype=np.bool_)
        self._found: Floats = np.zeros(shape)
        """Change of the parameter when it was found."""

    @property
    def statistic(self) -> Floats:
        """The greater side of each CUSUM."""
        return np.maximum(self._above, self._below)

    @property
    def shift(self) -> Floats:
        """Mean deviation since it began, in units of the effect."""
        return self._error / np.maximum(self.blocks, 1.0)

    @property
    def ratio(self) -> Floats:
        """Change of the parameter since the deviation began, over its model's value."""
        return self._moved / np.maximum(self._squared, 1e-12)

    @property
    def evidence(self) -> NDArray[np.int8]:
        """Sign of the present deviation where it is beyond chance and the model's error, else 0."""
        return self._beyond_chance(self.smooth)

    @property
    def hint(self) -> NDArray[np.int8]:
        """Sign of the present deviation where it is beyond chance, else 0."""
        return self._beyond_chance(self._smooth_whole)

    @property
    def present(self) -> Floats:
        """The present deviation, in units of the effect."""
        return self._smooth_whole * np.where(self.watching, self.deviation, 0.0)

    def _beyond_chance(self, smooth: Floats) -> NDArray[np.int8]:
        spread = sqrt(_SMOOTH / (2.0 - _SMOOTH))
        beyond = np.abs(smooth) > _EVIDENT * spread
        return np.where(beyond & self.watching, np.sign(smooth), 0.0).astype(np.int8)

    def reset(self, where: NDArray[np.bool_]) -> None:
        """Prove some devices anew."""
        self.watching &= ~where
        self.alarmed &= ~where
        for own in (
            self._proof.count, self._proof.total, self._proof.clear, self._proof.square,
            self._proof.product, self._proof.driven, self._proof.last, self._proof.coarse,
            self._above, self._below,
            self.smooth, self._smooth_whole, self.blocks, self._error, self._moved, self._squared,
            self.drift, self._rough, self._proven, self._slow_moved, self._slow_squared,
        ):  # fmt: skip
            own[where] = 0.0
        self._gap[where] = self._step[where] = np.nan
        self.course.reset(where)

    def take(
        self,
        error: Floats,
        driven: Floats,
        floor: Floats | float,
        limit: float,
        forget: float,
        slack: Floats | float = 0.0,
        coarse: Floats | float = 0.0,
    ) -> None:
        """Take in a block.

        Args:
            error: mean effect less the expected one; NaN where a device is not covered.
            driven: mean driven part.
            floor: least deviation of a block's mean.
            limit: of the CUSUM.
            forget: share of the past that the tracked parameter forgets.
            slack: what the expected effect may be wrong by, in units of the effect.
            coarse: what rounding of the readings may make, which is part of it.
        """
        there = np.isfinite(error)
        own = there & ~self.watching
        if own.any():
            self._proof.coarse += np.where(own, coarse, 0.0)
            shown, at = np.where(own, error, 0.0), np.where(own, driven, 0.0)
            self._prove(shown, np.where(own, _beyond(shown, slack), 0.0), at, own, floor)
        self._watch(error, driven, slack, floor, there & self.watching & ~own, limit, forget)

    def _prove(
        self,
        error: Floats,
        clear: Floats,
        driven: Floats,
        own: NDArray[np.bool_],
        floor: Floats | float,
    ) -> None:
        proof = self._proof
        proof.product += clear * proof.last
        proof.count += own
        proof.total += error
        proof.clear += clear
        proof.square += clear**2
        proof.driven += driven
        proof.last = np.where(own, clear, proof.last)
        ready = own & (proof.count >= self._proving)
        if not ready.any():
            return
        count = np.maximum(proof.count, 1.0)
        mean, clear = proof.total / count, proof.clear / count
        enough = proof.count >= self._proving
        variance = np.maximum(proof.square / count - clear**2, 0.0) * count / (count - 1.0)
        lagged = proof.product / count - clear**2
        bulk = enough & (variance <= 9.0 * max(float(np.median(variance[enough])), 1e-30))
        pooled = float(variance[bulk].mean())
        correlation = float(lagged[bulk].sum()) / max(float(variance[bulk].sum()), 1e-30)
        correlation = min(max(correlation + 1.0 / self._proving, 0.0), _MOST_CORRELATION)
        shrunk = (_PRIOR_BLOCKS * pooled + count * variance) / (_PRIOR_BLOCKS + count)
        wide = np.maximum(shrunk, pooled) * (1.0 + correlation) / (1.0 - correlation)
        deviation = np.maximum(np.sqrt(wide), floor)
        self.deviation = np.where(ready, deviation, self.deviation)
        self.center = np.where(ready, mean, self.center)
        self._hold(ready, floor, np.sqrt(pooled * (1.0 + correlation) / (1.0 - correlation)))
        self._proven = np.where(ready, count, self._proven)
        self.at = np.where(ready, proof.driven / count, self.at)
        self._coarse = np.where(ready, proof.coarse / count, self._coarse)
        self.watching |= ready

    def _hold(self, ready: NDArray[np.bool_], floor: Floats | float, usual: float) -> None:
        """Hold to their like the devices that changed while they were learnt.

        What is fitted leaves healthy devices the same center. One that is far from it is judged
        from that of its like, so that the change is found and not taken for normal.
        """
        known = ready | self.watching
        changed = ready & unlike(self.center, known, self._kinds, floor)
        if changed.any():
            middle, _ = like_of(self.center, known, self._kinds)
            self.center = np.where(changed, middle, self.center)
            self.deviation = np.where(changed, np.maximum(usual, floor), self.deviation)

    def _watch(
        self,
        error: Floats,
        driven: Floats,
        slack: Floats | float,
        floor: Floats | float,
        there: NDArray[np.bool_],
        limit: float,
        forget: float,
    ) -> None:
        self.z = np.full(error.shape, np.nan)
        if not there.any():
            return
        gap = np.where(there, error - self.center, 0.0)
        rough = np.sqrt(self._roughness(gap, slack, there)) / _ROUGHER
        deviation = np.maximum(self.deviation, rough)
        z = gap / deviation
        # The mean of n blocks is known to 1/sqrt(n) of a deviation; of many devices some are off
        # by several times that.
        surely = NormalDist().inv_cdf(1.0 - 0.1 / max(2, 2 * there.size))
        known = surely / np.sqrt(np.maximum(self._proven, 1.0))
        unsure = np.where(there, slack + self._coarse, 0.0) / deviation
        allowed = known + unsure + ALLOWANCE
        cap = _KEPT_OVER * limit
        # Nor does a single block, as when a job begins, end what was found.
        least = np.where(self.alarmed, -_MOST_STEP, -np.inf)
        tells = there & (~self.alarmed | self._would_show(driven, deviation, allowed))
        for side, sign in ((self._above, 1.0), (self._below, -1.0)):
            step = np.clip(sign * z - allowed, least, _MOST_STEP)
            moved = np.clip(side + step, 0.0, cap)
            np.copyto(side, np.where(tells, moved, np.maximum(moved, side)), where=there)
        clear = _beyond(z, unsure)
        self.smooth = np.where(tells, (1.0 - _SMOOTH) * self.smooth + _SMOOTH * clear, self.smooth)
        whole = (1.0 - _SMOOTH) * self._smooth_whole + _SMOOTH * z
        self._smooth_whole = np.where(tells, whole, self._smooth_whole)
        self.z[there] = z[there]
        calm = there & (self.statistic < _CALM * limit) & (deviation <= _ORDINARY * floor)
        self._refine(gap, deviation, calm)
        self._estimate(gap, np.where(there, driven, 0.0), there, forget)
        stands, before = self.statistic, self.alarmed
        self.alarmed = np.where(before, stands > 0.5 * limit, stands > limit) & self.watching
        self._found = np.where(self.alarmed & ~before, self.ratio, self._found)

    def _would_show(self, driven: Floats, deviation: Floats, allowed: Floats) -> NDArray[np.bool_]:
        """Return where what was found would be beyond what a block allows for, if it lasts.

        A cold plate shows nothing on a GPU that is idle: such a block does not end a finding.
        """
        return np.abs(self._found * driven) > allowed * deviation

    def _refine(self, gap: Floats, deviation: Floats, calm: NDArray[np.bool_]) -> None:
        """Find the center better while nothing is suspected, until it is known well enough."""
        calm = calm & (self._proven < _REFINED * self._proving)
        self._proven += calm
        step = np.clip(gap, -2.0 * deviation, 2.0 * deviation) / np.maximum(self._proven, 1.0)
        self.center = self.center + np.where(calm, step, 0.0)

    def _roughness(self, gap: Floats, slack: Floats | float, there: NDArray[np.bool_]) -> Floats:
        """Return the variance of a block that the steps from block to block tell.

        Loads that come and go make a device rougher than it was when its deviation was proven. Of
        two successive steps the smaller counts, so that the one step of a fault does not.
        """
        most = _MOST_STEP * np.where(there, self.deviation, 0.0)
        step = np.minimum(_beyond(gap - self._gap, slack) ** 2, most**2)
        step = np.where(there, step, np.nan)
        least = np.minimum(step, self._step) / _ROUGH_OF_NOISE
        more = _ROUGH * (np.nan_to_num(least) - self._rough)
        self._rough = self._rough + np.where(np.isfinite(least), more, 0.0)
        self._gap, self._step = np.where(there, gap, np.nan), step
        return self._rough

    def _estimate(
        self, gap: Floats, driven: Floats, there: NDArray[np.bool_], forget: float
    ) -> None:
        """Add up what tells the shift since it began, and the parameter as it is tracked."""
        began = self.statistic > 0.0
        self.blocks = (self.blocks + there) * began
        self._error = (self._error + gap) * began
        self._moved = (self._moved + gap * driven) * began
        self._squared = (self._squared + driven**2) * began
        self.course.add(gap, driven, there, began)
        keep = 1.0 - forget * there
        self._slow_moved = keep * self._slow_moved + gap * driven
        self._slow_squared = keep * self._slow_squared + driven**2
        full = self.at**2 / max(forget, 1e-6)
        self.drift = self._slow_moved / np.maximum(np.maximum(self._slow_squared, full), 1e-12)

    # -- what outlives a restart ----------------------------------------------------

    def kept(self) -> dict[str, NDArray[np.generic]]:
        """Return what a restart must not lose."""
        return {name: getattr(self, name) for name in _KEPT}

    def restore(self, kept: dict[str, NDArray[np.generic]]) -> None:
        """Go on from what :meth:`kept` returned."""
        for name in _KEPT:
            setattr(self, name, rooted(kept[name], getattr(self, name)))


_KEPT = ("watching", "deviation", "center", "at", "_coarse", "_proven", "drift", "_slow_moved",
         "_slow_squared")  # fmt: skip
