"""Exporters of schedulers: what dashboards join GPU series with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.catalog.schedulers.kube_state import (
    CONDITIONS,
    FAILURE_REASONS,
    KUBE_STATE,
    PHASES,
    QOS_CLASSES,
    STATUS_REASONS,
    STATUSES,
    WATCHED,
)
from twin.catalog.schedulers.kube_workloads import (
    DEPLOYMENT_CONDITIONS,
    ClusterWorkload,
    workloads_of,
)
from twin.catalog.schedulers.model import (
    CPUS_A_NODE,
    MEMORY_A_NODE,
    StateExporter,
    StateMetric,
    pod_uid,
)
from twin.catalog.schedulers.slinky import (
    SLINKY,
    SLINKY_JOBS,
    SLINKY_NODES,
    SLINKY_SCHEDULER,
)
from twin.catalog.schedulers.slurm import JOB_COUNTS, NODE_COUNTS, PARTITION_NODES, SLURM
from twin.catalog.schedulers.slurm_pods import (
    SLURM_NAMESPACE,
    SLURM_PODS,
    WORKER_CONTAINER,
    WORKER_SET,
    SlurmPod,
    worker,
)
from twin.catalog.schedulers.soperator import (
    COLLECT_SECONDS,
    DURATION_BUCKETS,
    NODE_FLAGS,
    OLD_FLAGS,
    SOPERATOR,
)
from twin.catalog.schedulers.vpenso import VPENSO

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = [
    "COLLECT_SECONDS",
    "CONDITIONS",
    "CPUS_A_NODE",
    "DEPLOYMENT_CONDITIONS",
    "DURATION_BUCKETS",
    "FAILURE_REASONS",
    "JOB_COUNTS",
    "KUBE_STATE",
    "MEMORY_A_NODE",
    "NODE_COUNTS",
    "NODE_FLAGS",
    "OLD_FLAGS",
    "PARTITION_NODES",
    "PHASES",
    "QOS_CLASSES",
    "SLINKY",
    "SLINKY_JOBS",
    "SLINKY_NODES",
    "SLINKY_SCHEDULER",
    "SLURM",
    "SLURM_NAMESPACE",
    "SLURM_PODS",
    "SOPERATOR",
    "STATE_EXPORTERS",
    "STATUSES",
    "STATUS_REASONS",
    "VPENSO",
    "WATCHED",
    "WORKER_CONTAINER",
    "WORKER_SET",
    "ClusterWorkload",
    "SlurmPod",
    "StateExporter",
    "StateMetric",
    "pod_uid",
    "state_exporters_of",
    "worker",
    "workloads_of",
]

STATE_EXPORTERS = (KUBE_STATE, SLURM, SOPERATOR, VPENSO, SLINKY)


def state_exporters_of(site: Site) -> tuple[StateExporter, ...]:
    """Return the exporters of schedulers that a site runs."""
    return tuple(exporter for exporter in STATE_EXPORTERS if exporter.present(site))
