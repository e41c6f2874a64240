"""Labels of the jobs that have a GPU, as dcgm-exporter adds them.

``internal/pkg/transformation`` of dcgm-exporter 4.8.2 maps GPUs to pods by the kubelet's list of
devices and to Slurm jobs by the files of a directory. A GPU without a pod has none of the pod's
labels. Where Slurm runs on Kubernetes, each GPU has the pod of its node's worker, job or not. A GPU
with several jobs gives each series once a job, all with the value of the GPU.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twin.catalog.model import Labels
from twin.catalog.place import DeviceHolder, Place
from twin.catalog.schedulers.kube_workloads import EXPORTER_CONTAINER, EXPORTER_NAMESPACE
from twin.catalog.schedulers.model import pod_uid
from twin.catalog.schedulers.slurm_pods import (
    SLURM_NAMESPACE,
    WORKER_CONTAINER,
    WORKER_SET,
    worker,
)

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = [
    "JOB_CONTAINER",
    "exporter_pod",
    "job_labels",
]

JOB_CONTAINER = "main"
"""Container of a job's pod."""


def exporter_pod(hostname: str) -> str:
    """Return the name of the exporter's own pod on a host."""
    return f"{EXPORTER_CONTAINER}-{hostname}"


def job_labels(place: Place) -> tuple[Labels, ...]:
    """Return the labels of each job that has a GPU, and one set without where none has."""
    site = place.site
    if not site.scheduled:
        return ((),)
    target = _target(place)
    holders = place.names.holders(place.unit, place.index)
    if site.scheduler.on_kubernetes:
        own = _of_worker(place)
        if not holders:
            return ((*_labels(site, own, WORKER_CONTAINER), *target),)
        holders = [replace(own, job=holder.job) for holder in holders]
        return tuple((*_labels(site, each, WORKER_CONTAINER), *target) for each in holders)
    if not holders or not (site.pods_labelled or site.hpc_jobs_labelled):
        return (target,)
    return tuple((*_labels(site, holder, JOB_CONTAINER), *target) for holder in holders)


def _of_worker(place: Place) -> DeviceHolder:
    """Return the worker's pod of Slurm that has a GPU, without a job."""
    pod = worker(place.unit * place.site.servers_per_rack + place.host)
    uid = pod_uid(SLURM_NAMESPACE, pod)
    return DeviceHolder("", WORKER_SET, SLURM_NAMESPACE, pod, uid)


def _labels(site: Site, holder: DeviceHolder, container: str) -> Labels:
    options = site.telemetry.jobs
    job = (("hpc_job", holder.job),) if site.hpc_jobs_labelled and holder.job else ()
    if not site.pods_labelled or not holder.pod:
        return job
    prefix = "" if options.honor_labels else "exported_"
    uid = (("pod_uid", holder.uid),) if options.pod_uid else ()
    own = (("app", holder.app), ("team", holder.account)) if options.pod_labels else ()
    return (
        *own,
        (f"{prefix}container", container),
        *job,
        (f"{prefix}namespace", holder.account),
        (f"{prefix}pod", holder.pod),
        *uid,
    )


def _target(place: Place) -> Labels:
    """Return the labels that Prometheus adds to a target of the exporter's ServiceMonitor."""
    if not place.site.pods_labelled or place.site.telemetry.jobs.honor_labels:
        return ()
    return (
        ("container", EXPORTER_CONTAINER),
        ("namespace", EXPORTER_NAMESPACE),
        ("pod", exporter_pod(place.hostname)),
    )
