"""Coolant loops of the racks: pumps, filter, leaks and pressures.

Pumps obey the affinity laws (flow with speed, head with its square, power with its
cube) on the curve H = w H0 n² - a Q², where w is what wear has left of the head; the
loop's pressure drop is k Q², and a clogged filter raises k. Check valves keep a stopped
pump from flowing backwards. The controller holds the flow: when a pump fails the others
speed up as fast as their drives allow, and when the filter clogs both do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.parameters import CoolingParameters
from twin.plant.conditions import Conditions
from twin.plant.units import Floats, Unchanged, all_of, any_of, approach, clamp, equal
from twin.site import Layout

__all__ = ["Loops", "PumpCurve", "pump_flows"]

_BISECTIONS = 24
_STILL = 1e-3
"""A pump slower than this has stopped."""
_COAST_SECONDS = 0.5
"""A pump without drive or power coasts down within a second or two, est."""
_TRIM_SECONDS = 10.0
"""How fast the controller corrects what its pump model does not know, est."""
_REFILLED = 0.5
"""Level at which pumps that stopped for want of coolant may start again."""
_SHAKING = 6.0
"""Vibration that the loss of all head would add, over that of a new pump, est."""
_SECONDS_PER_MINUTE = 60.0
_OF_LOOPS = ("coolant_leak", "cdu_psu_ok", "pump_available", "pump_head", "filter_resistance",
             "coolant_flow_ratio")  # fmt: skip
"""Conditions of loops."""


@dataclass(frozen=True, slots=True)
class PumpCurve:
    """Constants of the pumps and of the loop, fitted to the nominal point.

    Attributes:
        head: H0, head at rated speed without flow, in Pa.
        curve: a, in Pa per (L/min)² of one pump.
        loop: k, in Pa per (L/min)² of the whole flow, with a clean filter.
        strainer: the clean filter's part of k.
    """

    head: float
    curve: float
    loop: float
    strainer: float

    @classmethod
    def of(cls, cooling: CoolingParameters) -> PumpCurve:
        """Return the curve that gives the nominal flow at the nominal speed of all pumps."""
        flow = cooling.flow_liters_per_minute
        each = flow / cooling.pumps
        head = cooling.pump_head_pascals * cooling.pump_nominal_ratio**2
        spare = max(head - cooling.loop_pressure_pascals, 0.0)
        loop = cooling.loop_pressure_pascals / flow**2
        return cls(
            head=cooling.pump_head_pascals,
            curve=spare / each**2,
            loop=loop,
            strainer=cooling.filter_pressure_ratio * loop,
        )

    def shutoff(self, speeds: Floats) -> Floats:
        """Return the head without flow of new pumps at these speed ratios, in Pa."""
        head: Floats = self.head * speeds**2
        return head

    def flow(self, shutoff: Floats, head: Floats) -> Floats:
        """Return what a pump with this head without flow gives against ``head``, in L/min."""
        flow: Floats = np.sqrt(np.maximum(shutoff - head, 0.0) / self.curve)
        return flow

    @staticmethod
    def drop(flow: Floats | float, resistance: Floats | float) -> Floats:
        """Return the pressure drop of so much flow in L/min through a resistance, in Pa."""
        pressure: Floats = np.asarray(resistance * flow**2)
        return pressure

    def speed_for(self, flow: Floats, running: Floats, loop: Floats, wear: Floats) -> Floats:
        """Return the speed ratio at which so many pumps give ``flow`` together.

        Args:
            flow: in L/min, same shape.
            running: number of pumps that can run, any shape; 0 gives 0.
            loop: k of each loop, same shape.
            wear: mean head of the running pumps over that of new ones, same shape.
        """
        count = np.maximum(running, 1.0)
        need = self.drop(flow / count, self.curve) + self.drop(flow, loop)
        return np.where(running > 0, np.sqrt(need / (self.head * wear)), 0.0)


def pump_flows(
    speeds: Floats, curve: PumpCurve, loop: Floats | None = None, wear: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return the flow of each pump and the pressure drop of the loop.

    Solves for the head H that all pumps share: the sum of sqrt((w H0 n² - H) / a) over
    the pumps equals sqrt(H / k). The left side falls with H and the right side rises, so
    bisection always converges.

    Args:
        speeds: speed ratios, (racks, pumps).
        curve: constants of the pumps and the loop.
        loop: k of each loop, (racks,); None for clean filters.
        wear: head of each pump over that of a new one, (racks, pumps); None for new ones.

    Returns:
        Flow of each pump in L/min, (racks, pumps), and H in Pa, (racks,).
    """
    shutoff = curve.shutoff(speeds) * (1.0 if wear is None else wear)
    resistance = curve.loop if loop is None else loop
    low = np.zeros(speeds.shape[0])
    high = shutoff.max(axis=1)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        given = curve.flow(shutoff, middle[:, None]).sum(axis=1)
        more = given > np.sqrt(middle / resistance)
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    head = 0.5 * (low + high)
    return curve.flow(shutoff, head[:, None]), head


class Loops:
    """Pumps and coolant of all racks; arrays are (racks,) or (racks, pumps)."""

    def __init__(self, layout: Layout) -> None:
        cooling = layout.site.cooling
        self._cooling = cooling
        self._curve = PumpCurve.of(cooling)
        racks, pumps = layout.site.air_racks.count(False), cooling.pumps
        self.speeds: Floats = np.full((racks, pumps), cooling.pump_nominal_ratio)
        self.level: Floats = np.ones(racks)
        """Coolant in the reservoir over its volume."""
        self._dry = np.zeros(racks, dtype=np.bool_)
        self._trim: Floats = np.ones(racks)
        self._resistance: Floats = np.full(racks, self._curve.loop)
        self._wear: Floats = np.ones((racks, pumps))
        self.flows, self.head = pump_flows(self.speeds, self._curve)
        """Flow of each pump in L/min and pressure drop of each loop in Pa."""
        self.flow: Floats = self.flows.sum(axis=1)
        """Flow of each loop in L/min."""
        self._solved = self.speeds
        self._driven: NDArray[np.bool_] = np.ones((racks, pumps), dtype=np.bool_)
        self._unchanged = Unchanged()
        self._steady = False

    @property
    def inlet_pressure(self) -> Floats:
        """Pressure at the pumps' inlets in Pa: the expansion vessel loses it with coolant."""
        pressure: Floats = self._cooling.static_pressure_pascals * self.level
        return pressure

    @property
    def filter_pressure(self) -> Floats:
        """Pressure drop of the filter in Pa, (racks,)."""
        rest = self._curve.loop - self._curve.strainer
        drop: Floats = self.head * (1.0 - rest / self._resistance)
        return drop

    @property
    def leaked(self) -> Floats:
        """Coolant that the loop has lost in L, (racks,)."""
        lost: Floats = (1.0 - self.level) * self._cooling.reservoir_liters
        return lost

    @property
    def pump_power(self) -> Floats:
        """Electrical power of each pump in W; one that coasts down draws none."""
        return self._cooling.pump_power_watts * self.speeds**3 * self._driven

    @property
    def vibration(self) -> Floats:
        """Vibration of each pump in m/s: with the square of speed, and a worn impeller shakes."""
        new = self._cooling.pump_vibration_meters_per_second
        return new * self.speeds**2 * (1.0 + _SHAKING * (1.0 - self._wear))

    def step(self, conditions: Conditions, dt: float) -> bool:
        """Advance by ``dt`` seconds and return whether anything may have changed by that."""
        same = self._unchanged(dt, *(getattr(conditions, name) for name in _OF_LOOPS))
        if same and self._steady:
            return False
        before = self.speeds, self._trim, self.level, self._dry, self.flow
        self._move(conditions, dt)
        after = self.speeds, self._trim, self.level, self._dry, self.flow
        # Under the same conditions the next step then ends like this one.
        self._steady = all(map(equal, before, after))
        return True

    def _move(self, conditions: Conditions, dt: float) -> None:
        """Let pumps, coolant and flows follow the conditions for ``dt`` seconds."""
        self._leak(conditions.coolant_leak, dt)
        fed = conditions.cdu_psu_ok.any(axis=1) & ~self._dry
        self._driven = can_run = conditions.pump_available & fed[:, None]
        curve = self._curve
        resistance = curve.loop + curve.strainer * (conditions.filter_resistance - 1.0)
        flow = self._cooling.flow_liters_per_minute * conditions.coolant_flow_ratio
        self._drive(can_run, flow, resistance, conditions.pump_head, dt)
        self._solve(resistance, conditions.pump_head)

    def _leak(self, rate: Floats, dt: float) -> None:
        """Lose coolant; once the leak is mended the make-up pump fills the loop again."""
        if all_of(self.level >= 1.0) and not any_of(rate):
            return
        cooling = self._cooling
        change = np.where(rate > 0, -rate, cooling.makeup_liters_per_minute)
        moved = self.level + change * (dt / _SECONDS_PER_MINUTE / cooling.reservoir_liters)
        self.level = clamp(moved, 0.0, 1.0)
        threshold = np.where(self._dry, max(_REFILLED, cooling.low_level_ratio),
                             cooling.low_level_ratio)  # fmt: skip
        self._dry = self.level < threshold

    def _drive(
        self,
        can_run: NDArray[np.bool_],
        setpoint: Floats,
        resistance: Floats,
        wear: Floats,
        dt: float,
    ) -> None:
        """Let the controller hold the flow with the pumps that can run."""
        cooling = self._cooling
        running = can_run.sum(axis=1).astype(np.float64)
        mean = np.where(can_run, wear, 0.0).sum(axis=1) / np.maximum(running, 1.0)
        mean = np.where(running > 0, mean, 1.0)
        asked = self._curve.speed_for(setpoint, running, resistance, mean) * self._trim
        wanted = np.minimum(asked, 1.0)
        target = np.where(can_run, wanted[:, None], 0.0)
        # Pumps of unequal wear do not add up as the model says: trim what is left, at rest only.
        resting = (
            (np.abs(self.speeds - target) < _STILL).all(axis=1) & (asked < 1.0) & (running > 0)
        )
        least = np.minimum(setpoint, 1.0)
        error = np.where(resting, setpoint / np.maximum(self.flow, least) - 1.0, 0.0)
        if any_of(np.abs(error) > _STILL):
            share = min(dt / _TRIM_SECONDS, 1.0)
            small = np.abs(error) <= _STILL
            step = np.where(small, 0.0, error)
            self._trim = clamp(self._trim * (1.0 + share * step), 0.7, 1.4)
        limit = cooling.pump_slew_per_second * dt
        coasting = self.speeds * np.exp(-dt / _COAST_SECONDS)
        self.speeds = np.where(can_run, approach(self.speeds, target, limit), coasting)
        self.speeds[self.speeds < _STILL] = 0.0

    def _solve(self, resistance: Floats, wear: Floats) -> None:
        """Find the flows again where speed, filter or wear have changed."""
        changed = (self.speeds != self._solved).any(axis=1)
        changed |= (resistance != self._resistance) | (wear != self._wear).any(axis=1)
        if not any_of(changed):
            return
        flows, head = pump_flows(
            self.speeds[changed], self._curve, resistance[changed], wear[changed]
        )
        self.flows, self.head = self.flows.copy(), self.head.copy()
        self.flows[changed], self.head[changed] = flows, head
        self.flow = self.flows.sum(axis=1)
        # Conditions are written to in place between two steps, so these are copies.
        self._solved, self._resistance, self._wear = self.speeds, resistance, wear.copy()
