"""Jobs and nodes of Slurm, as the exporter of nebius/soperator shows them.

Names and labels follow ``internal/exporter/collector.go`` (Apache-2.0); its dashboards join
``slurm_node_job`` to the series of node_exporter and dcgm-exporter by the node's name. A label
is empty where a flag is not set, but for three that say ``false``. Left out are its counts of
RPCs, and what grows while nothing happens: GPU seconds, durations of jobs and of outages.
"""

from __future__ import annotations

from twin.catalog.schedulers.model import StateExporter, StateMetric

__all__ = ["NODE_FLAGS", "OLD_FLAGS", "SOPERATOR"]

NODE_FLAGS = (
    "state_is_drain", "state_is_maintenance", "state_is_reserved", "state_is_completing",
    "state_is_fail", "state_is_planned", "state_is_not_responding", "state_is_invalid",
    "state_is_cloud", "state_is_power_down", "state_is_power_drain", "state_is_powered_down",
    "state_is_powering_down", "state_is_powering_up", "state_is_power_up",
)  # fmt: skip
"""Flags of a node, each a label that says true where it is set."""
OLD_FLAGS = NODE_FLAGS[:3]
"""Those that say false where it is not; the others are empty then."""

_RESOURCES = {
    "cpus_total": "Total CPUs on the node",
    "cpus_allocated": "CPUs allocated on the node",
    "cpus_idle": "Idle CPUs on the node",
    "cpus_effective": "Effective CPUs on the node",
    "memory_total_bytes": "Total memory on the node in bytes",
    "memory_allocated_bytes": "Allocated memory on the node in bytes",
    "memory_free_bytes": "Free memory on the node in bytes",
    "memory_effective_bytes": "Effective memory on the node in bytes",
}

SOPERATOR = StateExporter(
    key="soperator",
    title="soperator's exporter",
    job="soperator-exporter",
    instance="soperator-exporter:8080",
    source="nebius/soperator, internal/exporter",
    present=lambda site: site.scheduler.kind == "slurm" and "soperator" in site.slurm_exporters,
    metrics=(
        StateMetric("slurm_node_info", "Slurm node info", "node",
                    ("node_name", "instance_id", "state_base", *NODE_FLAGS, "is_unavailable",
                     "reservation_name", "address", "reason", "comment")),
        *(StateMetric(f"slurm_node_{name}", text, "node", ("node_name",))
          for name, text in _RESOURCES.items()),
        StateMetric("slurm_node_partition", "Slurm node partition mapping", "node",
                    ("node_name", "partition")),
        StateMetric("slurm_node_job", "Slurm job node information", "pod",
                    ("job_id", "node_name", "nvlink_instance_group", "nodeset_name")),
        StateMetric("slurm_job_info", "Slurm job detail information", "job",
                    ("job_id", "job_state", "job_state_reason", "slurm_partition", "job_name",
                     "user_name", "user_mail", "user_id", "standard_error", "standard_output",
                     "array_job_id", "array_task_id", "submit_time", "start_time", "end_time",
                     "finished_time")),
        StateMetric("slurm_job_cpus", "CPUs allocated to a Slurm job", "job", ("job_id",)),
        StateMetric("slurm_job_memory_bytes", "Memory allocated to a Slurm job in bytes", "job",
                    ("job_id",)),
    ),
)  # fmt: skip
