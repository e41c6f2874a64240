"""Throughput of a training job: its tokens, and its model FLOPs utilization."""

from __future__ import annotations

from twin.parameters import WorkloadParameters
from twin.plant.performance import TrainingStep
from twin.plant.workload.demand import Progress

__all__ = ["Throughput"]


class Throughput:
    """Tokens and operations of a job's steps, by the roofline that gives their duration.

    Args:
        cost: of a step.
        profile: of the job's workload, None for pre-training.
        gpus: of the job.
        progress: that is kept up to date, and says how long the first step should take.
    """

    def __init__(
        self, cost: TrainingStep, profile: WorkloadParameters | None, gpus: int, progress: Progress
    ) -> None:
        self._tokens, self._gpus = cost.tokens, max(1, gpus)
        self._model_seconds = cost.mfu * cost.seconds
        progress.has_tokens = profile is None or profile.has_tokens
        self._show(progress, self._tokens)

    def count(self, progress: Progress) -> None:
        """Count a step that has ended; GPUs that the job goes on without take no share of it."""
        tokens = self._tokens * max(0.0, 1.0 - progress.gpus_excluded / self._gpus)
        progress.tokens += tokens
        self._show(progress, tokens)

    def _show(self, progress: Progress, tokens: float) -> None:
        progress.tokens_per_second = tokens / progress.step_seconds
        progress.mfu = min(1.0, self._model_seconds / progress.step_seconds)
