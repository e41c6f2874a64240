"""Workloads: the demand of the jobs on the hardware.

Three workloads: a synchronous training job (steps with an all-reduce at the boundary,
evaluations, checkpoints, stalls, crashes and restarts), the replay of a measured power
trace, and idle racks. All of them are told how their hardware is doing and answer with
a :class:`Demand`; time that a slow or missing GPU costs a job is lost for every GPU of
that job, because it is synchronous. :class:`Jobs` runs all that share a site.
"""

from __future__ import annotations

from twin.plant.workload.choice import workload_of
from twin.plant.workload.demand import (
    Demand,
    Health,
    JobProgress,
    JobState,
    Level,
    Loss,
    Progress,
    Workload,
    greatest,
    least,
)
from twin.plant.workload.idle import Idle
from twin.plant.workload.jobs import JobRows, Jobs, ServedLoad
from twin.plant.workload.replay import TraceReplay
from twin.plant.workload.training import TrainingJob

__all__ = [
    "Demand",
    "Health",
    "Idle",
    "JobProgress",
    "JobRows",
    "JobState",
    "Jobs",
    "Level",
    "Loss",
    "Progress",
    "ServedLoad",
    "TraceReplay",
    "TrainingJob",
    "Workload",
    "greatest",
    "least",
    "workload_of",
]  # fmt: skip
