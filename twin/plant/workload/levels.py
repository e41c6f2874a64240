"""Levels of the named states: activity by the GPU model's measured watts, use of the storage."""

from __future__ import annotations

from twin.site import Site

__all__ = ["STORAGE_BURST", "STORAGE_QUIET", "Levels"]

STORAGE_QUIET, STORAGE_BURST = 0.002, 0.5
"""Use of the storage NICs while training, and while a checkpoint is written, est."""


class Levels:
    """Activities that stand for watts.

    Attributes:
        span: W between idle and the plateau of a training step: activity 1.
        wait: activity of a GPU that spins in an NCCL collective.
        context: activity of a GPU with an idle context.
    """

    def __init__(self, site: Site) -> None:
        gpu = site.gpu
        self.span = gpu.power_training_watts - gpu.power_idle_watts
        self.wait = (gpu.power_wait_watts - gpu.power_idle_watts) / self.span
        self.context = (gpu.power_context_watts - gpu.power_idle_watts) / self.span
