"""Jobs, nodes and partitions of Slurm, as the exporter of SlinkyProject shows them.

Names, help and labels follow ``internal/collector`` of SlinkyProject/slurm-exporter 05b4d88 of
2025-06-27 (Apache-2.0). All are gauges in spite of ``_total``; memory is in MB in spite of
``_bytes``, and cycles are in µs in spite of ``_seconds``; several texts of help are another
metric's, as there.
"""

from __future__ import annotations

from collections.abc import Iterator

from twin.catalog.schedulers.model import StateExporter, StateMetric

__all__ = ["SLINKY", "SLINKY_JOBS", "SLINKY_NODES", "SLINKY_SCHEDULER"]

SLINKY_JOBS = {
    "bootfail": "BootFail state", "cancelled": "Cancelled state", "completed": "Completed state",
    "deadline": "Deadline state", "failed": "Failed state", "pending": "Pending state",
    "preempted": "Preempted state", "running": "Running state", "suspended": "Suspended state",
    "timeout": "Timeout state", "nodefail": "NodeFail state", "outofmemory": "OutOfMemory state",
    "completing": "Completing flag", "configuring": "Configuring flag",
    "powerupnode": "PowerUpNode flag", "stageout": "StageOut flag", "hold": "Hold flag",
}  # fmt: skip
"""States and flags of jobs, by the middle of the name."""
SLINKY_NODES = {
    "allocated": "Allocated state", "down": "Down state", "error": "Error state",
    "future": "Future state", "idle": "Idle state", "mixed": "Mixed state",
    "unknown": "Unknown state", "completing": "Completing flag", "drain": "Drain flag",
    "fail": "Fail flag", "maintenance": "Maintenance flag",
    "notresponding": "NotResponding flag", "planned": "Planned flag",
    "rebootrequested": "RebootRequested flag", "reserved": "Reserved flag",
}  # fmt: skip
"""States and flags of nodes."""
_RESOURCES = {
    "cpus_total": "Total number of CPUs on the node",
    "cpus_effective_total": "Total number of effective CPUs on the node, excludes CoreSpec",
    "cpus_alloc_total": "Number of Allocated CPUs on the node",
    "cpus_idle_total": "Number of Idle CPUs on the node",
    "memory_bytes": "Total amount of Memory (MB) on the node",
    "memory_effective_bytes": "Total amount of effective Memory (MB) on the node, excludes MemSpec",
    "memory_alloc_bytes": "Amount of Allocated Memory (MB) on the node",
    "memory_free_bytes": "Amount of Free Memory (MB) on the node",
}
SLINKY_SCHEDULER = {
    "scheduler_cycle_depth_total": (
        "schedule_cycle_depth",
        "Total number of jobs processed in scheduling cycles",
    ),
    "scheduler_cycle_last_seconds": (
        "schedule_cycle_last",
        "Time in microseconds for last scheduling cycle",
    ),
    "scheduler_cycle_max_seconds": (
        "schedule_cycle_max",
        "Max time of any scheduling cycle in microseconds since last reset",
    ),
    "scheduler_cycle_mean_seconds": (
        "sched_mean_cycle",
        "Mean time in microseconds for all scheduling cycles since last reset",
    ),
    "scheduler_cycle_depth_mean_total": (
        "sched_mean_depth_cycle",
        "Mean of the number of jobs processed in a scheduling",
    ),
    "scheduler_cycle_perminute_total": (
        "cycles_a_minute",
        "Number of scheduling executions per minute",
    ),
    "scheduler_cycle_sum_seconds_total": (
        "schedule_cycle_tot",
        "Total run time in microseconds for all scheduling cycles since last reset",
    ),
    "scheduler_cycle_total": ("schedule_cycle_cnt", "Number of scheduling cycles since last reset"),
    "scheduler_queue_total": ("sdiag_jobs_pending", "Number of jobs pending in queue"),
    "scheduler_defaultqueuedepth_total": (
        "sched_exit_max_depth",
        "Reached number of jobs allowed to be tested",
    ),
    "scheduler_endjobqueue_total": ("sched_exit_end", "Reached end of queue"),
    "scheduler_licenses_total": ("sched_exit_lic", "Blocked on licenses"),
    "scheduler_maxjobstart_total": (
        "sched_exit_max_job_start",
        "Reached number of jobs allowed to start",
    ),
    "scheduler_maxrpc_total": ("sched_exit_rpc_cnt", "Reached RPC limit"),
    "scheduler_maxschedtime_total": (
        "sched_exit_timeout",
        "Reached maximum allowed scheduler time",
    ),
    "bfscheduler_active_bool": ("bf_active", "Backfill scheduler currently running"),
    "bfscheduler_backfilledhetjobs_total": (
        "backfilled_het_jobs",
        "Number of heterogeneous job components started through backfilling since last Slurm start",
    ),
    "bfscheduler_backfilledjobs_total": (
        "backfilled_jobs",
        "Number of jobs started through backfilling since last slurm start",
    ),
    "bfscheduler_cycle_total": (
        "bf_cycle_cnt",
        "Number of backfill scheduling cycles since last reset",
    ),
    "bfscheduler_cycle_seconds": (
        "bf_cycle_last",
        "Execution time in microseconds of last backfill scheduling cycle",
    ),
    "bfscheduler_cycle_max_seconds": (
        "bf_cycle_max",
        "Execution time in microseconds of longest backfill scheduling cycle",
    ),
    "bfscheduler_cycle_mean_seconds": (
        "bf_mean_cycle",
        "Mean time in microseconds of backfilling scheduling cycles since last reset",
    ),
    "bfscheduler_cycle_sum_seconds": (
        "bf_cycle_tot",
        "Total time in microseconds of backfilling scheduling cycles since last reset",
    ),
    "bfscheduler_depth_mean_total": (
        "bf_depth_mean",
        (
            "Mean number of eligible to run jobs processed during all backfilling scheduling "
            "cycles since last reset"
        ),
    ),
    "bfscheduler_depth_try_total": (
        "bf_try_depth_mean",
        "The subset of Depth Mean that the backfill scheduler attempted to schedule",
    ),
    "bfscheduler_depth_sum_total": (
        "bf_depth_tot",
        "Total number of jobs processed during all backfilling scheduling cycles since last reset",
    ),
    "bfscheduler_depth_trysum_total": (
        "bf_depth_try_tot",
        "Subset of bf_depth_sum that the backfill scheduler attempted to schedule",
    ),
    "bfscheduler_lastbackfilledjobs_total": (
        "last_backfilled_jobs",
        "Number of jobs started through backfilling since last reset",
    ),
    "bfscheduler_lastdepth_total": (
        "bf_last_depth",
        "Number of processed jobs during last backfilling scheduling cycle",
    ),
    "bfscheduler_lastdepthtry_total": (
        "bf_last_depth_try",
        (
            "Number of processed jobs during last backfilling scheduling cycle that had a "
            "chance to start using available resources"
        ),
    ),
    "bfscheduler_queue_total": (
        "bf_queue_len",
        "Number of jobs pending to be processed by backfilling algorithm",
    ),
    "bfscheduler_queue_mean_total": (
        "bf_queue_len_mean",
        "Mean number of jobs pending to be processed by backfilling algorithm",
    ),
    "bfscheduler_queue_sum_total": (
        "bf_queue_len_tot",
        "Total number of jobs pending to be processed by backfilling algorithm since last reset",
    ),
    "bfscheduler_table_total": (
        "bf_table_size",
        "Number of different time slots tested by the backfill scheduler in its last iteration",
    ),
    "bfscheduler_tablemean_total": (
        "bf_mean_table_sz",
        "Mean number of different time slots tested by the backfill scheduler",
    ),
    "bfscheduler_tablesum_total": (
        "bf_table_size_tot",
        "Total number of different time slots tested by the backfill scheduler",
    ),
    "bfscheduler_lastcycle_timestamp": (
        "bf_when_last_cycle",
        "When the last backfill scheduling cycle happened (UNIX timestamp)",
    ),
    "bfscheduler_maxjobstart_total": (
        "bf_exit_max_job_start",
        "Reached number of jobs allowed to be tested",
    ),
    "bfscheduler_maxjobtest_total": ("bf_exit_max_job_test", "Reached end of queue"),
    "bfscheduler_maxtime_total": ("bf_exit_timeout", "Blocked on licenses"),
    "bfscheduler_nodespace_total": ("bf_exit_table_limit", "Reached table size limit"),
    "bfscheduler_endjobqueue_total": ("bf_exit_end", "Reached RPC limit"),
    "bfscheduler_statechanged_total": (
        "bf_exit_state_changed",
        "Reached maximum allowed scheduler time",
    ),
    "scheduler_jobs_stats_timestamp": (
        "sdiag_job_states_ts",
        "When the job state counts were gathered (UNIX timestamp)",
    ),
    "scheduler_jobs_canceled_total": (
        "sdiag_jobs_canceled",
        "Number of jobs canceled since the last reset",
    ),
    "scheduler_jobs_completed_total": (
        "sdiag_jobs_completed",
        "Number of jobs completed since last reset",
    ),
    "scheduler_jobs_failed_total": (
        "sdiag_jobs_failed",
        "Number of jobs failed due to slurmd or other internal issues since last reset",
    ),
    "scheduler_jobs_pending_total": (
        "sdiag_jobs_pending",
        "Number of jobs pending at the time of listed in job_state_ts",
    ),
    "scheduler_jobs_running_total": (
        "sdiag_jobs_running",
        "Number of jobs running at the time of listed in job_state_ts",
    ),
    "scheduler_jobs_started_total": (
        "sdiag_jobs_started",
        "Number of jobs started since last reset",
    ),
    "scheduler_jobs_submitted_total": (
        "sdiag_jobs_submitted",
        "Number of jobs submitted since last reset",
    ),
    "scheduler_agent_total": ("agent_cnt", "Number of agent threads"),
    "scheduler_agent_queue_total": (
        "agent_queue_size",
        "Number of enqueued outgoing RPC requests in an internal retry list",
    ),
    "scheduler_agent_thread_total": (
        "agent_thread_cnt",
        "Total number of active threads created by all agent threads",
    ),
    "scheduler_thread_total": ("server_thread_cnt", "Number of current active slurmctld threads"),
    "scheduler_dbdagentqueue_total": (
        "slurmdbd_queue_size",
        "Number of messages for SlurmDBD that are queued",
    ),
}
"""What ``sdiag`` says: by the end of the name, the word of Slurm's own endpoint, and the help."""


def _told(what: str, kind: str, where: str = "") -> str:
    """Return the help of a count: states are what something is in, flags what it is with."""
    word = "in" if kind.endswith("state") else "with"
    return f"Number of {what} {word} {kind}{where}"


def _jobs(prefix: str, of: str, labels: tuple[str, ...]) -> Iterator[StateMetric]:
    what = f"{of} jobs" if of in ("account", "user") else "jobs"
    where = " in the partition" if of == "partition" else ""
    yield StateMetric(f"{prefix}jobs_total", f"Total number of {what}{where}", of, labels)
    for name, kind in SLINKY_JOBS.items():
        yield StateMetric(f"{prefix}jobs_{name}_total", _told(what, kind, where), of, labels)
    cpus, memory = "Number of Allocated CPUs", "Amount of Allocated Memory (MB)"
    ends = f"among {what}{where}"
    yield StateMetric(f"{prefix}jobs_cpus_alloc_total", f"{cpus} {ends}", of, labels)
    yield StateMetric(f"{prefix}jobs_memory_alloc_bytes", f"{memory} {ends}", of, labels)


def _nodes(prefix: str, of: str, labels: tuple[str, ...]) -> Iterator[StateMetric]:
    what = "slurm nodes" if of == "partition" else "nodes"
    yield StateMetric(f"{prefix}nodes_total", f"Total number of {what}", of, labels)
    for name, kind in SLINKY_NODES.items():
        yield StateMetric(f"{prefix}nodes_{name}_total", _told("nodes", kind), of, labels)


_PART = ("partition",)
SLINKY = StateExporter(
    key="slinky",
    title="SlinkyProject's exporter of Slurm",
    job="slurm-exporter",
    instance="slurm-exporter:8080",
    source="SlinkyProject/slurm-exporter 05b4d88 of 2025-06-27",
    present=lambda site: site.scheduler.kind == "slurm" and "slinky" in site.slurm_exporters,
    metrics=(
        *_jobs("slurm_", "site", ()),
        *_jobs("slurm_account_", "account", ("account",)),
        *_jobs("slurm_user_", "user", ("userid", "username")),
        *_jobs("slurm_partition_", "partition", _PART),
        StateMetric("slurm_partition_jobs_pending_maxnodecount_total",
                    "Largest number of nodes required among pending jobs in the partition",
                    "partition", _PART),
        *_nodes("slurm_", "site", ()),
        *_nodes("slurm_partition_", "partition", _PART),
        *(StateMetric(f"slurm_partition_nodes_{name}", text, "partition", _PART)
          for name, text in _RESOURCES.items()),
        *(StateMetric(f"slurm_node_{name}", text, "node", ("node",))
          for name, text in _RESOURCES.items()),
        *(StateMetric(f"slurm_{name}", text, "site")
          for name, (_, text) in SLINKY_SCHEDULER.items()),
    ),
)  # fmt: skip
