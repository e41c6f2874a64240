"""Small numerical pieces that several subsystems share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "approach", "lag"]

Floats = NDArray[np.floating[Any]]


def lag(dt: float, seconds: float) -> float:
    """Return the share of the way that a first-order lag goes in ``dt`` seconds.

    Exact for any step, so a large step is as stable as a small one.
    """
    return -float(np.expm1(-dt / seconds))


def approach(value: Floats, target: Floats | float, limit: float) -> Floats:
    """Return ``value`` moved towards ``target`` by at most ``limit``."""
    return value + np.clip(target - value, -limit, limit)
