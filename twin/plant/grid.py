"""The utility's feeds and the site's meters."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from twin.catalog import GRID, OSCILLATION_BANDS
from twin.plant.swing import Swing
from twin.plant.units import FINE_STEP, Floats, Unchanged, all_of, any_of, lag, sum_of
from twin.site import Layout

__all__ = ["Grid", "Meters"]

_FREQUENCY_SIGMA = 0.008
"""Standard deviation of a large interconnection's frequency in Hz, est."""
_FREQUENCY_SECONDS = 20.0
_NORMAL_VOLTAGE = (0.9, 1.1)
_NORMAL_OFFSET_HERTZ = 0.5
"""Normal range in which a feed may be connected again, est."""


class Grid:
    """Grid feeds: the connected ones share the remaining load equally."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._p = site.grid
        self._supply = site.supply
        self._rng = rng
        _, feeds = layout.shape(GRID)
        self.closed: NDArray[np.bool_] = np.ones(feeds, dtype=np.bool_)
        """Feeds whose breaker is closed, (feeds,)."""
        self.energy = np.zeros(feeds)
        self._power = np.zeros(feeds)
        self._ramp = np.zeros(feeds)
        self._live: Floats = np.ones(feeds)
        self._normal_for = np.zeros(feeds)
        self._unchanged = Unchanged()
        self._normal = False
        self._volts: float | None = None
        self._wander = self._offset = 0.0
        self._swings = [Swing() for _ in range(feeds)]
        self._lasted = 0.0

    @property
    def power(self) -> float:
        """Import of all feeds together in W."""
        return sum_of(self._power)

    @property
    def connected(self) -> bool:
        """Whether any feed's breaker is closed."""
        return any_of(self.closed)

    @property
    def limit_watts(self) -> float:
        """Import limit of the feeds that are connected together, in W."""
        return float(np.count_nonzero(self.closed)) * self._p.limit_watts

    @property
    def frequency(self) -> float:
        """Frequency in Hz."""
        return self._p.frequency_hertz + self._wander + self._offset

    @property
    def voltage_ratio(self) -> float:
        """Voltage of the connected feeds over nominal: it falls with the import."""
        if self._volts is None:
            connected = self._ratios[self.closed]
            together = float(np.add.reduce(connected))
            self._volts = together / connected.size if connected.size else 0.0
        return self._volts

    @property
    def _ratios(self) -> Floats:
        drop = self._p.voltage_drop_ratio * self._power / self._p.limit_watts
        ratios: Floats = self._live * (1.0 - drop)
        return ratios

    def settle(self, power: float) -> None:
        """Start from this import, in W."""
        self._volts = None
        self._power[:] = power / self._power.size

    def sense(
        self, available: NDArray[np.bool_], voltage: Floats, offset: float, dt: float
    ) -> None:
        """Open and close the feeds' breakers.

        Args:
            available: feeds that the utility serves, (feeds,).
            voltage: factor on the voltage of each feed, (feeds,).
            offset: deviation of the frequency in Hz.
            dt: step in s.
        """
        self._offset = offset
        if self._unchanged(available, voltage) and self._normal:
            return
        self._volts = None
        self._live = np.where(available, voltage, 0.0)
        low, high = _NORMAL_VOLTAGE
        served = (self._live >= low) & (self._live <= high)
        self._normal = all_of(self.closed) and all_of(served)
        if self._normal:
            return
        dead = self._live < self._supply.separation_voltage_ratio
        normal = served & (abs(offset) <= _NORMAL_OFFSET_HERTZ)
        waiting = ~self.closed & normal
        self._normal_for = np.where(waiting, self._normal_for + dt, 0.0)
        back = waiting & (self._normal_for >= self._supply.return_seconds)
        self.closed = (self.closed & ~dead) | back

    def step(self, power: float, dt: float) -> None:
        """Carry ``power`` W for ``dt`` seconds; 0 while no feed is connected."""
        self._volts = None
        each = np.where(self.closed, power / max(int(np.count_nonzero(self.closed)), 1), 0.0)
        # From the middle of the last step to the middle of this one.
        self._ramp = (each - self._power) / (0.5 * (dt + (self._lasted or dt)))
        self._lasted = dt
        self._power = each
        self.energy += np.maximum(each, 0.0) * dt
        if dt <= FINE_STEP:
            for swing, watts in zip(self._swings, each.tolist(), strict=True):
                swing.add(watts, dt)
        # Ornstein-Uhlenbeck: the wander keeps its variance for any step.
        keep = 1.0 - lag(dt, _FREQUENCY_SECONDS)
        kick = _FREQUENCY_SIGMA * sqrt(1.0 - keep**2)
        self._wander = keep * self._wander + kick * float(self._rng.standard_normal())

    def swung(self, seconds: Floats) -> None:
        """Take note of the import of all feeds in each second of a longer step, in W."""
        shares = self.closed / max(int(self.closed.sum()), 1)
        for swing, share in zip(self._swings, shares.tolist(), strict=True):
            for watts in (share * seconds).tolist():
                swing.add(watts, FINE_STEP)

    def outputs(self, oscillation: Floats) -> dict[str, Floats]:
        """Return all signals of the catalogue's grid class, (1, feeds).

        Args:
            oscillation: of the import of all feeds together, in W, by band.
        """
        live = self._live > 0
        share = self.closed / max(int(self.closed.sum()), 1)
        values = {
            "power": self._power,
            "limit": np.full(self._power.shape, self._p.limit_watts),
            "voltage": self._p.voltage * self._ratios,
            "frequency": np.where(live, self.frequency, 0.0),
            "ramp": self._ramp,
            "swing": np.array([swing.value for swing in self._swings]),
            "energy": self.energy,
            **{
                f"oscillation_{band}": watts * share
                for band, watts in zip(OSCILLATION_BANDS, oscillation.tolist(), strict=True)
            },
            "breaker": self.closed.astype(float),
        }
        return {name: value[None, :] for name, value in values.items()}


class Meters:
    """What the whole facility draws, and where it goes."""

    def __init__(self, layout: Layout) -> None:
        self._p = layout.site.facility
        self.it = self.cooling = self.loss = 0.0
        self.swing = Swing()
        """Swing of the facility's power."""

    @property
    def total(self) -> float:
        """Power of the facility in W."""
        return self.it + self.cooling + self.loss

    def read(self, it: float, chillers: float, cdus: float) -> float:
        """Take over the site's powers and return the facility's.

        Args:
            it: power of the servers at their inlets in W.
            chillers: power of the facility water plant in W.
            cdus: power of the coolant units in W.
        """
        self.it = it
        self.cooling = cdus + chillers + self._p.fixed_power_watts
        self.loss = self._p.loss_ratio * (it + cdus)
        return self.total

    def outputs(
        self, water: float, unserved: float, shed: int, oscillation: Floats
    ) -> dict[str, Floats]:
        """Return all signals of the catalogue's facility class, (1, 1).

        Args:
            water: facility water supply in °C.
            unserved: demand that no source could carry in W.
            shed: racks that are switched off for lack of power.
            oscillation: of the facility's power in W, by band.
        """
        values = {
            "power": self.total,
            "it_power": self.it,
            "cooling_power": self.cooling,
            "loss_power": self.loss,
            "unserved_power": unserved,
            "load_swing": self.swing.value,
            **{
                f"load_oscillation_{band}": watts
                for band, watts in zip(OSCILLATION_BANDS, oscillation.tolist(), strict=True)
            },
            "shed_racks": float(shed),
            "pue": self.total / self.it if self.it > 0 else 1.0,
            "water_temperature": water,
        }
        return {name: np.full((1, 1), value) for name, value in values.items()}
