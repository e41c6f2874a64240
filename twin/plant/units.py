"""Numerical helpers that several subsystems share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FINE_STEP",
    "Floats",
    "Kept",
    "Unchanged",
    "all_of",
    "any_of",
    "approach",
    "clamp",
    "equal",
    "frozen",
    "lag",
    "mean_of",
    "silenced",
    "sum_of",
]

Floats = NDArray[np.floating[Any]]
FINE_STEP = 1.0
"""Steps of at most so many seconds show what happens from one to the next. Longer ones are for
pasts: models that settle faster are then stepped in parts."""
Array = TypeVar("Array", bound=NDArray[Any])


@lru_cache(maxsize=4096)  # the same few steps and times, many times a step
def lag(dt: float, seconds: float) -> float:
    """Return the share of the way that a first-order lag goes in ``dt`` seconds.

    Exact for any step, so a large step is as stable as a small one.
    """
    return -float(np.expm1(-dt / seconds))


def any_of(values: NDArray[Any]) -> bool:
    """Return whether any value is true or not 0, as ``any`` does at four times the price."""
    return bool(np.count_nonzero(values))


def all_of(values: NDArray[Any]) -> bool:
    """Return whether all values are true or not 0, as ``all`` does at four times the price."""
    return bool(np.count_nonzero(values) == values.size)


def sum_of(values: Floats) -> float:
    """Return the sum of all values, at half the price of the method for a few of them."""
    return float(np.add.reduce(values, axis=None))


def mean_of(values: Floats) -> float:
    """Return the mean of all values in their own precision, likewise at a third of the price."""
    return float(values.dtype.type(np.add.reduce(values, axis=None) / values.size))


def equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether arrays of one shape have the same values, fast where they are one array."""
    return one is other or all_of(one == other)


@overload
def clamp(values: float, least: float, most: float) -> float: ...
@overload
def clamp(values: Floats, least: Floats | float, most: Floats | float) -> Floats: ...
def clamp(values: Floats | float, least: Floats | float, most: Floats | float) -> Floats | float:
    """Return values within limits, as ``np.clip`` does at four times the price for a few of them.

    Args:
        values: any.
        least: lower limit.
        most: upper limit, which goes first where the two cross.
    """
    if isinstance(values, float) and isinstance(least, float) and isinstance(most, float):
        return min(max(values, least), most)
    within: Floats = np.minimum(np.maximum(values, least), most)
    return within


def approach(value: Floats, target: Floats | float, limit: float) -> Floats:
    """Return ``value`` moved towards ``target`` by at most ``limit``."""
    return value + clamp(target - value, -limit, limit)


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


def frozen(values: Array) -> Array:
    """Return an array that never changes from now on.

    So who sees the same array again sees the same values: it need not be looked at once more.
    """
    values.flags.writeable = False
    return values


class Kept:
    """Arrays that follow from others, made anew once one of these is another.

    It is called as a function is, so the state of a plant leaves it out.
    """

    def __init__(self) -> None:
        self._made: dict[str, tuple[tuple[object, ...], Floats]] = {}

    def __call__(self, name: str, make: Callable[[], Floats], *sources: object) -> Floats:
        """Return what ``make`` gives.

        Args:
            name: of the array.
            make: computes it of the sources.
            sources: arrays that are frozen, and numbers.
        """
        made = self._made.get(name)
        if made is None or not all(map(_same, made[0], sources)):
            made = self._made[name] = sources, frozen(make())
        return made[1]


class Unchanged:
    """Tells of values that are handed over step by step whether they are those of the step before.

    It is called as a function is, so the state of a plant leaves it out.
    """

    def __init__(self) -> None:
        self._seen: tuple[object, ...] = ()

    def __call__(self, *values: object) -> bool:
        """Return whether all are the same, frozen arrays or plain values, as at the last call."""
        seen, self._seen = self._seen, values
        return len(seen) == len(values) and all(map(_same, seen, values))


def _same(one: object, other: object) -> bool:
    if one is other:
        return not isinstance(one, np.ndarray) or not one.flags.writeable
    return isinstance(one, float) and one == other
