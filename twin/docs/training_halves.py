"""The measured training run in two halves, of which the twin was fitted to the first alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from twin.docs.measurement import SAMPLE, read_table, training
from twin.docs.power_statistics import STATISTICS, RunStatistic, Values
from twin.plant import load_trace

__all__ = ["MISSED", "HalfComparison", "half_comparisons"]

MISSED: frozenset[tuple[str, str]] = frozenset()
"""Side and statistic of what the twin misses in a half, as the page says."""
_AC = "mlperf-v4.0-smc-gpt3-64x8h100-ac-power-2s.csv.gz"


@dataclass(frozen=True, slots=True)
class HalfComparison:
    """One statistic of the run and of the twin's.

    Attributes:
        side: DC, or AC as the meters at the wall show it.
        statistic: which one.
        calibrated: its value in the first half, to which the twin was fitted.
        validated: its value in the second, to which nothing was.
        twin: mean of the values in the two halves of a run of the twin.
    """

    side: str
    statistic: RunStatistic
    calibrated: float
    validated: float
    twin: float

    @property
    def differences(self) -> tuple[float, float]:
        """Differences of the twin over the first half and over the second."""
        return self.twin / self.calibrated - 1, self.twin / self.validated - 1

    @property
    def holds(self) -> bool:
        """Whether the twin is within the limit of both."""
        return max(map(abs, self.differences)) <= self.statistic.limit


@cache
def half_comparisons() -> tuple[HalfComparison, ...]:
    """Return all statistics of both sides."""
    run, dc, ac = training(), load_trace("gpt3-512xh100"), read_table(_AC)
    sides = (
        ("DC", dc.watts, dc.duration / (len(dc.times) - 1), run.nodes),
        ("AC", ac[:, 1:], float(np.mean(np.diff(ac[:, 0]))), run.inlets),
    )
    return tuple(
        HalfComparison(
            side,
            statistic,
            *_of_halves(statistic, measured, seconds),
            float(np.mean(_of_halves(statistic, twin, float(SAMPLE)))),
        )
        for side, measured, seconds, twin in sides
        for statistic in STATISTICS
    )


def _of_halves(statistic: RunStatistic, nodes: Values, seconds: float) -> tuple[float, float]:
    middle = len(nodes) // 2
    return statistic.of(nodes[:middle], seconds), statistic.of(nodes[middle:], seconds)
