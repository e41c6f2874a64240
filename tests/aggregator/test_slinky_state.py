"""SlinkyProject's exporter of Slurm says what Slurm's own endpoint says, in other words."""

from __future__ import annotations

from tests.aggregator.twinning import TwinPair
from twin.catalog import MetricType
from twin.catalog.schedulers import SLINKY, VPENSO

SAME = {
    "slurm_jobs_running_total": "slurm_jobs_running",
    "slurm_jobs_pending_total": "slurm_jobs_pending",
    "slurm_partition_jobs_total": "slurm_partition_jobs",
    "slurm_nodes_idle_total": "slurm_nodes_idle",
    "slurm_nodes_allocated_total": "slurm_nodes_alloc",
    "slurm_nodes_drain_total": "slurm_nodes_drain",
    "slurm_partition_nodes_cpus_alloc_total": "slurm_partition_nodes_cpus_alloc",
    "slurm_scheduler_cycle_total": "slurm_schedule_cycle_cnt",
    "slurm_bfscheduler_cycle_max_seconds": "slurm_bf_cycle_max",
    "slurm_scheduler_jobs_submitted_total": "slurm_sdiag_jobs_submitted",
}


def test_it_agrees_with_slurms_own_endpoint_at_every_instant() -> None:
    """Both are of one state, through jobs that come and go and a node that fails."""
    twin = TwinPair("slurm", "telemetry: {jobs: {slurm: all}}\n")
    twin.emulator.inject("x", "server-down", "r0001/n2", 30.0)
    for _ in range(12):
        twin.run(10)
        # vpenso's exporter has some of the names with another meaning.
        values = {
            name: value
            for name, own, value in twin.scrape(*SAME, *SAME.values())
            if own["job"] != VPENSO.job
        }
        assert {own: values[own] for own in SAME} == {
            own: values[official] for own, official in SAME.items()
        }
    bytes_of = [v for _, own, v in twin.scrape("slurm_node_memory_bytes") if own["job"] == "slurm"]
    megabytes = [
        v for _, own, v in twin.scrape("slurm_node_memory_bytes") if own["job"] == SLINKY.job
    ]
    assert megabytes == [value // (1 << 20) for value in bytes_of] != []


def test_its_totals_are_gauges() -> None:
    """Its source declares no counter, whatever the names say."""
    assert {metric.kind for metric in SLINKY.metrics} == {MetricType.GAUGE}
