"""Jobs on the bus: what holds each GPU of a rack, and all jobs that a scheduler knows.

A message is whole: it replaces the one before. Both are retained, so an aggregator that
starts knows which job has which GPU before the first change.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twin.wire.messages import END_OF_TIME, Many, Message, Strict

__all__ = [
    "MOST_HOLDERS",
    "MOST_JOBS",
    "MOST_QUEUE_BYTES",
    "Allocation",
    "AllocationState",
    "CycleReport",
    "NodeCounts",
    "NodeReport",
    "QueueCause",
    "QueueReason",
    "QueueState",
    "QueuedJob",
    "RackJobs",
    "SchedulerReport",
    "SiteJobs",
]

MOST_HOLDERS = 8
"""Jobs that a GPU has at most."""
_MOST_ALLOCATIONS = 4096
MOST_JOBS = 4096
"""Most jobs in a message: those that wait, run, or have just ended."""
MOST_QUEUE_BYTES = 1 << 21
"""Length of the message of all jobs at most."""
_Label = Annotated[str, Field(max_length=128)]
_Time = Annotated[float, Field(ge=-END_OF_TIME, lt=END_OF_TIME)]
_Count = Annotated[int, Field(ge=0, le=2**31)]
_Number = Annotated[int, Field(ge=0, le=2**53)]


AllocationState = Literal["starting", "running", "backoff"]
QueueState = Literal["pending", "starting", "running", "completed", "failed", "cancelled"]
QueueReason = Literal["", "resources", "priority", "held", "limit"]
QueueCause = Literal["", "node_fail", "preempted", "crashed"]


class Allocation(Strict):
    """What a job has of one server."""

    job: _Number
    """Number of the job, Slurm's job id."""
    name: _Label
    """Name of the job, on Kubernetes that of its Job."""
    user: _Label
    """Who submitted it."""
    account: _Label
    """Slurm's account, or Kubernetes' namespace."""
    app: _Label = ""
    """Kind of job, which the pods' label ``app`` says."""
    pod: _Label = ""
    """Pod of the job on the server; empty where jobs are no pods."""
    server: Annotated[int, Field(ge=0, lt=64)]
    """Index of the server in the rack."""
    gpus: Annotated[Many[Annotated[int, Field(ge=0, lt=64)]], Field(max_length=64)]
    """Indices of the GPUs in the server."""
    state: AllocationState
    """``backoff`` while a container that crashed waits for its next start."""
    start: _Time
    """Simulated time of the allocation, unix seconds."""
    crashes: _Count = 0
    """Starts of the pod's container after the first."""
    made: _Time | None = None
    """Simulated time at which the job was queued for this start, and its pods were made."""
    began: _Time | None = None
    """Simulated time at which its processes began last."""
    crashed: _Time | None = None
    """Simulated time of the container's last crash."""


class NodeReport(Strict):
    """A server as the scheduler sees it."""

    state: Literal["up", "drain", "down"]
    """``drain`` where it takes no jobs although it answers, ``down`` where it does not answer."""
    ready: bool
    """Whether it answers now: what is down is drained for a while after it answers again."""
    reason: _Label = ""
    """Why it takes no jobs."""
    gpus_lost: Annotated[int, Field(ge=0, le=64)] = 0
    """GPUs of it that run nothing."""
    since: _Time | None = None
    """Simulated time since which it takes no jobs."""


class RackJobs(Message):
    """Jobs on the GPUs of a rack; what is not listed is idle."""

    rack: Annotated[str, Field(max_length=64)]
    """Name of the rack."""
    allocations: Annotated[Many[Allocation], Field(max_length=_MOST_ALLOCATIONS)]
    """In order of the servers."""
    nodes: Annotated[Many[NodeReport], Field(max_length=64)]
    """One a server; none where the scheduler has none of them."""


class QueuedJob(Strict):
    """A job that the scheduler knows."""

    job: _Number
    """Its number."""
    name: _Label
    """Its name."""
    user: _Label
    """Who submitted it."""
    account: _Label
    """Slurm's account, or Kubernetes' namespace."""
    gpus: _Count
    """GPUs that it asks for."""
    nodes: Annotated[int, Field(ge=0, le=65_536)]
    """Servers that it has or asks for."""
    app: _Label = ""
    """Kind of job."""
    state: QueueState
    """Where it stands."""
    reason: QueueReason = ""
    """Why it waits."""
    cause: QueueCause = ""
    """Why it was requeued last."""
    restarts: _Count = 0
    """Times it was requeued."""
    submit: _Time
    """Simulated time of its submission, unix seconds."""
    made: _Time | None = None
    """Simulated time of its submission or of its last requeue."""
    start: _Time | None = None
    """Simulated time of its last allocation."""
    end: _Time | None = None
    """Simulated time of its end."""


class NodeCounts(Strict):
    """How many nodes the scheduler has, and in which states; a node may count in several."""

    total: _Count
    """Nodes of the scheduler and of the jobs of the site file."""
    idle: _Count = 0
    """No job has anything of it."""
    mixed: _Count = 0
    """Jobs have some of its GPUs."""
    alloc: _Count = 0
    """Jobs have all of its GPUs."""
    down: _Count = 0
    """Out of service and not answering."""
    drain: _Count = 0
    """Out of service: no job is placed there."""
    drained: _Count = 0
    """Out of service without any job."""
    draining: _Count = 0
    """Out of service with a job that still runs."""
    noresp: _Count = 0
    """Not answering now."""
    out_idle: _Count = 0
    """Those of ``idle`` that are out of service."""
    out_mixed: _Count = 0
    """Those of ``mixed`` that are out of service."""
    out_alloc: _Count = 0
    """Those of ``alloc`` that are out of service."""
    out_gpus: _Count = 0
    """GPUs of nodes out of service that no job has."""


class CycleReport(Strict):
    """Cycles of one of the scheduler's loops."""

    cycles: _Number = 0
    """How many there were."""
    depth: _Number = 0
    """Jobs that they went through."""
    tried: _Number = 0
    """Jobs that they tried to place."""
    last_depth: _Number = 0
    """Jobs of the last cycle."""
    last_tried: _Number = 0
    """Jobs that it tried to place."""
    most_depth: _Number = 0
    """Jobs of the longest cycle."""
    queue: _Number = 0
    """Jobs that waited at the beginning of each, added up."""
    last_queue: _Number = 0
    """Jobs that waited at the beginning of the last."""
    last: _Time | None = None
    """Simulated time of the last one, unix seconds."""


class SchedulerReport(Strict):
    """What the scheduler has done since its start."""

    since: _Time
    """Simulated time of its start, unix seconds."""
    submitted: _Number = 0
    """Jobs that came in."""
    started: _Number = 0
    """Starts of jobs."""
    completed: _Number = 0
    """Jobs that were done."""
    failed: _Number = 0
    """Jobs that failed."""
    cancelled: _Number = 0
    """Jobs that their users cancelled."""
    backfilled: _Number = 0
    """Starts of jobs behind one that waited."""
    main: CycleReport
    """Up to the first job that waits."""
    backfill: CycleReport
    """Behind it."""


class SiteJobs(Message):
    """All jobs that the scheduler knows."""

    ts: Annotated[float, Field(ge=0, lt=END_OF_TIME)]
    """Simulated time, unix seconds."""
    nodes: NodeCounts
    """Nodes by their states."""
    scheduler: SchedulerReport | None = None
    """What the scheduler has done."""
    jobs: Annotated[Many[QueuedJob], Field(max_length=MOST_JOBS)]
    """In order of their numbers."""
    left_out: _Count = 0
    """Jobs left out beyond the maximum: the oldest running ones."""
