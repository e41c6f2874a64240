"""kube-state-metrics of a site: what the scheduler says, as Kubernetes' objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from twin.aggregator.kube_workloads import namespace_series
from twin.aggregator.state_series import StateSeries
from twin.catalog import GpuInstance
from twin.catalog.gpu_jobs import JOB_CONTAINER
from twin.catalog.operating_system import GPU_HOST
from twin.catalog.schedulers import (
    CONDITIONS,
    CPUS_A_NODE,
    FAILURE_REASONS,
    MEMORY_A_NODE,
    PHASES,
    QOS_CLASSES,
    STATUS_REASONS,
    STATUSES,
    WATCHED,
    pod_uid,
)
from twin.parameters import Site
from twin.site.job_names import pod_name
from twin.wire import Allocation, NodeReport, QueuedJob, RackJobs

__all__ = ["job_series", "own_series", "pod_series", "rack_series"]

_Resource = tuple[str, str]
_GPU: _Resource = ("nvidia_com_gpu", "integer")
_CPU, _MEMORY, _PODS = ("cpu", "core"), ("memory", "byte"), ("pods", "integer")
_STORAGE: _Resource = ("ephemeral_storage", "byte")
_HUGE_PAGES = {("hugepages_1Gi", "byte"): 0.0, ("hugepages_2Mi", "byte"): 0.0}
"""What the kubelet of an x86 node always lists."""
_MOST_PODS = 110
"""Pods that a kubelet takes by default."""
_SYSTEM_CPUS, _SYSTEM_BYTES = 4.0, 8e9
"""What a node keeps for itself, est."""
_EVICTION_SHARE = 0.1
"""What the kubelet keeps free of a node's file system: ``nodefs.available`` by default."""
_SHARE = 0.5
"""CPU and memory that a job asks for, over the share of its GPUs, est.: so little that the rest of
a small cluster can take over what a node that fails had asked for."""
_MOST_WAITING = 4096
"""Pods of jobs that wait: more are not shown."""
_MOST_NAMESPACES = 1024
_CRASH = ("Error", 1.0)
"""Reason and exit code of a container that crashes: its program ends, and nothing kills it."""
_WATCH_SECONDS = (300.0, 600.0)
"""How long a watch lasts before client-go begins the next: ``minWatchTimeout`` to twice that."""
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TOLERATION = ("Exists", "", "NoExecute", "300")
"""What the admission plugin DefaultTolerationSeconds gives every pod."""
_VERSIONS = ("5.15.0-1065-nvidia", "Ubuntu 22.04.5 LTS", "containerd://1.7.27", "v1.33.4", "")


def rack_series(
    series: StateSeries,
    site: Site,
    hostnames: Sequence[str],
    rack: RackJobs,
    product: str,
    instances: Sequence[GpuInstance] = (),
) -> None:
    """Add the nodes of a rack and the pods on them.

    Args:
        series: to which they are added.
        site: the site.
        hostnames: of the rack's servers.
        rack: what the scheduler says of it.
        product: name of its GPUs.
        instances: that each is partitioned into.
    """
    for hostname, node in zip(hostnames, rack.nodes, strict=False):
        _node(series, site, hostname, node, product, instances)
    for own in rack.allocations:
        if own.pod:
            ready = not rack.nodes or rack.nodes[own.server].ready
            asked = _devices(len(own.gpus), instances)
            pod_series(series, site, hostnames[own.server], own, asked, node_ready=ready)


def _node(
    series: StateSeries,
    site: Site,
    node: str,
    report: NodeReport,
    product: str,
    instances: Sequence[GpuInstance],
) -> None:
    add, gpus = series.add, site.server.gpus
    uid = pod_uid("node", node)
    add("kube_node_info", (node, *_VERSIONS, "", "", uid, ""))
    if site.telemetry.jobs.metric_labels:
        labels = (node, node, str(gpus), "true", product.replace(" ", "-"), site.name)
        add("kube_node_labels", labels)
    add("kube_node_role", (node, "worker"))
    # What Slurm drains, the cluster that its workers run on does not cordon.
    out = report.state != "up" and not site.scheduler.on_kubernetes
    add("kube_node_spec_unschedulable", (node,), float(out))
    if out:
        taint = ("node.kubernetes.io/unschedulable", "", "NoSchedule")
        add("kube_node_spec_taint", (node, *taint))
    if not report.ready:
        # Both, as the node lifecycle controller sets them.
        for effect in ("NoSchedule", "NoExecute"):
            add("kube_node_spec_taint", (node, "node.kubernetes.io/unreachable", "", effect))
    disk = next(own.bytes for own in GPU_HOST.mounts(site) if own.mountpoint == "/")
    total = {_CPU: CPUS_A_NODE, _MEMORY: MEMORY_A_NODE, _PODS: _MOST_PODS, _STORAGE: disk}
    total |= {**_HUGE_PAGES, _GPU: 0, **_devices(gpus, instances)}
    kept = {_CPU: _SYSTEM_CPUS, _MEMORY: _SYSTEM_BYTES, _STORAGE: _EVICTION_SHARE * disk}
    kept |= _devices(report.gpus_lost, instances)
    for resource, amount in total.items():
        add("kube_node_status_capacity", (node, *resource), amount)
        left = amount - kept.get(resource, 0.0)
        add("kube_node_status_allocatable", (node, *resource), left)
    for condition in CONDITIONS:
        # A node whose kubelet is silent is in no known condition.
        known = "true" if condition == "Ready" else "false"
        status = known if report.ready else "unknown"
        series.one_of("kube_node_status_condition", (node, condition), STATUSES, status)


def pod_series(
    series: StateSeries,
    site: Site,
    node: str,
    own: Allocation,
    asked: Mapping[tuple[str, str], float],
    *,
    node_ready: bool,
    container: str = JOB_CONTAINER,
    owner: str = "Job",
) -> None:
    """Add a pod that has a node.

    Args:
        series: to which it is added.
        site: the site.
        node: where it runs.
        own: what is said of it.
        asked: amounts that its container asks for, by resource and unit, instead of CPUs and
            memory in the share of its GPUs.
        node_ready: whether the node answers.
        container: name of its container.
        owner: kind of object that made it.
    """
    key = (own.account, own.pod, pod_uid(own.account, own.pod))
    running, starting = own.state == "running", own.state == "starting"
    _described(series, site, key, own, node, owner)
    add = series.add
    add("kube_pod_created", key, _seconds(own.start if own.made is None else own.made))
    for time in ("start_time", "status_initialized_time", "status_scheduled_time"):
        add(f"kube_pod_{time}", key, _seconds(own.start))
    series.one_of("kube_pod_status_phase", key, PHASES, "Pending" if starting else "Running")
    # The node lifecycle controller lets no pod be ready whose node is silent.
    ready = running and node_ready
    series.one_of("kube_pod_status_ready", key, STATUSES, "true" if ready else "false")
    series.one_of("kube_pod_status_scheduled", key, STATUSES, "true")
    if running and own.began is not None:
        add("kube_pod_status_container_ready_time", key, _seconds(own.began))
        if ready:
            add("kube_pod_status_ready_time", key, _seconds(own.began))
    _requested(series, site, (*key, container), node, len(own.gpus), asked)
    _container(series, (*key, container), own)


def _container(series: StateSeries, container: tuple[str, ...], own: Allocation) -> None:
    running, starting = own.state == "running", own.state == "starting"
    add = series.add
    image = f"registry.example/{own.app or own.name}:1"
    ids = ("", "") if starting else (f"{image}@sha256:0", f"containerd://{container[2]}")
    add("kube_pod_container_info", (*container, image, image, *ids))
    add("kube_pod_container_status_ready", container, float(running))
    add("kube_pod_container_status_running", container, float(running))
    add("kube_pod_container_status_terminated", container, 0.0)
    add("kube_pod_container_status_waiting", container, float(not running))
    if running and own.began is not None:
        add("kube_pod_container_state_started", container, _seconds(own.began))
    if not running:
        reason = "ContainerCreating" if starting else "CrashLoopBackOff"
        add("kube_pod_container_status_waiting_reason", (*container, reason))
    add("kube_pod_container_status_restarts_total", container, own.crashes)
    if own.crashes:
        reason, code = _CRASH
        add("kube_pod_container_status_last_terminated_reason", (*container, reason))
        add("kube_pod_container_status_last_terminated_exitcode", container, code)
        crashed = own.start if own.crashed is None else own.crashed
        add("kube_pod_container_status_last_terminated_timestamp", container, _seconds(crashed))


def _described(
    series: StateSeries,
    site: Site,
    key: tuple[str, str, str],
    own: Allocation | QueuedJob,
    node: str,
    owner: str = "Job",
) -> None:
    """Add what a pod has whether it runs or waits."""
    policy = "OnFailure" if owner == "Job" else "Always"
    series.add("kube_pod_restart_policy", (*key, policy))
    series.add("kube_pod_scheduler", (*key, "default-scheduler"))
    series.add("kube_pod_service_account", (*key, "default"))
    for taint in _TOLERATED:
        series.add("kube_pod_tolerations", (*key, taint, *_TOLERATION))
    # Requests and limits of all containers are the same.
    series.one_of("kube_pod_status_qos_class", key, QOS_CLASSES, "Guaranteed")
    series.one_of("kube_pod_status_reason", key, STATUS_REASONS, "")
    series.add("kube_pod_info", (*key, "", "", node, owner, own.name, "", "false"))
    if site.telemetry.jobs.metric_labels:
        series.add("kube_pod_labels", (*key, own.app, own.name, own.account, own.user))
    series.add("kube_pod_owner", (*key, owner, own.name, "true"))


def _requested(
    series: StateSeries,
    site: Site,
    container: tuple[str, ...],
    node: str,
    gpus: int,
    asked: Mapping[_Resource, float],
) -> None:
    share = _SHARE * gpus / site.server.gpus
    wanted = {_CPU: round(share * CPUS_A_NODE), _MEMORY: share * MEMORY_A_NODE, **asked}
    for resource, amount in wanted.items():
        for name in ("requests", "limits"):
            labels = (*container, node, *resource)
            series.add(f"kube_pod_container_resource_{name}", labels, amount)


# -- jobs -----------------------------------------------------------------------


def job_series(
    series: StateSeries,
    site: Site,
    jobs: Sequence[QueuedJob],
    instances: Sequence[GpuInstance] = (),
) -> None:
    """Add all Jobs, and the pods of those that wait.

    Args:
        series: to which they are added.
        site: the site.
        jobs: that the scheduler knows.
        instances: that every GPU of the site is partitioned into.
    """
    names = dict.fromkeys([*(kind.account for kind in site.mix), *(job.account for job in jobs)])
    for namespace in list(names)[:_MOST_NAMESPACES]:
        namespace_series(series, namespace)
    room = _MOST_WAITING
    for job in jobs:
        _job(series, job)
        if job.state == "pending" and room > 0:
            pods = min(job.nodes, room)
            room -= pods
            for index in range(pods):
                _waiting(series, site, job, index, instances)


def own_series(series: StateSeries, seconds: float) -> None:
    """Add what kube-state-metrics says of itself.

    Args:
        series: to which it is added.
        seconds: since its start.
    """
    shortest, longest = _WATCH_SECONDS
    for index, resource in enumerate(WATCHED):
        lasts = shortest + (longest - shortest) * index / len(WATCHED)
        series.add("kube_state_metrics_list_total", (resource, "success"))
        watches = 1 + max(0.0, seconds) // lasts
        series.add("kube_state_metrics_watch_total", (resource, "success"), watches)
    series.add("kube_state_metrics_shard_ordinal", ("0",), 0.0)
    series.add("kube_state_metrics_total_shards", ())


def _job(series: StateSeries, job: QueuedJob) -> None:
    key, add = (job.account, job.name), series.add
    add("kube_job_info", key)
    add("kube_job_owner", (*key, "", "", ""))
    add("kube_job_created", key, _seconds(job.submit))
    add("kube_job_spec_parallelism", key, job.nodes)
    add("kube_job_spec_completions", key, job.nodes)
    done = job.state in ("completed", "failed")
    # Pods that wait for a node are active, too.
    add("kube_job_status_active", key, 0 if done else job.nodes)
    add("kube_job_status_succeeded", key, job.nodes if job.state == "completed" else 0)
    if job.state == "failed":
        # Of a Job that has given up the value says whether this was why, not how many pods.
        series.one_of("kube_job_status_failed", key, FAILURE_REASONS, "BackoffLimitExceeded")
    else:
        add("kube_job_status_failed", (*key, ""), job.restarts)
    add("kube_job_status_start_time", key, _seconds(job.submit))
    if job.state == "completed":
        add("kube_job_status_completion_time", key, _seconds(job.end or 0.0))
        series.one_of("kube_job_complete", key, STATUSES, "true")
    if job.state == "failed":
        series.one_of("kube_job_failed", key, STATUSES, "true")


def _waiting(
    series: StateSeries, site: Site, job: QueuedJob, index: int, instances: Sequence[GpuInstance]
) -> None:
    pod = pod_name(job.name, index, job.restarts)
    key = (job.account, pod, pod_uid(job.account, pod))
    _described(series, site, key, job, "")
    made = _seconds(job.submit if job.made is None else job.made)
    series.add("kube_pod_created", key, made)
    series.add("kube_pod_status_unscheduled_time", key, made)
    series.one_of("kube_pod_status_phase", key, PHASES, "Pending")
    series.one_of("kube_pod_status_scheduled", key, STATUSES, "false")
    series.add("kube_pod_status_unschedulable", key)
    gpus = min(job.gpus, site.server.gpus)
    _requested(series, site, (*key, JOB_CONTAINER), "", gpus, _devices(gpus, instances))


def _devices(gpus: int, instances: Sequence[GpuInstance]) -> dict[_Resource, int]:
    """Return what so many GPUs are to the device plugin: with MIG, its strategy ``mixed``."""
    if not instances:
        return {_GPU: gpus}
    profiles = Counter(own.profile for own in instances)
    return {
        (f"nvidia_com_mig_{profile.replace('.', '_')}", "integer"): gpus * count
        for profile, count in profiles.items()
    }


def _seconds(time: float) -> float:
    """Return a time as Kubernetes keeps it: whole seconds."""
    return float(int(time))
