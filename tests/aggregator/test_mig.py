"""Partitioned GPUs: dcgm-exporter has series of their instances instead."""

from __future__ import annotations

import pytest

from tests.aggregator.twinning import TwinPair
from twin.catalog import GPU
from twin.errors import ConfigError
from twin.site import Layout, count_series, parse_site

CUT = "3g.40gb+2g.20gb+2g.20gb"
SITE = f"""
name: small
racks: 3
racks_per_array: 2
servers_per_rack: 2
server: {{gpus: 4}}
telemetry: {{mig: "off, a001={CUT}"}}
"""
SHARES = (0.5, 0.25, 0.25)


def test_lines_of_a_partitioned_gpu_are_the_exporters() -> None:
    """Profile and number stand before the host name, and framebuffer is split by slices."""
    twin = TwinPair(text=SITE)
    twin.run(2)
    rack = twin.core.layout.names.rack(0)
    free = twin.core.store.values["gpu"][twin.core.store.row(GPU, GPU["fb_free"]), 0, 0]
    lines = [
        line
        for line in bytes(twin.core.array(0)).decode().splitlines()
        if line.startswith('DCGM_FI_DEV_FB_FREE{gpu="0"') and 'Hostname="r0001-n1"' in line
    ]
    assert lines == [
        f'DCGM_FI_DEV_FB_FREE{{gpu="0",UUID="{rack.gpu_uuids[0]}",'
        f'pci_bus_id="{rack.gpu_pci_addresses[0]}",device="nvidia0",'
        f'modelName="NVIDIA H100 80GB HBM3",GPU_I_PROFILE="{profile}",GPU_I_ID="{number}",'
        f'Hostname="r0001-n1",DCGM_FI_DRIVER_VERSION="{rack.driver_version}",'
        f'job="dcgm-exporter",instance="r0001-n1:9400",site="small",hall="h1",array="a001",'
        f'rack="r0001"}} {round(free * share)}'
        for profile, number, share in (
            ("3g.40gb", 2, 0.5), ("2g.20gb", 3, 0.25), ("2g.20gb", 4, 0.25),
        )
    ]  # fmt: skip


def test_fields_of_the_board_are_repeated_and_those_of_utilisation_absent() -> None:
    """Power and XID are on every instance with one value; no instance has GPU_UTIL."""
    twin = TwinPair(text=SITE)
    twin.run(2)
    for metric in ("DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_GPU_TEMP",
                   "DCGM_FI_PROF_GR_ENGINE_ACTIVE"):  # fmt: skip
        by_gpu: dict[tuple[str, str], list[float]] = {}
        for _, labels, value in twin.scrape(metric):
            by_gpu.setdefault((labels["Hostname"], labels["gpu"]), []).append(value)
        assert len(by_gpu) == 24
        for (host, _), values in by_gpu.items():
            assert len(values) == (1 if host.startswith("r0003") else 3)
            assert len(set(values)) == 1
    for metric in ("DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_MEM_COPY_UTIL", "DCGM_FI_DEV_ENC_UTIL",
                   "DCGM_FI_PROF_PCIE_TX_BYTES"):  # fmt: skip
        hosts = {labels["Hostname"] for _, labels, _ in twin.scrape(metric)}
        assert hosts == {"r0003-n1", "r0003-n2"}


def test_xid_of_a_partitioned_gpu_is_on_each_of_its_instances() -> None:
    """What labels say the value is changed on all instances of the GPU, and on no other."""
    twin = TwinPair(text=SITE)
    twin.run(2)
    twin.emulator.inject("x", "gpu-off-bus", "r0001/n2/gpu1", 60.0)
    twin.run(3)
    struck = [own for _, own, _ in twin.scrape("DCGM_FI_DEV_XID_ERRORS") if own["err_code"] != "0"]
    assert {(own["Hostname"], own["gpu"]) for own in struck} == {("r0001-n2", "1")}
    assert [own["GPU_I_ID"] for own in struck] == ["2", "3", "4"]


@pytest.mark.parametrize("mig", ["off", CUT, "all-1g.10gb", f"a002={CUT}, a001=7g.80gb"])
@pytest.mark.parametrize("scheduler", ["", "scheduler: {kind: slurm}"])
def test_series_are_as_many_as_told(mig: str, scheduler: str) -> None:
    """What a partition costs in series is told before it starts, and is what the pages have."""
    twin = TwinPair(text=SITE.replace(f"off, a001={CUT}", mig) + scheduler)
    twin.run(3)
    told = count_series(twin.core.layout, twin.core.plan)
    own = ("twin_", "slurm_")
    shown = sum(not name.startswith(own) for name, *_ in twin.scrape())
    assert shown == told


def test_pods_ask_for_instances_and_are_named_on_them() -> None:
    """A node has no whole GPUs, its pods ask for all instances of theirs and are on each."""
    more = f"telemetry: {{mig: {CUT}}}"
    twin = TwinPair("kubernetes", more)
    for _ in range(20):
        twin.step()
        requests: dict[str, dict[str, float]] = {}
        for _, own, value in twin.scrape("kube_pod_container_resource_requests"):
            if own["resource"].startswith("nvidia"):
                requests.setdefault(own["pod"], {})[own["resource"]] = value
        shown: dict[str, dict[str, float]] = {}
        for _, own, _ in twin.scrape("DCGM_FI_DEV_POWER_USAGE"):
            if pod := own.get("exported_pod"):
                profile = own["GPU_I_PROFILE"].replace(".", "_")
                counts = shown.setdefault(pod, {})
                key = f"nvidia_com_mig_{profile}"
                counts[key] = counts.get(key, 0) + 1
        assert {pod: requests[pod] for pod in shown} == shown
    allocatable = {
        own["resource"]: value
        for _, own, value in twin.scrape("kube_node_status_allocatable")
        if own["node"] == "r0001-n1" and own["resource"].startswith("nvidia")
    }
    assert allocatable == {
        "nvidia_com_gpu": 0, "nvidia_com_mig_3g_40gb": 4, "nvidia_com_mig_2g_20gb": 8,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mig", "says"),
    [
        ("3g.20gb", "'3g.20gb': the NVIDIA H100 80GB HBM3 has no profile '3g.20gb'; write some"),
        ("a009=1g.10gb", "'a009' names no array of this site"),
        ("3g.40gb+3g.40gb+1g.10gb", "have no place beside each other on one NVIDIA H100"),
        ("all-1g.5gb", "has no profile '1g.5gb'"),
        ("", "has no profile ''"),
        ("+".join(["1g.10gb"] * 5000), "have no place beside each other"),
    ],
)
def test_partition_that_cannot_be_is_refused(mig: str, says: str) -> None:
    """A site file with one ends in a sentence that names the setting and the remedy."""
    with pytest.raises(ConfigError) as refused:
        Layout(parse_site(SITE.replace(f"off, a001={CUT}", mig), "test"))
    assert says in str(refused.value)


def test_model_without_mig_is_not_partitioned() -> None:
    """AWS' chips have no instances of NVIDIA's driver."""
    text = SITE.replace("servers_per_rack", "gpu: trainium2\nservers_per_rack")
    with pytest.raises(ConfigError, match="cannot be partitioned; write off there"):
        parse_site(text, "test")
