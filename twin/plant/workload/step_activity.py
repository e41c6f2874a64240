"""Activity of a training job's servers over a step of the plant.

Beside the activity itself there is the part of it that comes and goes within a second: what
every server falls short of the plateau for an instant, and how deep it is at an instant of a dip.
A sensor that samples an instant shows it, one that averages shows little of the first and nothing
of the second: the meter of a node falls as far in each of its dips, and nodes differ in when.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twin.plant.units import Floats, mean_of
from twin.plant.workload.demand import JobState
from twin.plant.workload.levels import Levels
from twin.plant.workload.steady import SteadyWave
from twin.plant.workload.waveform import StepPart, Waveform

__all__ = [
    "FLICKER_SHOWN",
    "Computing",
    "StepActivity",
    "TrainedStretches",
    "state_activities",
    "step_activity",
]

FLICKER_SHOWN = 0.36
"""What windows of a second and more leave of the instants that a server falls short of its
plateau: fitted, as the waveform is."""


class Computing(NamedTuple):
    """The shares of a step of the plant in which a job computes, if it is fed.

    Attributes:
        training: share of steps of the job.
        evaluation: share of evaluations.
        fed: input over what is needed.
        plateau: mean activity between dips of each server, (racks, servers) or (1, 1).
        fall: what dips and waits take from the mean over the step, likewise.
        usual: the same if each dip were as deep as dips are in the mean.
    """

    training: float
    evaluation: float
    fed: float
    plateau: Floats
    fall: Floats | float
    usual: Floats | float


class TrainedStretches:
    """The parts of the job's steps that lie in a step of the plant."""

    def __init__(self) -> None:
        self._plateau: Floats | None = None
        self._fall: Floats | None = None
        self._usual: Floats | None = None
        self._covered = self._delay = 0.0

    def add(self, part: StepPart, covered: float, seconds: float) -> None:
        """Add a part of a step.

        Args:
            part: what each server has in it.
            covered: length of it, in steps.
            seconds: how long a whole step takes.
        """
        self._plateau = _sum(self._plateau, part.plateau)
        self._fall = _sum(self._fall, part.fall * seconds)
        self._usual = _sum(self._usual, part.usual * seconds)
        self._covered += covered

    def delay(self, seconds: float) -> None:
        """Add what the fabric makes all servers wait for."""
        self._delay += seconds

    def means(
        self, usual: Floats, wait: float, training: float, dt: float
    ) -> tuple[Floats, Floats | float, Floats | float]:
        """Return the mean activity between dips, and what dips and waits take from that of a step.

        What they take comes twice: as they are, and as if each dip were as deep as the mean one.

        Args:
            usual: activity between dips where nothing was added.
            wait: activity of a server that waits.
            training: share of the step in steps of the job.
            dt: step in s.
        """
        if self._plateau is None or self._fall is None or self._usual is None:
            return usual, 0.0, 0.0
        plateau = self._plateau / self._covered
        depth = plateau - wait
        most, delay = training * depth, self._delay * depth
        fall, alike = (np.minimum((own + delay) / dt, most) for own in (self._fall, self._usual))
        return plateau, fall, alike


def _sum(before: Floats | None, more: Floats) -> Floats:
    return more if before is None else before + more


class StepActivity(NamedTuple):
    """The activity of each server, (racks, servers), or of all, (1, 1).

    Attributes:
        whole: as it is.
        flicker: the part of it that an averaging sensor does not show.
    """

    whole: Floats
    flicker: Floats


def step_activity(flat: float, computing: Computing, wave: Waveform | SteadyWave) -> StepActivity:
    """Return the mean activity over a step of the plant.

    Args:
        flat: activity in all other states, times their shares.
        computing: what of the step is spent computing.
        wave: of the job's servers.
    """
    training, evaluation, fed, plateau, fall, usual = computing
    hidden = 1.0 - FLICKER_SHOWN
    activity: Floats = np.array([[flat]], dtype=np.float32)
    flicker: Floats = np.zeros((1, 1))
    if evaluation:
        activity = activity + fed * evaluation * wave.evaluation
        flicker = flicker + hidden * fed * evaluation * wave.evaluation_flicker
    if training:
        activity = activity + fed * (training * plateau - fall)
        between = hidden * training * wave.plateau_flicker(plateau)
        flicker = flicker + fed * (between + usual - fall)
    return StepActivity(activity.astype(np.float32), flicker)


def state_activities(
    computing: Computing, levels: Levels, wave: Waveform | SteadyWave, pace: float
) -> tuple[dict[JobState, float], dict[JobState, float]]:
    """Return the mean activity of the servers in each state, and how deep its dips are.

    Args:
        computing: what of the step is spent computing.
        levels: of the job's GPUs.
        wave: of the job's servers.
        pace: of the slowest GPU; the others wait for it.
    """
    wait, context, fed = levels.wait, levels.context, computing.fed
    level = dict.fromkeys((JobState.CHECKPOINT, JobState.STALLED), wait)
    level |= dict.fromkeys((JobState.STARTING, JobState.LOADING), context)
    depth = {}
    if computing.training:
        rise = depth[JobState.TRAINING] = fed * pace * (mean_of(computing.plateau) - wait)
        level[JobState.TRAINING] = fed * wait + (1 - fed) * context + rise
    if computing.evaluation:
        rise = fed * pace * (mean_of(wave.evaluation) - wait)
        level[JobState.EVALUATION] = fed * wait + (1 - fed) * context + rise
    return level, depth
