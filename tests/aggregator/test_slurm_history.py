"""Failures, outages and GPU seconds of Slurm's nodes, as soperator's exporter counts them."""

from __future__ import annotations

from math import nan

import pytest

from tests.aggregator.twinning import TwinPair
from twin.aggregator.slurm_history import SlurmHistory
from twin.aggregator.state_series import StateSeries
from twin.catalog.schedulers import DURATION_BUCKETS, SOPERATOR
from twin.wire import Allocation, NodeReport, RackJobs

UP = NodeReport(state="up", ready=True)
DOWN = NodeReport(state="down", ready=False, reason="Not responding")
DRAINED = NodeReport(state="drain", ready=True, reason="gres/gpu count")


def told(report: NodeReport, *, busy: bool = False) -> RackJobs:
    """A rack of one server of four GPUs, with a job on all of them or none."""
    own = Allocation(
        job=1, name="a", user="u", account="x", server=0, gpus=(0, 1, 2, 3), state="running",
        start=0.0,
    )  # fmt: skip
    return RackJobs(rack="r0001", allocations=(own,) if busy else (), nodes=(report,))


def written(history: SlurmHistory, now: float) -> StateSeries:
    """The series of the rack's node."""
    series = StateSeries(SOPERATOR, ())
    history.write(series, 0, ["worker-0"], now)
    return series


def test_a_failure_counts_once_and_an_outage_when_it_is_over() -> None:
    """A node that is first seen down has not failed; its GPU seconds go with its state."""
    history = SlurmHistory(4)
    history.see(0, told(UP), 100.0)
    history.see(0, told(DOWN), 200.0)
    history.see(0, told(DRAINED), 250.0)
    series = written(history, 260.0)
    fails = series.rows["slurm_node_fails_total"]
    assert fails == {("worker-0", "DOWN", "true", "false", "false", "Not responding"): 1.0}
    assert not series.families
    history.see(0, told(UP), 290.0)
    series = written(history, 300.0)
    seconds = {key[1:3]: own for key, own in series.rows["slurm_node_gpu_seconds_total"].items()}
    assert seconds == {
        ("IDLE", "false"): 4 * 110.0, ("DOWN", "true"): 4 * 50.0, ("IDLE", "true"): 4 * 40.0,
    }  # fmt: skip
    (family,) = series.families
    values = dict(zip(zip(family.names, family.labels, strict=True), family.values, strict=True))
    name = "slurm_node_unavailability_duration_seconds"
    assert values[f"{name}_sum", b'{node_name="worker-0"} '] == b"90.000"
    assert values[f"{name}_bucket", b'{node_name="worker-0",le="60.0"} '] == b"0"
    assert values[f"{name}_bucket", b'{node_name="worker-0",le="300.0"} '] == b"1"
    assert len(family.names) == len(DURATION_BUCKETS) + 3


def test_a_node_drains_while_its_job_runs_on() -> None:
    """Draining ends with the job; a node without one is unavailable instead."""
    history = SlurmHistory(4)
    history.see(0, told(UP, busy=True), 0.0)
    history.see(0, told(DRAINED, busy=True), 10.0)
    history.see(0, told(DRAINED), 50.0)
    (family,) = written(history, 60.0).families
    assert family.head.name == "slurm_node_draining_duration_seconds"
    assert family.values[-2:] == [b"40.000", b"1"]


def test_what_is_not_known_is_not_counted() -> None:
    """Before the first frame no time is known, and reasons from the bus are bounded."""
    history = SlurmHistory(4)
    history.see(0, told(DOWN), nan)
    history.see(0, told(UP), nan)
    assert not written(history, nan).families
    for number in range(200):
        history.see(0, told(UP), float(2 * number))
        odd = NodeReport(state="drain", ready=True, reason=f"reason {number}")
        history.see(0, told(odd), float(2 * number + 1))
    assert len(written(history, 500.0).rows["slurm_node_fails_total"]) == 64
    history.see(0, None, 500.0)
    assert not written(history, 510.0).rows


def test_a_server_that_fails_is_told_of_by_all_counts() -> None:
    """The whole way from the fault to the page, in both formats, once the server is back."""
    twin = TwinPair("slurm", "telemetry: {jobs: {slurm: soperator}}\n")
    twin.run(20)
    twin.emulator.inject("x", "server-down", "r0001/n2", 20.0)
    for _ in range(20):
        twin.run(20)
        list(twin.scrape("slurm_node_gpu_seconds_total"))
    fails = [own for _, own, _ in twin.scrape("slurm_node_fails_total")]
    assert [own["node_name"] for own in fails] == ["r0001-n2"]
    (count,) = [v for _, _, v in twin.scrape("slurm_node_unavailability_duration_seconds_count")]
    assert count == 1
    seconds = sum(value for _, _, value in twin.scrape("slurm_node_gpu_seconds_total"))
    assert seconds == pytest.approx(24 * twin.now, rel=0.15)
    kinds = twin.scrape("slurm_controller_rpc_calls_total")
    users = twin.scrape("slurm_controller_rpc_user_calls_total")
    assert sum(v for *_, v in kinds) == sum(v for *_, v in users) > 0
    shown = {own["job_id"] for _, own, _ in twin.scrape("slurm_job_duration_seconds")}
    assert shown
    text = bytes(twin.core.array(0, openmetrics=True)).decode()
    assert "# TYPE slurm_node_unavailability_duration_seconds histogram" in text
