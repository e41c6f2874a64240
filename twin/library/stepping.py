"""A twin that is led step by step: for controllers, and for whole runs too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.errors import ConfigError
from twin.faults import FAULTS, FaultSchedule
from twin.faults.natural import failures_of
from twin.library.axes import device_of, signal_of
from twin.library.controls import Controls, SetPoint, set_points
from twin.library.events import EventBook, RunEvent
from twin.library.plans import PlannedFault, checked, moment_of, seconds_of
from twin.library.sites import load_site
from twin.library.summary import RunSummary, RunTally
from twin.parameters.site import Site
from twin.plant import Plant
from twin.site import Layout
from twin.wire.schema import Outputs

__all__ = ["START", "SteppedTwin"]

START = 1_767_225_600.0
"""2026-01-01 00:00 UTC: where the weather of a run begins unless it says otherwise."""
_TICK = 1.0
_LOSS_STREAM = 90


class SteppedTwin:
    """A site in simulated time, which goes on only when it is told to.

    Args:
        site: what :func:`twin.load_site` takes.
        faults: that will strike; more can be added with :meth:`inject`.
        seed: of all random numbers; the same seed gives the same values.
        workload: what the training jobs run: ``training``, ``idle``, a workload or ``trace:NAME``.
        failures: ``none``, ``natural``, or ``natural:FACTOR`` for so many times as many.
        start: simulated unix time of the start, of which the time of day counts for the weather.

    Attributes:
        site: the site.

    Raises:
        ConfigError: an argument is not what it must be.
    """

    def __init__(
        self,
        site: str | os.PathLike[str] | Mapping[str, Any] | Site,
        *,
        faults: Iterable[PlannedFault] = (),
        seed: int = 0,
        workload: str = "training",
        failures: str = "none",
        start: float = START,
    ) -> None:
        self.site = load_site(site)
        self.layout = Layout(self.site)
        if not _is_whole(seed):
            raise ConfigError(f"seed: is {seed!r}; give a whole number from 0 on")
        self._schedule = FaultSchedule(self.layout, FAULTS)
        self._failures = failures_of(failures, self.layout, seed)
        self._planned = checked(faults, self.layout)
        self._plant = Plant(self.layout, seed, workload, moment_of(start))
        self._lost = np.random.default_rng([seed, _LOSS_STREAM])
        self._tally = RunTally(self.layout, self._plant)
        self._book = EventBook()
        self._controls = Controls()
        self._injected = 0
        self._silent: NDArray[np.bool_] = np.zeros(self.site.racks, dtype=np.bool_)
        self._outputs: Outputs | None = None

    # -- time ---------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Simulated seconds since the start."""
        return self._plant.time

    def step(self, duration: str | float = _TICK) -> None:
        """Go on.

        Args:
            duration: seconds, or ``10s``; at most a second at a time is computed at once.

        Raises:
            ConfigError: it is no duration, or a planned fault cannot strike.
        """
        left = seconds_of(duration, "step")
        while left > 1e-9:  # noqa: PLR2004 - what is left by rounding
            dt = min(left, _TICK)
            self._advance(dt)
            left -= dt

    def _advance(self, dt: float) -> None:
        schedule, now = self._schedule, self.now
        schedule.expire(now)
        while self._planned and self._planned[0].start <= now + 1e-9:
            self._strike(self._planned.pop(0))
        if self._failures is not None:
            self._failures.apply(schedule, now, 0.0)
        conditions = schedule.conditions(now)
        self._plant.step(dt, self._controls.applied(conditions, self.layout))
        gateways = schedule.gateways(now)
        lost = self._lost.random(gateways.frame_loss.size) < gateways.frame_loss
        self._silent = lost | ~gateways.reporting
        self._tally.add(self._plant, dt)
        # What ends within this step is over at its end.
        active = tuple(own for own in schedule.active if own.until > self.now)
        self._book.look(self._plant, schedule.active, now)
        self._book.look(self._plant, active, self.now)
        self._outputs = None

    def _strike(self, plan: PlannedFault) -> None:
        self._injected += 1
        self._schedule.inject(
            f"fault-{self._injected}",
            plan.kind,
            plan.place(self.layout),
            self.now,
            plan.lasting,
            plan.parameters,
        )

    # -- what a caller does -------------------------------------------------------------

    def inject(self, fault: PlannedFault) -> None:
        """Let a fault strike ``fault.at`` after now.

        Raises:
            ConfigError: there is no such fault or place, or the same is in force there.
        """
        plan = checked([fault], self.layout)[0]
        if plan.start == 0.0:
            self._strike(plan)
            return
        later = PlannedFault(
            plan.kind, self.now + plan.start, plan.duration, plan.target, plan.parameters
        )
        self._planned = sorted([*self._planned, later], key=lambda own: own.start)

    def clear(self, kind: str | None = None, target: str | None = None) -> int:
        """End the faults of this kind and target, None for any, and return how many there were.

        Raises:
            ConfigError: the kind or the target does not exist.
        """
        return self._schedule.clear(kind, target)

    @property
    def set_points(self) -> tuple[SetPoint, ...]:
        """What :meth:`apply` can set on this site."""
        return set_points(self.layout)

    def apply(self, **values: ArrayLike | None) -> None:
        """Hold set points from now on: ``sim.apply(supply_celsius=30, megapack_watts=5e5)``.

        Args:
            values: by the name of a set point, one number or one a rack; None gives it back to
                the site, and what is not named stays as it is.

        Raises:
            ConfigError: the site has no such set point, or a value is not possible.
        """
        self._controls.set(self.layout, **values)

    # -- what a caller sees -------------------------------------------------------------

    @property
    def outputs(self) -> Outputs:
        """Every signal at present: class, then signal, to (units, devices a unit)."""
        if self._outputs is None:
            self._outputs = self._plant.outputs()
        return self._outputs

    @property
    def silent(self) -> NDArray[np.bool_]:
        """Racks whose telemetry did not arrive with the last step, (racks,)."""
        return self._silent

    def __getitem__(self, key: tuple[str, str]) -> NDArray[np.float64]:
        """Return a signal at present, (units, devices a unit), NaN where a device is down.

        Args:
            key: device class, and signal or metric name.

        Raises:
            ConfigError: there is no such signal on this site.
        """
        device = device_of(self.layout, key[0])
        signal = signal_of(self.layout, device, key[1])
        if not signal.on_wire:
            raise ConfigError(f"{key[0]}: {key[1]} follows from other signals; read those")
        values = np.array(self.outputs[device.name][signal.name], np.float64)
        if self._silent.any() and device.frame.value == "rack":
            values[self._silent] = np.nan
        return values

    @property
    def events(self) -> tuple[RunEvent, ...]:
        """What happened so far, in order of time."""
        return self._book.events

    @property
    def summary(self) -> RunSummary:
        """Figures of all that was simulated so far."""
        return self._tally.summary(self._plant)


def _is_whole(seed: Any) -> bool:
    try:
        return bool(seed >= 0 and seed == int(seed))
    except (TypeError, ValueError, OverflowError):
        return False
