"""Objects of a cluster beside its jobs, as kube-state-metrics shows them: without their pods.

Names, types, help and labels follow ``internal/store`` of kubernetes/kube-state-metrics 2.17
(Apache-2.0). The DaemonSets are those that every GPU node has with the GPU operator and
kube-prometheus; what else they bring runs on machines that are not the twin's, and is well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from twin.catalog.schedulers.model import StateMetric
from twin.catalog.schedulers.slurm_pods import SLURM_NAMESPACE, SLURM_PODS, WORKER_SET

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = [
    "DEPLOYMENT_CONDITIONS",
    "EXPORTER_CONTAINER",
    "EXPORTER_NAMESPACE",
    "WORKLOAD_METRICS",
    "ClusterWorkload",
    "workloads_of",
]

EXPORTER_NAMESPACE, EXPORTER_CONTAINER = "gpu-operator", "nvidia-dcgm-exporter"
"""Where the exporter itself runs; the GPU Operator's names."""


@dataclass(frozen=True, slots=True)
class ClusterWorkload:
    """An object that keeps pods running.

    Attributes:
        kind: ``daemonset``, ``deployment`` or ``statefulset``.
        namespace: its namespace.
        name: its name.
        replicas: how many pods it wants; None for one on each node.
    """

    kind: str
    namespace: str
    name: str
    replicas: int | None = None


_EVERYWHERE = (
    ClusterWorkload("daemonset", "kube-system", "kube-proxy"),
    ClusterWorkload("daemonset", EXPORTER_NAMESPACE, "nvidia-device-plugin-daemonset"),
    ClusterWorkload("daemonset", EXPORTER_NAMESPACE, EXPORTER_CONTAINER),
    ClusterWorkload("daemonset", "monitoring", "node-exporter"),
    ClusterWorkload("deployment", "kube-system", "coredns", 2),
    ClusterWorkload("deployment", EXPORTER_NAMESPACE, "gpu-operator", 1),
    ClusterWorkload("deployment", "monitoring", "kube-state-metrics", 1),
    ClusterWorkload("statefulset", "monitoring", "prometheus-k8s", 2),
)
_OF_SLURM = (
    *(ClusterWorkload("statefulset", SLURM_NAMESPACE, own.owner, 1) for own in SLURM_PODS),
    ClusterWorkload("statefulset", SLURM_NAMESPACE, WORKER_SET),
)
"""What Slurm on Kubernetes adds."""


def workloads_of(site: Site) -> tuple[ClusterWorkload, ...]:
    """Return what the cluster of a site runs beside its jobs."""
    return (*_EVERYWHERE, *_OF_SLURM) if site.scheduler.on_kubernetes else _EVERYWHERE


DEPLOYMENT_CONDITIONS: Mapping[str, str] = {
    "Available": "MinimumReplicasAvailable",
    "Progressing": "NewReplicaSetAvailable",
}
"""Conditions of a Deployment that is well, with their reasons."""

_daemon = partial(StateMetric, of="daemonset", labels=("namespace", "daemonset"))
_deployment = partial(StateMetric, of="deployment", labels=("namespace", "deployment"))
_replica = partial(StateMetric, of="deployment", labels=("namespace", "replicaset"))
_set = partial(StateMetric, of="statefulset", labels=("namespace", "statefulset"))

WORKLOAD_METRICS = (
    _daemon("kube_daemonset_created", "Unix creation timestamp"),
    _daemon("kube_daemonset_status_current_number_scheduled",
            "The number of nodes running at least one daemon pod and are supposed to."),
    _daemon("kube_daemonset_status_desired_number_scheduled",
            "The number of nodes that should be running the daemon pod."),
    _daemon("kube_daemonset_status_number_available",
            "The number of nodes that should be running the daemon pod and have one or more of "
            "the daemon pod running and available"),
    _daemon("kube_daemonset_status_number_misscheduled",
            "The number of nodes running a daemon pod but are not supposed to."),
    _daemon("kube_daemonset_status_number_ready",
            "The number of nodes that should be running the daemon pod and have one or more of "
            "the daemon pod running and ready."),
    _daemon("kube_daemonset_status_number_unavailable",
            "The number of nodes that should be running the daemon pod and have none of the "
            "daemon pod running and available"),
    _daemon("kube_daemonset_status_observed_generation",
            "The most recent generation observed by the daemon set controller."),
    _daemon("kube_daemonset_status_updated_number_scheduled",
            "The total number of nodes that are running updated daemon pod"),
    _daemon("kube_daemonset_metadata_generation",
            "Sequence number representing a specific generation of the desired state."),
    _deployment("kube_deployment_created", "Unix creation timestamp"),
    _deployment("kube_deployment_status_replicas", "The number of replicas per deployment."),
    _deployment("kube_deployment_status_replicas_ready",
                "The number of ready replicas per deployment."),
    _deployment("kube_deployment_status_replicas_available",
                "The number of available replicas per deployment."),
    _deployment("kube_deployment_status_replicas_unavailable",
                "The number of unavailable replicas per deployment."),
    _deployment("kube_deployment_status_replicas_updated",
                "The number of updated replicas per deployment."),
    _deployment("kube_deployment_status_observed_generation",
                "The generation observed by the deployment controller."),
    _deployment("kube_deployment_status_condition",
                "The current status conditions of a deployment.",
                labels=("namespace", "deployment", "reason", "condition", "status"), series=6),
    _deployment("kube_deployment_spec_replicas", "Number of desired pods for a deployment."),
    _deployment("kube_deployment_spec_paused",
                "Whether the deployment is paused and will not be processed by the deployment "
                "controller."),
    _deployment("kube_deployment_spec_strategy_rollingupdate_max_unavailable",
                "Maximum number of unavailable replicas during a rolling update of a deployment."),
    _deployment("kube_deployment_spec_strategy_rollingupdate_max_surge",
                "Maximum number of replicas that can be scheduled above the desired number of "
                "replicas during a rolling update of a deployment."),
    _deployment("kube_deployment_metadata_generation",
                "Sequence number representing a specific generation of the desired state."),
    _replica("kube_replicaset_created", "Unix creation timestamp"),
    _replica("kube_replicaset_status_replicas", "The number of replicas per ReplicaSet."),
    _replica("kube_replicaset_status_fully_labeled_replicas",
             "The number of fully labeled replicas per ReplicaSet."),
    _replica("kube_replicaset_status_ready_replicas",
             "The number of ready replicas per ReplicaSet."),
    _replica("kube_replicaset_status_observed_generation",
             "The generation observed by the ReplicaSet controller."),
    _replica("kube_replicaset_spec_replicas", "Number of desired pods for a ReplicaSet."),
    _replica("kube_replicaset_metadata_generation",
             "Sequence number representing a specific generation of the desired state."),
    _replica("kube_replicaset_owner", "Information about the ReplicaSet's owner.",
             labels=("namespace", "replicaset", "owner_kind", "owner_name",
                     "owner_is_controller")),
    _set("kube_statefulset_created", "Unix creation timestamp"),
    _set("kube_statefulset_status_replicas", "The number of replicas per StatefulSet."),
    _set("kube_statefulset_status_replicas_available",
         "The number of available replicas per StatefulSet."),
    _set("kube_statefulset_status_replicas_current",
         "The number of current replicas per StatefulSet."),
    _set("kube_statefulset_status_replicas_ready",
         "The number of ready replicas per StatefulSet."),
    _set("kube_statefulset_status_replicas_updated",
         "The number of updated replicas per StatefulSet."),
    _set("kube_statefulset_status_observed_generation",
         "The generation observed by the StatefulSet controller."),
    _set("kube_statefulset_replicas", "Number of desired pods for a StatefulSet."),
    _set("kube_statefulset_metadata_generation",
         "Sequence number representing a specific generation of the desired state for the "
         "StatefulSet."),
    _set("kube_statefulset_persistentvolumeclaim_retention_policy",
         "Count of retention policy for StatefulSet template PVCs",
         labels=("namespace", "statefulset", "when_deleted", "when_scaled")),
    _set("kube_statefulset_status_current_revision",
         "Indicates the version of the StatefulSet used to generate Pods in the sequence "
         "[0,currentReplicas).", labels=("namespace", "statefulset", "revision")),
    _set("kube_statefulset_status_update_revision",
         "Indicates the version of the StatefulSet used to generate Pods in the sequence "
         "[replicas-updatedReplicas,replicas)", labels=("namespace", "statefulset", "revision")),
)  # fmt: skip
"""Metrics of these objects, by their names; all of them are gauges."""
