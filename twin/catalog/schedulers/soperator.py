"""Jobs and nodes of Slurm, as the exporter of nebius/soperator shows them.

Names and labels follow ``internal/exporter/collector.go`` (Apache-2.0); its dashboards join
``slurm_node_job`` to the series of node_exporter and dcgm-exporter by the node's name. A label
is empty where a flag is not set, but for three that say ``false``. It counts GPU seconds, failures
and durations of outages itself, from its own start; a node that never failed has no series of
these. The counts of RPCs are what ``sdiag`` says, those of the kinds that the twin's Slurm sends.
"""

from __future__ import annotations

from twin.catalog.model import MetricType
from twin.catalog.schedulers.model import StateExporter, StateMetric

__all__ = ["COLLECT_SECONDS", "DURATION_BUCKETS", "NODE_FLAGS", "OLD_FLAGS", "SOPERATOR"]

NODE_FLAGS = (
    "state_is_drain", "state_is_maintenance", "state_is_reserved", "state_is_completing",
    "state_is_fail", "state_is_planned", "state_is_not_responding", "state_is_invalid",
    "state_is_cloud", "state_is_power_down", "state_is_power_drain", "state_is_powered_down",
    "state_is_powering_down", "state_is_powering_up", "state_is_power_up",
)  # fmt: skip
"""Flags of a node, each a label that says true where it is set."""
OLD_FLAGS = NODE_FLAGS[:3]
"""Those that say false where it is not; the others are empty then."""

COLLECT_SECONDS = 30.0
"""Between two looks at Slurm, by its default."""
DURATION_BUCKETS = (
    30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 259200, 604800, 1209600,
    2592000,
)  # fmt: skip
"""Bounds of its histograms in s, to which ``+Inf`` comes."""

_STATE = ("node_name", "state_base", *OLD_FLAGS)
_COUNTER, _HISTOGRAM = MetricType.COUNTER, MetricType.HISTOGRAM
_RPC, _RPC_USER = ("message_type",), ("user", "user_id")
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
        StateMetric("slurm_job_duration_seconds", "Slurm job duration in seconds", "job",
                    ("job_id",)),
        StateMetric("slurm_node_gpu_seconds_total", "Total GPU seconds on Slurm nodes", "node",
                    _STATE, series=3, kind=_COUNTER),
        StateMetric("slurm_node_fails_total",
                    "Total number of times a node has failed (went from not down/drain to "
                    "down/drain state)", "failed node", (*_STATE, "reason"), kind=_COUNTER),
        *(StateMetric(f"slurm_node_{name}_duration_seconds", text, "failed node", ("node_name",),
                      series=len(DURATION_BUCKETS) + 3, kind=_HISTOGRAM)
          for name, text in (
              ("unavailability",
               "Duration of completed node unavailability events (DOWN+* or IDLE+DRAIN+*)"),
              ("draining",
               "Duration of completed node draining events (DRAIN+ALLOCATED or DRAIN+MIXED)"),
          )),
        StateMetric("slurm_controller_rpc_calls_total", "Total count of RPC calls by message type",
                    "site", _RPC, series=7, kind=_COUNTER),
        StateMetric("slurm_controller_rpc_duration_seconds_total",
                    "Total time spent processing RPCs by message type", "site", _RPC, series=7,
                    kind=_COUNTER),
        StateMetric("slurm_controller_rpc_user_calls_total", "Total count of RPC calls by user",
                    "user", _RPC_USER, kind=_COUNTER),
        StateMetric("slurm_controller_rpc_user_duration_seconds_total",
                    "Total time spent on user RPCs", "user", _RPC_USER, kind=_COUNTER),
        StateMetric("slurm_controller_server_thread_count", "Number of server threads", "site"),
    ),
)  # fmt: skip
