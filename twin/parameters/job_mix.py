"""Mixes of jobs: the kinds of jobs that users submit to a scheduler."""

from __future__ import annotations

from itertools import pairwise
from math import exp, log
from typing import Annotated

from pydantic import Field, model_validator

from twin.parameters.section import (
    Amount,
    Distribution,
    Fraction,
    Percent,
    Positive,
    Section,
    is_distribution,
)

__all__ = ["DEFAULT_MIX", "JobMixParameters"]

_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
_Users = Annotated[tuple[_Name, ...], Field(min_length=1, max_length=64)]
_Sizes = Annotated[
    tuple[Annotated[int, Field(ge=1, le=65_536)], ...], Field(min_length=1, max_length=32)
]
_Shares = Annotated[tuple[Positive, ...], Field(max_length=32)]
_Ends = Annotated[tuple[tuple[Positive, Percent, Percent], ...], Field(max_length=64)]
_ALL = 100.0


class JobMixParameters(Section):
    """A kind of job that users submit, all alike except for size, duration and user."""

    name: _Name
    """First part of the names of its jobs."""
    share: Positive
    """Submitted jobs of this kind, in relation to those of the other kinds."""
    gpus: _Sizes
    """GPUs that a job asks for. Beyond those of a server a job gets whole servers. A size for
    which the scheduler, or the kind's quota, has too few GPUs is left out."""
    gpu_shares: _Shares = ()
    """Jobs of each of these sizes, in relation to each other; without it each is as likely."""
    seconds: Positive | None = None
    """Median time that a job computes, of a log-normal distribution. Left out with `lengths`."""
    spread: Annotated[float, Field(ge=0, le=3)] = 1.0
    """Standard deviation of the natural logarithm of that time."""
    lengths: Distribution = ()
    """In place of `seconds`: the measured distribution of how long jobs run from their start to
    their end, however they end, as `[seconds, % of the jobs that run no longer]`, up to 100 %."""
    ends: _Ends = ()
    """How jobs of `lengths` end: of those that run so long, `[seconds, % that their user cancels,
    % that fail]`; the others complete. In place of `failure_ratio` and `cancel_ratio`."""
    together: Annotated[int, Field(ge=1, le=1024)] = 1
    """Jobs that a user submits at once, as an array job or the tasks of an evaluation; their
    number is drawn, and this is the mean."""
    most_gpus: Annotated[int, Field(ge=1)] | None = None
    """GPUs that all jobs of this kind have at most at a time: a limit of Slurm's QOS (`GrpTRES`),
    or a quota. What is beyond it waits although GPUs are free."""
    quota_ratio: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the scheduler's GPUs that its users have among them, as teams with a quota do: they
    submit a job once it fits into it beside those of its kind that wait or run, each in turn, so it
    hardly waits. Without it jobs are submitted at random times, however many there are."""
    admission: Distribution = ()
    """How long a new job waits whatever is free, as `[seconds, % of the jobs that wait no longer]`,
    up to 100 %: a Kubernetes cluster checks the quota, binds volumes and creates pods. Left out
    where a job starts at once if it fits, as with Slurm."""
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
    cancel_ratio: Fraction = 0.0
    """Jobs that their user cancels, at a random time of their run."""
    activity: Annotated[float, Field(ge=0, le=1.1)] = 0.9
    """Dynamic power of its GPUs between steps, over that on the plateau of a training step."""
    utilization: Fraction = 1.0
    """Share of the time in which its GPUs run a kernel at all."""
    framebuffer_ratio: Fraction = 0.75
    """Framebuffer that it holds, est."""
    workload: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] | None = None
    """What its jobs serve: a [workload](#workloads) of the kind `serving`, such as `llm-serving`;
    they have replicas on whole servers, whose power follows the requests, and neither steps nor
    checkpoints. Left out for jobs that compute. Kinds that serve all have the same workload."""
    account: _Name = "research"
    """Slurm's account, or Kubernetes' namespace."""
    users: _Users = ("user1", "user2", "user3")
    """Who submits, each as often."""

    @model_validator(mode="after")
    def _sizes_have_shares(self) -> JobMixParameters:
        if self.gpu_shares and len(self.gpu_shares) != len(self.gpus):
            raise ValueError(
                f"{self.name}: gpu_shares has {len(self.gpu_shares)} shares for the "
                f"{len(self.gpus)} sizes of gpus; give one for each"
            )
        return self

    @model_validator(mode="after")
    def _jobs_have_a_length(self) -> JobMixParameters:
        if (self.seconds is None) == (not self.lengths):
            raise ValueError(f"{self.name}: give either seconds or lengths")
        for key in ("lengths", "admission"):
            points = getattr(self, key)
            if points and not is_distribution(points):
                raise ValueError(
                    f"{self.name}: {key} must rise in seconds and in %, and end with 100 %"
                )
        return self

    @model_validator(mode="after")
    def _ends_are_of_lengths(self) -> JobMixParameters:
        if self.ends and not self.lengths:
            raise ValueError(f"{self.name}: ends are for lengths; use failure_ratio, cancel_ratio")
        if any(first[0] >= second[0] for first, second in pairwise(self.ends)):
            raise ValueError(f"{self.name}: ends must rise in seconds")
        if any(cancelled + failed > _ALL for _, cancelled, failed in self.ends):
            raise ValueError(f"{self.name}: ends: cancelled and failed are more than 100 %")
        if self.failure_ratio + self.cancel_ratio > 1:
            raise ValueError(f"{self.name}: failure_ratio and cancel_ratio are more than 1")
        return self

    @property
    def mean_seconds(self) -> float:
        """Mean time that a job computes, or of `lengths` that it runs."""
        if self.seconds is not None:
            return self.seconds * exp(self.spread**2 / 2)
        first = self.lengths[0][0] * self.lengths[0][1]
        rest = (
            (share - before) * mean_between(begin, end)
            for (begin, before), (end, share) in pairwise(self.lengths)
        )
        return (first + sum(rest)) / _ALL

    def quota_on(self, gpus: int) -> float:
        """Return the quota of a scheduler of so many GPUs, all of them where it has none."""
        return gpus * (self.quota_ratio or 1.0)

    def sizes_on(self, gpus: int) -> tuple[int, ...]:
        """Return the sizes of its jobs for which a scheduler of so many GPUs has enough."""
        return tuple(size for size in self.gpus if size <= self.quota_on(gpus))

    def shares_of(self, sizes: tuple[int, ...]) -> tuple[float, ...]:
        """Return the shares of some of the sizes, 1 together."""
        each = dict(zip(self.gpus, self.gpu_shares or (1.0,) * len(self.gpus), strict=True))
        whole = sum(each[size] for size in sizes)
        return tuple(each[size] / whole for size in sizes)


def mean_between(begin: float, end: float) -> float:
    """Return the mean of lengths between two points of `lengths`: evenly spread in logarithm."""
    return (end - begin) / log(end / begin)


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
