"""Estimates of parameters: a value with its confidence, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats

__all__ = [
    "Fitted",
    "LineFit",
    "UntoldParameter",
    "fit_lines",
    "mean_of",
    "named",
    "quantile",
]

_Z = 1.96
_LEAST_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class Fitted:
    """A parameter that the data tell.

    Attributes:
        key: in the site file, with dots.
        before: in the site file.
        value: fitted.
        half: half of the 95 % confidence interval.
        unit: of both.
        devices: that were fitted.
        how: in a few words.
        each: of each device by its name: value and half of its interval.
    """

    key: str
    before: float
    value: float
    half: float
    unit: str
    devices: int
    how: str
    each: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UntoldParameter:
    """A parameter that the data do not tell.

    Attributes:
        key: in the site file.
        why: a sentence.
    """

    key: str
    why: str


@dataclass(frozen=True, slots=True)
class LineFit:
    """Lines y = gain x + offset by least squares, one a device; arrays are (devices,).

    Attributes:
        gain: NaN where it cannot be told.
        gain_error: its standard error.
        offset: 0 where none was fitted.
        offset_error: its standard error.
        spread: standard deviation of x.
        bias: by how much the gain is too small at most, if all that the line leaves is noise of x:
            the gain of the reverse regression less this one (R. Frisch, 1934).
        middle: mean of x.
    """

    gain: Floats
    gain_error: Floats
    offset: Floats
    offset_error: Floats
    spread: Floats
    bias: Floats
    middle: Floats

    def replaced(self, where: NDArray[np.bool_], other: LineFit) -> LineFit:
        """Return the lines, those of another fit where they are wanted."""
        return LineFit(
            *(
                np.where(where, getattr(other, own.name), getattr(self, own.name))
                for own in fields(self)
            )
        )


def fit_lines(x: Floats, y: Floats, *, offset: bool) -> LineFit:
    """Return the lines through points, (blocks, devices), NaN where there is none.

    Residuals of neighbouring blocks are alike where the model is not quite right; the errors are
    widened by what their correlation makes of the number of blocks.
    """
    there = np.isfinite(x) & np.isfinite(y)
    n = there.sum(axis=0).astype(np.float64)
    x, y = np.where(there, x, 0.0), np.where(there, y, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        x_mean = x.sum(axis=0) / n if offset else np.zeros(x.shape[1])
        y_mean = y.sum(axis=0) / n if offset else np.zeros(x.shape[1])
        dx, dy = np.where(there, x - x_mean, 0.0), np.where(there, y - y_mean, 0.0)
        sxx = (dx**2).sum(axis=0)
        gain = (dx * dy).sum(axis=0) / sxx
        rest = np.where(there, dy - gain * dx, 0.0)
        variance = (rest**2).sum(axis=0) / np.maximum(n - 1 - offset, 1.0)
        bias = np.abs((rest**2).sum(axis=0) / (gain * sxx))
        alike = (rest[1:] * rest[:-1]).sum(axis=0) / (rest**2).sum(axis=0)
        alike = np.clip(np.nan_to_num(alike), 0.0, 0.95)
        variance = variance * (1 + alike) / (1 - alike)
        error = np.sqrt(variance / sxx)
        level = y_mean - gain * x_mean
        level_error = np.sqrt(variance * (1 / n + x_mean**2 / sxx))
        spread = np.sqrt(sxx / n)
    known = (n >= _LEAST_BLOCKS) & (sxx > 0.0)
    gain, error = np.where(known, gain, np.nan), np.where(known, error, np.nan)
    if not offset:
        level = level_error = np.zeros(x.shape[1])
    return LineFit(gain, error, level, level_error, spread, bias, x_mean)


def quantile(devices: int) -> float:
    """Return how many standard errors 95 % lie within, by the number of devices averaged.

    Student's t by its expansion (Abramowitz and Stegun, 26.7.5).
    """
    v = max(devices - 1, 1)
    return (
        _Z
        + (_Z**3 + _Z) / (4 * v)
        + (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * v**2)
        + (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / (384 * v**3)
    )


def mean_of(
    values: Floats, errors: Floats, bias: Floats | float = 0.0, wrong: float = 0.0
) -> tuple[float, float]:
    """Return the mean of devices and half of its 95 % interval.

    Args:
        values: of the devices, NaN where they are not known.
        errors: their standard errors.
        bias: by how much they are wrong at most, all alike.
        wrong: standard deviation of what all are wrong by, which does not average out.
    """
    known = np.isfinite(values) & np.isfinite(errors)
    own, each = values[known], errors[known]
    shared = float(np.broadcast_to(bias, values.shape)[known].mean())
    if len(own) == 1:
        return float(own[0]), shared + float(_Z * np.hypot(each[0], wrong))
    between = float(own.std(ddof=1)) / np.sqrt(len(own))
    parts = quantile(len(own)) * between, _Z * np.median(each) / np.sqrt(len(own)), _Z * wrong
    return float(own.mean()), shared + float(np.sqrt(sum(part**2 for part in parts)))


def named(
    names: Sequence[str], values: Floats, errors: Floats, bias: Floats | float = 0.0
) -> dict[str, tuple[float, float]]:
    """Return values and half intervals of the devices that were fitted, by their names."""
    halves = _Z * errors + bias
    return {
        name: (float(value), float(half))
        for name, value, half in zip(names, values, halves, strict=True)
        if np.isfinite(value) and np.isfinite(half)
    }
