"""The coolant distribution unit of each rack: pumps, flow, pressures, heat.

Pumps obey the affinity laws (flow with speed, head with its square, power with its
cube) on the curve H = H0 n² - a Q²; the loop's pressure drop is k Q². Check valves
keep a stopped pump from flowing backwards. The controller holds the flow: when a pump
fails the others speed up as fast as their drives allow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.catalog import CDU, PUMP
from twin.plant.units import Floats, approach, lag
from twin.site import Layout
from twin.site.parameters import Cooling

__all__ = ["Cdus", "PumpCurve", "pump_flows"]

_RUNNING, _STOPPED, _FAILED = 1.0, 0.0, 2.0
_BISECTIONS = 24
_STILL = 1e-3
"""Below this share of nominal flow the loop counts as standing."""
_SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class PumpCurve:
    """Constants of the pumps and of the loop, fitted to the nominal point.

    Attributes:
        head: H0, head at rated speed without flow, in Pa.
        curve: a, in Pa per (L/min)² of one pump.
        loop: k, in Pa per (L/min)² of the whole flow.
    """

    head: float
    curve: float
    loop: float

    @classmethod
    def of(cls, cooling: Cooling) -> PumpCurve:
        """Return the curve that gives the nominal flow at the nominal speed of all pumps."""
        flow = cooling.flow_liters_per_minute
        each = flow / cooling.pumps
        head = cooling.pump_head_pascals * cooling.pump_nominal_ratio**2
        spare = max(head - cooling.loop_pressure_pascals, 0.0)
        return cls(
            head=cooling.pump_head_pascals,
            curve=spare / each**2,
            loop=cooling.loop_pressure_pascals / flow**2,
        )

    def speed_for(self, flow: float, running: Floats) -> Floats:
        """Return the speed ratio at which so many pumps give ``flow`` together.

        Args:
            flow: in L/min.
            running: number of pumps that can run, any shape; 0 gives 0.
        """
        count = np.maximum(running, 1.0)
        need = self.curve * (flow / count) ** 2 + self.loop * flow**2
        return np.where(running > 0, np.sqrt(need / self.head), 0.0)


def pump_flows(speeds: Floats, curve: PumpCurve) -> tuple[Floats, Floats]:
    """Return the flow of each pump and the pressure drop of the loop.

    Solves for the head H that all pumps share: the sum of sqrt((H0 n² - H) / a) over
    the pumps equals sqrt(H / k). The left side falls with H and the right side rises, so
    bisection always converges.

    Args:
        speeds: speed ratios, (racks, pumps).
        curve: constants of the pumps and the loop.

    Returns:
        Flow of each pump in L/min, (racks, pumps), and H in Pa, (racks,).
    """
    shutoff = curve.head * speeds**2
    low = np.zeros(speeds.shape[0])
    high = shutoff.max(axis=1)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        given = np.sqrt(np.maximum(shutoff - middle[:, None], 0.0) / curve.curve).sum(axis=1)
        more = given > np.sqrt(middle / curve.loop)
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    head = 0.5 * (low + high)
    return np.sqrt(np.maximum(shutoff - head[:, None], 0.0) / curve.curve), head


class Cdus:
    """State of all units; arrays are (racks,) or (racks, pumps)."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        cooling = layout.site.cooling
        self._cooling = cooling
        self._curve = PumpCurve.of(cooling)
        racks, pumps = layout.shape(PUMP)
        self.speeds: Floats = np.full((racks, pumps), cooling.pump_nominal_ratio)
        self._available = np.ones((racks, pumps), dtype=np.bool_)
        self._operating = np.floor(rng.uniform(1_000, 9_000, (racks, pumps)) * 3600.0)
        self.supply = np.full(layout.units(CDU.frame), cooling.supply_celsius)
        self.returned = self.supply.copy()
        self.heat = np.zeros(racks)
        self._flows, self._head = pump_flows(self.speeds, self._curve)
        self._solved = self.speeds

    @property
    def flow(self) -> Floats:
        """Flow of each rack's loop in L/min, (racks,)."""
        total: Floats = self._flows.sum(axis=1)
        return total

    @property
    def flow_ratio(self) -> Floats:
        """Flow over nominal flow, (racks,)."""
        return self.flow / self._cooling.flow_liters_per_minute

    @property
    def power(self) -> Floats:
        """Electrical power of each unit in W, (racks,)."""
        pumps: Floats = self._pump_power.sum(axis=1)
        return pumps + self._cooling.control_power_watts

    @property
    def _pump_power(self) -> Floats:
        return self._cooling.pump_power_watts * self.speeds**3

    def settle(self, heat: Floats) -> None:
        """Put the return temperature where this heat would hold it, (racks,) in W."""
        self.heat = heat.astype(np.float64)
        self.returned = self.supply + heat / self._capacity_rate()

    def step(self, heat: Floats, available: NDArray[np.bool_], dt: float) -> None:
        """Advance by ``dt`` seconds.

        Args:
            heat: heat into the coolant in W, (racks,).
            available: pumps that can run, (racks, pumps).
            dt: step in s.
        """
        self._drive(available, dt)
        cooling = self._cooling
        rate = self._capacity_rate()
        nominal = self._nominal_rate()
        # The loop holds its heat: with less flow it turns over more slowly.
        moving = np.maximum(rate, _STILL * nominal)
        share = -np.expm1(-dt * moving / (cooling.loop_seconds * nominal))
        self.returned += (self.supply + heat / moving - self.returned) * share
        self.heat = rate * (self.returned - self.supply)

        coolest = cooling.facility_supply_celsius + cooling.approach_kelvin * np.maximum(
            self.heat / cooling.nominal_heat_watts, 0.0
        )
        self._coolest = coolest
        target = np.maximum(cooling.supply_celsius, coolest)
        self.supply += (target - self.supply) * lag(dt, cooling.supply_seconds)

    def _drive(self, available: NDArray[np.bool_], dt: float) -> None:
        """Let the controller hold the flow with the pumps that can run."""
        cooling = self._cooling
        self._available = available
        running = available.sum(axis=1).astype(np.float64)
        wanted = np.minimum(self._curve.speed_for(cooling.flow_liters_per_minute, running), 1.0)
        target = np.where(available, wanted[:, None], 0.0)
        limit = cooling.pump_slew_per_second * dt
        # A failed pump has no drive left and coasts down within a second or two.
        self.speeds = np.where(
            available, approach(self.speeds, target, limit), self.speeds * np.exp(-2.0 * dt)
        )
        self.speeds[self.speeds < _STILL] = 0.0
        self._operating += np.where(self.speeds > 0, dt, 0.0)
        if not np.array_equal(self.speeds, self._solved):
            self._flows, self._head = pump_flows(self.speeds, self._curve)
            self._solved = self.speeds

    def _capacity_rate(self) -> Floats:
        """Flow times heat capacity in W/K, (racks,)."""
        return self.flow * (self._cooling.coolant_joules_per_liter_kelvin / _SECONDS_PER_MINUTE)

    def _nominal_rate(self) -> float:
        cooling = self._cooling
        capacity = cooling.coolant_joules_per_liter_kelvin / _SECONDS_PER_MINUTE
        return cooling.flow_liters_per_minute * capacity

    def pump_outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's pump class."""
        state = np.where(self.speeds > 0, _RUNNING, _STOPPED)
        return {
            "speed_ratio": self.speeds,
            "speed": self.speeds * self._cooling.pump_rated_rpm,
            "power": self._pump_power,
            "flow": self._flows,
            "inlet_pressure": np.full(self.speeds.shape, self._cooling.static_pressure_pascals),
            "operating_seconds": self._operating,
            "state": np.where(self._available, state, _FAILED),
        }

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's CDU class, (racks, 1)."""
        cooling = self._cooling
        valve = self._valve()
        water = valve * cooling.facility_flow_liters_per_minute * 4180.0 / _SECONDS_PER_MINUTE
        returned = cooling.facility_supply_celsius + self.heat / np.maximum(water, 1.0)
        values = {
            "flow": self.flow,
            "supply_temperature": self.supply,
            "return_temperature": self.returned,
            "supply_pressure": cooling.static_pressure_pascals + self._head,
            "differential_pressure": self._head,
            "heat_removed": self.heat,
            "facility_supply_temperature": np.full(
                self.supply.shape, cooling.facility_supply_celsius
            ),
            "facility_return_temperature": np.minimum(returned, self.returned),
            "valve_position": valve,
            "leak": np.zeros(self.supply.shape),
            "power": self.power,
        }
        return {name: value[:, None] for name, value in values.items()}

    def _valve(self) -> Floats:
        """Return the opening of the facility water valve, (racks,).

        Full open when the heat needs the whole approach; in proportion below.
        """
        cooling = self._cooling
        head_room = cooling.supply_celsius - cooling.facility_supply_celsius
        need = cooling.approach_kelvin * self.heat / cooling.nominal_heat_watts / head_room
        opening: Floats = np.clip(need, 0.02, 1.0)
        return opening
