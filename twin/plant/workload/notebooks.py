"""Notebooks: people who try something, and hold their GPUs' memory while they think."""

from __future__ import annotations

import numpy as np

from twin.parameters import WorkloadParameters
from twin.plant.units import Floats
from twin.plant.workload.demand import Demand, Health, JobProgress, JobState, Progress
from twin.plant.workload.levels import Levels
from twin.plant.workload.power_waveform import NO_COURSE
from twin.plant.workload.quantiles import Fluctuation
from twin.site import Site

__all__ = ["Notebooks"]

_RUNS_ABOVE = 0.02
"""Activity above that of a context at which a cell of a notebook runs on the GPU."""
_STORAGE_QUIET = 2e-4


class Notebooks:
    """Kernels on all servers of the job's racks, each server for itself.

    Most of the time a GPU holds its context and its memory and nothing runs on it; now and then a
    cell runs for some seconds to minutes. A GPU that is lost takes its own notebooks and no other.

    Args:
        site: as the job sees it.
        rng: source of all randomness.
        profile: of the workload.
    """

    def __init__(self, site: Site, rng: np.random.Generator, profile: WorkloadParameters) -> None:
        self.progress = Progress(state=JobState.IDLE)
        self.course: Floats = NO_COURSE
        self._context = Levels(site).context
        self._held = profile.training.framebuffer_ratio
        self._cells = Fluctuation(
            (site.racks, site.servers_per_rack),
            profile.activity,
            profile.memory_seconds,
            profile.together_ratio,
            rng,
        )

    def step(self, dt: float, health: Health) -> Demand:
        """Advance by ``dt`` simulated seconds and return the demand at their end."""
        self._cells.advance(dt)
        self.progress.elapsed_seconds += dt
        up = 0.0 if health.crashing else 1.0
        level = np.maximum(self._cells.level, self._context)
        running = level > self._context + _RUNS_ABOVE
        return Demand(
            activity=(up * level).astype(np.float32),
            wait=self._context,
            busy=up * float(running.mean()),
            compute=up * float(np.where(running, np.minimum(level, 1.0), 0.0).mean()),
            network=0.0,
            congestion=0.0,
            storage=up * _STORAGE_QUIET,
            framebuffer=up * self._held,
            present=up,
            fluctuates=True,
        )

    @property
    def standing(self) -> JobProgress:
        """Nowhere in particular: people decide."""
        return {}

    def follow(self, standing: JobProgress) -> None:
        """Go on as before."""
