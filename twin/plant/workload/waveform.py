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

from math import exp, sqrt

import numpy as np

from twin.plant.units import Floats, lag
from twin.plant.workload.sync_stalls import SyncStalls

__all__ = ["Waveform"]

_TOP = 1.091
"""Upper edge of the plateau."""
_SHORTFALL = 0.104
"""Mean shortfall of a server's activity from that edge."""
_SHORTFALL_MOST = 0.318
"""Greatest shortfall."""
_PARTS = 2
"""Parts of a step in each of which a server has one shortfall, as that of 2 s later is like it
to 0.65; they begin at a place of each server's own."""
_SHORTFALL_KEPT = 0.67
"""Share of the shortfalls that are in the next step as they were."""
_SLOW_SPREAD = 0.276
"""Spread of the common logarithm of all shortfalls: the plateau's level wanders."""
_SLOW_SECONDS = 100.0
"""Time constant of that wandering."""
_NODE_SPREAD = 0.0068
"""Spread between servers beside their dips, so that their means differ by 0.7 to 0.8 %."""
_EVALUATION, _EVALUATION_SHORTFALL = 0.880, 0.0247
"""The same edge and mean shortfall in an evaluation: 402 kW against 434 kW an array."""

_OFFSET = 0.012
"""Spread of a server's place in the step, as a fraction of the step."""
_WANDER = 0.041
"""Spread of each dip around that place."""
_KEPT = 0.65
"""Share of the servers whose dip is the next time as it was: the nodes of a pipeline keep their
stage, so that a node's power repeats from step to step."""
_DEEP_SHARE = 0.204
"""Mean share of the dips that go all the way down."""
_DEEP_COMMON = 0.42
"""Spread of the logarithm of that share from step to step."""
_HALF_WIDTH = 0.092
"""Mean half-width of the dips, as a fraction of the step."""
_WIDTH_COMMON = 0.29
"""Spread of the logarithm of all widths of a step: all wait for the slowest."""
_LEAST_WIDTH = 0.6
"""Least width over the mean one; what is above it is exponentially distributed."""
_MOST_HALF_WIDTH = 0.35
_SHALLOW = (0.045, 0.4)
"""Depths of the shallow dips."""


_Dips = tuple[Floats, Floats, Floats, Floats]
"""What each server's next dip is like beside what all have in common: its middle in steps from the
boundary, half its width in steps, its rank from 0 to 1, of which those below the step's share go
all the way down, and the depth of a shallow one."""


class Waveform:
    """The power of all servers over their steps; arrays are (racks, servers).

    Args:
        shape: racks, servers a rack.
        rng: source of all randomness.
    """

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self._shape = shape
        self._rng = rng
        # A stream of its own: all other draws of the job stay what they are.
        self._parts = own = rng.spawn(1)[0]
        self._factor = (1.0 + rng.normal(0.0, _NODE_SPREAD, shape)).astype(np.float32)
        self._offset = rng.normal(0.0, _OFFSET, shape).astype(np.float32)
        first = rng.standard_exponential(shape, dtype=np.float32)
        self._shortfalls = own.standard_exponential((_PARTS, *shape), dtype=np.float32)
        self._begin = own.random(shape, dtype=np.float32)
        self._missing: Floats = first
        self.slow = 0.0
        """Common logarithm of all shortfalls, beside their own: the plateau wanders with it."""
        self._next = self._drawn()
        self.dips = self._together()
        """Dips around the step boundary that is next, or was last."""

    def draw(self) -> None:
        """Draw the dips around the next step boundary, and the shortfalls from here on."""
        kept = self._rng.random(self._shape, dtype=np.float32) < _KEPT
        centre, half, rank, depth = (
            np.where(kept, old, new) for old, new in zip(self._next, self._drawn(), strict=True)
        )
        self._next = centre, half, rank, depth
        self.dips = self._together()
        own, shape = self._parts, self._shortfalls.shape
        stays = own.random(shape, dtype=np.float32) < _SHORTFALL_KEPT
        fresh = own.standard_exponential(shape, dtype=np.float32)
        self._shortfalls = np.where(stays, self._shortfalls, fresh)

    def _drawn(self) -> _Dips:
        rng, shape = self._rng, self._shape
        rank = rng.random(shape, dtype=np.float32)
        spread = _LEAST_WIDTH + (1 - _LEAST_WIDTH) * rng.standard_exponential(shape, np.float32)
        half = (_HALF_WIDTH * spread).astype(np.float32)
        centre = self._offset + _WANDER * rng.standard_normal(shape, np.float32)
        low, high = _SHALLOW
        depth = low + (high - low) * rng.random(shape, dtype=np.float32)
        return centre, half, rank, depth

    def _together(self) -> SyncStalls:
        """Return the dips of all servers in one step, with what they have in common."""
        wide, deep = self._parts.normal(size=2)
        centre, half, rank, depth = self._next
        share = _DEEP_SHARE * exp(_DEEP_COMMON * deep - _DEEP_COMMON**2 / 2)
        width = half * np.float32(exp(_WIDTH_COMMON * wide - _WIDTH_COMMON**2 / 2))
        deepest = np.where(rank < share, np.float32(1.0), depth)
        return SyncStalls(centre, np.minimum(width, np.float32(_MOST_HALF_WIDTH)), deepest)

    def advance(self, dt: float, phase: float) -> None:
        """Let ``dt`` seconds of fluctuation pass, around this place in the step."""
        first = (self._begin + np.float32(phase)) % 1.0 < 1.0 / _PARTS
        self._missing = np.where(first, self._shortfalls[0], self._shortfalls[1])
        share = lag(dt, _SLOW_SECONDS)
        self.slow += -share * self.slow + sqrt(share * (2 - share)) * float(self._rng.normal())

    @property
    def plateau(self) -> Floats:
        """Activity between the dips."""
        shortfall = self._missing * (_SHORTFALL * exp(_SLOW_SPREAD * self.slow))
        activity: Floats = self._factor * (_TOP - np.minimum(shortfall, _SHORTFALL_MOST))
        return activity

    @property
    def evaluation(self) -> Floats:
        """Activity during an evaluation."""
        shortfall = np.minimum(self._missing * _EVALUATION_SHORTFALL, _SHORTFALL_MOST)
        activity: Floats = self._factor * (_EVALUATION - shortfall)
        return activity

    @property
    def plateau_flicker(self) -> Floats:
        """What of ``plateau`` comes and goes within a second, its wandering too."""
        return self._flicker(_SHORTFALL, _SHORTFALL * exp(_SLOW_SPREAD * self.slow))

    @property
    def evaluation_flicker(self) -> Floats:
        """The same of ``evaluation``."""
        return self._flicker(_EVALUATION_SHORTFALL, _EVALUATION_SHORTFALL)

    def _flicker(self, usual: float, scale: float) -> Floats:
        """Return by how much each server is above what it is in the mean over many draws.

        Args:
            usual: mean of the exponentially distributed shortfall, without its greatest value.
            scale: the same at present.
        """
        expected = usual * (1.0 - exp(-_SHORTFALL_MOST / usual))
        above: Floats = self._factor * (
            expected - np.minimum(self._missing * scale, _SHORTFALL_MOST)
        )
        return above
