"""Jobs, nodes and partitions, as Slurm's own endpoint shows them.

Names, help and labels follow ``src/plugins/metrics/openmetrics/openmetrics.c`` of SchedMD/slurm
284c3b9 of 2026-08-20 (``MetricsType=metrics/openmetrics`` since 25.11, port 6817 of slurmctld).
There is no series of a job, and all are gauges. The counts of states that no job or node of the
twin ever has are constantly 0, as there. Several counts of nodes have another name where they
are of a partition. ``slurm_nodes_powering_up`` is what that code prints under the name: the
nodes that power down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from twin.catalog.schedulers.model import StateExporter, StateMetric

__all__ = ["JOB_COUNTS", "NODE_COUNTS", "PARTITION_NODES", "SLURM"]

JOB_COUNTS = {
    "bootfail": "jobs in BootFail state",
    "cancelled": "jobs in Cancelled state",
    "completed": "jobs in Completed state",
    "completing": "jobs in Completing state",
    "configuring": "jobs in Configuring state",
    "cpus_alloc": "CPUs allocated by jobs",
    "deadline": "jobs in Deadline state",
    "expediting": "jobs in Expediting state",
    "failed": "jobs in Failed state",
    "fed_requeued": "jobs requeued in a federation",
    "finished": "finished jobs",
    "gpus_alloc": "GPUs allocated by jobs",
    "hold": "jobs in Hold state",
    "memory_alloc": "memory bytes allocated by jobs",
    "node_failed": "jobs in Node Failed state",
    "nodes_alloc": "nodes allocated by jobs",
    "outofmemory": "jobs in Out of Memory state",
    "pending": "jobs in Pending state",
    "powerup_node": "jobs in PowerUp Node state",
    "preempted": "jobs in Preempted state",
    "requeued": "jobs in Requeued state",
    "resizing": "jobs in Resizing state",
    "revoked": "revoked jobs",
    "running": "jobs in Running state",
    "signaling": "jobs being signaled",
    "stageout": "jobs in StageOut state",
    "started": "started jobs",
    "suspended": "jobs in Suspended state",
    "timeout": "jobs in Timeout state",
}
"""What is counted of jobs, by the end of the name."""

NODE_COUNTS = {
    "alloc": "nodes in Allocated state",
    "blocked": "nodes in Blocked state",
    "completing": "nodes with Completing flag",
    "cloud": "Cloud nodes",
    "down": "nodes in Down state",
    "drain": "nodes with Drain flag",
    "drained": "nodes in Drained state",
    "draining": "nodes in Draining condition (Drain state with active jobs)",
    "dyn_future": "future dynamic nodes",
    "dyn_normal": "dynamic nodes",
    "external": "external nodes",
    "fail": "nodes with Fail flag",
    "future": "nodes in Future state",
    "idle": "nodes in Idle state",
    "invalid_reg": "nodes with Invalid Registration flag",
    "maint": "nodes with Maintenance flag",
    "mixed": "nodes in Mixed state",
    "noresp": "nodes with Not Responding flag",
    "planned": "nodes with Planned flag",
    "power_down": "nodes marked to be powered down",
    "power_up": "nodes marked to be powered up",
    "powered_down": "nodes powered down",
    "powering_up": "nodes powering up",
    "reboot_issued": "nodes with Reboot Issued flag",
    "reboot_req": "nodes with Reboot Requested flag",
    "resv": "nodes with Reserved flag",
    "unknown": "nodes in Unknown state",
}
"""What is counted of nodes."""

_OTHERWISE = {"completing": "cg", "noresp": "no_resp", "reboot_req": "reboot_requested"}
"""Counts that have another name in a partition."""
PARTITION_NODES = {
    **{_OTHERWISE.get(name, name): what for name, what in NODE_COUNTS.items()},
    "powering_down": "nodes powering down",
}
"""What is counted of the nodes of a partition."""

_PARTITION = {
    "cpus": "Partition total cpus",
    "gpus": "Partition total gpus",
    "nodes_cpus_efctv": "Number of effective CPUs on all nodes, excludes CoreSpec",
    "nodes_cpus_idle": "Number of idle CPUs on all nodes",
    "nodes_cpus_alloc": "Number of allocated cpus",
    "nodes_mem_alloc": "Amount of allocated memory of all nodes",
    "nodes_mem_avail": "Amount of available memory of all nodes",
    "nodes_mem_free": "Amount of free memory in all nodes",
    "nodes_mem_tot": "Total amount of memory of all nodes",
    "jobs_max_job_nodes": "Max of the max_nodes required of all pending jobs in that partition",
    "jobs_max_job_nodes_nohold": "Max of the max_nodes required of all pending jobs in that "
    "partition excluding Held jobs",
    "jobs_min_job_nodes": "Max of the min_nodes required of all pending jobs in that partition",
    "jobs_min_job_nodes_nohold": "Max of the min_nodes required of all pending jobs in that "
    "partition excluding Held jobs",
    "jobs_wait_part_node_limit": "Jobs wait partition node limit",
}

_SCHEDULER = {
    "agent_cnt": "Number of agent threads",
    "agent_queue_size": "Outgoing RPC retry queue length",
    "agent_thread_cnt": "Total active agent-created threads",
    "bf_depth_mean": "Mean backfill cycle depth",
    "bf_mean_cycle": "Mean backfill cycle time",
    "bf_mean_table_sz": "Mean backfill table size",
    "bf_queue_len_mean": "Mean backfill queue length",
    "bf_try_depth_mean": "Mean depth attempts in backfill",
    "backfilled_het_jobs": "Heterogeneous components backfilled",
    "backfilled_jobs": "Total backfilled jobs since reset",
    "bf_active": "Backfill scheduler active jobs",
    "bf_cycle_cnt": "Backfill cycle count",
    "bf_cycle_last": "Last backfill cycle time",
    "bf_cycle_max": "Max backfill cycle time",
    "bf_cycle_tot": "Sum of backfill cycle times",
    "bf_depth_tot": "Sum of backfill job depths",
    "bf_depth_try_tot": "Sum of backfill depth attempts",
    "bf_last_depth": "Last backfill depth",
    "bf_last_depth_try": "Last backfill depth attempts",
    "bf_queue_len": "Backfill queue length",
    "bf_queue_len_tot": "Sum of backfill queue lengths",
    "bf_table_size": "Backfill table size",
    "bf_table_size_tot": "Sum of backfill table sizes",
    "bf_when_last_cycle": "Timestamp of last backfill cycle",
    "sdiag_jobs_canceled": "Jobs canceled since reset",
    "sdiag_jobs_completed": "Jobs completed since reset",
    "sdiag_jobs_failed": "Jobs failed since reset",
    "sdiag_jobs_pending": "Jobs pending at timestamp",
    "sdiag_jobs_running": "Jobs running at timestamp",
    "sdiag_jobs_started": "Jobs started since reset",
    "sdiag_jobs_submitted": "Jobs submitted since reset",
    "sdiag_job_states_ts": "Job states timestamp",
    "last_backfilled_jobs": "Backfilled jobs since last cycle",
    "sdiag_latency": "Measurement latency",
    "schedule_cycle_cnt": "Scheduling cycle count",
    "schedule_cycle_depth": "Processed jobs depth total",
    "schedule_cycle_last": "Last scheduling cycle time",
    "schedule_cycle_max": "Max scheduling cycle time",
    "schedule_cycle_tot": "Sum of scheduling cycle times",
    "schedule_queue_len": "Jobs pending queue length",
    "sched_exit_end": "End of job queue",
    "sched_exit_max_depth": "Hit default_queue_depth",
    "sched_exit_max_job_start": "Hit sched_max_job_start",
    "sched_exit_lic": "Blocked on licenses",
    "sched_exit_rpc_cnt": "Hit max_rpc_cnt",
    "sched_exit_timeout": "Timeout (max_sched_time)",
    "bf_exit_end": "End of job queue",
    "bf_exit_max_job_start": "Hit bf_max_job_start",
    "bf_exit_max_job_test": "Hit bf_max_job_test",
    "bf_exit_state_changed": "System state changed",
    "bf_exit_table_limit": "Hit table size limit (bf_node_space_size)",
    "bf_exit_timeout": "Timeout (bf_max_time)",
    "sched_mean_cycle": "Mean scheduling cycle time",
    "sched_mean_depth_cycle": "Mean depth of scheduling cycles",
    "server_thread_cnt": "Active slurmctld threads count",
    "slurmdbd_queue_size": "Queued messages to SlurmDBD",
    "last_proc_req_start": "Timestamp of last process request start",
    "sched_stats_timestamp": "Statistics snapshot timestamp",
}
"""What ``sdiag`` says, too: times of cycles in µs, timestamps in unix seconds."""

_NODES = {
    "slurm_node_cpus": "Total number of cpus in the node",
    "slurm_node_cpus_alloc": "Allocated cpus in the node",
    "slurm_node_cpus_effective": "Total effective CPUs (excluding CoreSpec)",
    "slurm_node_cpus_idle": "Idle cpus in the node",
    "slurm_node_gpus": "Total number of gpus in the node",
    "slurm_node_gpus_alloc": "Allocated gpus in the node",
    "slurm_node_memory_alloc_bytes": "Bytes allocated to jobs in the node",
    "slurm_node_memory_bytes": "Total memory in bytes of the node",
    "slurm_node_memory_effective_bytes": "Total effective memory (excluding MemSpec)",
    "slurm_node_memory_free_bytes": "Free memory in bytes of the node",
}

_PART = ("partition",)


def _jobs(prefix: str, of: str, label: tuple[str, ...], where: str) -> Iterator[StateMetric]:
    yield StateMetric(f"{prefix}jobs", f"Total number of jobs{where}", of, label)
    for name, what in JOB_COUNTS.items():
        yield StateMetric(f"{prefix}jobs_{name}", f"Number of {what}{where}", of, label)


def _nodes(
    prefix: str, of: str, label: tuple[str, ...], where: str, counts: Mapping[str, str]
) -> Iterator[StateMetric]:
    yield StateMetric(f"{prefix}nodes", f"Total number of nodes{where}", of, label)
    for name, what in counts.items():
        yield StateMetric(f"{prefix}nodes_{name}", f"Number of {what}{where}", of, label)


SLURM = StateExporter(
    key="slurm",
    title="Slurm's endpoint",
    job="slurm",
    instance="slurmctld:6817",
    source="SchedMD/slurm 284c3b9 of 2026-08-20, plugin metrics/openmetrics",
    present=lambda site: site.scheduler.kind == "slurm" and "official" in site.slurm_exporters,
    metrics=(
        *(StateMetric(name, text, "node", ("node",)) for name, text in _NODES.items()),
        *_nodes("slurm_", "site", (), "", NODE_COUNTS),
        *_jobs("slurm_", "site", (), ""),
        StateMetric("slurm_partitions", "Total number of partitions", "site"),
        *_jobs("slurm_partition_", "partition", _PART, " in the partition"),
        *_nodes("slurm_partition_", "partition", _PART, " in the partition", PARTITION_NODES),
        *(
            StateMetric(f"slurm_partition_{name}", text, "partition", _PART)
            for name, text in _PARTITION.items()
        ),
        *_jobs("slurm_user_", "user", ("username",), " of the user"),
        *_jobs("slurm_account_", "account", ("account",), " of the account"),
        *(StateMetric(f"slurm_{name}", text, "site") for name, text in _SCHEDULER.items()),
    ),
)
