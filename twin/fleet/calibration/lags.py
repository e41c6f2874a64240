"""Lags of sensors: the window that a power meter averages over, the lag of a temperature.

What a sensor should show is made of its cause, by one lag after the other, and the lag counts at
which the two agree best over all devices. Its interval is that of the likelihood, with errors that
go on counted as few. A past in which nothing changes tells none, and one that is scraped seldom
tells an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin.fleet.calibration.past import FleetPast
from twin.plant.units import Floats

__all__ = ["LAG_READINGS", "SENSOR_LAGS", "LagKind", "LagRow", "SensorLag", "sensor_lags"]

LagKind = Literal["window", "first order"]
_GRID = (0.0, 0.15, 0.3, 0.5, 0.75, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)
"""Lags that are tried first, in steps."""
_FINER = 12
"""Lags that are tried between the neighbours of the best of these."""
_CHI_SQUARED = 3.84
"""Of one parameter, 95 %."""
_FORM = 0.1
"""What a lag may be wrong by since a sensor has not quite this form, over it, est."""
_SMOOTHED = 5
"""Samples of a cause over which its median is taken."""
_LEAST_STEPS = 60
_MOST_DEVICES = 400
"""Devices of a kind that tell its lag: more tell it no better."""
_MOST_ALIKE = 0.98


@dataclass(frozen=True, slots=True)
class LagRow:
    """A kind of sensor whose lag may be told.

    Attributes:
        sensor: reading that lags.
        cause: reading that it follows, summed over what a device of the sensor has of it.
        beside: reading that is taken off the sensor's, as the coolant's off a die's; "" for none.
        kind: a mean over a window, or a lag of first order.
    """

    sensor: str
    cause: str
    beside: str
    kind: LagKind


SENSOR_LAGS = (
    LagRow("psu.input_power", "psu.output_power", "", "window"),
    LagRow("psu.output_power", "gpu.power_usage", "", "window"),
    LagRow("server.power", "psu.input_power", "", "window"),
    LagRow("pdu.power", "psu.input_power", "", "window"),
    LagRow("gpu.gpu_temp", "gpu.power_usage", "cdu.supply_temperature", "first order"),
    LagRow("gpu.memory_temp", "gpu.power_usage", "cdu.supply_temperature", "first order"),
    LagRow("cdu.return_temperature", "gpu.power_usage", "cdu.supply_temperature", "first order"),
)
"""All kinds."""
LAG_READINGS = tuple(
    dict.fromkeys(
        name for own in SENSOR_LAGS for name in (own.sensor, own.cause, own.beside) if name
    )
)
"""What is read of the past for them."""


@dataclass(frozen=True, slots=True)
class SensorLag:
    """The lag of a kind of sensor, in s, or why it is not told.

    Attributes:
        row: which kind.
        seconds: lag; NaN where it is not told.
        low: lower end of its 95 % interval.
        high: upper end, also of a lag that is not told from none.
        devices: that told it.
        why: it is not told; empty where it is.
    """

    row: LagRow
    seconds: float
    low: float
    high: float
    devices: int
    why: str = ""


def sensor_lags(past: FleetPast) -> list[SensorLag]:
    """Return what a past tells of the lag of each kind of sensor that it has."""
    return [
        _lag(row, past)
        for row in SENSOR_LAGS
        if all(name in past.values and past.values[name].size for name in (row.sensor, row.cause))
    ]


def _untold(row: LagRow, why: str, devices: int = 0, high: float = np.nan) -> SensorLag:
    return SensorLag(row, np.nan, 0.0, high, devices, why)


def _lag(row: LagRow, past: FleetPast) -> SensorLag:
    found = _pairs(row, past)
    if found is None:
        return _untold(row, f"the past has too few readings of {row.sensor} and {row.cause}")
    x, y = found
    step, devices = past.step, x.shape[1]
    if row.kind == "first order":
        x = _without_swing(x)
    fits = _Fits(x, y, _KERNELS[row.kind])
    best = fits.best()
    if best is None:
        return _untold(row, "nothing happened: take a past in which jobs begin or end", devices)
    lag, low, high = (own * step for own in best)
    if high >= _GRID[-1] * step:
        return _untold(
            row,
            "too little happened, or too slowly: take a past in which jobs begin or end",
            devices,
        )
    wider = _FORM * lag
    low, high = max(low - wider, 0.0), high + wider
    if low <= 0.0:
        return _untold(
            row, f"less than {high:.2g} s behind {row.cause}: scrapes every {step:g} s do not tell "
            "it from none; take a past of targets that are scraped more often", devices, high,
        )  # fmt: skip
    return SensorLag(row, lag, low, high, devices)


def _pairs(row: LagRow, past: FleetPast) -> tuple[Floats, Floats] | None:
    """Return cause and sensor of each device, (steps, devices)."""
    sensor, cause = past.values[row.sensor], past.values[row.cause]
    steps, racks, each = sensor.shape
    beside = past.values.get(row.beside)
    if beside is not None and beside.size:  # racks that air cools have no coolant
        sensor = sensor - beside[:, :, :1]
    parts = cause.shape[2]
    if parts > each:
        cause = cause.reshape(steps, racks, each, -1).sum(axis=3) if not parts % each else cause
    elif each > parts:  # such as the phases of a rack's PDUs: they are added up
        sensor = sensor.reshape(steps, racks, parts, -1).sum(axis=3)
    if cause.shape != sensor.shape:
        cause, sensor = (own.sum(axis=2, keepdims=True) for own in (cause, sensor))
    x, y = cause.reshape(steps, -1), sensor.reshape(steps, -1)
    enough = np.flatnonzero((np.isfinite(x) & np.isfinite(y)).sum(axis=0) >= _LEAST_STEPS)
    if not enough.size:
        return None
    enough = enough[:: max(1, -(-enough.size // _MOST_DEVICES))]
    return x[:, enough], y[:, enough]


def _first_order(x: Floats, lag: float) -> Floats:
    """Return what a lag of first order makes of values that are joined by lines.

    Args:
        x: values, (steps, devices).
        lag: in steps.
    """
    if lag <= 0.0:
        return x
    left = float(np.exp(-1.0 / lag))
    shown = np.empty_like(x)
    shown[0] = x[0]
    for index in range(1, len(x)):
        moved = x[index] - x[index - 1]
        rest = x[index] - left * x[index - 1] - moved * lag * (1.0 - left)
        shown[index] = left * shown[index - 1] + rest
    return shown


def _without_swing(x: Floats) -> Floats:
    """Return values without what swings from sample to sample; edges stay where they are.

    Steps of a job are shorter than scrapes: samples show some phase of each, and lines between them
    are not what happened.
    """
    reach = _SMOOTHED // 2
    wide = np.concatenate((np.repeat(x[:1], reach, axis=0), x, np.repeat(x[-1:], reach, axis=0)))
    views = np.lib.stride_tricks.sliding_window_view(wide, _SMOOTHED, axis=0)
    middle: Floats = np.median(views, axis=2)
    return middle


def _window(x: Floats, lag: float) -> Floats:
    """Return the mean over a window before each step of values that are joined by lines."""
    if lag <= 0.0:
        return x
    whole, part = int(lag), lag - int(lag)
    area = np.concatenate((np.zeros((1, x.shape[1])), np.cumsum(0.5 * (x[1:] + x[:-1]), axis=0)))
    at = np.maximum(np.arange(len(x)) - whole, 0)
    before = np.maximum(at - 1, 0)
    end = x[at] + part * (x[before] - x[at])
    shown: Floats = (area - area[at] + 0.5 * part * (x[at] + end)) / lag
    return shown


_KERNELS: dict[LagKind, Callable[[Floats, float], Floats]] = {
    "window": _window,
    "first order": _first_order,
}


class _Fits:
    """How well each lag explains the sensors, by a line for each device."""

    def __init__(self, x: Floats, y: Floats, kernel: Callable[[Floats, float], Floats]) -> None:
        there = np.isfinite(x)
        # A missed cause is held, and the sensor counts again once that is long past.
        index = np.where(there, np.arange(len(x))[:, None], 0)
        np.maximum.accumulate(index, axis=0, out=index)
        self._x = np.nan_to_num(np.take_along_axis(x, index, axis=0))
        past = np.cumsum(~there, axis=0)
        reach = int(_GRID[-1])
        gone = past - np.concatenate((np.zeros_like(past[:reach]), past[:-reach]))
        self._use = np.isfinite(y) & (gone == 0)
        self._use[:reach] = False
        self._y, self._kernel = np.where(self._use, y, 0.0), kernel
        self._count = self._use.sum(axis=0)

    def _left(self, lag: float) -> tuple[Floats, NDArray[np.bool_]]:
        """Return what the lines leave, (steps, devices), and the devices that have one."""
        n = np.maximum(self._count, 1)
        x = np.where(self._use, self._kernel(self._x, lag), 0.0)
        dx = np.where(self._use, x - x.sum(axis=0) / n, 0.0)
        dy = np.where(self._use, self._y - self._y.sum(axis=0) / n, 0.0)
        square = (dx * dx).sum(axis=0)
        told = (square > 0.0) & (self._count >= _LEAST_STEPS) & ((dy * dy).sum(axis=0) > 0.0)
        slope = np.where(told, (dx * dy).sum(axis=0) / np.where(told, square, 1.0), 0.0)
        return dy - slope * dx, told

    def best(self) -> tuple[float, float, float] | None:
        """Return the lag and the ends of its interval, in steps; None where nothing tells it."""
        left, told = self._left(0.0)
        if not told.any():
            return None
        tried = {lag: self._misfit(lag, told) for lag in _GRID}
        at = _GRID.index(min(_GRID, key=tried.__getitem__))
        first, last = _GRID[max(at - 1, 0)], _GRID[min(at + 1, len(_GRID) - 1)]
        for lag in np.linspace(first, last, _FINER).tolist():
            tried[lag] = self._misfit(lag, told)
        lag = min(tried, key=tried.__getitem__)
        left, _ = self._left(lag)
        alike = float((left[1:] * left[:-1]).sum() / max(float((left**2).sum()), 1e-30))
        alike = min(max(alike, 0.0), _MOST_ALIKE)
        # Errors that go on are worth fewer samples, and those that devices share fewer devices.
        fewer = (1.0 + alike) / (1.0 - alike) * _shared(left[:, told])
        allowed = tried[lag] + _CHI_SQUARED * fewer
        lags = sorted(tried)
        values = np.array([tried[own] for own in lags])
        best = lags.index(lag)
        low = _crossing(lags[best::-1], values[best::-1], allowed)
        return lag, low, _crossing(lags[best:], values[best:], allowed)

    def _misfit(self, lag: float, told: NDArray[np.bool_]) -> float:
        """Return twice the negative logarithm of the likelihood of a lag."""
        left, _ = self._left(lag)
        square = np.maximum((left**2).sum(axis=0), 1e-30)
        return float((self._count * np.log(square))[told].sum())


def _shared(left: Floats) -> float:
    """Return by how many times fewer devices there are than it seems, of errors that they share.

    Args:
        left: errors, (steps, devices).
    """
    devices = int(left.shape[1])
    each = left / np.maximum(np.sqrt((left**2).mean(axis=0)), 1e-30)
    together = float((each.mean(axis=1) ** 2).mean())
    return max(1.0, devices * together)


def _crossing(lags: list[float], values: Floats, allowed: float) -> float:
    """Return the lag at which the misfit passes what is allowed; the last one if it never does."""
    beyond = np.flatnonzero(values > allowed)
    if not beyond.size:
        return lags[-1]
    after = int(beyond[0])
    share = (allowed - values[after - 1]) / (values[after] - values[after - 1])
    return float(lags[after - 1] + share * (lags[after] - lags[after - 1]))
