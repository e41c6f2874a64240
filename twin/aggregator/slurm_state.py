"""Slurm's exporters of a site: what the scheduler says, as jobs, nodes and partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from twin.aggregator.state_series import StateSeries
from twin.catalog.schedulers import CPUS_A_NODE, JOB_COUNTS, MEMORY_A_NODE, NODE_COUNTS, NODE_FLAGS
from twin.parameters import Site
from twin.wire import NodeCounts, NodeReport, QueuedJob, RackJobs, SiteJobs

__all__ = ["endpoint_rack", "endpoint_site", "soperator_jobs", "soperator_rack"]

_STATES = {"pending": "PENDING", "starting": "RUNNING", "running": "RUNNING",
           "completed": "COMPLETED", "failed": "FAILED"}  # fmt: skip
_REASONS = {"": "None", "resources": "Resources", "priority": "Priority", "held": "BeginTime"}
_MOST_GROUPS = 1024
"""Users or accounts that are counted each by themselves: a cluster has fewer."""


def endpoint_rack(
    series: StateSeries, site: Site, hostnames: Sequence[str], rack: RackJobs
) -> None:
    """Add the nodes of a rack as Slurm's own endpoint shows them."""
    gpus = site.server.gpus
    for server, node in enumerate(hostnames[: len(rack.nodes)]):
        held = len({gpu for own in rack.allocations if own.server == server for gpu in own.gpus})
        cpus, memory = CPUS_A_NODE * held // gpus, MEMORY_A_NODE * held // gpus
        values = {
            "cpus": CPUS_A_NODE, "cpus_alloc": cpus, "cpus_effective": CPUS_A_NODE,
            "cpus_idle": CPUS_A_NODE - cpus, "gpus": gpus, "gpus_alloc": held,
            "memory_alloc_bytes": memory, "memory_bytes": MEMORY_A_NODE,
            "memory_effective_bytes": MEMORY_A_NODE, "memory_free_bytes": MEMORY_A_NODE - memory,
        }  # fmt: skip
        for name, value in values.items():
            series.add(f"slurm_node_{name}", (node,), value)


def endpoint_site(series: StateSeries, site: Site, queue: SiteJobs) -> None:
    """Add the counts of jobs and nodes as Slurm's own endpoint shows them."""
    partition = (site.scheduler.partition,)
    _count_jobs(series, site, "slurm_", (), queue.jobs)
    _count_nodes(series, "slurm_", (), queue.nodes)
    series.add("slurm_partitions", (), 1)
    _count_jobs(series, site, "slurm_partition_", partition, queue.jobs)
    _count_nodes(series, "slurm_partition_", partition, queue.nodes)
    series.add("slurm_partition_cpus", partition, CPUS_A_NODE * queue.nodes.total)
    series.add("slurm_partition_gpus", partition, site.server.gpus * queue.nodes.total)
    for prefix, attribute in (("slurm_user_", "user"), ("slurm_account_", "account")):
        groups: dict[str, list[QueuedJob]] = {}
        for job in queue.jobs:
            groups.setdefault(getattr(job, attribute), []).append(job)
        for name in list(groups)[:_MOST_GROUPS]:
            _count_jobs(series, site, prefix, (name,), groups[name])
    waiting = sum(job.state == "pending" for job in queue.jobs)
    series.add("slurm_schedule_queue_len", (), waiting)


def _count_jobs(
    series: StateSeries, site: Site, prefix: str, labels: tuple[str, ...], jobs: Sequence[QueuedJob]
) -> None:
    states = Counter(job.state for job in jobs)
    holding = [job for job in jobs if job.state in ("running", "starting")]
    gpus = sum(job.gpus for job in holding)
    counts = {
        "completed": states["completed"],
        "failed": states["failed"],
        "finished": states["completed"] + states["failed"],
        "pending": states["pending"],
        "running": len(holding),
        "configuring": states["starting"],
        "started": len(jobs) - states["pending"],
        "gpus_alloc": gpus,
        "cpus_alloc": CPUS_A_NODE * gpus // site.server.gpus,
        "memory_alloc": MEMORY_A_NODE * gpus // site.server.gpus,
        "nodes_alloc": sum(job.nodes for job in holding),
    }
    series.add(f"{prefix}jobs", labels, len(jobs))
    for name in JOB_COUNTS:
        series.add(f"{prefix}jobs_{name}", labels, counts.get(name, 0))


def _count_nodes(
    series: StateSeries, prefix: str, labels: tuple[str, ...], nodes: NodeCounts
) -> None:
    series.add(f"{prefix}nodes", labels, nodes.total)
    for name in NODE_COUNTS:
        series.add(f"{prefix}nodes_{name}", labels, getattr(nodes, name, 0))


# -- soperator --------------------------------------------------------------------


def soperator_rack(
    series: StateSeries, site: Site, hostnames: Sequence[str], rack: RackJobs
) -> None:
    """Add the nodes of a rack and the jobs on them as soperator's exporter shows them."""
    for server, node in enumerate(hostnames[: len(rack.nodes)]):
        report = rack.nodes[server]
        held = {gpu for own in rack.allocations if own.server == server for gpu in own.gpus}
        series.add("slurm_node_info", _node(node, report, len(held), site.server.gpus))
        series.add("slurm_node_partition", (node, site.scheduler.partition))
    for own in rack.allocations:
        series.add("slurm_node_job", (str(own.job), hostnames[own.server]))


def _node(node: str, report: NodeReport, held: int, gpus: int) -> tuple[str, ...]:
    busy = "IDLE" if not held else "ALLOCATED" if held == gpus else "MIXED"
    base = "DOWN" if report.state == "down" else busy
    set_flags = {
        "state_is_drain": report.state != "up",
        "state_is_not_responding": not report.ready,
    }
    flags = tuple(str(set_flags.get(flag, False)).lower() for flag in NODE_FLAGS)
    away = base == "DOWN" or not report.ready or (base == "IDLE" and report.state == "drain")
    return (node, "", base, *flags, str(away).lower(), "", node, report.reason, "")


def soperator_jobs(series: StateSeries, site: Site, queue: SiteJobs) -> None:
    """Add all jobs as soperator's exporter shows them."""
    gpus = site.server.gpus
    users = {name: str(1000 + n) for n, name in enumerate(sorted({j.user for j in queue.jobs}))}
    for job in queue.jobs:
        number = str(job.job)
        times = (_seconds(job.submit), _seconds(job.start), _seconds(job.end), _seconds(job.end))
        state, reason = _STATES[job.state], _REASONS[job.reason]
        series.add(
            "slurm_job_info",
            (number, state, reason, site.scheduler.partition, job.name, job.user, "",
             users[job.user], "", "", "", "", *times),
        )  # fmt: skip
        series.add("slurm_job_cpus", (number,), CPUS_A_NODE * job.gpus // gpus)
        series.add("slurm_job_memory_bytes", (number,), MEMORY_A_NODE * job.gpus // gpus)


def _seconds(time: float | None) -> str:
    """Return a time as the exporter says it, empty where there is none yet."""
    return "" if time is None else str(int(time))
