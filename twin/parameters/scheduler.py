"""The scheduler of a site, and the jobs that its users submit."""

from __future__ import annotations

from math import exp
from typing import Annotated, Literal

from pydantic import Field, model_validator

from twin.parameters.section import Amount, Fraction, Positive, Section

__all__ = ["DEFAULT_MIX", "JobMixParameters", "SchedulerParameters"]

_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
_Users = Annotated[tuple[_Name, ...], Field(min_length=1, max_length=64)]
_Sizes = Annotated[
    tuple[Annotated[int, Field(ge=1, le=65_536)], ...], Field(min_length=1, max_length=32)
]


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


class JobMixParameters(Section):
    """A kind of job that users submit, all alike except for size, duration and user."""

    name: _Name
    """First part of the names of its jobs."""
    share: Positive
    """Submitted jobs of this kind, in relation to those of the other kinds."""
    gpus: _Sizes
    """GPUs that a job asks for, each size as likely. Beyond those of a server a job gets whole
    servers. A size for which the scheduler has too few GPUs is left out."""
    seconds: Positive
    """Median time that a job computes."""
    spread: Annotated[float, Field(ge=0, le=3)] = 1.0
    """Standard deviation of the natural logarithm of that time."""
    priority: Annotated[int, Field(ge=0, le=100)] = 50
    """Who is placed first."""
    preemptible: bool = False
    """Whether jobs of a higher priority may take its GPUs: it is requeued."""
    checkpoint_every_seconds: Positive = 900.0
    """Computed time between two checkpoints; a requeued job goes on from its last one."""
    checkpoint_seconds: Amount = 8.0
    """Duration of a checkpoint, in which the GPUs wait, est."""
    step_seconds: Positive = 6.0
    """Duration of a step; jobs of several servers communicate at its end."""
    failure_ratio: Fraction = 0.05
    """Jobs that fail by themselves, at a random time. Slurm is done with them; Kubernetes makes
    the pods anew, once."""
    activity: Annotated[float, Field(ge=0, le=1.1)] = 0.9
    """Dynamic power of its GPUs between steps, over that on the plateau of a training step."""
    utilization: Fraction = 1.0
    """Share of the time in which its GPUs run a kernel at all."""
    framebuffer_ratio: Fraction = 0.75
    """Framebuffer that it holds, est."""
    account: _Name = "research"
    """Slurm's account, or Kubernetes' namespace."""
    users: _Users = ("user1", "user2", "user3")
    """Who submits, each as often."""

    @property
    def mean_seconds(self) -> float:
        """Mean time that a job computes."""
        return self.seconds * exp(self.spread**2 / 2)


DEFAULT_MIX = (
    JobMixParameters(
        name="pretrain", share=1, gpus=(64, 128), seconds=14_400, spread=0.8, priority=80,
        failure_ratio=0.15, account="foundation", users=("ada", "grace"),
    ),
    JobMixParameters(
        name="finetune", share=6, gpus=(8, 16, 32), seconds=3_600, activity=0.8,
        framebuffer_ratio=0.8, account="applied", users=("alan", "barbara", "edsger"),
    ),
    JobMixParameters(
        name="eval", share=24, gpus=(1, 2, 4, 8), seconds=300, spread=1.2, priority=40,
        preemptible=True, failure_ratio=0.1, activity=0.45, utilization=0.7, step_seconds=2.0,
        framebuffer_ratio=0.5, account="foundation", users=("ada", "grace", "ken"),
    ),
    JobMixParameters(
        name="notebook", share=4, gpus=(1,), seconds=7_200, spread=0.7, priority=60,
        failure_ratio=0.0, activity=0.15, utilization=0.1, step_seconds=2.0,
        framebuffer_ratio=0.3, account="research", users=("ken", "linus", "margaret"),
    ),
)  # fmt: skip
"""Kinds of jobs of a site that names none, est.: most jobs are small and short, most GPU time goes
into few large ones (Hu et al. 2024, arXiv 2403.07648)."""
