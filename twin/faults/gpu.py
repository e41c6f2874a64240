"""Faults of GPUs."""

from __future__ import annotations

from twin.faults.base import Fault, Impact

__all__ = ["GpuOffBus"]


class GpuOffBus(Fault):
    """A GPU falls off the PCIe bus: XID 79."""

    kind = "gpu-off-bus"
    system = "gpu"
    title = "a GPU falls off the bus (XID 79)"
    target = "gpu"
    default_target = "r0001/n1/gpu0"
    default_seconds = 600.0
    severity = "critical"
    shows = (
        "All series of the GPU vanish while `up` of its exporter stays 1: seven GPUs report "
        "where eight should. The job stalls, every other GPU shows 100 % utilisation at about "
        "157 W, and after the GPU's return the job restarts from its checkpoint."
    )

    def strike(self, impact: Impact) -> None:
        """Take the GPU off its bus."""
        impact.conditions.gpu_attached[impact.target.unit, impact.target.device] = False
