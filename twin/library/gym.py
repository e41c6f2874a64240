"""A Gymnasium environment over the twin: set points as actions, running costs as the reward.

Needs the extra ``gym``. The plant is the same as everywhere; a step is some seconds of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import ConfigError, not_installed
from twin.library.controls import SetPoint, set_points
from twin.library.plans import PlannedFault, seconds_of, within
from twin.library.sites import load_site
from twin.library.stepping import START, SteppedTwin
from twin.library.summary import RunSummary
from twin.parameters.site import Site
from twin.site import Layout

try:
    import gymnasium
except ImportError:
    raise not_installed("twin.library.gym", "gymnasium>=1.1,<2") from None

__all__ = ["OBSERVED", "TwinEnv", "running_cost"]

Numbers = NDArray[np.float32]
Reward = Callable[[RunSummary, RunSummary, int], float]

_GPU_HOUR_DOLLARS = 2.0
"""Worth of a GPU's hour, est."""
_KWH_DOLLARS = 0.08
"""Price of a kilowatt hour, est."""
_SECONDS_PER_HOUR = 3600.0
_MOST = 1e12
"""No number of an observation is greater: a terawatt."""

OBSERVED: Mapping[str, Callable[[SteppedTwin], float]] = {
    "facility_watts": lambda twin: _total(twin, "facility", "power"),
    "it_watts": lambda twin: _total(twin, "facility", "it_power"),
    "cooling_watts": lambda twin: _total(twin, "facility", "cooling_power"),
    "grid_watts": lambda twin: _total(twin, "grid", "power"),
    "unserved_watts": lambda twin: _total(twin, "facility", "unserved_power"),
    "shed_racks": lambda twin: _total(twin, "facility", "shed_racks"),
    "water_celsius": lambda twin: _total(twin, "facility", "water_temperature"),
    "hottest_gpu_celsius": lambda twin: _most(twin, "gpu", "gpu_temp"),
    "coolant_celsius": lambda twin: _mean(twin, "cdu", "supply_temperature"),
    "coolant_liters_per_minute": lambda twin: _total(twin, "cdu", "flow"),
    "megapack_watts": lambda twin: _total(twin, "megapack", "power"),
    "state_of_charge": lambda twin: _mean(twin, "megapack", "soc"),
    "job_pace": lambda twin: _mean(twin, "job", "pace"),
}
"""The numbers of an observation, in order; 0 for what the site does not have or nothing reports."""


def running_cost(before: RunSummary, after: RunSummary, gpus: int) -> float:
    """Return the worth of a step's GPU hours less the price of its energy, in dollars.

    Args:
        before: figures before the step.
        after: figures after it.
        gpus: of the site.
    """
    hours = gpus * (after.seconds - before.seconds) / _SECONDS_PER_HOUR
    kept = hours - (after.lost_gpu_hours - before.lost_gpu_hours)
    used = after.energy_kwh - before.energy_kwh
    return _GPU_HOUR_DOLLARS * kept - _KWH_DOLLARS * used


class TwinEnv(gymnasium.Env[Numbers, Numbers]):
    """A site whose set points an agent holds.

    An action has one number from -1 to 1 for each of :attr:`set_points`: its least and its
    greatest value, for all racks alike. An observation has the numbers of :data:`OBSERVED`.

    Args:
        site: what :func:`twin.load_site` takes.
        duration: simulated time of an episode.
        every: simulated time of a step.
        faults: that strike in every episode.
        reward: of a step, from the figures before and after it and the site's GPUs.
        failures: ``none``, ``natural``, or ``natural:FACTOR``.
        start: simulated unix time of the start.

    Raises:
        ConfigError: an argument is not what it must be.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self,
        site: str | os.PathLike[str] | Mapping[str, Any] | Site = "demo",
        *,
        duration: str | float = "1h",
        every: str | float = "30s",
        faults: Iterable[PlannedFault] = (),
        reward: Reward = running_cost,
        failures: str = "none",
        start: float = START,
    ) -> None:
        self.site = load_site(site)
        self._seconds = seconds_of(duration, "duration")
        self._every = seconds_of(every, "every", least=1.0)
        if self._every > self._seconds:
            raise ConfigError(f"every: is {every!r}, longer than an episode of {duration!r}")
        self._faults = within(faults, self._seconds)
        self._failures, self._start = failures, start
        self._reward = reward
        self.set_points: tuple[SetPoint, ...] = set_points(Layout(self.site))
        """What the numbers of an action are."""
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (len(self.set_points),), np.float32)
        self.observation_space = gymnasium.spaces.Box(-_MOST, _MOST, (len(OBSERVED),), np.float32)
        self._twin: SteppedTwin | None = None

    @property
    def twin(self) -> SteppedTwin:
        """The twin of this episode.

        Raises:
            ConfigError: no episode has begun.
        """
        if self._twin is None:
            raise ConfigError("no episode has begun; call reset() first")
        return self._twin

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Numbers, dict[str, Any]]:
        """Begin an episode and return its first observation.

        Args:
            seed: of all random numbers; None for another one each time.
            options: none are known.
        """
        super().reset(seed=seed, options=options)
        own = int(self.np_random.integers(2**31)) if seed is None else seed
        self._twin = SteppedTwin(
            self.site,
            faults=self._faults,
            seed=own,
            failures=self._failures,
            start=self._start,
        )
        return self._observed(), {"seed": own}

    def step(self, action: Numbers) -> tuple[Numbers, float, bool, bool, dict[str, Any]]:
        """Hold set points for a step.

        Args:
            action: one number from -1 to 1 for each set point.

        Raises:
            ConfigError: no episode has begun, or the action has another shape.
        """
        twin = self.twin
        shares = np.asarray(action, np.float64)
        if shares.shape != (len(self.set_points),) or not np.isfinite(shares).all():
            names = ", ".join(point.name for point in self.set_points)
            raise ConfigError(f"action: is {action!r}; give one number each for {names}")
        before = twin.summary
        twin.apply(**self.held(shares))
        twin.step(self._every)
        after = twin.summary
        reward = self._reward(before, after, self.site.gpus)
        over = twin.now >= self._seconds - 1e-6
        return self._observed(), reward, False, over, {"summary": after, "events": twin.events}

    def held(self, shares: NDArray[np.float64]) -> dict[str, float]:
        """Return the values of the set points that an action means."""
        part = (np.clip(shares, -1.0, 1.0) + 1.0) / 2.0
        return {
            point.name: float(point.low + share * (point.high - point.low))
            for point, share in zip(self.set_points, part, strict=True)
        }

    def _observed(self) -> Numbers:
        return np.array([read(self.twin) for read in OBSERVED.values()], np.float32)


def _read(twin: SteppedTwin, device: str, signal: str) -> NDArray[np.float64]:
    """Return the values that are reported, none where the site has no such device."""
    own = next((own for own in twin.layout.devices if own.name == device), None)
    if own is None or not twin.layout.units(own.frame):
        return np.empty(0)
    values = twin[device, signal]
    return values[np.isfinite(values)]


def _total(twin: SteppedTwin, device: str, signal: str) -> float:
    return float(_read(twin, device, signal).sum())


def _mean(twin: SteppedTwin, device: str, signal: str) -> float:
    values = _read(twin, device, signal)
    return float(values.mean()) if values.size else 0.0


def _most(twin: SteppedTwin, device: str, signal: str) -> float:
    values = _read(twin, device, signal)
    return float(values.max()) if values.size else 0.0
