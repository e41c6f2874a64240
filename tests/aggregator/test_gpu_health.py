"""Health of GPUs and their peers: the faults that drive them, and what each watch then says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from twin.aggregator import Core
from twin.catalog.gpu_health import HEALTH_WATCHES, XID_INCIDENTS
from twin.rules.simulation import Simulation
from twin.scenario import parse_scenario
from twin.site import Layout, count_series, load_site, parse_site
from twin.site.detail import DetailPlan

LISTED = (
    "DCGM_FI_DEV_GPU_TEMP, gauge, temperature\n"
    "DCGM_EXP_GPU_HEALTH_STATUS, gauge, DCGM reported health status\n"
    "DCGM_EXP_P2P_STATUS, gauge, P2P NvLink status\n"
)
SITE: dict[str, object] = {
    "name": "own",
    "racks": 1,
    "servers_per_rack": 2,
    "gensets": {"count": 1},
    "telemetry": {"extra_signals": False, "exporters": {"dcgm_counters": LISTED}},
}
Found = dict[tuple[str, ...], tuple[str, float]]
LIMITED = ("DCGM_FR_CLOCK_THROTTLE_POWER", 10.0)
"""What DCGM says of the power of a healthy GPU in dense training: any time at the power limit is a
warning to it (its issue 285)."""


def after(*faults: str, seconds: int = 150, **site: object) -> Core:
    """Return the aggregator after a run of a small site with these faults from 20 s on."""
    events = "".join(f"  - {{{fault}, at: 20s, for: 10m}}\n" for fault in faults)
    text = (
        f"title: t\nsite: {json.dumps(SITE | site)}\nduration: {seconds}s\nscrape: 10s\nfaults:\n"
    )
    simulation = Simulation(parse_scenario(text + (events or "  []\n"), Path("own.yaml")))
    for _ in simulation.run(10):
        pass
    return simulation.core


def series(core: Core, metric: str, *labels: str) -> Found:
    """Return by these labels of each series of a metric its first label and value."""
    found: Found = {}
    for line in bytes(core.array(0)).decode().splitlines():
        if line.startswith(metric + "{"):
            own = dict(re.findall(r'(\w+)="([^"]*)"', line))
            word = own.get("health_error_code") or own["link_status"]
            found[tuple(own[label] for label in labels)] = (word, float(line.rsplit(" ", 1)[1]))
    return found


def health(core: Core) -> Found:
    """Return the health by host, GPU and watch."""
    return series(core, "DCGM_EXP_GPU_HEALTH_STATUS", "Hostname", "gpu", "health_watch")


def incidents(core: Core, gpu: str = "3") -> dict[str, tuple[str, float]]:
    """Return what is wrong with a GPU of the first server, by watch."""
    return {key[2]: value for key, value in health(core).items()
            if key[:2] == ("r0001-n1", gpu) and value[1]}  # fmt: skip


def beyond_limits(found: Found) -> Found:
    """Return what is wrong beside power limits."""
    return {key: value for key, value in found.items() if value[1] and value != LIMITED}


def test_a_healthy_gpu_passes_every_watch() -> None:
    """Eleven series a GPU, 0 with the code that says so but at a limit, and all peers reached."""
    core = after()
    found = health(core)
    assert len(found) == 16 * len(HEALTH_WATCHES) == 176
    power = {key for key in found if key[2] == "POWER"}
    assert {found[key] for key in power} == {LIMITED}
    assert {value for key, value in found.items() if key not in power} == {("DCGM_FR_OK", 0.0)}
    peers = series(core, "DCGM_EXP_P2P_STATUS", "Hostname", "gpu", "peer_gpu")
    assert len(peers) == 16 * 7
    assert all(gpu != peer for _, gpu, peer in peers)
    assert set(peers.values()) == {("OK", 0.0)}


@pytest.mark.parametrize(
    ("fault", "watch", "error", "value"),
    [
        ("gpu-off-bus, target: r0001/n1/gpu3", "ALL", "FALLEN_OFF_BUS", 20),
        ("gsp-timeout, target: r0001/n1/gpu3", "ALL", "XID_ERROR", 20),
        ("gpu-xid, target: r0001/n1/gpu3, set: {code: 95}", "ALL", "UNCONTAINED_ERROR", 20),
        ("gpu-xid, target: r0001/n1/gpu3, set: {code: 31}", "MEM", "XID_ERROR", 10),
        ("gpu-double-bit, target: r0001/n1/gpu3", "MEM", "VOLATILE_DBE_DETECTED", 20),
        ("gpu-double-bit, target: r0001/n1/gpu3", "ALL", "XID_ERROR", 20),
        ("gpu-row-remap-failure, target: r0001/n1/gpu3", "MEM", "ROW_REMAP_FAILURE", 20),
        ("gpu-pcie-replay, target: r0001/n1/gpu3", "PCIE", "PCI_REPLAY_RATE", 10),
        ("nvlink-error, target: r0001/n1/gpu3", "NVLINK", "NVLINK_ERROR_CRITICAL", 20),
        ("gpu-power-brake, target: r0001/n1", "POWER", "CLOCK_THROTTLE_POWER", 10),
        (
            "gpu-cold-plate, target: r0001/n1/gpu3, set: {resistance: 8}",
            "THERMAL",
            "CLOCK_THROTTLE_THERMAL",
            10,
        ),
    ],
)
def test_a_fault_is_an_incident_of_its_watch(
    fault: str, watch: str, error: str, value: float
) -> None:
    """The series of the watch has another error code and value, though no counter is listed."""
    core = after(f"kind: {fault}")
    assert incidents(core)[watch] == (f"DCGM_FR_{error}", value)
    assert len(health(core)) == 176
    other = {key for key in beyond_limits(health(core)) if key[0] == "r0001-n2"}
    assert other == set()


def test_a_few_replays_are_no_incident() -> None:
    """A link may repeat packets at PCIe's own error rate."""
    core = after("kind: gpu-pcie-replay, target: r0001/n1/gpu3, set: {rate: 0.1}")
    assert beyond_limits(health(core)) == {}


def test_peers_of_broken_links_are_not_reached() -> None:
    """A failed NVSwitch parts all GPUs of its host, a lost GPU only itself from the others."""
    peers = series(after("kind: nvswitch-failure, target: r0001/n1"),
                   "DCGM_EXP_P2P_STATUS", "Hostname", "gpu", "peer_gpu")  # fmt: skip
    assert {value for (host, *_), value in peers.items() if host == "r0001-n1"} == {
        ("NotSupported", 5.0)
    }
    assert {value for (host, *_), value in peers.items() if host == "r0001-n2"} == {("OK", 0.0)}
    peers = series(after("kind: gpu-off-bus, target: r0001/n1/gpu3"),
                   "DCGM_EXP_P2P_STATUS", "Hostname", "gpu", "peer_gpu")  # fmt: skip
    broken = {key for key, value in peers.items() if value[1]}
    assert broken == {("r0001-n1", *pair) for n in "0124567" for pair in ((n, "3"), ("3", n))}


def test_an_exporter_that_is_down_says_nothing() -> None:
    """Both families end with the exporter of their host."""
    found = health(after("kind: dcgm-exporter-down, target: r0001/n1"))
    assert {host for host, *_ in found} == {"r0001-n2"}


def test_an_xid_stays_until_the_host_engine_restarts() -> None:
    """An incident by XID outlives its cause, as DCGM keeps the codes that it has seen."""
    text = "kind: gpu-xid, target: r0001/n1/gpu3, set: {code: 31}"
    assert incidents(after(text, seconds=700))["MEM"] == ("DCGM_FR_XID_ERROR", 10.0)


def test_gpus_without_nvlink_have_no_path_by_it() -> None:
    """Cards on PCIe alone reach no peer over NVLink."""
    card = {**load_site("demo").gpu.model_dump(), "nvlink_bytes_per_second": 0}
    found = series(after(gpu=card), "DCGM_EXP_P2P_STATUS", "Hostname", "gpu", "peer_gpu")
    assert set(found.values()) == {("NotSupported", 5.0)}


def test_series_are_counted_before_they_are_there() -> None:
    """What `twin sites show` says of the two families is what is exposed."""
    plan, counts = DetailPlan.of(1), []
    for text in (LISTED, LISTED.splitlines()[0]):
        site = SITE | {"telemetry": {"exporters": {"dcgm_counters": text}}}
        counts.append(count_series(Layout(parse_site(json.dumps(site), "own")), plan))
    assert counts[0] - counts[1] == 16 * (11 + 7)


def test_every_incident_is_one_of_a_watch() -> None:
    """The table names only watches that the exporter has."""
    assert {incident.watch for incident in XID_INCIDENTS.values()} <= set(HEALTH_WATCHES)
