"""DaemonSets, Deployments and StatefulSets of a cluster, as kube-state-metrics shows them.

A DaemonSet and a set with a pod on each node follow the nodes: a pod whose node is silent is not
ready, and stays. The others run beside the site and are well.
"""

from __future__ import annotations

from math import ceil

from twin.aggregator.state_series import StateSeries
from twin.catalog.schedulers import (
    DEPLOYMENT_CONDITIONS,
    STATUSES,
    ClusterWorkload,
    pod_uid,
    workloads_of,
)
from twin.parameters import Site
from twin.wire import NodeCounts

__all__ = ["namespace_series", "workload_series"]

_SURGE = 0.25
"""Share of a Deployment's replicas that may be added, or be missing, in a rollout, by default."""


def namespace_series(series: StateSeries, namespace: str) -> None:
    """Add a namespace, which is there to stay."""
    phases = ("Active", "Terminating")
    series.one_of("kube_namespace_status_phase", (namespace,), phases, "Active")


def workload_series(series: StateSeries, site: Site, nodes: NodeCounts, since: float) -> None:
    """Add all objects that keep pods running, and their namespaces.

    Args:
        series: to which they are added.
        site: the site.
        nodes: of its cluster, by their states.
        since: start of the cluster, unix seconds.
    """
    made = float(int(since))
    for own in workloads_of(site):
        namespace_series(series, own.namespace)
        wanted = nodes.total if own.replicas is None else own.replicas
        ready = wanted - (nodes.noresp if own.replicas is None else 0)
        if own.kind == "daemonset":
            _daemon_set(series, own, made, wanted, ready)
        elif own.kind == "deployment":
            _deployment(series, own, made, wanted)
        else:
            _stateful_set(series, own, made, wanted, ready)


def _daemon_set(
    series: StateSeries, own: ClusterWorkload, made: float, wanted: int, ready: int
) -> None:
    values = {
        "created": made,
        "status_current_number_scheduled": wanted,
        "status_desired_number_scheduled": wanted,
        "status_number_available": ready,
        "status_number_misscheduled": 0,
        "status_number_ready": ready,
        "status_number_unavailable": wanted - ready,
        "status_observed_generation": 1,
        "status_updated_number_scheduled": wanted,
        "metadata_generation": 1,
    }
    _add(series, "kube_daemonset", (own.namespace, own.name), values)


def _deployment(series: StateSeries, own: ClusterWorkload, made: float, wanted: int) -> None:
    key = (own.namespace, own.name)
    rolling = "spec_strategy_rollingupdate_max"
    values = {
        "created": made,
        "status_replicas": wanted,
        "status_replicas_ready": wanted,
        "status_replicas_available": wanted,
        "status_replicas_unavailable": 0,
        "status_replicas_updated": wanted,
        "status_observed_generation": 1,
        "spec_replicas": wanted,
        "spec_paused": 0,
        f"{rolling}_unavailable": int(_SURGE * wanted),
        f"{rolling}_surge": ceil(_SURGE * wanted),
        "metadata_generation": 1,
    }
    _add(series, "kube_deployment", key, values)
    for condition, reason in DEPLOYMENT_CONDITIONS.items():
        labels = (*key, reason, condition)
        series.one_of("kube_deployment_status_condition", labels, STATUSES, "true")
    replicas = (own.namespace, f"{own.name}-{_hash(own)}")
    values = {
        "created": made,
        "status_replicas": wanted,
        "status_fully_labeled_replicas": wanted,
        "status_ready_replicas": wanted,
        "status_observed_generation": 1,
        "spec_replicas": wanted,
        "metadata_generation": 1,
    }
    _add(series, "kube_replicaset", replicas, values)
    series.add("kube_replicaset_owner", (*replicas, "Deployment", own.name, "true"))


def _stateful_set(
    series: StateSeries, own: ClusterWorkload, made: float, wanted: int, ready: int
) -> None:
    key = (own.namespace, own.name)
    values = {
        "created": made,
        "status_replicas": wanted,
        "status_replicas_available": ready,
        "status_replicas_current": wanted,
        "status_replicas_ready": ready,
        "status_replicas_updated": wanted,
        "status_observed_generation": 1,
        "replicas": wanted,
        "metadata_generation": 1,
    }
    _add(series, "kube_statefulset", key, values)
    policy = "kube_statefulset_persistentvolumeclaim_retention_policy"
    series.add(policy, (*key, "Retain", "Retain"))
    for revision in ("current", "update"):
        labels = (*key, f"{own.name}-{_hash(own)}")
        series.add(f"kube_statefulset_status_{revision}_revision", labels)


def _add(series: StateSeries, prefix: str, key: tuple[str, str], values: dict[str, float]) -> None:
    for name, value in values.items():
        series.add(f"{prefix}_{name}", key, float(value))


def _hash(own: ClusterWorkload) -> str:
    """Return what stands behind the name in those of its revisions."""
    return pod_uid(own.namespace, own.name).replace("-", "")[:10]
