"""Megapacks: batteries that absorb the fast part of the site's swing.

On the grid, the controller gives the grid a low-pass of the site's load and the units
the rest, plus a slow return to the target state of charge. On an island the units form
the grid and carry at once whatever the generators do not. They share it in proportion
to what each can do. Limits, efficiency and response are parameters of the site.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from twin.catalog import CHARGE_STATES, INVERTER_STATES
from twin.parameters import MegapackParameters as Parameters
from twin.plant.ridethrough import RideThrough
from twin.plant.units import Floats, all_of, any_of, clamp, lag, sum_of
from twin.site import Layout

__all__ = ["Megapacks", "cell_spread", "cell_voltage", "share_out", "stored"]

_CHARGE = {name: float(code) for code, name in CHARGE_STATES.items()}
_INVERTER = {name: float(code) for code, name in INVERTER_STATES.items()}

_SOC_POINTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.87, 1.0)
_CELL_VOLTS = (2.9, 3.205, 3.239, 3.259, 3.272, 3.285, 3.324, 3.337, 3.45)
"""Rest voltage of an LFP cell: 10 to 87 % measured on a grid battery, ends est."""
_CELL_SWING_VOLTS = 0.08
"""Change at rated power: -76 and +89 mV measured at 50 %."""
_SPREAD_VOLTS = (0.230, 0.060, 0.012, 0.004)
"""Spread of the cells at 2, 10, 20 and 30 % charge: 4 mV at the top and 230 mV near empty under
load measured, between est."""
_SPREAD_POINTS = (0.02, 0.1, 0.2, 0.3)
_MODULE_SECONDS = 1800.0
_HOLDING_RATIO = 0.005
"""Below this share of rated power a unit counts as holding."""
_EDGE_SECONDS = 30.0
"""A unit may not be asked for more than drains it to the window's edge in so long."""


def cell_voltage(soc: Floats, load: Floats) -> Floats:
    """Return the mean cell voltage in V.

    Args:
        soc: state of charge, 0 to 1.
        load: power over rated power, positive when discharging.
    """
    volts: Floats = np.interp(soc, _SOC_POINTS, _CELL_VOLTS) - _CELL_SWING_VOLTS * load
    return volts


def cell_spread(soc: Floats) -> Floats:
    """Return by how much the cells of a unit differ in V, at a state of charge from 0 to 1."""
    spread: Floats = np.interp(soc, _SPREAD_POINTS, _SPREAD_VOLTS)
    return spread


def stored(into: Floats, out: Floats, round_trip_ratio: float) -> Floats:
    """Return what the cells gain of what passes the terminals, with half the loss each way.

    Args:
        into: taken in, as power or energy.
        out: given, likewise.
        round_trip_ratio: of what is taken in, the part that comes back.
    """
    one_way = sqrt(round_trip_ratio)
    gained: Floats = into * one_way - out / one_way
    return gained


def share_out(total: float, discharge: Floats, charge: Floats) -> Floats:
    """Return the part of each unit in a total, in proportion to what each can do.

    Args:
        total: wanted power in W, positive to discharge.
        discharge: what each unit can give, (units,) in W.
        charge: what each unit can take, (units,) in W.
    """
    limits = discharge if total >= 0 else charge
    room = sum_of(limits)
    if room <= 0:
        return np.zeros_like(limits)
    sign = 1.0 if total > 0 else -1.0 if total < 0 else 0.0
    parts: Floats = sign * limits * min(1.0, abs(total) / room)
    return parts


class Megapacks:
    """State of all units; arrays are (units,)."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._p: Parameters = site.megapacks
        self._ramp_watts = site.grid.ramp_ratio_per_second * site.grid.limit_watts
        self.protection = RideThrough(self._p, site.grid.frequency_hertz)
        units = self._p.count
        self.power: Floats = np.zeros(units)
        """What each unit gives in the mean over the step, (units,) in W."""
        self.reached: Floats = np.zeros(units)
        """What each gives at its end."""
        target = self._p.soc_target_ratio
        self.soc: Floats = clamp(target + rng.normal(0.0, 0.01, units), 0.0, 1.0)
        self._soh = 0.985 + rng.uniform(-0.01, 0.01, units)
        self._capacity: Floats = self._p.energy_joules * self._soh
        self._spread = 1.0 + 0.3 * rng.random(units)
        cycled = rng.uniform(40.0, 60.0, units) * self._p.energy_joules
        self.discharged = np.floor(cycled * 0.96)
        self.charged = np.floor(cycled / 0.96)
        self._module_rise = np.full(units, 2.0)
        self._ambient = 22.0 + rng.normal(0.0, 0.5, units)
        self._well = np.ones(units, dtype=np.bool_)
        self._starting = np.zeros(units)
        self._ratio: Floats = np.ones(units)
        self._running = self._well
        self.asked = 0.0
        """What all units together were last asked for, within their limits, in W."""
        self.bounds = (0.0, 0.0)
        """What they could give and take then, in W."""
        self.slow = 0.0
        """Low-pass of the load in W: what the grid, or on an island the generators, shall carry."""

    @property
    def forming(self) -> bool:
        """Whether any unit can carry the site without the grid."""
        return self._p.grid_forming and any_of(self._running)

    @property
    def capacity(self) -> Floats:
        """Energy of each unit's cells between empty and full, (units,) in J."""
        return self._capacity

    @property
    def usable_joules(self) -> float:
        """Energy at the terminals until the units that run are at the window's lower end."""
        above = np.maximum(self.soc - self._p.soc_min_ratio, 0.0) * self._running
        return float((above * self._capacity).sum()) * sqrt(self._p.round_trip_ratio)

    def limits(self) -> tuple[Floats, Floats]:
        """Return what each unit can give and take at present, (units,) in W."""
        p = self._p
        above = np.maximum(self.soc - p.soc_min_ratio, 0.0) * self._capacity / _EDGE_SECONDS
        below = np.maximum(p.soc_max_ratio - self.soc, 0.0) * self._capacity / _EDGE_SECONDS
        module = self._ambient + self._module_rise
        span = max(p.derate_to_celsius - p.derate_from_celsius, 1e-3)
        cool = clamp((p.derate_to_celsius - module) / span, 0.0, 1.0)
        power = np.where(self._running, p.power_watts * self._ratio * cool, 0.0)
        return np.minimum(power, above), np.minimum(power, below)

    def settle(self, load: float) -> None:
        """Start from a grid that carries this load, in W."""
        self.slow = load

    def sense(
        self,
        available: NDArray[np.bool_],
        ratio: Floats,
        voltage: float,
        frequency: float,
        dt: float,
    ) -> None:
        """Find out which units run.

        Args:
            available: units that can connect, (units,).
            ratio: power limit of each unit over its rating, (units,).
            voltage: voltage at the terminals over nominal.
            frequency: frequency at the terminals in Hz.
            dt: step in s.
        """
        self.protection.step(voltage, frequency, dt)
        self._ratio = ratio
        well = available & (not self.protection.tripped)
        if all_of(well) and not any_of(self._starting):
            self._well = self._running = well
            return
        left = np.maximum(self._starting - dt, 0.0)
        self._starting = np.where(well, left, self._p.start_seconds)
        self._well = well
        self._running = well & (self._starting <= 0.0)

    def follow(self, load: float, dt: float, *, on_grid: bool) -> None:
        """Let the slow part follow the load, in W; the grid's only as fast as its ramp limit."""
        moved = (load - self.slow) * lag(dt, self._p.smoothing_seconds)
        if on_grid:
            limit = self._ramp_watts * dt
            moved = min(max(moved, -limit), limit)
        self.slow += moved

    def restoring(self) -> float:
        """Return the power that brings the charge back to its target, in W."""
        p = self._p
        surplus = sum_of((self.soc - p.soc_target_ratio) * self._capacity * self._running)
        return surplus / p.soc_restore_seconds

    def step(self, wanted: float, dt: float, *, forming: bool = False) -> None:
        """Advance by ``dt`` seconds.

        Args:
            wanted: power that all units together shall give, in W; negative to charge.
            dt: step in s.
            forming: on an island the units hold the voltage, so the power follows at once.
        """
        p = self._p
        give, take = self.limits()
        self.bounds = sum_of(give), sum_of(take)
        target = share_out(wanted, give, take)
        self.asked = sum_of(target)
        # In the mean over the step a lag is short of its end by its time constant.
        share, late = (1.0, 0.0) if forming else (lag(dt, p.response_seconds), p.response_seconds)
        moved = (target - self.reached) * share
        # A unit that trips opens its contactor: its power is gone at once.
        least = -take
        self.power, self.reached = (
            np.where(self._running, clamp(power, least, give), 0.0)
            for power in (target - moved * (late / dt), self.reached + moved)
        )
        self._store(dt)

    def _store(self, dt: float) -> None:
        """Move energy between the cells and the terminals."""
        p = self._p
        out = np.maximum(self.power, 0.0)
        into = np.maximum(-self.power, 0.0)
        gained = stored(into, out, p.round_trip_ratio) * dt - self._spent(dt)
        self.soc = clamp(self.soc + gained / self._capacity, 0.0, 1.0)
        self.discharged += out * dt
        self.charged += into * dt
        load = np.abs(self.power) / p.power_watts
        rise = 2.0 + 9.0 * load**2
        self._module_rise += (rise - self._module_rise) * lag(dt, _MODULE_SECONDS)

    def _spent(self, dt: float) -> Floats:
        """Return what each unit takes for itself, in J; at the window's end it goes to sleep."""
        left = np.maximum(self.soc - self._p.soc_min_ratio, 0.0) * self._capacity
        spent: Floats = np.minimum(self._p.auxiliary_watts * dt, left)
        return spent

    def outputs(self, voltage_ratio: float, frequency: float) -> dict[str, Floats]:
        """Return all signals of the catalogue's Megapack class, (units, 1).

        Args:
            voltage_ratio: the bus's voltage over nominal.
            frequency: the bus's frequency in Hz.
        """
        p = self._p
        give, take = self.limits()
        load = self.power / p.power_watts
        cell = cell_voltage(self.soc, load)
        spread = cell_spread(self.soc) * self._spread
        module = self._ambient + self._module_rise
        values = {
            "power": self.power,
            "soc": self.soc,
            "soh": self._soh,
            "energy_available": self.soc * self._capacity,
            "energy_capacity": self._capacity,
            "max_discharge": give,
            "max_charge": take,
            "discharged_energy": self.discharged,
            "charged_energy": self.charged,
            "cycles": self.discharged / p.energy_joules,
            # Measured outside the contactors: by them a unit that tripped knows when it may return.
            "voltage": np.full(self.soc.shape, p.voltage * voltage_ratio),
            "frequency": np.full(self.soc.shape, frequency),
            # The weakest cell runs ahead of the others, so the spread opens downwards.
            "cell_voltage_max": cell + 0.2 * spread,
            "cell_voltage_min": cell - 0.8 * spread,
            "module_temperature_max": module + 1.5,
            "module_temperature_min": module - 1.5,
            "cabinet_temperature": self._ambient + 0.5 * self._module_rise,
            "charge_state": self._charge_state(load),
            "inverter_state": self._inverter_state(),
        }
        return {name: value[:, None] for name, value in values.items()}

    def _inverter_state(self) -> Floats:
        state = np.where(self._running, _INVERTER["RUNNING"], _INVERTER["STARTING"])
        return np.where(self._well, state, _INVERTER["FAULT"])

    def _charge_state(self, load: Floats) -> Floats:
        p = self._p
        still = np.abs(load) < _HOLDING_RATIO
        state = np.where(load > 0, _CHARGE["DISCHARGING"], _CHARGE["CHARGING"])
        state = np.where(still, _CHARGE["HOLDING"], state)
        state = np.where(still & (self.soc <= p.soc_min_ratio), _CHARGE["EMPTY"], state)
        state = np.where(still & (self.soc >= p.soc_max_ratio), _CHARGE["FULL"], state)
        return np.where(self._running, state, _CHARGE["OFF"])
