"""The shape of a training step in power, server by server.

Fitted offline to the first half of the MLPerf run (64 nodes, 2 s, see
``docs/calibration.md``): a plateau from which every server falls short by an exponentially
distributed amount (pipeline bubbles; the edge of the distribution is sharp above and soft
below), and around the step boundary a dip of each server's own: mostly shallow, sometimes
down to the power of a GPU that waits in a collective. Most of it is in the next step as in this
one, as servers keep their stage. How long all wait for the slowest differs from step to step, and
with it how wide and deep the dips of all are.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, exp, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats, lag
from twin.plant.workload.sync_stalls import SyncStalls

__all__ = ["StepPart", "Waveform"]

_TOP = 1.09
"""Upper edge of the plateau."""
_SHORTFALL = 0.103
"""Mean shortfall of a server's activity from that edge."""
_SHORTFALL_MOST = 0.318
"""Greatest shortfall."""
_PARTS = 7
"""Parts of a step in each of which a server has one shortfall; they begin at a place of each
server's own."""
_SHORTFALL_STEPS = 4
"""Steps for which a server has the same shortfalls."""
_SLOW_SPREAD = 0.276
"""Spread of the common logarithm of all shortfalls: the plateau's level wanders."""
_SLOW_SECONDS = 100.0
"""Time constant of that wandering."""
_NODE_SPREAD = 0.0064
"""Spread between servers beside their dips, so that their means differ by 0.7 to 0.8 %."""
_EVALUATION, _EVALUATION_SHORTFALL = 0.880, 0.0247
"""The same edge and mean shortfall in an evaluation: 402 kW against 434 kW an array."""

_OFFSET = 0.012
"""Spread of a server's place in the step, as a fraction of the step."""
_WANDER = 0.0525
"""Spread of each dip around that place."""
_DIP_STEPS = 6
"""Steps for which a server dips alike, as the nodes of a pipeline keep their stage: measured, a
node's power repeats two steps later as it does after one, and no more after ten."""
_DEEP_SHARE = 0.25
"""Mean share of the dips that go all the way down."""
_DEEP_COMMON = 0.33
"""Spread of the logarithm of that share from step to step."""
_HALF_WIDTH = 0.08
"""Mean half-width of the dips, as a fraction of the step."""
_WIDTH_COMMON = 0.2
"""Spread of the logarithm of all widths of a step: all wait for the slowest."""
_LEAST_WIDTH = 0.7
"""Least width over the mean one; what is above it is exponentially distributed."""
_MOST_HALF_WIDTH = 0.35
_SHALLOW = (0.02, 0.48)
"""Depths of the shallow dips."""
_EXACT = 1e-9
_COMMON = ("slow", "wide", "deep")
"""What all servers have in common in a step, each with a variance of one: how far the plateau's
level has wandered, and how wide and how deep the dips are."""


class StepPart(NamedTuple):
    """A stretch of a step, of each server, in steps.

    Attributes:
        plateau: integral of the activity between dips.
        fall: integral of what dips take from it.
        usual: the same if each dip were as deep as dips are in the mean.
    """

    plateau: Floats
    fall: Floats
    usual: Floats


class Waveform:
    """The power of all servers over their steps; arrays are (racks, servers).

    All of it is drawn once a step of the job, so it is the same however long the plant's own steps
    are, and :meth:`over` has the exact integral over any of these.

    Args:
        shape: racks, servers a rack.
        rng: source of all randomness.
        seconds: mean duration of a step.
    """

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator, seconds: float) -> None:
        self._moved = lag(seconds, _SLOW_SECONDS)
        self._factor = (1.0 + rng.normal(0.0, _NODE_SPREAD, shape)).astype(np.float32)
        self._offset = rng.normal(0.0, _OFFSET, shape).astype(np.float32)
        self._place = np.arange(shape[0] * shape[1]).reshape(shape)
        missing = rng.standard_exponential(shape, dtype=np.float32)
        self._dips = _drawn(self._offset, rng)
        # A stream of its own: the job's other draws do not depend on how many these are.
        self._rng = own = rng.spawn(1)[0]
        others = own.standard_exponential((_PARTS - 1, *shape), dtype=np.float32)
        self._missing = np.concatenate([missing[None], others])
        self._edge = own.random(shape, dtype=np.float32) / np.float32(_PARTS)
        self._dip_steps = own.integers(1, _DIP_STEPS + 1, shape)
        self._missing_steps = own.integers(1, _SHORTFALL_STEPS + 1, self._missing.shape)
        self.common = dict(zip(_COMMON, own.normal(size=3).tolist(), strict=True))
        """What all servers have in common in this step."""
        self._put_together()

    def draw(self) -> None:
        """Draw the dips around the next step boundary, and the shortfalls from here on."""
        own, common, moved = self._rng, self.common, self._moved
        kick, wide, deep = own.normal(size=3).tolist()
        slow = (1.0 - moved) * common["slow"] + sqrt(moved * (2.0 - moved)) * kick
        self.common = dict(zip(_COMMON, (slow, wide, deep), strict=True))
        self._dip_steps, fresh = _one_less(self._dip_steps, _DIP_STEPS)
        # Those of the step before may still be read.
        self._dips = self._dips.copy()
        self._dips[:, fresh] = _drawn(self._offset[fresh], own)
        self._missing_steps, fresh = _one_less(self._missing_steps, _SHORTFALL_STEPS)
        self._missing[fresh] = own.standard_exponential(int(fresh.sum()), dtype=np.float32)
        self._put_together()

    def follow(self, common: Mapping[str, float]) -> None:
        """Take over what all servers have in common in this step.

        Raises:
            KeyError: something is missing.
        """
        taken = {name: common[name] for name in _COMMON}
        if taken != self.common:
            self.common = taken
            self._put_together()

    def _put_together(self) -> None:
        """Put together what each server has of its own and what all have in common."""
        slow, wide, deep = (self.common[name] for name in _COMMON)
        centre, half, rank, depth = self._dips
        width = half * np.float32(exp(_WIDTH_COMMON * wide - _WIDTH_COMMON**2 / 2))
        share = _DEEP_SHARE * exp(_DEEP_COMMON * deep - _DEEP_COMMON**2 / 2)
        depth = np.where(rank < share, np.float32(1.0), depth)
        self.dips = SyncStalls(centre, np.minimum(width, np.float32(_MOST_HALF_WIDTH)), depth)
        """Dips around the step boundary that is next, or was last."""
        self._usual_depth: Floats = depth.mean() / depth
        scale = np.float32(_SHORTFALL * exp(_SLOW_SPREAD * slow))
        short = np.minimum(self._missing * scale, np.float32(_SHORTFALL_MOST))
        self._levels: Floats = self._factor * (np.float32(_TOP) - short)
        self.plateau: Floats = self._levels.mean(axis=0)
        """Activity between the dips, the mean of a step."""

    def advance(self, dt: float) -> None:
        """Do nothing: what fluctuates is drawn once a step of the job."""

    def over(self, start: float, end: float, wait: float) -> StepPart:
        """Return what a stretch of a step has.

        Args:
            start: of the stretch, in steps from the nearest boundary, -0.5 to 0.5.
            end: of the stretch.
            wait: activity at the bottom of a dip.
        """
        # Pieces in which at most one part of a server's begins.
        count = max(1, ceil((end - start) * _PARTS - _EXACT))
        places = [start + (end - start) * turn / count for turn in range(count + 1)]
        bounds = np.array(places)[:, None, None]
        first, last = bounds[:-1], bounds[1:]
        own = np.floor((first.astype(np.float32) - self._edge) * np.float32(_PARTS))
        part = own.astype(np.intp)
        edge = self._edge + (part + 1) / np.float32(_PARTS)
        edge = np.minimum(edge, last.astype(np.float32))
        before, after = (
            self._levels.take(number % _PARTS * self._place.size + self._place)
            for number in (part, part + 1)
        )
        ends = np.empty((2 * count + 1, *self._place.shape))
        ends[: count + 1], ends[count + 1 :] = bounds, edge
        at_ends = self.dips.until(ends)
        begun, ended, met = at_ends[:count], at_ends[1 : count + 1], at_ends[count + 1 :]
        dip, fallen = ended - begun, met - begun
        plateau = before * (edge - first) + after * (last - edge)
        fall = (before - wait) * fallen + (after - wait) * (dip - fallen)
        fell = np.add.reduce(fall, axis=0)
        return StepPart(np.add.reduce(plateau, axis=0), fell, fell * self._usual_depth)

    @property
    def evaluation(self) -> Floats:
        """Activity during an evaluation."""
        shortfall = np.minimum(self._missing[0] * _EVALUATION_SHORTFALL, _SHORTFALL_MOST)
        activity: Floats = self._factor * (_EVALUATION - shortfall)
        return activity

    def plateau_flicker(self, plateau: Floats) -> Floats:
        """Return what of an activity between the dips comes and goes, its wandering too."""
        return plateau - self._factor * _USUAL

    @property
    def evaluation_flicker(self) -> Floats:
        """The same of ``evaluation``."""
        usual: Floats = self._factor * (_EVALUATION - _usual(_EVALUATION_SHORTFALL))
        return self.evaluation - usual


def _drawn(offset: Floats, rng: np.random.Generator) -> Floats:
    """Draw the dips of servers, beside what all have in common.

    Args:
        offset: place of each server in the step, in steps.
        rng: source of all randomness.

    Returns:
        Of each its middle in steps from the boundary, half its width in steps, its rank from 0 to
        1, of which those below the step's share go all the way down, and the depth of a shallow
        one.
    """
    shape, (low, high) = offset.shape, _SHALLOW
    rank = rng.random(shape, dtype=np.float32)
    spread = _LEAST_WIDTH + (1 - _LEAST_WIDTH) * rng.standard_exponential(shape, np.float32)
    centre = offset + _WANDER * rng.standard_normal(shape, np.float32)
    depth = low + (high - low) * rng.random(shape, dtype=np.float32)
    return np.stack([centre, _HALF_WIDTH * spread, rank, depth]).astype(np.float32)


def _usual(scale: float) -> float:
    """Return the mean over many draws of a shortfall that has this mean but for its end."""
    return scale * (1.0 - exp(-_SHORTFALL_MOST / scale))


_USUAL = _TOP - _usual(_SHORTFALL)
"""Mean activity between the dips over many steps."""


def _one_less(left: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return for how many more steps each stays what it is, and which are drawn anew now.

    Args:
        left: the same before this step.
        most: steps for which what is drawn stays.
    """
    fresh = left <= 1
    return np.where(fresh, most, left - 1), fresh
