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
    "The scheduler, by the metrics of Slurm's own endpoint (25.11) or of kube-state-metrics.",
    (),
    (
        Alert(
            name="SchedulerNotPlacing",
            severity=Severity.CRITICAL,
            why="Nodes may idle while a large job waits for its last ones, but not half the "
            "cluster.",
            expr=f"""
            {_IDLE} / {_NODES} > {limit.NODES_IDLE}
            and {_PENDING} > 0
            """,
            hold=120,
            summary="Jobs of {{ $labels.site }} are pending although "
            "{{ $value | humanizePercentage }} of its nodes are idle",
            meaning="The scheduler starts no jobs: GPUs fall idle as running jobs end.",
            steps=(
                "Read why jobs are pending: `squeue --state=pending --Format=jobid,reason`.",
                (
                    "Look for a partition that is down (`scontrol show partition`) or a "
                    "reservation (`scontrol show reservation`)."
                ),
                "Read slurmctld's log, and check its cycle times with `sdiag`.",
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
            meaning="Often a single node is a black hole: each job placed on it fails at once, "
            "which frees it for the next one.",
            steps=(
                (
                    "Find the node that they have in common: "
                    "`sacct --state=FAILED --format=jobid,nodelist`."
                ),
                "Drain it: `scontrol update nodename=NODE state=drain reason=...`.",
                "Check its container runtime, driver and mounts before resuming it.",
            ),
        ),
        Alert(
            name="PodCrashLooping",
            severity=Severity.WARNING,
            expr=f"max_over_time({_WAITING}[5m]) >= 1",
            summary="Pod {{ $labels.pod }} in namespace {{ $labels.namespace }} is in a crash loop",
            meaning="Its container exits soon after each start, and the pod keeps its GPUs.",
            steps=(
                "Find out why: `kubectl -n NAMESPACE logs POD --previous`.",
                "If pods of several jobs crash on one node, cordon it: `kubectl cordon NODE`.",
            ),
        ),
    ),
)
