"""Plant cost: the step of one second, and reading all its signals."""

from __future__ import annotations

from dataclasses import dataclass

from twin.bench.clock import Budget, median_seconds
from twin.plant import Conditions, Plant
from twin.site import Layout

__all__ = ["StepCost", "measure_step"]


@dataclass(frozen=True, slots=True)
class StepCost:
    """Cost of a step of one second.

    Attributes:
        gpus: GPUs of the site.
        step_ms: to advance the plant, ms.
        outputs_ms: to read all its signals, ms.
        real_time_ratio: how much faster than real time one core steps the plant.
    """

    gpus: int
    step_ms: float
    outputs_ms: float
    real_time_ratio: float


def measure_step(layout: Layout, budget: Budget) -> StepCost:
    """Return what a step of that site costs."""
    plant, conditions = Plant(layout), Conditions.healthy(layout)
    conditions.freeze()  # as those of a running site without a fault
    step = median_seconds(lambda: plant.step(1.0, conditions), budget)
    outputs = median_seconds(plant.outputs, budget)
    return StepCost(layout.site.gpus, 1e3 * step, 1e3 * outputs, 1.0 / step)
