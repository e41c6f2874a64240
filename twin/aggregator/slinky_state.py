"""SlinkyProject's exporter of Slurm of a site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from twin.aggregator.slurm_history import gpus_held
from twin.aggregator.slurm_state import HOLDING, groups_by, scheduler_statistics, user_ids
from twin.aggregator.state_series import StateSeries
from twin.catalog.schedulers import (
    CPUS_A_NODE,
    MEMORY_A_NODE,
    SLINKY_JOBS,
    SLINKY_NODES,
    SLINKY_SCHEDULER,
)
from twin.parameters import Site
from twin.wire import NodeCounts, QueuedJob, RackJobs, SiteJobs

__all__ = ["slinky_rack", "slinky_site"]

_MEBIBYTE = 1 << 20
_NOBODY = "65534"


def slinky_rack(series: StateSeries, site: Site, names: Sequence[str], rack: RackJobs) -> None:
    """Add the nodes of a rack."""
    for server, node in enumerate(names[: len(rack.nodes)]):
        held = gpus_held(rack.allocations, server)
        for name, value in _resources(site, 1, held).items():
            series.add(f"slurm_node_{name}", (node,), value)


def slinky_site(series: StateSeries, site: Site, queue: SiteJobs) -> None:
    """Add the counts of jobs and nodes, and the scheduler's statistics."""
    partition, ids = (site.scheduler.partition,), user_ids(site)
    _jobs(series, site, "slurm_", (), queue.jobs)
    _jobs(series, site, "slurm_partition_", partition, queue.jobs)
    for account, jobs in groups_by("account", queue.jobs):
        _jobs(series, site, "slurm_account_", (account,), jobs)
    for user, jobs in groups_by("user", queue.jobs):
        _jobs(series, site, "slurm_user_", (ids.get(user, _NOBODY), user), jobs)
    waiting = [job.nodes for job in queue.jobs if job.state == "pending" and job.reason != "held"]
    largest = max(waiting, default=0)
    series.add("slurm_partition_jobs_pending_maxnodecount_total", partition, largest)
    _nodes(series, "slurm_nodes", (), queue.nodes)
    _nodes(series, "slurm_partition_nodes", partition, queue.nodes)
    held = sum(job.gpus for job in queue.jobs if job.state in HOLDING)
    for name, value in _resources(site, queue.nodes.total, held).items():
        series.add(f"slurm_partition_nodes_{name}", partition, value)
    if queue.scheduler is not None:
        told = scheduler_statistics(queue.scheduler, queue)
        for name, (word, _) in SLINKY_SCHEDULER.items():
            series.add(f"slurm_{name}", (), told[word])


def _jobs(
    series: StateSeries, site: Site, prefix: str, labels: tuple[str, ...], jobs: Sequence[QueuedJob]
) -> None:
    states = Counter(job.state for job in jobs)
    held = sum(job.gpus for job in jobs if job.state in HOLDING)
    counts: Mapping[str, int] = {
        "completed": states["completed"], "failed": states["failed"],
        "cancelled": states["cancelled"],
        "pending": states["pending"], "running": states["running"] + states["starting"],
        "configuring": states["starting"],
    }  # fmt: skip
    series.add(f"{prefix}jobs_total", labels, len(jobs))
    for name in SLINKY_JOBS:
        series.add(f"{prefix}jobs_{name}_total", labels, counts.get(name, 0))
    asked = _resources(site, 0, held)
    series.add(f"{prefix}jobs_cpus_alloc_total", labels, asked["cpus_alloc_total"])
    series.add(f"{prefix}jobs_memory_alloc_bytes", labels, asked["memory_alloc_bytes"])


def _nodes(series: StateSeries, metric: str, labels: tuple[str, ...], nodes: NodeCounts) -> None:
    counts = {
        "allocated": nodes.alloc, "down": nodes.down, "idle": nodes.idle, "mixed": nodes.mixed,
        "drain": nodes.drain, "notresponding": nodes.noresp,
    }  # fmt: skip
    series.add(f"{metric}_total", labels, nodes.total)
    for name in SLINKY_NODES:
        series.add(f"{metric}_{name}_total", labels, counts.get(name, 0))


def _resources(site: Site, nodes: int, held: int) -> dict[str, int]:
    """Return CPUs and MB of so many nodes, of which so many GPUs have a job."""
    cpus, memory = CPUS_A_NODE * nodes, MEMORY_A_NODE * nodes // _MEBIBYTE
    used = CPUS_A_NODE * held // site.server.gpus
    taken = MEMORY_A_NODE * held // site.server.gpus // _MEBIBYTE
    return {
        "cpus_total": cpus, "cpus_effective_total": cpus, "cpus_alloc_total": used,
        "cpus_idle_total": cpus - used, "memory_bytes": memory, "memory_effective_bytes": memory,
        "memory_alloc_bytes": taken, "memory_free_bytes": memory - taken,
    }  # fmt: skip
