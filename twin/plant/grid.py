"""The grid feed, the generators on standby and the site's meters."""

from __future__ import annotations

import numpy as np

from twin.plant.units import Floats, lag
from twin.site import Layout

__all__ = ["Gensets", "Grid", "Meters"]

_FREQUENCY_SIGMA = 0.008
"""Standard deviation of a large interconnection's frequency in Hz, est."""
_FREQUENCY_SECONDS = 20.0


class Grid:
    """The utility's feed: it carries what nothing else does."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self._p = layout.site.grid
        self._rng = rng
        self.power = 0.0
        self.energy = 0.0
        self._wander = 0.0
        self._ramp = 0.0

    @property
    def frequency(self) -> float:
        """Frequency in Hz."""
        return self._p.frequency_hertz + self._wander

    @property
    def voltage_ratio(self) -> float:
        """Voltage over nominal: it falls with the import."""
        return 1.0 - self._p.voltage_drop_ratio * self.power / self._p.limit_watts

    def settle(self, power: float) -> None:
        """Start from this import, in W."""
        self.power = power

    def step(self, power: float, dt: float) -> None:
        """Carry ``power`` W for ``dt`` seconds."""
        self._ramp = (power - self.power) / dt
        self.power = power
        self.energy += max(power, 0.0) * dt
        # Ornstein-Uhlenbeck: the wander keeps its variance for any step.
        keep = 1.0 - lag(dt, _FREQUENCY_SECONDS)
        kick = _FREQUENCY_SIGMA * np.sqrt(1.0 - keep**2)
        self._wander = keep * self._wander + kick * float(self._rng.standard_normal())

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's grid class, (1, 1)."""
        values = {
            "power": self.power,
            "limit": self._p.limit_watts,
            "voltage": self._p.voltage * self.voltage_ratio,
            "frequency": self.frequency,
            "ramp": self._ramp,
            "energy": self.energy,
            "breaker": 1.0,
        }
        return {name: np.full((1, 1), value) for name, value in values.items()}


class Gensets:
    """The generators: warm, on standby, delivering nothing while the grid is there."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        units = layout.site.gensets.count
        self._coolant = 42.0 + rng.normal(0.0, 1.0, units)
        self._fuel = np.clip(0.95 + rng.normal(0.0, 0.02, units), 0.0, 1.0)
        self._battery = 27.2 + rng.normal(0.0, 0.05, units)
        self._hours = np.floor(rng.uniform(50, 400, units) * 3600.0)
        self._starts = np.floor(rng.uniform(20, 80, units))

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's generator class, (units, 1)."""
        none = np.zeros(self._fuel.shape)
        values = {
            "power": none,
            "speed": none,
            "frequency": none,
            "voltage": none,
            "coolant_temperature": self._coolant,
            "oil_pressure": none,
            "fuel_level": self._fuel,
            "fuel_rate": none,
            "starter_voltage": self._battery,
            "running_seconds": self._hours,
            "starts": self._starts,
            "state": none,
        }
        return {name: value[:, None] for name, value in values.items()}


class Meters:
    """What the whole facility draws, and where it goes."""

    def __init__(self, layout: Layout) -> None:
        self._p = layout.site.facility
        self._water = layout.site.cooling.facility_supply_celsius
        self.it = self.cooling = self.loss = 0.0

    @property
    def total(self) -> float:
        """Power of the facility in W."""
        return self.it + self.cooling + self.loss

    def read(self, it: float, heat: float, cdus: float) -> float:
        """Take over the site's powers and return the facility's.

        Args:
            it: power of the servers at their inlets in W.
            heat: heat that the chillers carry off in W.
            cdus: power of the coolant units in W.
        """
        self.it = it
        self.cooling = cdus + self._p.chiller_ratio * max(heat, 0.0) + self._p.fixed_power_watts
        self.loss = self._p.loss_ratio * (it + cdus)
        return self.total

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's facility class, (1, 1)."""
        values = {
            "power": self.total,
            "it_power": self.it,
            "cooling_power": self.cooling,
            "loss_power": self.loss,
            "unserved_power": 0.0,
            "pue": self.total / self.it if self.it > 0 else 1.0,
            "water_temperature": self._water,
        }
        return {name: np.full((1, 1), value) for name, value in values.items()}
