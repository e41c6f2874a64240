"""Queue, nodes and scheduler of Slurm, as the older prometheus-slurm-exporter shows them.

Names, help and labels follow vpenso/prometheus-slurm-exporter 895c7c6 of 2022-03-29 (GPL-3.0; it
reads ``sinfo``, ``squeue`` and ``sdiag``), run with ``-gpus-acct``, without which the GPUs are
left out. All are gauges. A node counts once, by the state that ``sinfo`` shows: one that is
drained is not idle here. ``slurm_account_fairshare`` needs the accounting of months and is left
out.
"""

from __future__ import annotations

from twin.catalog.schedulers.model import StateExporter, StateMetric

__all__ = ["VPENSO"]

_QUEUE = {
    "pending": "Pending jobs in queue",
    "pending_dependency": "Pending jobs because of dependency in queue",
    "running": "Running jobs in the cluster",
    "suspended": "Suspended jobs in the cluster",
    "cancelled": "Cancelled jobs in the cluster",
    "completing": "Completing jobs in the cluster",
    "completed": "Completed jobs in the cluster",
    "configuring": "Configuring jobs in the cluster",
    "failed": "Number of failed jobs",
    "timeout": "Jobs stopped by timeout",
    "preempted": "Number of preempted jobs",
    "node_fail": "Number of jobs stopped due to node fail",
}
_NODES = {
    "alloc": "Allocated nodes",
    "comp": "Completing nodes",
    "down": "Down nodes",
    "drain": "Drain nodes",
    "err": "Error nodes",
    "fail": "Fail nodes",
    "idle": "Idle nodes",
    "maint": "Maint nodes",
    "mix": "Mix nodes",
    "resv": "Reserved nodes",
}
_CPUS = {
    "alloc": "Allocated CPUs",
    "idle": "Idle CPUs",
    "other": "Mix CPUs",
    "total": "Total CPUs",
}
_GPUS = {
    "alloc": "Allocated GPUs",
    "idle": "Idle GPUs",
    "total": "Total GPUs",
    "utilization": "Total GPU utilization",
}
_NODE = {
    "cpu_alloc": "Allocated CPUs per node",
    "cpu_idle": "Idle CPUs per node",
    "cpu_other": "Other CPUs per node",
    "cpu_total": "Total CPUs per node",
    "mem_alloc": "Allocated memory per node",
    "mem_total": "Total memory per node",
}
_PARTITION = {
    "cpus_allocated": "Allocated CPUs for partition",
    "cpus_idle": "Idle CPUs for partition",
    "cpus_other": "Other CPUs for partition",
    "jobs_pending": "Pending jobs for partition",
    "cpus_total": "Total CPUs for partition",
}
_GROUP = {
    "jobs_pending": "Pending jobs for {}",
    "jobs_running": "Running jobs for {}",
    "cpus_running": "Running cpus for {}",
    "jobs_suspended": "Suspended jobs for {}",
}
_SDIAG = "Information provided by the Slurm sdiag command, "
_SCHEDULER = {
    "threads": "number of scheduler threads ",
    "queue_size": "length of the scheduler queue",
    "dbd_queue_size": "length of the DBD agent queue",
    "last_cycle": "scheduler last cycle time in (microseconds)",
    "mean_cycle": "scheduler mean cycle time in (microseconds)",
    "cycle_per_minute": "number scheduler cycles per minute",
    "backfill_last_cycle": "scheduler backfill last cycle time in (microseconds)",
    "backfill_mean_cycle": "scheduler backfill mean cycle time in (microseconds)",
    "backfill_depth_mean": "scheduler backfill mean depth",
    "backfilled_jobs_since_start_total": "number of jobs started thanks to backfilling since last "
    "slurm start",
    "backfilled_jobs_since_cycle_total": "number of jobs started thanks to backfilling since last "
    "time stats where reset",
    "backfilled_heterogeneous_total": "number of heterogeneous job components started thanks to "
    "backfilling since last Slurm start",
}


def _of(
    prefix: str, texts: dict[str, str], of: str = "site", labels: tuple[str, ...] = ()
) -> tuple[StateMetric, ...]:
    return tuple(
        StateMetric(f"slurm_{prefix}_{name}", text.format(of), of, labels)
        for name, text in texts.items()
    )


VPENSO = StateExporter(
    key="vpenso",
    title="vpenso's exporter of Slurm",
    job="slurm_exporter",
    instance="slurm-exporter:8080",
    source="vpenso/prometheus-slurm-exporter 895c7c6 of 2022-03-29",
    present=lambda site: site.scheduler.kind == "slurm" and "vpenso" in site.slurm_exporters,
    metrics=(
        *_of("account", _GROUP, "account", ("account",)),
        *_of("cpus", _CPUS),
        *_of("gpus", _GPUS),
        *_of("nodes", _NODES),
        *_of("node", _NODE, "node", ("node", "status")),
        *_of("partition", _PARTITION, "partition", ("partition",)),
        *_of("queue", _QUEUE),
        *_of("scheduler", {name: _SDIAG + text for name, text in _SCHEDULER.items()}),
        *_of("user", _GROUP, "user", ("user",)),
    ),
)
