"""Idle racks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats
from twin.plant.workload.demand import Demand, Health, JobProgress, JobState, Progress
from twin.plant.workload.power_waveform import NO_COURSE

__all__ = ["Idle"]


class Idle:
    """Racks without a job."""

    def __init__(self) -> None:
        self.progress = Progress(state=JobState.IDLE)
        self.course: Floats = NO_COURSE

    def step(self, dt: float, health: Health) -> Demand:  # noqa: ARG002 - nothing to slow down
        """Return the demand of idle racks."""
        self.progress.elapsed_seconds += dt
        nothing: NDArray[np.float32] = np.zeros((1, 1), dtype=np.float32)
        return Demand(nothing, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    @property
    def standing(self) -> JobProgress:
        """Nowhere in particular."""
        return {}

    def follow(self, standing: JobProgress) -> None:
        """Go on idling."""
