"""Megapacks: they take the fast part of the site's swing, the grid the slow one.

The controller gives the grid a low-pass of the site's load and the units the rest,
plus a slow return to the target state of charge; the units share it in proportion
to what each can do. Limits, efficiency and response are parameters of the site.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import CHARGE_STATES, INVERTER_STATES
from twin.plant.units import Floats, lag
from twin.site import Layout
from twin.site.parameters import Megapacks as Parameters

__all__ = ["Megapacks", "cell_voltage", "share_out"]

_CHARGE = {name: float(code) for code, name in CHARGE_STATES.items()}
_INVERTER = {name: float(code) for code, name in INVERTER_STATES.items()}

_SOC_POINTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.87, 1.0)
_CELL_VOLTS = (2.9, 3.205, 3.239, 3.259, 3.272, 3.285, 3.324, 3.337, 3.45)
"""Rest voltage of an LFP cell: 10 to 87 % measured on a grid battery, ends est."""
_CELL_SWING_VOLTS = 0.08
"""Change at rated power: -76 and +89 mV measured at 50 %."""
_CELL_SPREAD_VOLTS = 0.004
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


def share_out(total: float, discharge: Floats, charge: Floats) -> Floats:
    """Return the part of each unit in a total, in proportion to what each can do.

    Args:
        total: wanted power in W, positive to discharge.
        discharge: what each unit can give, (units,) in W.
        charge: what each unit can take, (units,) in W.
    """
    limits = discharge if total >= 0 else charge
    room = float(limits.sum())
    if room <= 0:
        return np.zeros_like(limits)
    parts: Floats = np.sign(total) * limits * min(1.0, abs(total) / room)
    return parts


class Megapacks:
    """State of all units; arrays are (units,)."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._p: Parameters = site.megapacks
        self._nominal_hertz = site.grid.frequency_hertz
        units = self._p.count
        self.power = np.zeros(units)
        target = self._p.soc_target_ratio
        self.soc = np.clip(target + rng.normal(0.0, 0.01, units), 0.0, 1.0)
        self._soh = 0.985 + rng.uniform(-0.01, 0.01, units)
        self._available = np.ones(units, dtype=np.bool_)
        cycled = rng.uniform(40.0, 60.0, units) * self._p.energy_joules
        self.discharged = np.floor(cycled * 0.96)
        self.charged = np.floor(cycled / 0.96)
        self._module_rise = np.full(units, 2.0)
        self._ambient = 22.0 + rng.normal(0.0, 0.5, units)
        self._slow: float | None = None

    @property
    def _capacity(self) -> Floats:
        return self._p.energy_joules * self._soh

    def limits(self) -> tuple[Floats, Floats]:
        """Return what each unit can give and take at present, (units,) in W."""
        p = self._p
        above = np.maximum(self.soc - p.soc_min_ratio, 0.0) * self._capacity / _EDGE_SECONDS
        below = np.maximum(p.soc_max_ratio - self.soc, 0.0) * self._capacity / _EDGE_SECONDS
        give = np.where(self._available, np.minimum(p.power_watts, above), 0.0)
        take = np.where(self._available, np.minimum(p.power_watts, below), 0.0)
        return give, take

    def settle(self, load: float) -> None:
        """Start from a grid that carries this load, in W."""
        self._slow = load

    def step(self, load: float, available: NDArray[np.bool_], dt: float) -> None:
        """Advance by ``dt`` seconds.

        Args:
            load: power that the site draws, in W.
            available: units that can connect, (units,).
            dt: step in s.
        """
        p = self._p
        self._available = available
        slow = load if self._slow is None else self._slow
        self._slow = slow + (load - slow) * lag(dt, p.smoothing_seconds)
        give, take = self.limits()
        surplus = float(((self.soc - p.soc_target_ratio) * self._capacity * available).sum())
        wanted = load - self._slow + surplus / p.soc_restore_seconds
        target = share_out(wanted, give, take)
        moved = self.power + (target - self.power) * lag(dt, p.response_seconds)
        # A unit that trips opens its contactor: its power is gone at once.
        self.power = np.where(available, np.clip(moved, -take, give), 0.0)
        self._store(dt)

    def _store(self, dt: float) -> None:
        """Move energy between the cells and the terminals, with half the loss each way."""
        p = self._p
        one_way = np.sqrt(p.round_trip_ratio)
        out = np.maximum(self.power, 0.0)
        into = np.maximum(-self.power, 0.0)
        stored = (into * one_way - out / one_way) * dt
        self.soc = np.clip(self.soc + stored / self._capacity, 0.0, 1.0)
        self.discharged += out * dt
        self.charged += into * dt
        load = np.abs(self.power) / p.power_watts
        self._module_rise += (2.0 + 9.0 * load**2 - self._module_rise) * lag(dt, 1800.0)

    def outputs(self, voltage_ratio: float, frequency: float) -> dict[str, Floats]:
        """Return all signals of the catalogue's Megapack class, (units, 1).

        Args:
            voltage_ratio: the grid's voltage over nominal.
            frequency: the grid's frequency in Hz.
        """
        p = self._p
        give, take = self.limits()
        load = self.power / p.power_watts
        cell = cell_voltage(self.soc, load)
        module = self._ambient + self._module_rise
        on = self._available.astype(float)
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
            "voltage": p.voltage * voltage_ratio * on,
            "frequency": frequency * on,
            "cell_voltage_max": cell + _CELL_SPREAD_VOLTS / 2,
            "cell_voltage_min": cell - _CELL_SPREAD_VOLTS / 2,
            "module_temperature_max": module + 1.5,
            "module_temperature_min": module - 1.5,
            "cabinet_temperature": self._ambient + 0.5 * self._module_rise,
            "charge_state": self._charge_state(load),
            "inverter_state": np.where(self._available, _INVERTER["RUNNING"], _INVERTER["FAULT"]),
        }
        return {name: value[:, None] for name, value in values.items()}

    def _charge_state(self, load: Floats) -> Floats:
        p = self._p
        still = np.abs(load) < _HOLDING_RATIO
        state = np.where(load > 0, _CHARGE["DISCHARGING"], _CHARGE["CHARGING"])
        state = np.where(still, _CHARGE["HOLDING"], state)
        state = np.where(still & (self.soc <= p.soc_min_ratio), _CHARGE["EMPTY"], state)
        state = np.where(still & (self.soc >= p.soc_max_ratio), _CHARGE["FULL"], state)
        return np.where(self._available, state, _CHARGE["OFF"])
