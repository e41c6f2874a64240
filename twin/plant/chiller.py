"""The facility water plant: outdoor air, chillers with their towers, and the water loop.

The chillers hold the supply temperature of the facility water while they have the
capacity; what they cannot carry off warms the water, and with it every rack. Capacity
and efficiency fall as the outdoor air warms. As many run as the load needs; the others
stand by and take some minutes to start. All stop when their power is lost, if only for a
moment, and take longer to come back than the rest of the site.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from twin.catalog import CHILLER
from twin.parameters import WaterParameters
from twin.plant.conditions import Conditions
from twin.plant.exchanger import WATER_JOULES_PER_LITER_KELVIN
from twin.plant.units import Floats, Unchanged, equal, lag
from twin.plant.weather import outdoor_celsius, relative_humidity, season_kelvin, spell_kelvin
from twin.site import Layout

__all__ = ["WaterPlant", "performance"]

_SECONDS_PER_MINUTE = 60.0
_STAGE_SECONDS = 300.0
"""The staging looks at the mean load of some minutes, not at a training step, est."""
_STAGE_DOWN = 0.9
"""A chiller is switched off when the others would be loaded less than this, est."""
_WARM_KELVIN = 1.0
"""With water so far above its set point every chiller is started, est."""
_STANDBY, _STARTING, _RUNNING, _FAILED, _UNPOWERED = 0.0, 1.0, 2.0, 3.0, 4.0
_HOTTEST_WATER = 90.0


def performance(celsius: float, load_ratio: float, water: WaterParameters) -> float:
    """Return heat carried off over electrical power, towers and pumps included.

    Falls with the outdoor temperature and away from 75 % load (est.).

    Args:
        celsius: outdoor temperature in °C.
        load_ratio: load over capacity of the running chillers.
        water: the figures of the plant.
    """
    lift = 1.0 - water.cop_per_kelvin * (celsius - water.cop_reference_celsius)
    part = 1.0 - 0.6 * (min(load_ratio, 1.0) - 0.75) ** 2
    return water.cop * min(max(lift, 0.3), 2.0) * part


class WaterPlant:
    """State of the chillers, (chillers,), and of the one water loop."""

    def __init__(self, layout: Layout) -> None:
        site = layout.site
        water = site.water
        self._p = water
        self._set = site.cooling.facility_supply_celsius
        count = layout.per_unit(CHILLER)
        needed = site.chillers_needed
        installed = site.installed_power_watts
        self._rated = site.chiller_rated_watts
        liters = water.liters_per_kilowatt * installed / 1e3
        self._capacity_joules = liters * WATER_JOULES_PER_LITER_KELVIN
        self.supply = self._set
        """Facility water to the racks in °C."""
        self.power = 0.0
        """Electrical power of the plant in W."""
        self.load = 0.0
        """Heat that the water takes up in W."""
        self.removed = 0.0
        """Heat that the chillers carry off in W."""
        self.outdoor = self.outdoor_dew = self.room_dew = 0.0
        self._available = np.ones(count, dtype=np.bool_)
        self._powered = True
        self._locked = 0.0
        self._unchanged = Unchanged()
        self._steady = False
        self._needed = needed
        self._awake: Floats = np.zeros(count)
        self._called = self._running = np.zeros(count, dtype=np.bool_)
        self._mean = 0.0
        self._excess = 0.0
        self._flow = 0.0
        self._cop = water.cop
        self._hours = 3e7 + 1e6 * np.arange(count, dtype=np.float64)
        self._starts = np.full(count, 100.0)

    @property
    def heat_capacity(self) -> float:
        """Heat that warms the water loop by one kelvin, in J."""
        return self._capacity_joules

    @property
    def unit_capacity(self) -> float:
        """Heat that one chiller can carry off at this outdoor temperature, in W."""
        return self._rated * self._p.capacity_ratio(self.outdoor)

    @property
    def capacity(self) -> float:
        """Heat that the running chillers can carry off, in W."""
        return float(np.count_nonzero(self._running)) * self.unit_capacity

    def settle(self, load: float, flow: float) -> None:
        """Let the plant have carried this load for long."""
        self._mean = self.load = load
        self._needed = self._stage()
        command = self._command()
        self._awake = np.where(command, self._p.start_seconds, 0.0)
        self._called = self._running = command
        self.removed = min(load, self.capacity)
        self._flow = flow
        self._draw()

    def step(
        self,
        load: float,
        flow: float,
        conditions: Conditions,
        now: float,
        dt: float,
        *,
        powered: bool = True,
    ) -> None:
        """Advance by ``dt`` seconds.

        Args:
            load: heat into the water in W.
            flow: facility water through the racks in L/min.
            conditions: of the site.
            now: simulated unix time.
            dt: step in s.
            powered: whether the chillers are fed.
        """
        self.weather(now, float(conditions.outdoor_excess[0]))
        self._available = conditions.chiller_available
        self._excess = float(conditions.water_excess[0])
        self.load, self._flow = load, flow
        self._mean += (load - self._mean) * lag(dt, _STAGE_SECONDS)
        self._needed = self._stage()
        self._run(dt, powered=powered)
        error = self.supply - self._set - self._excess
        asked = load + error * self._capacity_joules / self._p.control_seconds
        self.removed = min(max(asked, 0.0), self.capacity)
        self.supply += (load - self.removed) * dt / self._capacity_joules
        self.supply = min(self.supply, _HOTTEST_WATER)
        self._draw()

    def _run(self, dt: float, *, powered: bool) -> None:
        """Start and stop chillers: without power none runs, and after it none at once."""
        same = self._unchanged(self._available, float(self._needed), powered)
        self._powered = powered
        if not (same and self._steady):
            locked, awake, was = self._locked, self._awake, self._running
            self._switch(dt)
            self._starts += self._running & ~was
            # With the same chillers to call for, the next step then ends like this one.
            self._steady = (
                locked == self._locked and equal(awake, self._awake) and equal(was, self._running)
            )
        self._hours += self._running * dt

    def _switch(self, dt: float) -> None:
        """Let the chillers that are called for start, and all others stop."""
        p = self._p
        self._called = self._command() & self._powered
        started = self._called & (self._locked <= 0.0)
        lockout = max(p.restart_seconds - p.start_seconds, 0.0)
        self._locked = max(self._locked - dt, 0.0) if self._powered else lockout
        self._awake = np.where(started, np.minimum(self._awake + dt, p.start_seconds), 0.0)
        self._running = started & (self._awake >= p.start_seconds)

    def weather(self, now: float, excess: float) -> None:
        """Set the outdoor air and the room's dew point.

        Args:
            now: simulated unix time.
            excess: what a fault adds to the outdoor temperature in K.
        """
        p = self._p
        season, spell = season_kelvin(now, p), spell_kelvin(now, p) + excess
        self.outdoor = outdoor_celsius(now, p) + season + spell
        # Summer and hot spells bring moisture; dew never forms in the open air of the model.
        self.outdoor_dew = min(p.outdoor_dew_celsius + season + 0.5 * spell, self.outdoor)
        infiltrated = p.room_infiltration_ratio * (self.outdoor_dew - p.room_dew_celsius)
        self.room_dew = p.room_dew_celsius + max(infiltrated, 0.0)

    def _stage(self) -> int:
        """Return how many chillers should run."""
        if self.supply - self._set - self._excess > _WARM_KELVIN:
            return len(self._awake)
        unit = self._p.stage_ratio * self.unit_capacity
        more = max(ceil(self._mean / unit), 1)
        if more >= self._needed:
            return more
        fewer = max(ceil(self._mean / (_STAGE_DOWN * unit)), 1)
        return min(fewer, self._needed)

    def _command(self) -> NDArray[np.bool_]:
        """Return which chillers shall run: those that do already, then the first that can."""
        order = np.argsort(np.where(self._available, -self._awake, np.inf), kind="stable")
        command = np.zeros(order.size, dtype=np.bool_)
        command[order[: self._needed]] = True
        return command & self._available

    def _draw(self) -> None:
        """Set the electrical power from the heat carried off."""
        capacity = self.capacity
        ratio = self.removed / capacity if capacity > 0 else 0.0
        self._cop = performance(self.outdoor, ratio, self._p)
        self.power = self.removed / self._cop

    def chiller_outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's chiller class, (1, chillers)."""
        share = self._running / max(float(self._running.sum()), 1.0)
        state = np.where(self._called, _STARTING, _STANDBY)
        state = np.where(self._running, _RUNNING, state)
        able = self._available & self._powered
        values = {
            "power": self.power * share,
            "heat_removed": self.removed * share,
            "capacity": np.where(able, self.unit_capacity, 0.0),
            "running_seconds": self._hours,
            "starts": self._starts,
            "state": np.where(self._available, state if self._powered else _UNPOWERED, _FAILED),
        }
        return {name: value[None, :] for name, value in values.items()}

    def outputs(self, air: float, exhaust: float | None) -> dict[str, Floats]:
        """Return all signals of the catalogue's water class, (1, 1).

        Args:
            air: air that the handlers supply to the servers, in °C.
            exhaust: what it is warmer by when it comes back, in K; None where it cools no server.
        """
        rate = self._flow * WATER_JOULES_PER_LITER_KELVIN / _SECONDS_PER_MINUTE
        rise = self.load / rate if rate > 0 else 0.0
        values = {
            "return_temperature": self.supply + min(rise, _HOTTEST_WATER - self.supply),
            "flow": self._flow,
            "heat": self.load,
            "capacity": self.capacity,
            "performance": self._cop,
            "outdoor_temperature": self.outdoor,
            "outdoor_dew_point": self.outdoor_dew,
            "outdoor_humidity": relative_humidity(self.outdoor, self.outdoor_dew),
            "room_dew_point": self.room_dew,
            "room_temperature": air,
            **({} if exhaust is None else {"hot_aisle": air + exhaust}),
        }
        return {name: np.full((1, 1), value) for name, value in values.items()}
