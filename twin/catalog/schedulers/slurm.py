"""Jobs, nodes and partitions, as Slurm's own endpoint shows them.

Names and labels follow ``src/plugins/metrics/openmetrics`` and ``doc/html/metrics.shtml`` of
SchedMD/slurm 25.11 (``MetricsType=metrics/openmetrics``, port 6817 of slurmctld). There is no
series of a job, and all are gauges. The counts of states that no job or node of the twin ever
has are constantly 0, as there.
"""

from __future__ import annotations

from collections.abc import Iterator

from twin.catalog.schedulers.model import StateExporter, StateMetric

__all__ = ["JOB_COUNTS", "NODE_COUNTS", "SLURM"]

JOB_COUNTS = {
    "bootfail": "jobs in BootFail state",
    "cancelled": "jobs in Cancelled state",
    "completed": "jobs in Completed state",
    "completing": "jobs in Completing state",
    "configuring": "jobs in Configuring state",
    "cpus_alloc": "CPUs allocated by jobs",
    "deadline": "jobs in Deadline state",
    "failed": "jobs in Failed state",
    "finished": "finished jobs",
    "gpus_alloc": "GPUs allocated by jobs",
    "hold": "jobs in Hold state",
    "memory_alloc": "memory bytes allocated by jobs",
    "node_failed": "jobs in Node Failed state",
    "nodes_alloc": "nodes allocated by jobs",
    "outofmemory": "jobs in Out of Memory state",
    "pending": "jobs in Pending state",
    "preempted": "jobs in Preempted state",
    "requeued": "jobs in Requeued state",
    "running": "jobs in Running state",
    "started": "started jobs",
    "suspended": "jobs in Suspended state",
    "timeout": "jobs in Timeout state",
}
"""What is counted of jobs, by the end of the name."""

NODE_COUNTS = {
    "alloc": "nodes in Allocated state",
    "completing": "nodes with Completing flag",
    "down": "nodes in Down state",
    "drain": "nodes with Drain flag",
    "drained": "nodes in Drained state",
    "draining": "nodes in Draining condition (Drain state with active jobs)",
    "fail": "nodes with Fail flag",
    "idle": "nodes in Idle state",
    "maint": "nodes with Maintenance flag",
    "mixed": "nodes in Mixed state",
    "noresp": "nodes with Not Responding flag",
    "planned": "nodes with Planned flag",
    "reboot_req": "nodes with Reboot Requested flag",
    "resv": "nodes with Reserved flag",
    "unknown": "nodes in Unknown state",
}
"""What is counted of nodes."""

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


def _jobs(prefix: str, of: str, label: tuple[str, ...], where: str) -> Iterator[StateMetric]:
    yield StateMetric(f"{prefix}jobs", f"Total number of jobs{where}", of, label)
    for name, what in JOB_COUNTS.items():
        yield StateMetric(f"{prefix}jobs_{name}", f"Number of {what}{where}", of, label)


def _nodes(prefix: str, of: str, label: tuple[str, ...], where: str) -> Iterator[StateMetric]:
    yield StateMetric(f"{prefix}nodes", f"Total number of nodes{where}", of, label)
    for name, what in NODE_COUNTS.items():
        yield StateMetric(f"{prefix}nodes_{name}", f"Number of {what}{where}", of, label)


SLURM = StateExporter(
    key="slurm",
    title="Slurm's endpoint",
    job="slurm",
    instance="slurmctld:6817",
    source="SchedMD/slurm 25.11, plugin metrics/openmetrics",
    present=lambda site: site.scheduler.kind == "slurm" and "official" in site.slurm_exporters,
    metrics=(
        *(StateMetric(name, text, "node", ("node",)) for name, text in _NODES.items()),
        *_nodes("slurm_", "site", (), ""),
        *_jobs("slurm_", "site", (), ""),
        StateMetric("slurm_partitions", "Total number of partitions", "site"),
        *_jobs("slurm_partition_", "partition", ("partition",), " in the partition"),
        *_nodes("slurm_partition_", "partition", ("partition",), " in the partition"),
        StateMetric("slurm_partition_cpus", "Partition total cpus", "partition", ("partition",)),
        StateMetric("slurm_partition_gpus", "Partition total gpus", "partition", ("partition",)),
        *_jobs("slurm_user_", "user", ("username",), " of the user"),
        *_jobs("slurm_account_", "account", ("account",), " of the account"),
        StateMetric("slurm_schedule_queue_len", "Jobs pending queue length", "site"),
    ),
)
