"""The dips of all servers' power around a step boundary.

A dip is a trapezium over the phase of the step: a server goes down on a ramp, stays, and
comes up on another. Where a plant step ends matters to its mean, which :meth:`Dips.integral`
gives server by server; what happens within a second, to all servers together, is
:meth:`Dips.mean_at`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats, clamp

__all__ = ["SyncStalls"]

_FLAT = 0.514
"""Part of a dip's half-width that is flat; the rest is ramps (fitted, as the waveform is)."""
_POINTS = 1025
"""Points of the mean dip over a step: 10 ms apart in a step of 10 s."""
_PHASES = np.linspace(-0.5, 0.5, _POINTS)
_EDGES, _SIGNS = np.array([[-1.0, -_FLAT, _FLAT, 1.0], [1.0, -1.0, -1.0, 1.0]])[:, :, None]
"""Where the slope of a dip changes, in half-widths from its middle, and by which sign."""
_ROWS = np.arange(2 * len(_EDGES)).reshape(-1, 2, 1) * _POINTS


class SyncStalls:
    """One dip a server; all arrays are (racks, servers).

    Args:
        centre: middle of each dip, in steps from the boundary.
        half: half its width, in steps.
        depth: 1 goes all the way down to the power of a GPU that waits.
    """

    def __init__(self, centre: Floats, half: Floats, depth: Floats) -> None:
        self._centre, self._half, self._depth = centre, half, depth
        self._mean: Floats | None = None

    def integral(self, start: float, end: float) -> Floats:
        """Return the integral of the dips' depth over a stretch of a step, in steps.

        Args:
            start: of the stretch, in steps from the nearest boundary, -0.5 to 0.5.
            end: of the stretch.
        """
        first, last = self.until(np.array([start, end], self._centre.dtype)[:, None, None])
        depth: Floats = last - first
        return depth

    def until(self, places: Floats) -> Floats:
        """Return the integral from the middle of each dip to places, in steps from the boundary.

        Args:
            places: (places, racks, servers), or (places, 1, 1) where they are the same for all.
        """
        depth: Floats = self._depth * self._half * _trapezium((places - self._centre) / self._half)
        return depth

    def mean_at(self, phases: Floats) -> Floats:
        """Return the mean depth of all dips at these phases, -0.5 to 0.5 from the boundary."""
        if self._mean is None:
            self._mean = self._mean_dip()
        return np.interp(phases, _PHASES, self._mean)

    def _mean_dip(self) -> Floats:
        """Return the mean depth at all of ``_PHASES``.

        The mean of trapezia is made of straight pieces: it is where the slope changes that
        counts. A change between two points is shared between them, which leaves the values at
        the points exact, and two running sums make the curve of them.
        """
        centre, half, depth = (part.ravel() for part in (self._centre, self._half, self._depth))
        bend = _SIGNS.astype(depth.dtype) * (depth / (half * (1.0 - _FLAT)))
        scale = _POINTS - 1
        # A dip that reaches out of the step has begun, or ends, at its edge.
        place = clamp((centre + _EDGES.astype(half.dtype) * half + 0.5) * scale, 0.0, scale)
        left = np.minimum(place.astype(np.intp), scale - 1)
        share = place - left
        # Of each edge a row for what is left of its place, and one for what is right of it.
        places = np.stack([left, left + 1], axis=1) + _ROWS
        parts = np.stack([bend * (1.0 - share), bend * share], axis=1)
        bends = np.bincount(places.ravel(), parts.ravel(), _ROWS.size * _POINTS)
        slopes = np.cumsum(bends.reshape(-1, _POINTS).sum(axis=0))
        rises = np.concatenate(([0.0], np.cumsum(slopes[:-1])))
        mean: Floats = clamp(rises / (scale * centre.size), 0.0, 1.0)
        return mean


def _trapezium(x: Floats) -> NDArray[np.float32]:
    """Return the integral from 0 to ``x`` of a trapezium of height 1 over -1 to 1."""
    distance = np.abs(x)
    ramp = 1.0 - clamp(distance, _FLAT, 1.0)
    area = np.minimum(distance, _FLAT) + ((1 - _FLAT) ** 2 - ramp**2) / (2 * (1 - _FLAT))
    signed: NDArray[np.float32] = np.copysign(area, x).astype(np.float32)
    return signed
