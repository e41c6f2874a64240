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
    return "the site has no scheduler; set scheduler.kind in the site, or use cluster-slurm"


class ContainerCrashLoop(Fault):
    """Every container started on a server crashes a few seconds later."""

    kind = "container-crash-loop"
    system = "scheduler"
    title = "jobs on a server crash as soon as they run"
    target = "server"
    default_target = "r0002/n1"
    default_seconds = 900.0
    severity = "warning"
    shows = (
        "On Kubernetes the containers of the server's pods are restarted over and over, with a "
        "back-off of 10 s, 20 s and so on up to 5 min: `kube_pod_container_status_restarts_total` "
        "rises, the waiting reason is `CrashLoopBackOff`, and the pods keep their GPUs, which "
        "idle. On Slurm the server is a black hole: each job placed on it fails within a minute, "
        "which frees it for the next one, until the queue is empty: `slurm_jobs_failed` rises."
    )

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the place cannot have this fault, None where it can."""
        del target
        return _refusal(layout)

    @classmethod
    def shows_at(cls, layout: Layout, target: Target) -> bool:
        """Return whether the scheduler has the server."""
        site = layout.entire.site
        return target.unit >= sum(job.racks for job in site.jobs)

    def apply(self, context: FaultContext) -> None:
        """Crash the containers."""
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
        "Running jobs go on and end, but no new ones start: the queue grows (`slurm_jobs_pending`, "
        "pods in the phase Pending) while nodes are idle; GPUs fall idle one by one and the site "
        "draws less and less power. All exporters answer."
    )

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the place cannot have this fault, None where it can."""
        del target
        return _refusal(layout)

    def apply(self, context: FaultContext) -> None:
        """Stop placing jobs."""
        context.conditions.scheduler_running[:] = False
