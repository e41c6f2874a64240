"""Generators and gas turbines: start, synchronise, ramp, share the load, cool down and stop.

A unit cranks for its start time, up to so many attempts; it then closes its breaker
onto the bus and takes load no faster than its ramp. Units that run share the load in
proportion to what they can carry. They give load back at once: a governor closes
quickly. While all are on standby and none is called, nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from twin.catalog import GENSET_STATES
from twin.plant.units import Floats, all_of, any_of, lag, sum_of
from twin.site import Layout, Site

__all__ = ["Gensets"]

_STATE = {name: code for code, name in GENSET_STATES.items()}
_STANDBY, _STARTING = _STATE["standby"], _STATE["starting"]
_SYNCHRONISING, _RUNNING = _STATE["synchronising"], _STATE["running"]
_COOLING, _FAILED = _STATE["cooling"], _STATE["failed"]

_CRANK_RATIO = 0.12
"""Speed while cranking over rated speed, est."""
_COAST_SECONDS = 6.0
_COOLANT_STANDBY, _COOLANT_IDLE, _COOLANT_LOADED = 42.0, 72.0, 88.0
"""Coolant on the jacket heater, running without load and at full load in °C, est."""
_COOLANT_SECONDS = 240.0
_OIL_PASCALS = 480_000.0
"""Oil pressure of a warm engine at rated speed, est.; it falls as the oil thins."""
_OIL_FALL_PASCALS = 2_000.0
_BATTERY_FLOAT, _BATTERY_CRANK, _BATTERY_CHARGING = 27.2, 21.5, 28.1
_DROOP_RATIO = 0.004
"""Fall of the frequency of an island at full load: isochronous control with load sharing, est."""
_SECONDS_PER_HOUR = 3600.0
_PIPELINE_LITERS = 1e12
"""No tank is as large: what is stands for a pipeline, which is always full."""
_STILL = 1e-3
_COLD_CELSIUS = 47.0
"""Below this a stopped engine counts as being back on its heater."""


def _level(ceiling: Floats, rated: Floats, wanted: float) -> float:
    """Return the load, over their rating, up to which all units give ``wanted`` W together."""
    able = np.nonzero(ceiling > 0.0)[0]
    reach = ceiling[able] / rated[able]
    left, sharing = wanted, float(rated[able].sum())
    for index in np.argsort(reach).tolist():
        level = left / sharing
        if reach[index] >= level:
            return level
        left -= float(ceiling[able[index]])
        sharing -= float(rated[able[index]])
    return float("inf")


@dataclass(frozen=True, slots=True)
class _EngineParameters:
    """The parameters of all units, generators first, then turbines; arrays are (units,).

    The names are those of :class:`twin.parameters.Gensets`, which has units and sources.
    """

    power_watts: Floats
    start_seconds: Floats
    ramp_per_second: Floats
    fuel_liters: Floats
    fuel_liters_per_joule: Floats
    voltage: Floats
    rpm: Floats
    start_attempts: Floats
    synchronise_seconds: Floats
    cooldown_seconds: Floats
    power_factor: Floats
    fuel_idle_ratio: Floats

    @classmethod
    def of(cls, site: Site) -> _EngineParameters:
        """Return those of a site."""
        kinds = (site.gensets, site.turbines)
        counts = [kind.count for kind in kinds]
        return cls(
            **{
                field.name: np.repeat([float(getattr(kind, field.name)) for kind in kinds], counts)
                for field in fields(cls)
            }
        )


class Gensets:
    """State of all units; arrays are (units,)."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self._p = _EngineParameters.of(layout.site)
        self._hertz = layout.site.grid.frequency_hertz
        units = self._p.power_watts.size
        self.power = np.zeros(units)
        self._state = np.full(units, _STANDBY)
        self._since = np.zeros(units)
        self._attempts = np.zeros(units)
        self._speed = np.zeros(units)
        self.turning = False
        """Whether any unit turns; where none does, none runs."""
        self._coolant = _COOLANT_STANDBY + rng.normal(0.0, 1.0, units)
        filled = np.clip(0.95 + rng.normal(0.0, 0.02, units), 0.0, 1.0)
        piped = self._p.fuel_liters >= _PIPELINE_LITERS
        self._fuel = np.where(piped, 1.0, filled)
        self._tank = np.where(piped, np.inf, self._p.fuel_liters)
        self._battery = _BATTERY_FLOAT + rng.normal(0.0, 0.05, units)
        self._hours = np.floor(rng.uniform(50, 400, units) * _SECONDS_PER_HOUR)
        self._starts = np.floor(rng.uniform(20, 80, units))
        self._rate = np.zeros(units)
        self._volts = self._battery.copy()

    # -- what the energy management asks ---------------------------------------

    @property
    def running(self) -> NDArray[np.bool_]:
        """Units whose breaker is closed, (units,)."""
        closed: NDArray[np.bool_] = self._state == _RUNNING
        return closed

    @property
    def total(self) -> float:
        """Power of all units together in W."""
        return sum_of(self.power) if self.turning else 0.0

    @property
    def firm_watts(self) -> float:
        """Rated power of the units whose breaker is closed, in W."""
        if not self.turning:
            return 0.0
        return float((self.running * self._p.power_watts).sum())

    @property
    def ramp_watts(self) -> float:
        """How fast the running units together change their power, in W/s."""
        if not self.turning:
            return 0.0
        return float((self.running * self._p.ramp_per_second * self._p.power_watts).sum())

    def ready_watts(self, dt: float) -> float:
        """Return what the units can deliver after a step of ``dt`` seconds, in W."""
        return float(self._ceiling(dt).sum())

    def _ceiling(self, dt: float) -> Floats:
        rated = self._p.power_watts
        reach = np.minimum(self.power + self._p.ramp_per_second * rated * dt, rated)
        return np.where(self._state == _RUNNING, reach, 0.0)

    def sense(
        self,
        available: NDArray[np.bool_],
        startable: NDArray[np.bool_],
        dt: float,
        *,
        call: bool,
    ) -> None:
        """Advance the engines by ``dt`` seconds.

        Args:
            available: units that no protection holds, (units,).
            startable: units whose engine fires, (units,).
            dt: step in s.
            call: whether the units shall run.
        """
        if (
            not (call or self.turning)
            and all_of(available)
            and all_of(self._coolant < _COLD_CELSIUS)
            and all_of(self._state == _STANDBY)
        ):
            return
        self._since += dt
        self._change(available, startable, call=call)
        self._turn(dt)

    def _change(
        self, available: NDArray[np.bool_], startable: NDArray[np.bool_], *, call: bool
    ) -> None:
        """Let the units change state; each at most once a step."""
        p, state = self._p, self._state
        fuelled = available & (self._fuel > 0.0)
        old = state.copy()
        if call:
            self._enter(fuelled & (old == _STANDBY), _STARTING)
            self._enter(fuelled & (old == _COOLING), _RUNNING)
        else:
            self._enter((old == _STARTING) | (old == _SYNCHRONISING), _COOLING)
            self._enter((old == _RUNNING) & (self.power <= _STILL * p.power_watts), _COOLING)
            self._enter((old == _COOLING) & (self._since >= p.cooldown_seconds), _STANDBY)
        # A failed unit is reset once its cause is gone.
        self._enter((old == _FAILED) & fuelled & startable, _STANDBY)
        cranked = (old == _STARTING) & (self._since >= p.start_seconds * (1 + self._attempts))
        fired = cranked & startable
        self._starts += fired
        self._enter(fired, _SYNCHRONISING)
        missed = cranked & ~startable
        self._attempts += missed
        self._enter(missed & (self._attempts >= p.start_attempts), _FAILED)
        closed = (old == _SYNCHRONISING) & (self._since >= p.synchronise_seconds)
        self._enter(closed & call, _RUNNING)
        self._enter(~fuelled, _FAILED)

    def _enter(self, units: NDArray[np.bool_], state: int) -> None:
        new = units & (self._state != state)
        if new.any():
            self._state[new] = state
            self._since[new] = 0.0
            self._attempts[new] = 0.0
            if state != _RUNNING:
                self.power[new] = 0.0

    def _turn(self, dt: float) -> None:
        """Advance speed, coolant, fuel and battery."""
        state = self._state
        turning = (state == _RUNNING) | (state == _SYNCHRONISING) | (state == _COOLING)
        cranking = state == _STARTING
        coasting = self._speed * np.exp(-dt / _COAST_SECONDS)
        target = np.where(cranking, _CRANK_RATIO, np.where(coasting > _STILL, coasting, 0.0))
        self._speed = np.where(turning, 1.0, target)
        self.turning = any_of(self._speed)
        self._rate = np.where(turning, self._rate, 0.0)
        load = self.power / self._p.power_watts
        warm = _COOLANT_IDLE + (_COOLANT_LOADED - _COOLANT_IDLE) * load
        goal = np.where(turning, warm, _COOLANT_STANDBY)
        self._coolant += (goal - self._coolant) * lag(dt, _COOLANT_SECONDS)
        self._hours += np.where(turning, dt, 0.0)
        volts = np.where(turning, _BATTERY_CHARGING, self._battery)
        self._volts = np.where(cranking, _BATTERY_CRANK, volts)

    def deliver(self, wanted: float, dt: float) -> None:
        """Carry ``wanted`` W together, as far as the units can, and burn the fuel for it."""
        if not self.turning:
            return
        ceiling = self._ceiling(dt)
        # Equal shares of the rating; a unit that came late gives what its ramp allows.
        rated = self._p.power_watts
        self.power = np.minimum(ceiling, rated * _level(ceiling, rated, max(wanted, 0.0)))
        self._burn(dt)

    def _burn(self, dt: float) -> None:
        p = self._p
        turning = self._speed >= 1.0
        idle = p.fuel_idle_ratio * p.power_watts * turning
        per_second = p.fuel_liters_per_joule * (idle + (1.0 - p.fuel_idle_ratio) * self.power)
        self._rate = per_second * _SECONDS_PER_HOUR
        self._fuel = np.maximum(self._fuel - per_second * dt / self._tank, 0.0)

    # -- telemetry -------------------------------------------------------------

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's generator class, (units, 1)."""
        p = self._p
        load = self.power / p.power_watts
        # What turns at no load gives nothing of either kind.
        factor = np.where(self.power > 0.0, p.power_factor, 1.0)
        oil = _OIL_PASCALS - _OIL_FALL_PASCALS * (self._coolant - _COOLANT_STANDBY)
        excited = self._speed >= 1.0
        values = {
            "power": self.power,
            "reactive_power": self.power * np.sqrt(1.0 / factor**2 - 1.0),
            "power_factor": factor,
            "speed": p.rpm * self._speed * (1.0 - _DROOP_RATIO * load),
            "frequency": self._hertz * self._speed * (1.0 - _DROOP_RATIO * load),
            "voltage": p.voltage * excited,
            "coolant_temperature": self._coolant,
            "oil_pressure": oil * np.sqrt(self._speed),
            "fuel_level": self._fuel,
            "fuel_rate": self._rate,
            "starter_voltage": self._volts,
            "running_seconds": self._hours,
            "starts": self._starts,
            "state": self._state.astype(float),
        }
        return {name: value[:, None] for name, value in values.items()}
