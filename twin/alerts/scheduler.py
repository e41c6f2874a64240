"""Alerts on a scheduler: its queue, its jobs and its pods."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog.schedulers import KUBE_STATE, SLURM
from twin.catalog.selectors import reported

__all__ = ["SCHEDULER_RULES"]

_IDLE, _NODES = reported(SLURM, "slurm_nodes_idle"), reported(SLURM, "slurm_nodes")
_PENDING = reported(SLURM, "slurm_jobs_pending")
_FAILED = reported(SLURM, "slurm_jobs_failed")
_FINISHED = reported(SLURM, "slurm_jobs_finished")
_WAITING = reported(
    KUBE_STATE, "kube_pod_container_status_waiting_reason", 'reason="CrashLoopBackOff"'
)

SCHEDULER_RULES = Rules(
    Domain.SCHEDULER,
    "The scheduler, by Slurm's own endpoint (25.11) or kube-state-metrics.",
    (),
    (
        Alert(
            name="SchedulerNotPlacing",
            severity=Severity.CRITICAL,
            why="A large job waits for its last nodes while others are idle, but not for half the "
            "cluster.",
            expr=f"""
            {_IDLE} / {_NODES} > {limit.NODES_IDLE}
            and {_PENDING} > 0
            """,
            hold=120,
            summary="Jobs of {{ $labels.site }} wait although {{ $value | humanizePercentage }} of "
            "its nodes are idle",
            meaning="The scheduler starts nothing: GPUs fall idle as jobs end.",
            steps=(
                "Read why jobs wait: `squeue --state=pending --Format=jobid,reason`.",
                "Look for a partition that is down, or a reservation: `scontrol show partition`.",
                "Read the log of slurmctld, and the length of its cycles with `sdiag`.",
            ),
        ),
        Alert(
            name="JobsFailing",
            severity=Severity.WARNING,
            expr=f"""
            {_FAILED} / ({_FINISHED} >= {limit.JOBS_FINISHED})
              > {limit.JOBS_FAILED}
            """,
            summary="{{ $value | humanizePercentage }} of the jobs that ended on "
            "{{ $labels.site }} failed",
            meaning="Often a single node is a black hole: each job that is placed there fails at "
            "once, so it is free for the next.",
            steps=(
                "Find what they have in common: `sacct --state=FAILED --format=jobid,nodelist`.",
                "Drain the node: `scontrol update nodename=NODE state=drain reason=...`.",
                "Check its containers' runtime, driver and mounts before it comes back.",
            ),
        ),
        Alert(
            name="PodCrashLooping",
            severity=Severity.WARNING,
            expr=f"max_over_time({_WAITING}[5m]) >= 1",
            summary="Pod {{ $labels.pod }} of {{ $labels.namespace }} crashes again and again",
            meaning="Its container ends soon after each start, and the pod keeps its GPUs.",
            steps=(
                "Read why: `kubectl -n NAMESPACE logs POD --previous`.",
                "If pods of several jobs crash on one node, cordon it: `kubectl cordon NODE`.",
            ),
        ),
    ),
)
