"""NVLink domains: what links and switch trays do to GPUs, to the job and to what is shown."""

from __future__ import annotations

import numpy as np
import pytest

from twin.catalog.rack_scale.links import NO_ERRORS
from twin.plant import Conditions, Plant
from twin.site import Layout, load_site

RACK = Layout(load_site("nvl72-rack"))
LINK = 14


def stepped(plant: Plant, conditions: Conditions, seconds: int) -> dict[str, np.ndarray]:
    """Step the rack so long, and return the signals of its GPUs, links and switch trays."""
    for _ in range(seconds):
        plant.step(1.0, conditions)
    outputs = plant.outputs()
    return {
        f"{device}.{name}": values[0]
        for device in ("gpu", "nvlink", "switch_tray")
        for name, values in outputs[device].items()
    }


@pytest.fixture
def plant() -> Plant:
    """A rack in training."""
    plant = Plant(RACK, seed=3)
    stepped(plant, Conditions.healthy(RACK), 100)
    return plant


def links(values: np.ndarray) -> np.ndarray:
    """Return values of links as (GPUs, links)."""
    return values.reshape(72, 18)


def test_healthy_domain_has_1296_links_without_errors(plant: Plant) -> None:
    """All links are up, none has seen an error, and every GPU is in the factory's partition."""
    found = stepped(plant, Conditions.healthy(RACK), 1)
    assert found["nvlink.effective_ber"].shape == (1296,)
    assert set(found["nvlink.effective_ber"]) == {NO_ERRORS}
    assert not found["nvlink.opcode"].any()
    assert not found["nvlink.recoveries"].any()
    assert set(found["gpu.fabric_clique"]) == {32766.0}
    assert set(found["gpu.fabric_health"]) == {1.0}
    assert set(found["gpu.fabric_mask"]) == {float(0x1AA)}
    assert set(found["gpu.imex_status"]) == {5.0}


def test_ageing_link_shows_itself_and_drowns_in_the_sum(plant: Plant) -> None:
    """Recoveries are counted on the one link, and DCGM shows their sum over the GPU's links."""
    conditions = Conditions.healthy(RACK)
    conditions.nvlink_recoveries_per_second[0, 30] = 0.2
    conditions.nvlink_weak[0, 30] = LINK
    found = stepped(plant, conditions, 200)
    recoveries = links(found["nvlink.recoveries"])
    assert 20 < recoveries[30, LINK] < 60
    assert recoveries.sum() == recoveries[30, LINK] == found["gpu.nvlink_recovery"][30]
    assert links(found["nvlink.effective_ber"])[30, LINK] > 1e-15
    assert not found["nvlink.opcode"].any()
    assert set(found["gpu.xid"]) == {0.0}
    assert 0.99 < plant.gpus.speed_in(slice(None)) < 1.0


def test_failed_link_has_one_culprit_and_71_peers(plant: Plant) -> None:
    """One GPU says XID 149 and keeps it; the others say 145 at once, then 45, and are well."""
    conditions = Conditions.healthy(RACK)
    conditions.nvlink_up[0, 30] = False
    conditions.nvlink_weak[0, 30] = LINK
    first = stepped(plant, conditions, 1)["gpu.xid"]
    assert first[30] == 149
    assert set(np.delete(first, 30)) == {145.0}
    later = stepped(plant, conditions, 8)
    assert later["gpu.xid"][30] == 149
    assert set(np.delete(later["gpu.xid"], 30)) == {45.0}
    assert plant.gpus.missing_in(slice(None)) == 1
    assert links(later["nvlink.link_down"])[30, LINK] == 1
    assert links(later["nvlink.opcode"])[30, LINK] == 15
    assert later["nvlink.opcode"].astype(bool).sum() == 1
    healed = stepped(plant, Conditions.healthy(RACK), 30)
    assert healed["gpu.xid"][30] == 0.0
    assert plant.gpus.missing_in(slice(None)) == 0
    assert links(healed["nvlink.link_down"])[30, LINK] == 1


def test_idle_gpus_are_no_peers() -> None:
    """GPUs without a job raise nothing when a link of the rack fails."""
    idle = Plant(RACK, workload="idle")
    conditions = Conditions.healthy(RACK)
    conditions.nvlink_up[0, 0] = False
    found = stepped(idle, conditions, 2)["gpu.xid"]
    assert found[0] == 149
    assert not found[1:].any()


def test_switch_tray_takes_bandwidth_from_all(plant: Plant) -> None:
    """Without one tray each GPU lacks two links, has limited capacity, and the job is slower."""
    conditions = Conditions.healthy(RACK)
    conditions.switch_tray_available[0, 4] = False
    found = stepped(plant, conditions, 5)
    opcode = links(found["nvlink.opcode"])
    assert (opcode[:, 8:10] == 2).all()
    assert opcode.astype(bool).sum() == 144
    assert set(found["gpu.fabric_health"]) == {3.0}
    assert not found["gpu.xid"].any()
    assert found["switch_tray.up"].tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1]
    assert np.isnan(found["switch_tray.power"][4])
    # 16 of 18 links: what waits for NVLink alone, 30 % of a step, takes an eighth longer.
    assert plant.gpus.speed_in(slice(None)) == pytest.approx(1 / 1.0375, rel=0.02)


def test_lost_partition_is_of_its_tray(plant: Plant) -> None:
    """The four GPUs of the tray have clique 0 and are unhealthy, the others are as they were."""
    conditions = Conditions.healthy(RACK)
    conditions.fabric_registered[0, 1] = False
    conditions.imex_running[0, 2] = False
    found = stepped(plant, conditions, 1)
    assert (found["gpu.fabric_clique"][4:8] == 0).all()
    assert (found["gpu.fabric_health"][4:8] == 2).all()
    assert (found["gpu.fabric_clique"] == 32766).sum() == 68
    assert (found["gpu.imex_status"] == 7).nonzero()[0].tolist() == [8, 9, 10, 11]


def test_blocked_tray_is_hot_alone(plant: Plant) -> None:
    """With an eighth of its coolant a tray's GPUs are tens of kelvin above the others."""
    conditions = Conditions.healthy(RACK)
    conditions.tray_flow_ratio[0, 5] = 0.12
    found = stepped(plant, conditions, 90)["gpu.gpu_temp"].reshape(18, 4).mean(axis=1)
    assert found[5] > np.delete(found, 5).max() + 20


def test_leaking_tray_wets_its_detectors_and_empties_the_rack(plant: Plant) -> None:
    """The detectors under the plates leave their window first, and the rack's level falls."""
    conditions = Conditions.healthy(RACK)
    conditions.tray_leak[0, 7] = 0.4
    level = plant.cdus.outputs()["level"][0, 0]
    for _ in range(9):
        plant.step(1.0, conditions)
    volts = plant.outputs()["leak_detector"]["voltage"][0].reshape(18, 4)
    assert volts[7, :2].max() < 1.3 < volts[7, 2:].min()
    assert np.delete(volts, 7, axis=0).min() > 1.7
    assert plant.cdus.outputs()["level"][0, 0] < level


def test_lost_tray_leaves_its_domain_and_ends_the_job(plant: Plant) -> None:
    """Four GPUs vanish, the other 68 say XID 145 and then 45, and their links have no partner."""
    conditions = Conditions.healthy(RACK)
    conditions.server_available[0, 1] = False
    found = stepped(plant, conditions, 1)
    others = np.delete(np.arange(72), range(4, 8))
    assert np.isnan(found["gpu.gpu_temp"][4:8]).all()
    assert set(found["gpu.xid"][others]) == {145.0}
    opcodes = links(found["nvlink.opcode"])
    assert (opcodes[4:8] == 2.0).all()
    assert not opcodes[others].any()
    found = stepped(plant, conditions, 5)
    assert set(found["gpu.xid"][others]) == {45.0}
    downs = links(found["nvlink.link_down"])
    assert (downs[4:8] == 1.0).all()
    assert not downs[others].any()
    assert plant.jobs.progress[0].interruptions == 1


def test_dark_rack_has_no_peers_that_complain() -> None:
    """A rack of which no tray is left raises no XID: nobody is there to see it."""
    plant, conditions = Plant(RACK, seed=3), Conditions.healthy(RACK)
    conditions.server_available[:] = False
    conditions_after = Conditions.healthy(RACK)
    stepped(plant, conditions, 5)
    found = stepped(plant, conditions_after, 200)
    assert set(found["gpu.xid"]) == {0.0}
