"""Whose GPU is it: labels of jobs on GPU series, as the plant places them."""

from __future__ import annotations

import pytest

from tests.aggregator.twinning import TwinPair
from twin.site.job_names import job_name, pod_name

POWER = "DCGM_FI_DEV_POWER_USAGE"


def owners(twin: TwinPair) -> dict[tuple[str, str], tuple[str, str] | None]:
    """Return by the plant who has each GPU: number and pod by host and GPU, None where idle."""
    batch = twin.emulator.plant.halls.batch
    assert batch is not None
    table, owner = batch.scheduler.table, batch.scheduler.owner
    site = twin.core.layout.site
    held: dict[tuple[str, str], tuple[str, str] | None] = {}
    for server, row in enumerate(owner.tolist()):
        host = f"r{server // 2 + 1:04d}-n{server % 2 + 1}"
        for gpu, job in enumerate(row):
            if job < 0:
                held[host, str(gpu)] = None
                continue
            number = int(table.number[job])
            name = job_name("small", site.mix[int(table.kind[job])].name, number, pods=True)
            index = len({n for n in range(server) if job in owner[n].tolist()})
            held[host, str(gpu)] = (
                str(number), pod_name(name, index, int(table.restarts[job]))
            )  # fmt: skip
    return held


@pytest.mark.parametrize("kind", ["slurm", "kubernetes"])
def test_labels_agree_with_the_plant_at_every_instant(kind: str) -> None:
    """Each second a GPU's series names the job that the plant gives it, and an idle one none."""
    twin = TwinPair(kind)
    changed, before = 0, None
    for _ in range(60):
        twin.step()
        held = owners(twin)
        changed += before is not None and held != before
        before = held
        label = "hpc_job" if kind == "slurm" else "exported_pod"
        shown = {
            (labels["Hostname"], labels["gpu"]): labels.get(label)
            for _, labels, _ in twin.scrape(POWER)
        }
        wanted = {
            place: None if job is None else job[kind != "slurm"] for place, job in held.items()
        }
        assert shown == wanted
    assert changed > 4
    assert twin.refused() == 0


def labels_of(twin: TwinPair, *, idle: bool) -> dict[str, str]:
    """Return the labels of a GPU's power that is idle or not."""
    place = next(place for place, job in owners(twin).items() if (job is None) is idle)
    return next(
        labels
        for _, labels, _ in twin.scrape(POWER)
        if (labels["Hostname"], labels["gpu"]) == place
    )


def test_prometheus_stores_the_exporters_pod_beside_the_jobs() -> None:
    """By the chart's default the job's pod is exported_pod, and pod is the exporter's own."""
    twin = TwinPair()
    twin.run(3)
    labels = labels_of(twin, idle=False)
    assert labels["exported_namespace"] == "research"
    assert labels["exported_container"] == "main"
    assert labels["pod"] == f"nvidia-dcgm-exporter-{labels['Hostname']}"
    assert labels["namespace"] == "gpu-operator"
    assert labels["container"] == "nvidia-dcgm-exporter"
    idle = labels_of(twin, idle=True)
    assert not {label for label in idle if label.startswith("exported_")}
    assert idle["pod"] == f"nvidia-dcgm-exporter-{idle['Hostname']}"


def test_honoured_labels_are_the_jobs() -> None:
    """With honor_labels pod, namespace and container are the job's, and absent on idle GPUs."""
    twin = TwinPair(more="telemetry: {jobs: {honor_labels: true, pod_uid: true, pod_labels: true}}")
    twin.run(3)
    labels = labels_of(twin, idle=False)
    assert labels["container"] == "main"
    assert labels["namespace"] == labels["team"] == "research"
    assert labels["app"] in {"a", "b"}
    assert labels["pod"].startswith(f"{labels['app']}-")
    assert len(labels["pod_uid"]) == 36
    idle = labels_of(twin, idle=True)
    assert not {"pod", "namespace", "container", "pod_uid", "app", "hpc_job"} & idle.keys()


def test_options_choose_what_is_said() -> None:
    """A cluster may run both mappings, or none."""
    both = TwinPair(more="telemetry: {jobs: {hpc_job: true}}")
    none = TwinPair(more="telemetry: {jobs: {kubernetes: false}}")
    for twin in (both, none):
        twin.run(2)
    assert {"hpc_job", "exported_pod"} <= labels_of(both, idle=False).keys()
    assert not {"hpc_job", "exported_pod", "pod"} & labels_of(none, idle=False).keys()


def test_xid_keeps_its_text_beside_the_job() -> None:
    """A code other than 0 has its text and the job of its GPU."""
    twin = TwinPair("slurm")
    twin.run(2)
    place = next(place for place, job in owners(twin).items() if job is not None)
    rack, server = place[0].split("-")
    twin.emulator.inject("x", "gpu-xid", f"{rack}/{server}/gpu{place[1]}", 30.0, {"code": 48})
    twin.run(2)
    codes = [labels for _, labels, value in twin.scrape("DCGM_FI_DEV_XID_ERRORS") if value == 48]
    assert [labels["err_code"] for labels in codes] == ["48"]
    assert codes[0]["err_msg"] == "Double Bit ECC Error"
    assert (codes[0]["Hostname"], codes[0]["gpu"]) == place


def test_static_job_of_the_site_file_is_one_of_the_schedulers() -> None:
    """A job of `jobs` has its racks' GPUs under its number, beside those that come and go."""
    twin = TwinPair("slurm", "jobs: [{name: big, racks: 1}]")
    twin.run(2)
    shown = {
        labels["rack"]: labels.get("hpc_job")
        for _, labels, _ in twin.scrape(POWER)
        if labels["gpu"] == "0"
    }
    assert shown["r0001"] == "1"
    assert shown["r0002"] != "1"
