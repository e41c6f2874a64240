"""Pods, nodes and Jobs, as kube-state-metrics shows them.

Names, types, help and labels follow ``docs/metrics`` of kubernetes/kube-state-metrics 2.17
(Apache-2.0). Resource names are sanitised as there: ``nvidia.com/gpu`` is ``nvidia_com_gpu``.
"""

from __future__ import annotations

from functools import partial

from twin.catalog.model import MetricType
from twin.catalog.schedulers.kube_workloads import WORKLOAD_METRICS
from twin.catalog.schedulers.model import StateExporter, StateMetric

__all__ = [
    "CONDITIONS",
    "FAILURE_REASONS",
    "KUBE_STATE",
    "PHASES",
    "QOS_CLASSES",
    "STATUSES",
    "STATUS_REASONS",
    "WATCHED",
]

PHASES = ("Pending", "Succeeded", "Failed", "Unknown", "Running")
CONDITIONS = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable", "Ready")
STATUSES = ("true", "false", "unknown")
QOS_CLASSES = ("BestEffort", "Burstable", "Guaranteed")
STATUS_REASONS = ("Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError")
"""Reasons that each pod has a series of; before 2.18 no others."""
FAILURE_REASONS = ("BackoffLimitExceeded", "DeadlineExceeded", "Evicted")
"""Reasons of which a Job that failed has a series each."""
WATCHED = (
    "*v1.CertificateSigningRequest", "*v1.ConfigMap", "*v1.CronJob", "*v1.DaemonSet",
    "*v1.Deployment", "*v1.Endpoints", "*v2.HorizontalPodAutoscaler", "*v1.Ingress", "*v1.Job",
    "*v1.Lease", "*v1.LimitRange", "*v1.MutatingWebhookConfiguration", "*v1.Namespace",
    "*v1.NetworkPolicy", "*v1.Node", "*v1.PersistentVolumeClaim", "*v1.PersistentVolume",
    "*v1.PodDisruptionBudget", "*v1.Pod", "*v1.ReplicaSet", "*v1.ReplicationController",
    "*v1.ResourceQuota", "*v1.Secret", "*v1.Service", "*v1.StatefulSet", "*v1.StorageClass",
    "*v1.ValidatingWebhookConfiguration", "*v1.VolumeAttachment",
)  # fmt: skip
"""Kinds of objects that it lists and watches by default, as its own metrics call them."""

_POD = ("namespace", "pod", "uid")
_CONTAINER = ("namespace", "pod", "uid", "container")
_JOB = ("namespace", "job_name")

_node = partial(StateMetric, of="node", labels=("node",))
_pod = partial(StateMetric, of="pod", labels=_POD)
_container = partial(StateMetric, of="pod", labels=_CONTAINER)
_crashed = partial(StateMetric, of="crashed container", labels=_CONTAINER)
_job = partial(StateMetric, of="job", labels=_JOB)
_own = partial(StateMetric, of="site")
_called = partial(_own, labels=("resource", "result"), series=len(WATCHED), kind=MetricType.COUNTER)
_RESOURCE = ("node", "resource", "unit")

KUBE_STATE = StateExporter(
    key="kube_state",
    title="kube-state-metrics",
    job="kube-state-metrics",
    instance="kube-state-metrics:8080",
    source="kubernetes/kube-state-metrics 2.17",
    present=lambda site: site.state_metrics_shown,
    metrics=(
        _node("kube_node_info", "Information about a cluster node.",
              labels=("node", "kernel_version", "os_image", "container_runtime_version",
                      "kubelet_version", "kubeproxy_version", "provider_id", "pod_cidr",
                      "system_uuid", "internal_ip")),
        _node("kube_node_labels", "Kubernetes labels converted to Prometheus labels.",
              labels=("node", "label_kubernetes_io_hostname", "label_nvidia_com_gpu_count",
                      "label_nvidia_com_gpu_present", "label_nvidia_com_gpu_product",
                      "label_topology_kubernetes_io_zone")),
        _node("kube_node_role", "The role of a cluster node.", labels=("node", "role")),
        _node("kube_node_spec_unschedulable", "Whether a node can schedule new pods."),
        StateMetric("kube_node_spec_taint", "The taint of a cluster node.", "taint",
                    ("node", "key", "value", "effect")),
        _node("kube_node_status_capacity",
              "The total amount of resources available for a node.", labels=_RESOURCE, series=7),
        _node("kube_node_status_allocatable",
              "The amount of resources allocatable for pods (after reserving some for system "
              "daemons).", labels=_RESOURCE, series=7),
        _node("kube_node_status_condition", "The condition of a cluster node.",
              labels=("node", "condition", "status"), series=len(CONDITIONS) * len(STATUSES)),
        _pod("kube_pod_info", "Information about pod.",
             labels=("namespace", "pod", "uid", "host_ip", "pod_ip", "node", "created_by_kind",
                     "created_by_name", "priority_class", "host_network")),
        _pod("kube_pod_labels", "Kubernetes labels converted to Prometheus labels.",
             labels=(*_POD, "label_app", "label_job_name", "label_team", "label_user")),
        _pod("kube_pod_owner", "Information about the Pod's owner.",
             labels=(*_POD, "owner_kind", "owner_name", "owner_is_controller")),
        _pod("kube_pod_created", "Unix creation timestamp"),
        _pod("kube_pod_restart_policy", "Describes the restart policy in use by this pod.",
             labels=(*_POD, "type")),
        _pod("kube_pod_scheduler", "The scheduler for a pod.", labels=(*_POD, "name")),
        _pod("kube_pod_service_account", "The service account for a pod.",
             labels=(*_POD, "service_account")),
        _pod("kube_pod_tolerations", "Information about the pod tolerations",
             labels=(*_POD, "key", "operator", "value", "effect", "toleration_seconds"), series=2),
        _pod("kube_pod_start_time", "Start time in unix timestamp for a pod."),
        _pod("kube_pod_status_phase", "The pods current phase.", labels=(*_POD, "phase"),
             series=len(PHASES)),
        _pod("kube_pod_status_qos_class", "The pods current qosClass.",
             labels=(*_POD, "qos_class"), series=len(QOS_CLASSES)),
        _pod("kube_pod_status_reason", "The pod status reasons", labels=(*_POD, "reason"),
             series=len(STATUS_REASONS)),
        _pod("kube_pod_status_initialized_time", "Initialized time in unix timestamp for a pod."),
        _pod("kube_pod_status_scheduled_time",
             "Unix timestamp when pod moved into scheduled status"),
        _pod("kube_pod_status_ready_time",
             "Readiness achieved time in unix timestamp for a pod."),
        _pod("kube_pod_status_container_ready_time",
             "Readiness achieved time in unix timestamp for a pod containers."),
        _pod("kube_pod_status_ready",
             "Describes whether the pod is ready to serve requests.",
             labels=(*_POD, "condition"), series=len(STATUSES)),
        _pod("kube_pod_status_scheduled",
             "Describes the status of the scheduling process for the pod.",
             labels=(*_POD, "condition"), series=len(STATUSES)),
        StateMetric("kube_pod_status_unschedulable",
                    "Describes the unschedulable status for the pod.", "waiting pod", _POD),
        StateMetric("kube_pod_status_unscheduled_time",
                    "Unix timestamp when pod moved into unscheduled status", "waiting pod", _POD),
        _container("kube_pod_container_info", "Information about a container in a pod.",
                   labels=(*_CONTAINER, "image_spec", "image", "image_id", "container_id")),
        _container("kube_pod_container_resource_requests",
                   "The number of requested request resource by a container.",
                   labels=(*_CONTAINER, "node", "resource", "unit"), series=3),
        _container("kube_pod_container_resource_limits",
                   "The number of requested limit resource by a container.",
                   labels=(*_CONTAINER, "node", "resource", "unit"), series=3),
        _container("kube_pod_container_state_started",
                   "Start time in unix timestamp for a pod container."),
        _crashed("kube_pod_container_status_last_terminated_reason",
                 "Describes the last reason the container was in terminated state.",
                 labels=(*_CONTAINER, "reason")),
        _crashed("kube_pod_container_status_last_terminated_exitcode",
                 "Describes the exit code for the last container in terminated state."),
        _crashed("kube_pod_container_status_last_terminated_timestamp",
                 "Last terminated time for a pod container in unix timestamp."),
        _container("kube_pod_container_status_ready",
                   "Describes whether the containers readiness check succeeded."),
        _container("kube_pod_container_status_terminated",
                   "Describes whether the container is currently in terminated state."),
        _container("kube_pod_container_status_running",
                   "Describes whether the container is currently in running state."),
        _container("kube_pod_container_status_waiting",
                   "Describes whether the container is currently in waiting state."),
        StateMetric("kube_pod_container_status_waiting_reason",
                    "Describes the reason the container is currently in waiting state.",
                    "waiting container", (*_CONTAINER, "reason")),
        _container("kube_pod_container_status_restarts_total",
                   "The number of container restarts per container.", kind=MetricType.COUNTER),
        StateMetric("kube_namespace_status_phase", "kubernetes namespace status phase.",
                    "account", ("namespace", "phase"), series=2),
        _job("kube_job_info", "Information about job."),
        _job("kube_job_owner", "Information about the Job's owner.",
             labels=(*_JOB, "owner_kind", "owner_name", "owner_is_controller")),
        _job("kube_job_created", "Unix creation timestamp"),
        _job("kube_job_spec_parallelism",
             "The maximum desired number of pods the job should run at any given time."),
        _job("kube_job_spec_completions",
             "The desired number of successfully finished pods the job should be run with."),
        _job("kube_job_status_active", "The number of actively running pods."),
        _job("kube_job_status_succeeded", "The number of pods which reached Phase Succeeded."),
        _job("kube_job_status_failed",
             "The number of pods which reached Phase Failed and the reason for failure.",
             labels=(*_JOB, "reason")),
        _job("kube_job_status_start_time",
             "StartTime represents time when the job was acknowledged by the Job Manager."),
        StateMetric("kube_job_status_completion_time",
                    "CompletionTime represents time when the job was completed.", "ended job",
                    _JOB),
        StateMetric("kube_job_complete", "The job has completed its execution.", "ended job",
                    (*_JOB, "condition"), series=len(STATUSES)),
        StateMetric("kube_job_failed", "The job has failed its execution.", "ended job",
                    (*_JOB, "condition"), series=len(STATUSES)),
        *WORKLOAD_METRICS,
        # What it says of itself, on its telemetry port.
        _called("kube_state_metrics_list_total",
                "Number of total resource list calls in kube-state-metrics"),
        _called("kube_state_metrics_watch_total",
                "Number of total resource watch calls in kube-state-metrics"),
        _own("kube_state_metrics_shard_ordinal",
             "Current sharding ordinal/index of this instance", labels=("shard_ordinal",)),
        _own("kube_state_metrics_total_shards",
             "Number of total shards this instance is aware of"),
    ),
)  # fmt: skip
