"""Pods of Slurm's daemons where they run on Kubernetes, as nebius/soperator makes them.

Names of pods and containers follow ``internal/consts`` and ``internal/naming`` of nebius/soperator
c238d99 of 2026-08-21 (Apache-2.0): a worker's pod runs on each node and has all its GPUs, and its
name is that of the node in Slurm. The twin's cluster has no machines but its servers, so the
controller and the login node run on the first one.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SLURM_NAMESPACE", "SLURM_PODS", "WORKER_CONTAINER", "WORKER_SET", "SlurmPod", "worker"]

SLURM_NAMESPACE = "soperator"
WORKER_SET, WORKER_CONTAINER = "worker", "slurmd"
"""Set of the workers, and the container of theirs that has the GPUs."""


@dataclass(frozen=True, slots=True)
class SlurmPod:
    """A pod of Slurm that is no worker's.

    Attributes:
        owner: its StatefulSet.
        container: its main container.
        cpus: that this asks for.
        bytes: of memory that this asks for.
    """

    owner: str
    container: str
    cpus: float
    bytes: float

    @property
    def name(self) -> str:
        """Name of the pod."""
        return f"{self.owner}-0"


SLURM_PODS = (
    SlurmPod("controller", "slurmctld", 4.0, 16e9),
    SlurmPod("login", "sshd", 4.0, 16e9),
)
"""What a small cluster runs beside its workers; what they ask for, est."""


def worker(server: int) -> str:
    """Return the name of the worker's pod on a server, by its index on the site."""
    return f"{WORKER_SET}-{server}"
