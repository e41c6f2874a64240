"""The shape of a training step in power, server by server.

Fitted offline to the first half of the MLPerf run (64 nodes, 2 s, see
``docs/calibration.md``): a plateau from which every server falls short by an exponentially
distributed amount (pipeline bubbles; the edge of the distribution is sharp above and soft
below), and around the step boundary a dip of each server's own: mostly shallow, sometimes
down to the power of a GPU that waits in a collective. Most servers dip in the next step as
in this one.
"""

from __future__ import annotations

from math import exp, sqrt

import numpy as np

from twin.plant.units import Floats, lag
from twin.plant.workload.sync_stalls import SyncStalls

__all__ = ["Waveform"]

_TOP = 1.092
"""Upper edge of the plateau."""
_SHORTFALL = 0.098
"""Mean shortfall of a server's activity from that edge."""
_SHORTFALL_MOST = 0.295
"""Greatest shortfall."""
_SHORTFALL_SECONDS = 1.09
"""Time constant at which a server's shortfall is drawn anew; hardly correlated over 2 s."""
_SLOW_SPREAD = 0.27
"""Spread of the common logarithm of all shortfalls: the plateau's level wanders."""
_SLOW_SECONDS = 100.0
"""Time constant of that wandering."""
_NODE_SPREAD = 0.0055
"""Spread between servers beside their dips, so that their means differ by 0.6 to 0.7 %."""
_EVALUATION, _EVALUATION_SHORTFALL = 0.880, 0.0247
"""The same edge and mean shortfall in an evaluation: 402 kW against 434 kW an array."""

_OFFSET = 0.012
"""Spread of a server's place in the step, as a fraction of the step."""
_WANDER = 0.04
"""Spread of each dip around that place."""
_KEPT = 0.85
"""Share of the servers whose dip is the next time as it was: the nodes of a pipeline keep their
stage, so that a node's power repeats from step to step."""
_DEEP_SHARE = 0.184
"""Share of the dips that go all the way down."""
_DEEP_HALF_WIDTH, _SHALLOW_HALF_WIDTH = 0.092, 0.091
"""Mean half-widths of the dips, as fractions of the step."""
_LEAST_WIDTH = 0.575
"""Least width over the mean one; what is above it is exponentially distributed."""
_MOST_HALF_WIDTH = 0.3
_SHALLOW = (0.088, 0.392)
"""Depths of the shallow dips."""


class Waveform:
    """The power of all servers over their steps; arrays are (racks, servers).

    Args:
        shape: racks, servers a rack.
        rng: source of all randomness.
    """

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self._shape = shape
        self._rng = rng
        self._factor = (1.0 + rng.normal(0.0, _NODE_SPREAD, shape)).astype(np.float32)
        self._offset = rng.normal(0.0, _OFFSET, shape).astype(np.float32)
        self._missing = rng.standard_exponential(shape, dtype=np.float32)
        self.slow = 0.0
        """Common logarithm of all shortfalls, beside their own: the plateau wanders with it."""
        self.dips = self._drawn()
        """Dips around the step boundary that is next, or was last."""

    def draw(self) -> None:
        """Draw the dips around the next step boundary."""
        kept = self._rng.random(self._shape, dtype=np.float32) < _KEPT
        self.dips = self._drawn().with_kept(self.dips, kept)

    def _drawn(self) -> SyncStalls:
        rng, shape = self._rng, self._shape
        deep = rng.random(shape, dtype=np.float32) < _DEEP_SHARE
        spread = _LEAST_WIDTH + (1 - _LEAST_WIDTH) * rng.standard_exponential(shape, np.float32)
        width = np.where(deep, _DEEP_HALF_WIDTH, _SHALLOW_HALF_WIDTH) * spread
        half = np.minimum(width, _MOST_HALF_WIDTH).astype(np.float32)
        centre = self._offset + _WANDER * rng.standard_normal(shape, np.float32)
        low, high = _SHALLOW
        shallow = low + (high - low) * rng.random(shape, dtype=np.float32)
        return SyncStalls(centre, half, np.where(deep, np.float32(1.0), shallow))

    def advance(self, dt: float) -> None:
        """Let ``dt`` seconds of fluctuation pass."""
        rng = self._rng
        renewed = rng.random(self._shape, dtype=np.float32) < lag(dt, _SHORTFALL_SECONDS)
        fresh = rng.standard_exponential(self._shape, np.float32)
        self._missing = np.where(renewed, fresh, self._missing)
        share = lag(dt, _SLOW_SECONDS)
        self.slow += -share * self.slow + sqrt(share * (2 - share)) * float(rng.normal())

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
        """What of ``plateau`` comes and goes within a second."""
        return self._flicker(_SHORTFALL * exp(_SLOW_SPREAD * self.slow))

    @property
    def evaluation_flicker(self) -> Floats:
        """The same of ``evaluation``."""
        return self._flicker(_EVALUATION_SHORTFALL)

    def _flicker(self, scale: float) -> Floats:
        """Return by how much each server is above what it is in the mean over many draws.

        Args:
            scale: mean of the exponentially distributed shortfall, without its greatest value.
        """
        expected = scale * (1.0 - exp(-_SHORTFALL_MOST / scale))
        above: Floats = self._factor * (
            expected - np.minimum(self._missing * scale, _SHORTFALL_MOST)
        )
        return above
