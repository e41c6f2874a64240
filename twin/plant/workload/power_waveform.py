"""Power waveform of a job within a step of the plant.

The plant's own values are means over a step; a grid operator looks up to 20 Hz. What a
job's power does in between follows from where its steps begin and end and from the dips
of its servers there, so it is told forty times a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin.plant.units import Floats
from twin.plant.workload.sync_stalls import SyncStalls

__all__ = ["NO_COURSE", "POINTS", "Stretch", "power_waveform_of"]

POINTS = 8
"""Points of each sample of a workload of 0.2 s: 40 a second, enough for 20 Hz."""
NO_COURSE: Floats = np.zeros(1)
"""For a workload without a waveform below a step."""
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """A sample of a job.

    Attributes:
        level: mean activity of its servers without dips.
        depth: what a dip that goes all the way down takes from it; 0 outside steps.
        dips: around the nearest boundary.
        phase: place in the step at the begin.
        moved: how much further it is at the end.
    """

    level: float
    depth: float
    dips: SyncStalls
    phase: float
    moved: float


def power_waveform_of(stretches: Sequence[Stretch], points: int = POINTS) -> Floats:
    """Return the mean activity of a job's servers, (samples times ``points``,)."""
    course: Floats = np.repeat([stretch.level for stretch in stretches], points)
    middles = (np.arange(points) + 0.5) / points
    start = 0
    while start < len(stretches):
        # New dips are drawn half-way between two boundaries, so a step of the plant has few.
        end, dips = start + 1, stretches[start].dips
        while end < len(stretches) and stretches[end].dips is dips:
            end += 1
        part = stretches[start:end]
        depth = np.array([stretch.depth for stretch in part])
        if depth.any():
            phase = np.array([stretch.phase for stretch in part])[:, None]
            phase = phase + np.array([stretch.moved for stretch in part])[:, None] * middles
            phase = np.where(phase >= _HALF, phase - 1.0, phase)
            fallen = depth[:, None] * dips.mean_at(phase)
            course[start * points : end * points] -= fallen.ravel()
        start = end
    return course
