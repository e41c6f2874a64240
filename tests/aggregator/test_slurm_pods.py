"""Slurm inside Kubernetes: workers' pods in all exporters that know of them."""

from __future__ import annotations

import pytest

from tests.aggregator.twinning import EPOCH, TwinPair
from twin.catalog.schedulers import SLURM_NAMESPACE
from twin.errors import ConfigError
from twin.site import Layout, ScheduledFigures, parse_site

INSIDE = "slurm, on_kubernetes: true"
WORKERS = {f"worker-{server}" for server in range(6)}


def labels(twin: TwinPair, name: str) -> list[dict[str, str]]:
    """Return the labels of every series of a metric."""
    return [own for _, own, _ in twin.scrape(name)]


def test_each_node_of_slurm_is_a_worker_on_a_node_of_kubernetes() -> None:
    """Slurm's nodes, the pods and dcgm-exporter join by the worker's name, and by the host's."""
    twin = TwinPair(INSIDE)
    twin.run(30)
    pods = {own["pod"]: own["node"] for own in labels(twin, "kube_pod_info")}
    assert pods.keys() - WORKERS == {"controller-0", "login-0"}
    nodes = {own["node_name"]: own["instance_id"] for own in labels(twin, "slurm_node_info")}
    assert nodes == {pod: node for pod, node in pods.items() if pod in WORKERS}
    assert set(nodes.values()) == {own["node"] for own in labels(twin, "kube_node_info")}
    assert {own["node"] for own in labels(twin, "slurm_node_gpus")} == WORKERS
    gpus = labels(twin, "DCGM_FI_DEV_GPU_UTIL")
    assert {(own["exported_pod"], own["Hostname"]) for own in gpus} == set(nodes.items())
    assert {own["exported_namespace"] for own in gpus} == {SLURM_NAMESPACE}
    assert {own["exported_container"] for own in gpus} == {"slurmd"}


def test_a_gpu_of_an_idle_worker_has_a_pod_and_no_job() -> None:
    """The job comes from Slurm's files and the pod from the kubelet, whatever runs in it."""
    twin = TwinPair(INSIDE)
    twin.run(60)
    gpus = labels(twin, "DCGM_FI_DEV_GPU_UTIL")
    busy = {(own["job_id"], own["node_name"]) for own in labels(twin, "slurm_node_job")}
    held = {(own["hpc_job"], own["exported_pod"]) for own in gpus if "hpc_job" in own}
    assert held == busy != set()
    assert any("hpc_job" not in own and own["exported_pod"] in WORKERS for own in gpus)


def test_a_worker_is_not_ready_while_its_node_is_down() -> None:
    """A node that Slurm drains stays open to Kubernetes' own pods."""
    twin = TwinPair(INSIDE)
    twin.run(5)
    twin.emulator.inject("x", "server-down", "r0001/n2", 60.0)
    twin.run(30)
    ready = {
        own["pod"]: value
        for _, own, value in twin.scrape("kube_pod_status_ready")
        if own["condition"] == "true"
    }
    assert {pod for pod, value in ready.items() if not value} == {"worker-1"}
    states = {own["node_name"]: own["state_base"] for own in labels(twin, "slurm_node_info")}
    assert states["worker-1"] == "DOWN"
    assert not any(v for _, _, v in twin.scrape("kube_node_spec_unschedulable"))
    made = {value for _, _, value in twin.scrape("kube_pod_created")}
    assert made == {EPOCH}


def test_cost_in_series_is_told_before() -> None:
    """The figures of a site count the pods of its daemons, not those of jobs."""
    twin = TwinPair(INSIDE)
    twin.run(5)
    layout = twin.core.layout
    told = ScheduledFigures.of(layout).by_exporter(layout)["kube-state-metrics"]
    shown = sum(name.startswith("kube_") for name, *_ in twin.scrape())
    assert told == pytest.approx(shown, rel=0.1)


def test_only_slurm_can_run_on_kubernetes() -> None:
    """A site file that says so of another scheduler is refused."""
    with pytest.raises(ConfigError, match="on_kubernetes is for kind: slurm"):
        Layout(parse_site("{name: x, scheduler: {kind: kubernetes, on_kubernetes: true}}", "x"))


def test_no_series_stands_on_two_pages() -> None:
    """What an array's page has, the site's has not: Prometheus would refuse one of them."""
    twin = TwinPair(INSIDE)
    twin.run(5)
    pages = [bytes(twin.core.metrics()), *(bytes(twin.core.array(n)) for n in range(2))]
    series = [
        line.rpartition(b" ")[0]
        for page in pages
        for line in page.splitlines()
        if line.startswith((b"kube_", b"slurm_"))
    ]
    assert len(series) == len(set(series)) > 100
