"""The scheduler of a site."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from twin.parameters.section import Amount, Positive, Section

__all__ = ["SchedulerParameters"]

_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]


class SchedulerParameters(Section):
    """The scheduler that places jobs on the racks that no job of `jobs` holds."""

    kind: Literal["none", "slurm", "kubernetes"] = "none"
    """What runs the jobs, which decides what exporters say of them; with `none` the only jobs are
    those of `jobs`."""
    on_kubernetes: bool = False
    """Slurm's daemons are pods of a Kubernetes cluster, as soperator makes them: a node of Slurm
    has the name of its worker's pod, dcgm-exporter says which worker has a GPU, and
    kube-state-metrics shows the cluster's nodes and these pods. Only where `kind` is `slurm`."""
    load_ratio: Annotated[float, Field(gt=0, le=2)] = 0.95
    """GPU time that users submit over GPU time that there is; from 1 on the queue only grows."""
    queue_jobs: Annotated[int, Field(ge=1, le=4096)] = 256
    """Jobs that wait at most; a submission beyond them is refused."""
    partition: _Name = "batch"
    """Slurm's partition with all nodes of the scheduler."""
    start_seconds: Amount = 40.0
    """From the allocation of GPUs to the first kernel, est.: image, mounts, Python imports."""
    detect_seconds: Amount = 40.0
    """From a fault of a node to the node's drain and the end of its jobs: 40 s is the grace period
    of Kubernetes' node controller, and about what Slurm's health checks take."""
    repair_seconds: Amount = 300.0
    """From the end of the fault to the end of the drain, est.: tests before a node comes back."""
    requeue_seconds: Amount = 30.0
    """From the end of a job that is run again to its place in the queue, est."""
    keep_seconds: Positive = 300.0
    """How long a job that has ended is still shown: Slurm's `MinJobAge` is 300 s."""

    @model_validator(mode="after")
    def _slurm_where_it_is_on_kubernetes(self) -> SchedulerParameters:
        if self.on_kubernetes and self.kind != "slurm":
            raise ValueError("on_kubernetes is for kind: slurm; leave it out")
        return self

    @property
    def has_pods(self) -> bool:
        """Whether GPUs belong to pods: those of jobs, or of Slurm's workers."""
        return self.kind == "kubernetes" or self.on_kubernetes
