"""Pods of Slurm's daemons of a site, as kube-state-metrics shows them."""

from __future__ import annotations

from collections.abc import Sequence

from twin.aggregator.kube_state import pod_series
from twin.aggregator.state_series import StateSeries
from twin.catalog.schedulers import (
    SLURM_NAMESPACE,
    SLURM_PODS,
    WORKER_CONTAINER,
    WORKER_SET,
    worker,
)
from twin.parameters import Site
from twin.wire import Allocation, RackJobs

__all__ = ["daemon_series", "worker_names", "worker_series"]

_CPU, _MEMORY = ("cpu", "core"), ("memory", "byte")


def worker_names(site: Site, rack: int) -> list[str]:
    """Return the names that the servers of a rack have in Slurm, by its index on the site."""
    first = rack * site.servers_per_rack
    return [worker(first + server) for server in range(site.servers_per_rack)]


def worker_series(
    series: StateSeries, site: Site, hosts: Sequence[str], told: RackJobs, rack: int, since: float
) -> None:
    """Add the worker of each node of a rack.

    Args:
        series: to which they are added.
        site: the site.
        hosts: names of the rack's servers.
        told: what the scheduler says of the rack.
        rack: its index on the site.
        since: start of the cluster, unix seconds.
    """
    names, gpus = worker_names(site, rack), site.server.gpus
    for server, report in enumerate(told.nodes):
        own = _pod(WORKER_SET, names[server], server, range(gpus), since)
        asked = {("nvidia_com_gpu", "integer"): float(gpus)}
        pod_series(
            series, site, hosts[server], own, asked, node_ready=report.ready,
            container=WORKER_CONTAINER, owner="StatefulSet",
        )  # fmt: skip


def daemon_series(series: StateSeries, site: Site, host: str, since: float, *, ready: bool) -> None:
    """Add the pods that Slurm has beside its workers, all on one server."""
    for daemon in SLURM_PODS:
        own = _pod(daemon.owner, daemon.name, 0, (), since)
        asked = {_CPU: daemon.cpus, _MEMORY: daemon.bytes}
        pod_series(
            series, site, host, own, asked, node_ready=ready, container=daemon.container,
            owner="StatefulSet",
        )  # fmt: skip


def _pod(owner: str, name: str, server: int, gpus: Sequence[int], since: float) -> Allocation:
    """Return a pod of Slurm's as the scheduler would tell of one of its own."""
    return Allocation(
        job=0, name=owner, user="", account=SLURM_NAMESPACE, app=owner, pod=name, server=server,
        gpus=tuple(gpus), state="running", start=since, made=since, began=since,
    )  # fmt: skip
