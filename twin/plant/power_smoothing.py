"""Power smoothing: floors and ramps of GPUs, and the energy that power shelves hold.

A GPU that has work draws at least its floor, by computing for nothing where the work asks for less;
from idle its power rises no faster than its profile says, and once it has had no work for the
profile's time its floor falls as slowly. Under the bus, capacitors in the power supplies lend and
take what is faster than the supplies' input follows, as far as their charge goes. Software that
burns has a floor alone, which ends with its job.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.parameters import SmoothingParameters
from twin.plant.units import Floats, clamp, lag
from twin.site import Layout, Site

__all__ = ["CourseSmoothing", "GpuSmoothing", "ShelfStorage"]

_BUSY = 0.5
"""Share of a step with a kernel on the GPU from which on it counts as at work."""
_HALF = 0.5
"""Charge that the storage returns to, over its capacity: it lends and takes alike."""
_RESTORE_SECONDS = 5.0
"""Time constant of that return, est."""
_MILLI = 1e3
_FLOOR_NOISE = 0.003
"""Standard deviation of the power of a GPU that is held at its floor, over it, est."""


class GpuSmoothing:
    """Floors and ramps of all GPUs; arrays are (racks, GPUs a rack).

    Attributes:
        burnt: power that each GPU draws for nothing, in W.
        ceiling: power that each GPU may draw, None while that is all that its model may.
    """

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._p, self._rng = site.smoothing, rng
        shape = site.accelerators
        models = [site.gpu_model(rack) for rack in range(site.racks)]
        self._idle = np.array([[own.power_idle_watts] for own in models])
        self._most = np.array([[own.power_limit_watts] for own in models])
        self._tmp = np.array([[own.smoothing_tmp_watts] for own in models])
        self._hot = np.array([[own.temperature_max_operating_celsius] for own in models])
        self._floor = self._tmp * self._p.profile.floor_percent / 100.0
        self._on: NDArray[np.bool_] = np.full(shape, self._p.enabled)
        self._level: Floats = np.broadcast_to(self._idle, shape).copy()
        self._quiet: Floats = np.zeros(shape)
        self.burnt: Floats = np.zeros(shape)
        self.ceiling: Floats | None = None

    @classmethod
    def of(cls, layout: Layout, rng: np.random.Generator) -> GpuSmoothing | None:
        """Return that of a site, None where nothing of it acts or is shown."""
        smoothing = layout.site.smoothing
        shown = smoothing.acts or smoothing.in_band_level > 0
        return cls(layout, rng.spawn(1)[0]) if shown else None

    @property
    def floor(self) -> Floats:
        """Floor in force of each GPU in W, 0 where smoothing is off."""
        held: Floats = np.where(self._on, np.minimum(self._level, self._floor), 0.0)
        return np.where(held > self._idle, held, 0.0)

    def settle(self, power: Floats, busy: Floats) -> Floats:
        """Put levels where GPUs that have drawn this for long have them; return their power in W.

        Args:
            power: in W.
            busy: share of the time in which a kernel is on each GPU.
        """
        self._level = np.where(busy > _BUSY, self._tmp, self._idle)
        self._set_ceiling()
        return self._held(power, busy > _BUSY, np.inf, self.floor)

    def step(
        self,
        power: Floats,
        busy: Floats,
        present: Floats | float,
        limit: Floats,
        die: Floats,
        servers_on: NDArray[np.bool_],
        dt: float,
    ) -> Floats:
        """Advance by ``dt`` seconds, and return what the GPUs draw in W.

        Args:
            power: that their work takes in W.
            busy: share of the time in which a kernel is on each GPU.
            present: share of the time in which a job's processes run.
            limit: power limit in force in W.
            die: temperatures in °C: a hot GPU burns nothing.
            servers_on: GPUs whose smoothing is not disabled.
            dt: step in s.
        """
        working = busy > _BUSY
        self._ramp(working, servers_on & self._p.enabled, dt)
        floor = self.floor
        if self._p.burn_watts:
            floor = np.maximum(floor, np.where(np.greater(present, 0.0), self._p.burn_watts, 0.0))
        floor = floor * (1.0 + _FLOOR_NOISE * self._rng.standard_normal(floor.shape))
        # What is off the bus, or has no power, burns nothing either.
        able = (power >= 0.9 * self._idle) & (die < self._hot)
        return self._held(power, able, limit, floor)

    def _held(
        self, power: Floats, able: NDArray[np.bool_], limit: Floats | float, floor: Floats
    ) -> Floats:
        floor = np.where(able, np.minimum(floor, np.minimum(limit, self._most)), 0.0)
        held: Floats = np.maximum(power, floor).astype(np.float32)
        self.burnt = held - power
        return held

    def _ramp(self, working: NDArray[np.bool_], on: NDArray[np.bool_], dt: float) -> None:
        """Raise the level of GPUs at work, and lower that of those that have had none for long."""
        profile = self._p.profile
        self._quiet = np.where(working, 0.0, self._quiet + dt)
        raised = np.minimum(self._level + profile.ramp_up_watts_per_second * dt, self._tmp)
        lowered = np.maximum(
            np.minimum(self._level, self._floor) - profile.ramp_down_watts_per_second * dt,
            self._idle,
        )
        ended = self._quiet > (0.0 if self._p.immediate_ramp_down else profile.hysteresis_seconds)
        if self._p.immediate_ramp_down:
            lowered = np.broadcast_to(self._idle, lowered.shape)
        level = np.where(working, raised, np.where(ended, lowered, self._level))
        # Where it is off there is neither: it begins anew where the work stands.
        self._level = np.where(on, level, np.where(working, self._tmp, self._idle))
        self._on = on
        self._set_ceiling()

    def _set_ceiling(self) -> None:
        ceiling = np.where(self._on, np.maximum(self._level, self._idle + 1.0), np.inf)
        self.ceiling = ceiling if (ceiling < self._most).any() else None

    def outputs(self) -> dict[str, Floats]:
        """Return the signals of DCGM's fields, none where the host may not read them."""
        p, profile, shape = self._p, self._p.profile, self._level.shape
        if not p.in_band_level:
            return {}
        ceiling = self._tmp if self.ceiling is None else np.minimum(self.ceiling, self._tmp)
        fixed: dict[str, Floats | float] = {
            "smoothing_enabled": self._on.astype(np.float64),
            "smoothing_privilege": float(p.in_band_level),
            "smoothing_immediate": float(p.immediate_ramp_down),
            "smoothing_ceiling": np.where(self._on, ceiling, 0.0),
            "smoothing_floor": self.floor,
            "smoothing_floor_most": 100.0,
            "smoothing_floor_least": 0.0,
            "smoothing_lifetime": p.lifetime_percent,
            "smoothing_presets": float(len(p.presets)),
            "smoothing_preset": float(p.preset),
            "smoothing_floor_percent": profile.floor_percent,
            "smoothing_ramp_up": profile.ramp_up_watts_per_second * _MILLI,
            "smoothing_ramp_down": profile.ramp_down_watts_per_second * _MILLI,
            "smoothing_hysteresis": profile.hysteresis_seconds * _MILLI,
        }
        return {name: np.broadcast_to(value, shape) for name, value in fixed.items()}


class _Capacitors:
    """Capacitors between a bus and the input of its supplies; arrays of any one shape.

    Attributes:
        charge: energy that they hold in J.
    """

    def __init__(self, smoothing: SmoothingParameters, capacity: Floats) -> None:
        self._p, self._capacity = smoothing, capacity
        self.charge: Floats = _HALF * capacity
        self._mean: Floats | None = None

    def step(self, load: Floats, share: Floats | float, dt: float) -> Floats:
        """Return what the capacitors take from the input beside the load, in W; below 0 they give.

        Args:
            load: on the bus in W.
            share: of the capacitors that act.
            dt: step in s; 0 for a load that has lasted for long.
        """
        if self._mean is None or not dt:
            self._mean = load.astype(np.float64)
            return np.zeros_like(self._mean)
        self._mean = self._mean + (load - self._mean) * lag(dt, self._p.storage_seconds)
        usable = self._capacity * share
        missing = _HALF * usable - self.charge
        wanted = self._mean - load + missing * lag(dt, _RESTORE_SECONDS) / dt
        # The nearer to full or empty, the less they take or give, so that nothing jumps there.
        pause = dt + self._p.storage_seconds
        room = np.maximum(usable - self.charge, 0.0) / pause
        taken = clamp(wanted, -self.charge / pause, room)
        self.charge = clamp(self.charge + taken * dt, 0.0, self._capacity)
        # What comes out is less than what went in: half of the loss on either way.
        lost = (1.0 - self._p.storage_round_trip_ratio) / 2.0 * np.abs(taken)
        flow: Floats = taken + lost
        return flow


class ShelfStorage(_Capacitors):
    """The capacitors of each rack's power shelves, (racks,)."""

    def __init__(self, layout: Layout) -> None:
        site = layout.site
        each = site.smoothing.storage_joules_per_gpu * site.gpus_per_rack
        super().__init__(site.smoothing, np.full(site.racks, each))

    @classmethod
    def of(cls, layout: Layout) -> ShelfStorage | None:
        """Return that of a site, None where it does not act."""
        smoothing = layout.site.smoothing
        return cls(layout) if smoothing.enabled and smoothing.storage_joules_per_gpu else None


class CourseSmoothing:
    """What smoothing leaves of the jobs' power within a step, for all racks together.

    Args:
        site: the whole of it.
    """

    def __init__(self, site: Site) -> None:
        self._p = site.smoothing
        gpus = [block.racks * site.gpus_per_rack for block in site.all_blocks]
        self._floor = sum(
            count * max(site.smoothing.floor_watts(block.gpu) - block.gpu.power_idle_watts, 0.0)
            for count, block in zip(gpus, site.all_blocks, strict=True)
        )
        stored = self._p.storage_joules_per_gpu * sum(gpus) if self._p.enabled else 0.0
        self._storage = _Capacitors(self._p, np.array(stored))

    @classmethod
    def of(cls, site: Site) -> CourseSmoothing | None:
        """Return that of a site, None where nothing smooths."""
        return cls(site) if site.smoothing.acts else None

    def step(self, course: Floats, share: float, dt: float) -> Floats:
        """Return the course that the supplies of the racks draw, in W.

        Args:
            course: power of the jobs' GPUs above idle, at points evenly spaced over the step.
            share: of the GPUs whose smoothing acts.
            dt: step in s.
        """
        held: Floats = np.maximum(share * course, share * self._floor) + (1.0 - share) * course
        if not self._p.enabled or course.size == 1:
            return held
        each = dt / course.size
        return np.array([point + float(self._storage.step(point, share, each)) for point in held])
