"""Slurm's exporters of a site: what the scheduler says, as jobs, nodes and partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from twin.aggregator.slurm_history import base_state, gpus_held, is_away
from twin.aggregator.state_series import StateSeries
from twin.catalog.schedulers import (
    COLLECT_SECONDS,
    CPUS_A_NODE,
    JOB_COUNTS,
    MEMORY_A_NODE,
    NODE_COUNTS,
    NODE_FLAGS,
    OLD_FLAGS,
    PARTITION_NODES,
    WORKER_SET,
)
from twin.parameters import Site
from twin.wire import (
    CycleReport,
    NodeCounts,
    NodeReport,
    QueuedJob,
    RackJobs,
    SchedulerReport,
    SiteJobs,
)

__all__ = [
    "HOLDING",
    "cycle_microseconds",
    "endpoint_rack",
    "endpoint_site",
    "groups_by",
    "mean_of",
    "scheduler_statistics",
    "soperator_controller",
    "soperator_jobs",
    "soperator_rack",
    "user_ids",
]

_STATES = {"pending": "PENDING", "starting": "RUNNING", "running": "RUNNING",
           "completed": "COMPLETED", "failed": "FAILED",
           "cancelled": "CANCELLED"}  # fmt: skip
HOLDING = ("running", "starting")
"""States of a job that has its GPUs."""
_REASONS = {"": "None", "resources": "Resources", "priority": "Priority", "held": "BeginTime",
            "limit": "QOSGrpGRES"}  # fmt: skip
_CYCLE_MICROSECONDS, _JOB_MICROSECONDS = 250.0, 40.0
"""A cycle of slurmctld, and what each job adds to it, est."""
_ROOT, _NOBODY = "0", "65534"
_SUBMITS = "REQUEST_SUBMIT_BATCH_JOB"
_RPC_MICROSECONDS: Mapping[str, float] = {
    _SUBMITS: 4000.0, "REQUEST_COMPLETE_BATCH_SCRIPT": 900.0, "REQUEST_STEP_COMPLETE": 300.0,
    "MESSAGE_NODE_REGISTRATION_STATUS": 250.0, "REQUEST_NODE_INFO": 400.0,
    "REQUEST_JOB_INFO": 700.0, "REQUEST_STATS_INFO": 150.0,
}  # fmt: skip
"""Time that slurmctld spends on a message of each type, est."""
_MOST_GROUPS = 1024
"""Users or accounts that are counted each by themselves: a cluster has fewer."""


def endpoint_rack(
    series: StateSeries, site: Site, hostnames: Sequence[str], rack: RackJobs
) -> None:
    """Add the nodes of a rack as Slurm's own endpoint shows them."""
    gpus = site.server.gpus
    for server, node in enumerate(hostnames[: len(rack.nodes)]):
        held = gpus_held(rack.allocations, server)
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
    _count_nodes(series, "slurm_nodes", (), queue.nodes, NODE_COUNTS)
    series.add("slurm_partitions", (), 1)
    _count_jobs(series, site, "slurm_partition_", partition, queue.jobs)
    _count_nodes(series, "slurm_partition_nodes", partition, queue.nodes, PARTITION_NODES)
    _partition(series, site, partition, queue)
    for prefix, attribute in (("slurm_user_", "user"), ("slurm_account_", "account")):
        for name, jobs in groups_by(attribute, queue.jobs):
            _count_jobs(series, site, prefix, (name,), jobs)
    waiting = sum(job.state == "pending" for job in queue.jobs)
    series.add("slurm_schedule_queue_len", (), waiting)
    if queue.scheduler is not None:
        told = scheduler_statistics(queue.scheduler, queue)
        for name in told.keys() - {"cycles_a_minute"}:
            series.add(f"slurm_{name}", (), told[name])


def groups_by(attribute: str, jobs: Sequence[QueuedJob]) -> Iterator[tuple[str, list[QueuedJob]]]:
    """Yield the jobs of each user or account, as far as these are counted."""
    groups: dict[str, list[QueuedJob]] = {}
    for job in jobs:
        groups.setdefault(getattr(job, attribute), []).append(job)
    yield from islice(groups.items(), _MOST_GROUPS)


def _partition(
    series: StateSeries, site: Site, partition: tuple[str, ...], queue: SiteJobs
) -> None:
    """Add what of a partition is no count of jobs or nodes."""
    nodes = queue.nodes.total
    gpus = site.server.gpus * nodes
    held = sum(job.gpus for job in queue.jobs if job.state in HOLDING)
    cpus, memory = CPUS_A_NODE * held // site.server.gpus, MEMORY_A_NODE * held // site.server.gpus
    pending = [job for job in queue.jobs if job.state == "pending"]
    largest = max((job.nodes for job in pending), default=0)
    free = max((job.nodes for job in pending if job.reason != "held"), default=0)
    values = {
        "cpus": CPUS_A_NODE * nodes, "gpus": gpus, "nodes_cpus_efctv": CPUS_A_NODE * nodes,
        "nodes_cpus_idle": CPUS_A_NODE * nodes - cpus, "nodes_cpus_alloc": cpus,
        "nodes_mem_alloc": memory, "nodes_mem_avail": MEMORY_A_NODE * nodes,
        "nodes_mem_free": MEMORY_A_NODE * nodes - memory, "nodes_mem_tot": MEMORY_A_NODE * nodes,
        "jobs_max_job_nodes": largest, "jobs_min_job_nodes": largest,
        "jobs_max_job_nodes_nohold": free, "jobs_min_job_nodes_nohold": free,
        "jobs_wait_part_node_limit": 0,
    }  # fmt: skip
    for name, value in values.items():
        series.add(f"slurm_partition_{name}", partition, value)


def cycle_microseconds(cycles: int, jobs: int) -> int:
    """Return how long cycles take that go through so many jobs in all."""
    return round(cycles * _CYCLE_MICROSECONDS + jobs * _JOB_MICROSECONDS)


def scheduler_statistics(told: SchedulerReport, queue: SiteJobs) -> dict[str, float]:
    """Return what ``sdiag`` says by the name that the endpoint gives it; none of it is reset.

    ``cycles_a_minute`` is not among what the endpoint gives.
    """
    now = queue.ts
    waiting = sum(job.state == "pending" for job in queue.jobs)
    running = sum(job.state in HOLDING for job in queue.jobs)
    minutes = max(1.0, (now - told.since) / 60.0)
    main, backfill = told.main, told.backfill
    none = ("agent_cnt", "agent_queue_size", "agent_thread_cnt", "backfilled_het_jobs",
            "bf_active", "sdiag_latency", "slurmdbd_queue_size",
            "sched_exit_max_depth", "sched_exit_max_job_start", "sched_exit_lic",
            "sched_exit_rpc_cnt", "sched_exit_timeout", "bf_exit_max_job_start",
            "bf_exit_max_job_test", "bf_exit_state_changed", "bf_exit_table_limit",
            "bf_exit_timeout")  # fmt: skip
    own_main, own_backfill = _times(main), _times(backfill)
    return {
        **dict.fromkeys(none, 0),
        **{f"schedule_cycle_{name}": value for name, value in own_main.items()},
        **{f"bf_cycle_{name}": value for name, value in own_backfill.items()},
        "cycles_a_minute": int(main.cycles / minutes),
        "schedule_cycle_depth": main.depth,
        "sched_mean_cycle": mean_of(own_main["tot"], main.cycles),
        "sched_mean_depth_cycle": mean_of(main.depth, main.cycles),
        "bf_mean_cycle": mean_of(own_backfill["tot"], backfill.cycles),
        "bf_depth_mean": mean_of(backfill.depth, backfill.cycles),
        "bf_try_depth_mean": mean_of(backfill.tried, backfill.cycles),
        "bf_queue_len_mean": mean_of(backfill.queue, backfill.cycles),
        "bf_depth_tot": backfill.depth,
        "bf_depth_try_tot": backfill.tried,
        "bf_last_depth": backfill.last_depth,
        "bf_last_depth_try": backfill.last_tried,
        "bf_queue_len": backfill.last_queue,
        "bf_queue_len_tot": backfill.queue,
        # It plans for one job that waits: the table has a row until then.
        "bf_table_size": min(1, backfill.cycles),
        "bf_table_size_tot": backfill.cycles,
        "bf_mean_table_sz": min(1, backfill.cycles),
        "bf_when_last_cycle": int(backfill.last or 0.0),
        "bf_exit_end": backfill.cycles,
        "sched_exit_end": main.cycles,
        "backfilled_jobs": told.backfilled,
        "last_backfilled_jobs": told.backfilled,
        "sdiag_jobs_submitted": told.submitted,
        "sdiag_jobs_started": told.started,
        "sdiag_jobs_completed": told.completed,
        "sdiag_jobs_failed": told.failed,
        "sdiag_jobs_canceled": told.cancelled,
        "sdiag_jobs_pending": waiting,
        "sdiag_jobs_running": running,
        "server_thread_cnt": 1,
        **dict.fromkeys(
            ("sdiag_job_states_ts", "last_proc_req_start", "sched_stats_timestamp"), int(now)
        ),
    }


def _ended(told: SchedulerReport) -> int:
    return told.completed + told.failed + told.cancelled


def _times(told: CycleReport) -> dict[str, int]:
    """Return number and durations in µs of a loop's cycles."""
    return {
        "cnt": told.cycles,
        "last": cycle_microseconds(min(1, told.cycles), told.last_depth),
        "max": cycle_microseconds(min(1, told.cycles), told.most_depth),
        "tot": cycle_microseconds(told.cycles, told.depth),
    }


def mean_of(total: int, count: int) -> int:
    """Return a mean in whole numbers, as slurmctld has them."""
    return total // count if count else 0


def _count_jobs(
    series: StateSeries, site: Site, prefix: str, labels: tuple[str, ...], jobs: Sequence[QueuedJob]
) -> None:
    states = Counter(job.state for job in jobs)
    holding = [job for job in jobs if job.state in HOLDING]
    gpus = sum(job.gpus for job in holding)
    counts = {
        "completed": states["completed"],
        "failed": states["failed"],
        "cancelled": states["cancelled"],
        "finished": states["completed"] + states["failed"] + states["cancelled"],
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
    series: StateSeries,
    metric: str,
    labels: tuple[str, ...],
    nodes: NodeCounts,
    counts: Iterable[str],
) -> None:
    series.add(metric, labels, nodes.total)
    told = {**nodes.model_dump(), "no_resp": nodes.noresp}
    for name in counts:
        series.add(f"{metric}_{name}", labels, told.get(name, 0))


# -- soperator --------------------------------------------------------------------


def soperator_rack(
    series: StateSeries,
    site: Site,
    names: Sequence[str],
    rack: RackJobs,
    hosts: Sequence[str],
) -> None:
    """Add the nodes of a rack and the jobs on them as soperator's exporter shows them.

    Args:
        series: to which they are added.
        site: the site.
        names: of the nodes.
        rack: what the scheduler says of it.
        hosts: names of the servers, which are the nodes' own where Slurm runs on no other cluster.
    """
    pods = site.scheduler.on_kubernetes
    for server, node in enumerate(names[: len(rack.nodes)]):
        report = rack.nodes[server]
        held = gpus_held(rack.allocations, server)
        instance = hosts[server] if pods else ""
        series.add("slurm_node_info", _node(node, report, held, site.server.gpus, instance))
        cpus = CPUS_A_NODE * held // site.server.gpus
        memory = MEMORY_A_NODE * held // site.server.gpus
        values = {
            "cpus_total": CPUS_A_NODE, "cpus_allocated": cpus, "cpus_idle": CPUS_A_NODE - cpus,
            "cpus_effective": CPUS_A_NODE, "memory_total_bytes": MEMORY_A_NODE,
            "memory_allocated_bytes": memory, "memory_free_bytes": MEMORY_A_NODE - memory,
            "memory_effective_bytes": MEMORY_A_NODE,
        }  # fmt: skip
        for name, value in values.items():
            series.add(f"slurm_node_{name}", (node,), value)
        series.add("slurm_node_partition", (node, site.scheduler.partition))
    for own in rack.allocations:
        nodeset = WORKER_SET if pods else ""
        series.add("slurm_node_job", (str(own.job), names[own.server], "", nodeset))


def _node(node: str, report: NodeReport, held: int, gpus: int, instance: str) -> tuple[str, ...]:
    base = base_state(report, held, gpus)
    set_flags = {
        "state_is_drain": report.state != "up",
        "state_is_not_responding": not report.ready,
    }
    flags = tuple(
        "true" if set_flags.get(flag) else "false" if flag in OLD_FLAGS else ""
        for flag in NODE_FLAGS
    )
    away = "true" if is_away(base, report) else ""
    return (node, instance, base, *flags, away, "", node, report.reason, "")


def soperator_jobs(series: StateSeries, site: Site, queue: SiteJobs, now: float) -> None:
    """Add all jobs as soperator's exporter shows them.

    Args:
        series: to which they are added.
        site: the site.
        queue: what the scheduler says of jobs.
        now: simulated time, unix seconds.
    """
    gpus = site.server.gpus
    users = user_ids(site)
    for job in queue.jobs:
        number = str(job.job)
        times = (_seconds(job.submit), _seconds(job.start), _seconds(job.end), _seconds(job.end))
        state, reason = _STATES[job.state], _REASONS[job.reason]
        series.add(
            "slurm_job_info",
            (number, state, reason, site.scheduler.partition, job.name, job.user, "",
             users.get(job.user, _NOBODY), "", "", "", "", *times),
        )  # fmt: skip
        series.add("slurm_job_cpus", (number,), CPUS_A_NODE * job.gpus // gpus)
        series.add("slurm_job_memory_bytes", (number,), MEMORY_A_NODE * job.gpus // gpus)
        # One that is requeued begins anew.
        began = None if job.state == "pending" else job.start
        if began is not None and (lasted := (job.end or now) - began) > 0:
            series.add("slurm_job_duration_seconds", (number,), lasted)


def user_ids(site: Site) -> Mapping[str, str]:
    """Return the ids of the users that a site names."""
    names = sorted({user for kind in site.mix for user in kind.users})
    return {"root": _ROOT, **{name: str(1000 + number) for number, name in enumerate(names)}}


def soperator_controller(
    series: StateSeries, site: Site, queue: SiteJobs, now: float, submitted: Mapping[str, int]
) -> None:
    """Add what soperator's exporter shows of slurmctld.

    Args:
        series: to which it is added.
        site: the site.
        queue: what the scheduler says of jobs.
        now: simulated time, unix seconds.
        submitted: jobs of each user that came in since the aggregator began.
    """
    told = queue.scheduler
    if told is None or not now > told.since:
        return
    series.add("slurm_controller_server_thread_count", (), 1)
    looks, ended = int((now - told.since) // COLLECT_SECONDS), _ended(told)
    calls = {
        _SUBMITS: sum(submitted.values()),
        "REQUEST_COMPLETE_BATCH_SCRIPT": ended,
        "REQUEST_STEP_COMPLETE": ended,
        "MESSAGE_NODE_REGISTRATION_STATUS": queue.nodes.total,
        "REQUEST_NODE_INFO": looks,
        "REQUEST_JOB_INFO": looks,
        "REQUEST_STATS_INFO": looks,
    }
    for kind, count in calls.items():
        if count:  # it prints none that is 0
            series.add("slurm_controller_rpc_calls_total", (kind,), count)
            seconds = count * _RPC_MICROSECONDS[kind] / 1e6
            series.add("slurm_controller_rpc_duration_seconds_total", (kind,), seconds)
    # The daemons and the exporter are root's.
    each, ids = _RPC_MICROSECONDS[_SUBMITS] / 1e6, user_ids(site)
    own = {**submitted, "root": submitted.get("root", 0) + sum(calls.values()) - calls[_SUBMITS]}
    spent = {user: count * each for user, count in submitted.items()}
    rest = sum(own * _RPC_MICROSECONDS[kind] for kind, own in calls.items() if kind != _SUBMITS)
    spent["root"] = spent.get("root", 0.0) + rest / 1e6
    for user, count in own.items():
        labels = (user, ids.get(user, _NOBODY))
        series.add("slurm_controller_rpc_user_calls_total", labels, count)
        series.add("slurm_controller_rpc_user_duration_seconds_total", labels, spent[user])


def _seconds(time: float | None) -> str:
    """Return a time as the exporter says it, empty where there is none yet."""
    return "" if time is None else str(int(time))
