"""The power of a job whose steps are too short to be seen: levels as measured, without dips."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twin.parameters import WorkloadParameters
from twin.plant.units import Floats
from twin.plant.workload.quantiles import Fluctuation
from twin.plant.workload.sync_stalls import SyncStalls
from twin.plant.workload.waveform import StepPart, Waveform

__all__ = ["SteadyWave", "wave_of"]


class SteadyWave:
    """Stands in for :class:`twin.plant.workload.waveform.Waveform` where a workload has quantiles.

    Args:
        shape: racks, servers a rack.
        profile: of the workload.
        rng: source of all randomness.
    """

    def __init__(
        self, shape: tuple[int, int], profile: WorkloadParameters, rng: np.random.Generator
    ) -> None:
        self._fluctuation = Fluctuation(
            shape, profile.activity, profile.memory_seconds, profile.together_ratio, rng
        )
        self._evaluation = np.full(shape, profile.evaluation_activity, np.float32)
        flat = np.zeros((1, 1), np.float32)
        self.common: dict[str, float] = {}
        self.dips = SyncStalls(flat, flat + 0.25, flat)

    def draw(self) -> None:
        """Do nothing: every step ends like the one before."""

    def follow(self, common: Mapping[str, float]) -> None:
        """Do nothing: no step is drawn."""

    def advance(self, dt: float) -> None:
        """Let ``dt`` seconds of fluctuation pass."""
        self._fluctuation.advance(dt)

    def over(self, start: float, end: float, wait: float) -> StepPart:  # noqa: ARG002 - no dips
        """Return what a stretch of a step has."""
        none = np.zeros((1, 1), np.float32)
        return StepPart((end - start) * self.plateau, none, none)

    @property
    def plateau(self) -> Floats:
        """Activity in steps."""
        return self._fluctuation.level

    @property
    def evaluation(self) -> Floats:
        """Activity during an evaluation."""
        return self._evaluation

    def plateau_flicker(self, plateau: Floats) -> float:  # noqa: ARG002 - whatever it is
        """Return nothing: the levels are those of averaging sensors already."""
        return 0.0

    @property
    def evaluation_flicker(self) -> float:
        """Nothing, likewise."""
        return 0.0


def wave_of(
    shape: tuple[int, int],
    profile: WorkloadParameters | None,
    rng: np.random.Generator,
    seconds: float,
) -> Waveform | SteadyWave:
    """Return the power of a job's servers: by quantiles where its workload has some.

    Args:
        shape: racks, servers a rack.
        profile: of the workload, None for pre-training.
        rng: source of all randomness.
        seconds: mean duration of a step.
    """
    if profile is not None and profile.activity:
        return SteadyWave(shape, profile, rng)
    return Waveform(shape, rng, seconds)
