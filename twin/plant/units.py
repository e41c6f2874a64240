"""Numerical helpers that several subsystems share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "approach", "lag", "silenced"]

Floats = NDArray[np.floating[Any]]


@lru_cache(maxsize=4096)  # the same few steps and times, many times a step
def lag(dt: float, seconds: float) -> float:
    """Return the share of the way that a first-order lag goes in ``dt`` seconds.

    Exact for any step, so a large step is as stable as a small one.
    """
    return -float(np.expm1(-dt / seconds))


def approach(value: Floats, target: Floats | float, limit: float) -> Floats:
    """Return ``value`` moved towards ``target`` by at most ``limit``."""
    return value + np.clip(target - value, -limit, limit)


def silenced(group: Mapping[str, Floats], there: NDArray[np.bool_]) -> dict[str, Floats]:
    """Return a group of signals with NaN wherever a device does not report.

    Few racks are struck at a time, so only their rows are touched.

    Args:
        group: signals to arrays of (racks, devices a rack).
        there: devices that report, (racks, devices a rack) or (racks, 1).
    """
    struck = np.nonzero(~there.all(axis=1))[0]
    if not struck.size:
        return dict(group)
    gaps = ~there[struck]
    quiet: dict[str, Floats] = {}
    for name, values in group.items():
        quiet[name] = copy = np.array(values, dtype=np.result_type(values, np.float32))
        copy[struck] = np.where(gaps, np.nan, copy[struck])
    return quiet
