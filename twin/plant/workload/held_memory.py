"""Framebuffer that a job holds: loading fills it, its steps need all of it."""

from __future__ import annotations

from twin.plant.performance import TrainingStep
from twin.plant.workload.demand import JobState
from twin.site import Site

__all__ = ["HeldMemory"]

_CONTEXT_BYTES = 5.6e8
"""Framebuffer of a CUDA context with NCCL's buffers, est."""


class HeldMemory:
    """Shares of the framebuffer that the GPUs of a job hold.

    Args:
        site: of the job.
        cost: of its steps.
    """

    def __init__(self, site: Site, cost: TrainingStep) -> None:
        training, memory = site.training, site.gpu.framebuffer_mib * 2.0**20
        self._whole = training.framebuffer_ratio
        self._context = min(1.0, _CONTEXT_BYTES / memory)
        self._loaded = max(self._context, min(self._whole, cost.state_bytes / memory))
        self._seconds = max(training.reload_seconds, 1e-9)

    def in_state(self, state: JobState, remaining: float) -> float:
        """Return the share that is held.

        Args:
            state: of the job.
            remaining: until the state ends in s.
        """
        if state in (JobState.IDLE, JobState.CRASHED):
            return 0.0
        if state is JobState.STARTING:
            return self._context
        if state is JobState.LOADING:
            done = min(1.0, max(0.0, 1.0 - remaining / self._seconds))
            return self._context + done * (self._loaded - self._context)
        return self._whole
