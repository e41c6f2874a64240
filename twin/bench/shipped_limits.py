"""Limits of shipped alert rules over the readings of racks, for benchmarks beside the observer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.alerts.thresholds import THRESHOLDS

__all__ = [
    "COOLANT_APART",
    "FILTER_CLOGGED",
    "GPU_HOT",
    "MEMORY_HOT",
    "PUMP_WORN",
    "THERMOMETER_OFF",
    "LimitRule",
    "ShippedLimits",
]

_LIMITS = {own.name: own.value for own in THRESHOLDS}
Columns = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class LimitRule:
    """What a shipped rule compares.

    Attributes:
        alert: its name.
        value: of a reading of all racks, (racks,).
        limit: name of its threshold.
        hold: seconds beyond it after which the rule fires, means over five minutes included.
        over: whether the limit is a multiple of the racks' median.
    """

    alert: str
    value: Callable[[Columns], NDArray[np.float64]]
    limit: str
    hold: float
    over: bool = False


def _heat_off(columns: Columns) -> NDArray[np.float64]:
    rise = columns["cdu.return_temperature"] - columns["cdu.supply_temperature"]
    heat = columns["cdu.flow"] * _LIMITS["coolant_heat_capacity"] / 60.0 * rise
    off: NDArray[np.float64] = np.abs(heat / columns["cdu.facility_heat"] - 1.0)[:, 0]
    return off


def _above_others(columns: Columns) -> NDArray[np.float64]:
    supply = columns["cdu.supply_temperature"][:, 0]
    above: NDArray[np.float64] = supply - np.median(supply)
    return above


def _shaking(columns: Columns) -> NDArray[np.float64]:
    normal: NDArray[np.float64] = columns["pump.vibration"] / columns["pump.speed_ratio"] ** 2
    most: NDArray[np.float64] = normal.max(axis=1)
    return most


THERMOMETER_OFF = LimitRule("CoolantThermometerOff", _heat_off, "heat_balance", 300.0)
GPU_HOT = LimitRule("GpuTooHot", lambda c: c["gpu.gpu_temp"].max(axis=1), "gpu_hot", 60.0)
MEMORY_HOT = LimitRule(
    "GpuMemoryTooHot", lambda c: c["gpu.memory_temp"].max(axis=1), "gpu_memory_hot", 60.0
)
FILTER_CLOGGED = LimitRule(
    "CoolantFilterClogged", lambda c: c["cdu.filter_pressure"][:, 0], "filter_pressure", 60.0
)
PUMP_WORN = LimitRule("CoolantPumpWorn", _shaking, "pump_vibration", 60.0, over=True)
COOLANT_APART = LimitRule("CoolantAboveOthers", _above_others, "coolant_above_others", 120.0)
_RULES = (THERMOMETER_OFF, GPU_HOT, MEMORY_HOT, FILTER_CLOGGED, PUMP_WORN, COOLANT_APART)


class ShippedLimits:
    """Shipped rules over the readings of all racks.

    Attributes:
        fired: when each rule first fired on each rack, in s; infinite where it has not.
    """

    def __init__(self, racks: int) -> None:
        self.fired = {own.alert: np.full(racks, np.inf) for own in _RULES}
        self._beyond = {own.alert: np.zeros(racks) for own in _RULES}

    def judge(self, columns: Columns, since: float, interval: float) -> None:
        """Compare the readings of an instant."""
        for own in _RULES:
            value = own.value(columns)
            limit = _LIMITS[own.limit] * (np.median(value) if own.over else 1.0)
            beyond = np.where(value > limit, self._beyond[own.alert] + interval, 0.0)
            self._beyond[own.alert] = beyond
            first = self.fired[own.alert]
            first[:] = np.where((beyond > own.hold) & np.isinf(first), since, first)
