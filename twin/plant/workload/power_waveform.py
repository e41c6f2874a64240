"""Power waveform of a job within a step of the plant.

The plant's own values are means over a step; a grid operator looks up to 20 Hz. What a
job's power does in between follows from where its steps begin and end and from the dips
of its servers there, so it is told forty times a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from twin.plant.units import FINE_STEP, Floats, any_of, frozen
from twin.plant.workload.demand import JobState
from twin.plant.workload.sync_stalls import SyncStalls

__all__ = ["NO_COURSE", "POINTS", "Stretch", "power_waveform_of", "samples_together"]

POINTS = 8
"""Points of each sample of a workload of 0.2 s: 40 a second, enough for 20 Hz."""
NO_COURSE: Floats = np.zeros(1)
"""For a workload without a waveform below a step."""
_HALF = 0.5
_MOST_TOGETHER = 5
"""Samples that are one in a step longer than a second; a step of the job has twice as many."""
Stretch = tuple[JobState, SyncStalls, float, float]
"""A sample of a job: its state, the dips around the nearest boundary, the place in the step at the
begin, and how much further it is at the end."""


def samples_together(dt: float, sample_seconds: float, step_seconds: float) -> int:
    """Return how many samples of a workload are taken as one in a step of the plant.

    Args:
        dt: the plant's step in s; one of a second or less has all of them.
        sample_seconds: from one sample to the next.
        step_seconds: of the job.
    """
    if dt <= FINE_STEP:
        return 1
    fine = max(1, round(dt / sample_seconds))
    most = min(_MOST_TOGETHER, step_seconds / (2 * _MOST_TOGETHER * sample_seconds))
    return max((own for own in range(1, int(most) + 1) if fine % own == 0), default=1)


def power_waveform_of(
    stretches: Sequence[Stretch],
    level: Mapping[JobState, float],
    depth: Mapping[JobState, float],
    points: int,
) -> Floats:
    """Return the mean activity of a job's servers, (samples times ``points``,).

    Args:
        stretches: the samples of a step of the plant.
        level: mean activity of the servers in each state, without dips.
        depth: what a dip that goes all the way down takes from it.
        points: of each sample.
    """
    levels = np.array([level.get(state, 0.0) for state, *_ in stretches])
    course: Floats = levels.repeat(points)
    start = 0
    while start < len(stretches):
        # New dips are drawn half-way between two boundaries, so a step of the plant has few.
        end, dips = start + 1, stretches[start][1]
        while end < len(stretches) and stretches[end][1] is dips:
            end += 1
        part = stretches[start:end]
        deep = np.array([depth.get(state, 0.0) for state, *_ in part])
        if any_of(deep):
            place, moved = np.array([own[2:] for own in part]).T[:, :, None]
            phase = place + moved * _middles(points)
            phase = np.where(phase >= _HALF, phase - 1.0, phase)
            fallen = deep[:, None] * dips.mean_at(phase)
            course[start * points : end * points] -= fallen.ravel()
        start = end
    return course


@lru_cache(maxsize=_MOST_TOGETHER)
def _middles(points: int) -> Floats:
    """Return the middles of so many equal parts of a sample, in samples."""
    return frozen((np.arange(points) + 0.5) / points)
