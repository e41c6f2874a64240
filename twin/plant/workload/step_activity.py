"""Activity of a training job's servers over a step of the plant.

Beside the activity itself there is the part of it that comes and goes within a second: what
every server falls short of the plateau for an instant, and by how much its dip differs from the
others'. A sensor that samples an instant shows it, one that averages shows little of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from twin.plant.units import Floats
from twin.plant.workload.demand import JobState
from twin.plant.workload.levels import Levels
from twin.plant.workload.steady import SteadyWave
from twin.plant.workload.waveform import Waveform

__all__ = ["Computing", "StepActivity", "state_activities", "step_activity"]


class Computing(NamedTuple):
    """The shares of a step of the plant in which a job computes, if it is fed.

    Attributes:
        training: share of steps of the job.
        evaluation: share of evaluations.
        fed: input over what is needed.
        dip: share of it that each server spends all the way down, (racks, servers) or (1, 1).
    """

    training: float
    evaluation: float
    fed: float
    dip: Floats | float


class StepActivity(NamedTuple):
    """The activity of each server, (racks, servers), or of all, (1, 1).

    Attributes:
        whole: as it is.
        flicker: the part of it that an averaging sensor does not show.
    """

    whole: Floats
    flicker: Floats


def step_activity(
    flat: float, computing: Computing, levels: Levels, wave: Waveform | SteadyWave
) -> StepActivity:
    """Return the mean activity over a step of the plant.

    Args:
        flat: activity in all other states, times their shares.
        computing: what of the step is spent computing.
        levels: of the job's GPUs.
        wave: of the job's servers.
    """
    training, evaluation, fed, dip = computing
    activity: Floats = np.full((1, 1), flat, dtype=np.float32)
    flicker: Floats = np.zeros((1, 1))
    if evaluation:
        activity = activity + fed * evaluation * wave.evaluation
        flicker = flicker + fed * evaluation * wave.evaluation_flicker
    if training:
        dip = np.minimum(dip, training)
        depth = wave.plateau - levels.wait
        activity = activity + fed * (training * wave.plateau - dip * depth)
        others = float(np.mean(dip)) - dip
        flicker = flicker + fed * (training * wave.plateau_flicker + others * depth)
    return StepActivity(activity.astype(np.float32), flicker)


def state_activities(
    shares: Mapping[JobState, int],
    levels: Levels,
    wave: Waveform | SteadyWave,
    pace: float,
    fed: float,
) -> tuple[dict[JobState, float], dict[JobState, float]]:
    """Return the mean activity of the servers in each state, and how deep its dips are.

    Args:
        shares: what the step was spent on.
        levels: of the job's GPUs.
        wave: of the job's servers.
        pace: of the slowest GPU; the others wait for it.
        fed: the input over what is needed.
    """
    wait, context = levels.wait, levels.context
    level = dict.fromkeys((JobState.CHECKPOINT, JobState.STALLED), wait)
    level |= dict.fromkeys((JobState.STARTING, JobState.LOADING), context)
    depth = {}
    if shares[JobState.TRAINING]:
        rise = depth[JobState.TRAINING] = fed * pace * (float(wave.plateau.mean()) - wait)
        level[JobState.TRAINING] = fed * wait + (1 - fed) * context + rise
    if shares[JobState.EVALUATION]:
        rise = fed * pace * (float(wave.evaluation.mean()) - wait)
        level[JobState.EVALUATION] = fed * wait + (1 - fed) * context + rise
    return level, depth
