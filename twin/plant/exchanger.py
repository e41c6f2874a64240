"""The heat exchanger of a coolant unit and the valve that governs it.

A counterflow exchanger carries Q = e Cmin (Thot - Tcold), where the effectiveness e
follows from the number of transfer units and the ratio of the two capacity rates. The
controller opens the facility water valve until the supply temperature holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from twin.parameters import CoolingParameters
from twin.plant.units import Floats, approach, clamp

__all__ = ["WATER_JOULES_PER_LITER_KELVIN", "Exchanger", "Valves"]

WATER_JOULES_PER_LITER_KELVIN = 4170.0
"""Volumetric heat capacity of water near 30 °C."""
_SECONDS_PER_MINUTE = 60.0
_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Exchanger:
    """A clean counterflow exchanger.

    Attributes:
        conductance: UA in W/K.
        hot_rate: nominal capacity rate of the coolant in W/K.
        cold_rate: capacity rate of the facility water with the valve open, in W/K.
    """

    conductance: float
    hot_rate: float
    cold_rate: float

    @classmethod
    def of(cls, cooling: CoolingParameters) -> Exchanger:
        """Return the exchanger that has the given approach at nominal heat and an open valve."""
        hot = (
            cooling.flow_liters_per_minute
            * cooling.coolant_joules_per_liter_kelvin
            / _SECONDS_PER_MINUTE
        )
        cold = (
            cooling.facility_flow_liters_per_minute
            * WATER_JOULES_PER_LITER_KELVIN
            / _SECONDS_PER_MINUTE
        )
        least, most = min(hot, cold), max(hot, cold)
        drive = cooling.approach_kelvin + cooling.nominal_heat_watts / hot
        effectiveness = min(cooling.nominal_heat_watts / (least * drive), 0.98)
        ratio = min(least / most, 1.0 - 1e-6)
        units = log((1.0 - effectiveness * ratio) / (1.0 - effectiveness)) / (1.0 - ratio)
        return cls(conductance=units * least, hot_rate=hot, cold_rate=cold)

    def rate(self, hot_rate: Floats, cold_rate: Floats, fouling: Floats) -> Floats:
        """Return the heat carried per kelvin between the two inlets, in W/K.

        Args:
            hot_rate: capacity rate of the coolant in W/K, any shape.
            cold_rate: capacity rate of the facility water in W/K, same shape.
            fouling: thermal resistance over that of the clean exchanger, same shape.
        """
        lesser = np.minimum(hot_rate, cold_rate)
        least = np.maximum(lesser, 1e-6)
        most = np.maximum(np.maximum(hot_rate, cold_rate), 1e-6)
        ratio = np.minimum(least / most, 1.0 - 1e-6)
        rest = 1.0 - ratio
        gone = -np.expm1(-self.conductance / fouling / least * rest)
        carried: Floats = lesser * (gone / (rest + ratio * gone))
        return carried


class Valves:
    """The facility water valve of each rack: a controller, and an actuator that takes time."""

    def __init__(self, cooling: CoolingParameters, racks: int) -> None:
        self._cooling = cooling
        self.command: Floats = np.ones(racks)
        """Opening that the controller asks for."""
        self.position: Floats = np.ones(racks)
        """Opening that the valve has."""
        self._error: Floats = np.zeros(racks)

    def settle(self, exchanger: Exchanger, heat: Floats, drive: Floats) -> None:
        """Open so far that ``heat`` W pass at ``drive`` K between the inlets, (racks,)."""
        low = np.full(heat.shape, self._cooling.valve_minimum_ratio)
        high = np.ones(heat.shape)
        hot, clean = np.full(heat.shape, exchanger.hot_rate), np.ones(heat.shape)
        for _ in range(_ROUNDS):
            middle = 0.5 * (low + high)
            short = exchanger.rate(hot, exchanger.cold_rate * middle, clean) * drive < heat
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        self.position = 0.5 * (low + high)
        self.command = self.position.copy()

    def step(self, error: Floats, stuck_at: Floats | None, dt: float) -> None:
        """Advance by ``dt`` seconds.

        Args:
            error: supply temperature above its set point in K, (racks,).
            stuck_at: opening at which the valve hangs, negative where it is free, (racks,); None
                where all are free.
            dt: step in s.
        """
        cooling = self._cooling
        # The velocity form of a PI controller does not wind up while the valve hangs.
        change = error - self._error + error * (dt / cooling.valve_integral_seconds)
        self._error = error
        moved = self.command + cooling.valve_gain_per_kelvin * change
        self.command = clamp(moved, cooling.valve_minimum_ratio, 1.0)
        target = self.command
        if stuck_at is not None:
            target = np.where(stuck_at < 0, self.command, stuck_at)
        self.position = approach(self.position, target, cooling.valve_slew_per_second * dt)
