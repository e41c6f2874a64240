"""Activity of the named power states, from the GPU model's measured watts."""

from __future__ import annotations

from twin.site import Site

__all__ = ["Levels"]


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
