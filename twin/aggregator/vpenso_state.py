"""vpenso's exporter of Slurm of a site: what ``sinfo``, ``squeue`` and ``sdiag`` would say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from twin.aggregator.slurm_history import gpus_held
from twin.aggregator.slurm_state import HOLDING, cycle_microseconds, groups_by, mean_of
from twin.aggregator.state_series import StateSeries
from twin.catalog.schedulers import CPUS_A_NODE, MEMORY_A_NODE
from twin.parameters import Site
from twin.wire import NodeCounts, NodeReport, QueuedJob, RackJobs, SchedulerReport, SiteJobs
from twin.wire.jobs import QueueState

__all__ = ["vpenso_rack", "vpenso_site"]

_MEBIBYTE = 1 << 20
_QUEUE = ("pending_dependency", "suspended", "completing", "timeout", "preempted",
          "node_fail")  # fmt: skip
"""States that no job of the twin has."""
_SHOWN: Mapping[str, QueueState] = {
    "pending": "pending", "running": "running", "completed": "completed", "failed": "failed",
    "cancelled": "cancelled",
}  # fmt: skip
"""States of jobs that it counts, by the word in its metric."""
_NODES = ("comp", "err", "fail", "maint", "resv")
"""States that no node has."""


def vpenso_rack(series: StateSeries, site: Site, hostnames: Sequence[str], rack: RackJobs) -> None:
    """Add the nodes of a rack."""
    gpus = site.server.gpus
    for server, node in enumerate(hostnames[: len(rack.nodes)]):
        report, held = rack.nodes[server], gpus_held(rack.allocations, server)
        labels = (node, _status(report, held, gpus))
        cpus, free = CPUS_A_NODE * held // gpus, CPUS_A_NODE - CPUS_A_NODE * held // gpus
        up = report.state == "up"
        values = {
            "cpu_alloc": cpus,
            "cpu_idle": free if up else 0,
            "cpu_other": 0 if up else free,
            "cpu_total": CPUS_A_NODE,
            "mem_alloc": MEMORY_A_NODE * held // gpus // _MEBIBYTE,
            "mem_total": MEMORY_A_NODE // _MEBIBYTE,
        }
        for name, value in values.items():
            series.add(f"slurm_node_{name}", labels, value)


def _status(report: NodeReport, held: int, gpus: int) -> str:
    """Return the state of a node as ``sinfo`` has it at length, with ``*`` where it is silent."""
    if report.state == "down":
        state = "down"
    elif report.state == "drain":
        state = "draining" if held else "drained"
    else:
        state = "idle" if not held else "allocated" if held == gpus else "mixed"
    return state if report.ready else f"{state}*"


def vpenso_site(series: StateSeries, site: Site, queue: SiteJobs) -> None:
    """Add the counts of jobs, nodes, CPUs and GPUs, and the scheduler's statistics."""
    states = Counter(job.state for job in queue.jobs)
    named = {name: states[state] for name, state in _SHOWN.items()}
    named |= {"configuring": states["starting"], **dict.fromkeys(_QUEUE, 0)}
    for name, count in named.items():
        series.add(f"slurm_queue_{name}", (), count)
    _nodes(series, queue.nodes)
    _resources(series, site, queue)
    for of in ("account", "user"):
        for name, jobs in groups_by(of, queue.jobs):
            _group(series, site, of, name, jobs)
    if queue.scheduler is not None:
        _scheduler(series, queue.scheduler, queue.ts)


def _nodes(series: StateSeries, nodes: NodeCounts) -> None:
    counts = {
        "alloc": nodes.alloc - nodes.out_alloc,
        "idle": nodes.idle - nodes.out_idle,
        "mix": nodes.mixed - nodes.out_mixed,
        "down": nodes.down,
        "drain": nodes.out_alloc + nodes.out_idle + nodes.out_mixed,
        **dict.fromkeys(_NODES, 0),
    }
    for name, count in counts.items():
        series.add(f"slurm_nodes_{name}", (), count)


def _resources(series: StateSeries, site: Site, queue: SiteJobs) -> None:
    gpus = site.server.gpus
    total = gpus * queue.nodes.total
    held = sum(job.gpus for job in queue.jobs if job.state in HOLDING)
    cpus = {
        "alloc": CPUS_A_NODE * held // gpus,
        "other": CPUS_A_NODE * queue.nodes.out_gpus // gpus,
        "total": CPUS_A_NODE * queue.nodes.total,
    }
    cpus["idle"] = cpus["total"] - cpus["alloc"] - cpus["other"]
    for name, count in cpus.items():
        series.add(f"slurm_cpus_{name}", (), count)
    waiting = sum(job.state == "pending" for job in queue.jobs)
    of_partition = {"cpus_allocated": cpus.pop("alloc"), "jobs_pending": waiting}
    of_partition |= {f"cpus_{name}": count for name, count in cpus.items()}
    for name, count in of_partition.items():
        if count:  # it prints none of a partition that is 0
            series.add(f"slurm_partition_{name}", (site.scheduler.partition,), count)
    shares = {"alloc": held, "idle": total - held, "total": total}
    for name, count in shares.items():
        series.add(f"slurm_gpus_{name}", (), count)
    series.add("slurm_gpus_utilization", (), held / total if total else 0.0)


def _group(series: StateSeries, site: Site, of: str, name: str, jobs: Sequence[QueuedJob]) -> None:
    running = [job for job in jobs if job.state == "running"]
    counts = {
        "jobs_pending": sum(job.state == "pending" for job in jobs),
        "jobs_running": len(running),
        "cpus_running": CPUS_A_NODE * sum(job.gpus for job in running) // site.server.gpus,
        "jobs_suspended": 0,
    }
    for what, count in counts.items():
        if count:  # it prints none of a group that is 0
            series.add(f"slurm_{of}_{what}", (name,), count)


def _scheduler(series: StateSeries, told: SchedulerReport, now: float) -> None:
    main, backfill = told.main, told.backfill
    minutes = max(1.0, (now - told.since) / 60.0)
    took = [cycle_microseconds(own.cycles, own.depth) for own in (main, backfill)]
    values = {
        "threads": 1,
        "queue_size": 0,
        "dbd_queue_size": 0,
        "last_cycle": cycle_microseconds(min(1, main.cycles), main.last_depth),
        "mean_cycle": mean_of(took[0], main.cycles),
        "cycle_per_minute": int(main.cycles / minutes),
        "backfill_last_cycle": cycle_microseconds(min(1, backfill.cycles), backfill.last_depth),
        "backfill_mean_cycle": mean_of(took[1], backfill.cycles),
        "backfill_depth_mean": mean_of(backfill.depth, backfill.cycles),
        "backfilled_jobs_since_start_total": told.backfilled,
        "backfilled_jobs_since_cycle_total": told.backfilled,
        "backfilled_heterogeneous_total": 0,
    }
    for name, value in values.items():
        series.add(f"slurm_scheduler_{name}", (), value)
