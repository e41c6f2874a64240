"""Faults of a scheduler and of the containers that it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.faults.base import Fault, FaultContext

if TYPE_CHECKING:
    from twin.site import Layout, Target

__all__ = ["ContainerCrashLoop", "SchedulerStuck"]


def _refusal(layout: Layout) -> str | None:
    if layout.entire.site.scheduled:
        return None
    return "the site has no scheduler; give it one with scheduler.kind, or take cluster-slurm"


class ContainerCrashLoop(Fault):
    """Whatever is started on a server crashes a few seconds later."""

    kind = "container-crash-loop"
    system = "scheduler"
    title = "jobs on a server crash as soon as they run"
    target = "server"
    default_target = "r0002/n1"
    default_seconds = 900.0
    severity = "warning"
    shows = (
        "On Kubernetes the pods on the server are started again and again, after 10 s, 20 s and so "
        "on up to 5 min: `kube_pod_container_status_restarts_total` rises, the waiting reason is "
        "`CrashLoopBackOff`, the pod keeps its GPUs and they are idle. On Slurm the server is a "
        "black hole: each job that is placed there fails within a minute, so it is free again and "
        "the next one comes, until the queue is empty: `slurm_jobs_failed` rises."
    )

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the place cannot have this fault, None where it can."""
        del target
        return _refusal(layout)

    def apply(self, context: FaultContext) -> None:
        """Let containers crash."""
        context.conditions.container_sound[context.place] = False


class SchedulerStuck(Fault):
    """The scheduler places no jobs."""

    kind = "scheduler-stuck"
    system = "scheduler"
    title = "the scheduler places no jobs"
    target = "facility"
    default_target = "facility"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "Jobs that run go on and end, and none starts: the queue grows (`slurm_jobs_pending`, pods "
        "in the phase Pending) while nodes are idle; GPUs fall idle one by one and the site draws "
        "less and less power. All exporters answer."
    )

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the place cannot have this fault, None where it can."""
        del target
        return _refusal(layout)

    def apply(self, context: FaultContext) -> None:
        """Stop the placement."""
        context.conditions.scheduler_running[:] = False
