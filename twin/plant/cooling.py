"""Coolant distribution units of liquid-cooled racks: pumps, exchanger, valve, heat.

The servers' heat warms the coolant on its way back, the exchanger gives it to the
facility water, and the valve lets through as much of that as the supply temperature
needs. Two lumps of coolant hold heat, one on each side of the exchanger, so that in
every step what goes in is what is stored and what comes out.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from twin.parameters import CoolingParameters
from twin.plant.conditions import Conditions
from twin.plant.exchanger import WATER_JOULES_PER_LITER_KELVIN, Exchanger, Valves
from twin.plant.hydraulics import Loops, PumpCurve, pump_flows
from twin.plant.units import Floats, Kept, clamp, frozen
from twin.site import Layout

__all__ = [
    "Cdus",
    "PumpCurve",
    "cool_joules",
    "heat_rate",
    "pump_flows",
    "stored_heat",
    "warm_joules",
    "water_rate",
]

_RUNNING, _STOPPED, _FAILED = 1.0, 0.0, 2.0
_OK, _WARNING, _CRITICAL = 0.0, 1.0, 2.0
_SUPPLY_OK, _SUPPLY_FAILED = 0.0, 1.0
_HOTTEST, _HOTTER = 95.0, 75.0
"""No plate is hotter than where its GPU shuts itself down: coolant takes up ever less."""
_SUPPLY_SHARE = 0.35
"""Share of the loop's coolant, without the reservoir, from the exchanger to the plates, est."""
_SECONDS_PER_MINUTE = 60.0
_LONGEST_PART = 7.5
"""Heat and valve are stepped in parts of so many seconds at most: the coolant of the supply side
settles within some 15 s."""


def heat_rate(flow: Floats, cooling: CoolingParameters) -> Floats:
    """Return flow times heat capacity in W/K of so many L/min of coolant."""
    rate: Floats = flow * (cooling.coolant_joules_per_liter_kelvin / _SECONDS_PER_MINUTE)
    return rate


def water_rate(flow: Floats) -> Floats:
    """Return flow times heat capacity in W/K of so many L/min of facility water."""
    rate: Floats = flow * (WATER_JOULES_PER_LITER_KELVIN / _SECONDS_PER_MINUTE)
    return rate


def cool_joules(cooling: CoolingParameters) -> float:
    """Return the heat that warms the coolant of the supply side by a kelvin, in J."""
    return cooling.coolant_joules_per_liter_kelvin * _SUPPLY_SHARE * cooling.loop_liters


def warm_joules(level: Floats, cooling: CoolingParameters) -> Floats:
    """Return the heat that warms the coolant of the return side by a kelvin, in J.

    Args:
        level: of the reservoir, which a leak empties, over its volume.
        cooling: parameters of the unit.
    """
    left = cooling.reservoir_liters * level
    joules = cooling.coolant_joules_per_liter_kelvin
    warm: Floats = joules * ((1.0 - _SUPPLY_SHARE) * cooling.loop_liters + left)
    return warm


def stored_heat(
    absorbed: Floats, rise: Floats, rate: Floats, warm: Floats, dt: Floats | float
) -> Floats:
    """Return the heat that stays in the coolant from the servers within ``dt`` seconds, in J.

    With less flow the loop turns over more slowly; without it, heat stays where it is.

    Args:
        absorbed: heat into the coolant in W, any shape.
        rise: of the coolant from supply to return in K.
        rate: flow times heat capacity in W/K.
        warm: heat that warms that coolant by a kelvin in J.
        dt: step in s.
    """
    turnover = rate * (dt / warm)
    share = np.where(turnover > 0, -np.expm1(-turnover) / np.maximum(turnover, 1e-12), 1.0)
    stored: Floats = (absorbed - rate * rise) * share * dt
    return stored


class Cdus:
    """State of all units; arrays are (racks,) or (racks, pumps)."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        cooling = layout.site.cooling
        self._cooling = cooling
        racks, pumps = layout.site.air_racks.count(False), cooling.pumps
        self._kept = Kept()
        self._exchanger = Exchanger.of(cooling)
        self.loops = Loops(layout)
        self.valves = Valves(cooling, racks)
        self._available = np.ones((racks, pumps), dtype=np.bool_)
        self._psus_ok = np.ones((racks, cooling.psus), dtype=np.bool_)
        self._operating = np.floor(rng.uniform(1_000, 9_000, (racks, pumps)) * 3600.0)
        self.supply: Floats = np.full(racks, cooling.supply_celsius)
        """Coolant to the servers in °C."""
        self.returned: Floats = self.supply.copy()
        """Coolant from the servers in °C."""
        self.heat: Floats = np.zeros(racks)
        """Heat that the coolant carries from the servers to the exchanger in W."""
        self.absorbed: Floats = np.zeros(racks)
        """Heat that the servers give to the coolant in W."""
        self.rejected: Floats = np.zeros(racks)
        """Heat that the exchanger gives to the facility water in W."""
        self.power: Floats = self._drawn()
        """Electrical power of each unit in W, (racks,)."""
        self._water = cooling.facility_supply_celsius
        self._pumped = True
        self._dew = cooling.supply_celsius

    @property
    def speeds(self) -> Floats:
        """Speed ratio of each pump, (racks, pumps)."""
        return self.loops.speeds

    @property
    def flow(self) -> Floats:
        """Flow of each rack's loop in L/min, (racks,)."""
        return self.loops.flow

    @property
    def flow_ratio(self) -> Floats:
        """Flow over nominal flow, (racks,)."""
        nominal = self._cooling.flow_liters_per_minute
        return self._kept("flow", lambda: self.flow / nominal, frozen(self.flow))

    @property
    def facility_flow(self) -> Floats:
        """Facility water through each exchanger in L/min, (racks,)."""
        full = self._cooling.facility_flow_liters_per_minute * self._pumped
        return self.valves.position * full

    @property
    def heat_capacity(self) -> tuple[Floats, float]:
        """Heat that warms the coolant by one kelvin, return side and supply side, in J.

        The reservoir, which a leak empties, is on the return side.
        """
        return warm_joules(self.loops.level, self._cooling), cool_joules(self._cooling)

    def _drawn(self) -> Floats:
        """Return the electrical power of each unit in W, (racks,)."""
        pumps: Floats = self.loops.pump_power.sum(axis=1)
        return pumps + self._cooling.control_power_watts * self._psus_ok.any(axis=1)

    def settle(self, heat: Floats, water: float, dew: float) -> None:
        """Put valve and return temperature where this heat would hold them.

        Args:
            heat: in W, (racks,).
            water: facility water supply in °C.
            dew: dew point of the room in °C.
        """
        self.heat = heat.astype(np.float64)
        self.absorbed = self.rejected = self.heat
        self._water, self._dew = water, dew
        self.returned = self.supply + heat / self._capacity_rate()
        self.valves.settle(self._exchanger, self.heat, self.returned - water)

    def step(
        self,
        heat: Floats,
        conditions: Conditions,
        water: float,
        dew: float,
        dt: float,
        *,
        pumped: bool = True,
    ) -> None:
        """Advance by ``dt`` seconds.

        Args:
            heat: heat that the servers have for the coolant in W, (racks,).
            conditions: of the site.
            water: facility water supply in °C.
            dew: dew point of the room in °C.
            dt: step in s.
            pumped: whether the pumps of the facility water run.
        """
        self._available = conditions.pump_available
        self._psus_ok = conditions.cdu_psu_ok
        self._water, self._dew, self._pumped = water, dew, pumped
        if self.loops.step(conditions, dt):
            self.power = self._drawn()
        self._operating += (self.speeds > 0) * dt
        cooling = self._cooling
        asked = cooling.supply_celsius + conditions.coolant_supply_offset
        setpoint = np.maximum(asked, dew + cooling.dew_margin_kelvin)
        parts, stuck = ceil(dt / _LONGEST_PART), conditions.ailing("valve_stuck_at")
        for _ in range(parts):
            self.valves.step(self.supply - setpoint, stuck, dt / parts)
            self._exchange(heat, conditions.exchanger_fouling, dt / parts)

    def _exchange(self, heat: Floats, fouling: Floats, dt: float) -> None:
        """Move heat from the servers to the coolant and on to the facility water."""
        rate = self._capacity_rate()
        warm, cool = self.heat_capacity
        self.absorbed = heat * clamp((_HOTTEST - self.returned) / (_HOTTEST - _HOTTER), 0.0, 1.0)
        carried = self._exchanger.rate(rate, self._water_rate(), fouling)
        gained = stored_heat(self.absorbed, self.returned - self.supply, rate, warm, dt)
        self.returned = self.returned + gained / warm
        self.heat = np.where(rate > 0, self.absorbed - gained / dt, 0.0)
        self.rejected = carried * (self.returned - self._water)
        self.supply = self.supply + (self.heat - self.rejected) * (dt / cool)

    def _capacity_rate(self) -> Floats:
        """Flow times heat capacity in W/K, (racks,)."""
        return heat_rate(self.flow, self._cooling)

    def _water_rate(self) -> Floats:
        """Facility flow times heat capacity in W/K, (racks,)."""
        return water_rate(self.facility_flow)

    def pump_outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's pump class."""
        loops = self.loops
        state = np.where(self.speeds > 0, _RUNNING, _STOPPED)
        return {
            "speed_ratio": self.speeds,
            "speed": self.speeds * self._cooling.pump_rated_rpm,
            "power": loops.pump_power,
            "flow": loops.flows,
            "inlet_pressure": np.broadcast_to(loops.inlet_pressure[:, None], self.speeds.shape),
            "vibration": loops.vibration,
            "operating_seconds": self._operating,
            "state": np.where(self._available, state, _FAILED),
        }

    def psu_outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's CDU power supply class."""
        working = np.maximum(self._psus_ok.sum(axis=1), 1)
        share = self.power / working
        return {
            "power": np.where(self._psus_ok, share[:, None], 0.0),
            "state": np.where(self._psus_ok, _SUPPLY_OK, _SUPPLY_FAILED),
        }

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's CDU class, (racks, 1)."""
        cooling, loops, valves = self._cooling, self.loops, self.valves
        leaked = loops.leaked
        leak = np.where(leaked >= cooling.leak_warning_liters, _WARNING, _OK)
        leak = np.where(leaked >= cooling.leak_critical_liters, _CRITICAL, leak)
        rate = self._capacity_rate()
        water = np.full(self.supply.shape, self._water)
        rise = self.rejected / np.maximum(self._water_rate(), 1e-6)
        values = {
            "flow": self.flow,
            "supply_temperature": self.supply,
            "return_temperature": self.returned,
            "supply_pressure": loops.inlet_pressure + loops.head,
            "differential_pressure": loops.head,
            "filter_pressure": loops.filter_pressure,
            "heat_removed": rate * (self.returned - self.supply),
            "level": loops.level,
            "facility_supply_temperature": water,
            "facility_return_temperature": water + rise,
            "facility_flow": self.facility_flow,
            "facility_heat": self.rejected,
            "valve_position": valves.position,
            "valve_command": valves.command,
            "condensation_margin": self.supply - self._dew,
            "leak": leak,
            "power": self.power,
        }
        return {name: value[:, None] for name, value in values.items()}
