"""Devices of one kind together: what they are like, and which of them are unlike all others.

What one device shows is held against its like: those of the same GPU model and the same cooling.
Middle and spread are the median and the median deviation, which faulty ones among them do not move.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats
from twin.site import Layout

__all__ = ["kinds_of", "like_of", "unlike"]

Flags = NDArray[np.bool_]
Kinds = NDArray[np.int64]

_LEAST_LIKE = 12
"""Devices of a kind from which they tell what is usual."""
_NORMAL = 1.4826
"""Standard deviation of normal values over the median of their distance to their median."""
_FAR = 6.0
"""Spreads beyond which a device is unlike its like, est."""
_FEW = 0.03
"""Share of a kind up to which those unlike it are faults: more are a kind of their own, est."""
_TWO = 2.0
"""Devices that are few in any kind."""


def kinds_of(layout: Layout) -> Kinds:
    """Return a number for the kind of each rack's devices, (racks,)."""
    blocks = zip(layout.site.all_blocks, layout.site.air_blocks, strict=True)
    kinds = [(block.gpu.key, air) for block, air in blocks for _ in range(block.racks)]
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    return np.array([numbers[kind] for kind in kinds], np.int64)


def like_of(values: Floats, there: Flags, kinds: Kinds) -> tuple[Floats, Floats]:
    """Return middle and spread of each rack's kind, (racks, 1); NaN where its devices are few."""
    middle, spread = np.full((2, len(kinds), 1), np.nan)
    for kind in range(int(kinds.max(initial=-1)) + 1):
        racks = kinds == kind
        own = values[racks][there[racks]]
        if own.size >= _LEAST_LIKE:
            middle[racks] = np.median(own)
            spread[racks] = _NORMAL * np.median(np.abs(own - middle[racks][0]))
    return middle, spread


def unlike(values: Floats, there: Flags, kinds: Kinds, least: Floats | float) -> Flags:
    """Return the few devices that are far from all others of their kind.

    Args:
        values: of the devices, (racks, devices).
        there: devices whose values are known.
        kinds: of the racks.
        least: spread that a kind has at least.
    """
    middle, spread = like_of(values, there, kinds)
    far: Flags = there & (np.abs(values - middle) > _FAR * np.maximum(spread, least))
    for kind in range(int(kinds.max(initial=-1)) + 1):
        racks = kinds == kind
        if far[racks].sum() > max(_FEW * there[racks].sum(), _TWO):
            far[racks] = False
    return far
