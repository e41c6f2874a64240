"""Medians of what is there, and arrays that must keep their shape."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats

__all__ = ["median_of_all", "median_of_racks", "rooted"]

_A = TypeVar("_A", bound="NDArray[np.generic]")


def median_of_racks(values: Floats, least: int) -> Floats:
    """Return the median of each rack's devices, (racks, 1); NaN where fewer than ``least`` are."""
    if not values.shape[1]:
        return np.full((values.shape[0], 1), np.nan)
    ranked = np.sort(values, axis=1)  # NaN come last
    count = np.isfinite(values).sum(axis=1)
    rows = np.arange(values.shape[0])
    upper = np.minimum(count // 2, values.shape[1] - 1)
    middle = 0.5 * (ranked[rows, np.maximum(count - 1, 0) // 2] + ranked[rows, upper])
    return np.where(count >= max(least, 1), middle, np.nan)[:, None]


def median_of_all(values: Floats, least: int) -> float:
    """Return the median of all devices, 0 where fewer than ``least`` are there."""
    there = values[np.isfinite(values)]
    return float(np.median(there)) if there.size >= max(least, 1) else 0.0


def rooted(values: NDArray[np.generic], like: _A) -> _A:
    """Return an array that was kept, as one of the shape and type of another.

    Raises:
        ValueError: its shape is another, or it holds no such values.
    """
    if values.shape != like.shape or values.dtype.kind != like.dtype.kind:
        raise ValueError(f"an array of {values.shape} where {like.shape} is due")
    return values.astype(like.dtype)  # type: ignore[return-value]  # of the type just asked for
