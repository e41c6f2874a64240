"""Each fault of network and storage shows on the real plant what it says it shows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from twin.faults import FAULTS, FaultSchedule
from twin.plant import Plant
from twin.plant.performance import job_seconds, site_cost
from twin.plant.units import Floats
from twin.plant.workload.traffic import StepTraffic
from twin.site import Layout, load_site

Outputs = dict[str, dict[str, Floats]]
ARRAY = load_site("colossus-array")
"""Its job takes so few micro-batches a step that a fifth of it is the exchange at its boundary."""
TRAINING = ARRAY.training.model_copy(
    update={
        "step_jitter_seconds": 0.0,
        "model": ARRAY.training.model.model_copy(update={"micro_batches": 12}),
    }
)
SITE = ARRAY.model_copy(update={"training": TRAINING})
LAYOUT = Layout(SITE)
EXCHANGE = 2.0 * StepTraffic(SITE, site_cost(SITE), job_seconds(SITE)).half
"""Share of a step in which pipelines exchange."""
SECONDS = 240
CHECKPOINT, STALLED = 4, 5


def watch(
    kind: str | None, seconds: int = SECONDS, parameters: Mapping[str, float] | None = None
) -> Outputs:
    """Return what the plant shows after a fault has been in force for so long."""
    schedule, plant = FaultSchedule(LAYOUT, FAULTS), Plant(LAYOUT, seed=5)
    if kind is not None:
        target = FAULTS[kind].default_target
        schedule.inject("x", kind, target, now=0.0, parameters=parameters)
    for second in range(seconds):
        plant.step(1.0, schedule.conditions(float(second)))
    return plant.outputs()


@pytest.fixture(scope="module")
def normal() -> Outputs:
    """What a healthy plant shows."""
    return watch(None)


def ratio(found: Outputs, normal: Outputs, device: str, signal: str) -> float:
    """Return the sum of a signal over the sum without the fault."""
    return float(np.nansum(found[device][signal]) / np.nansum(normal[device][signal]))


def step_ratio(found: Outputs, normal: Outputs) -> float:
    """Return the duration of a step over that without the fault."""
    return ratio(found, normal, "job", "step_seconds")


def test_nic_down() -> None:
    """One port is down at both ends and dark, and the job waits."""
    found = watch("nic-down", 30)
    assert found["nic"]["state"][0, 0] == 1
    assert found["nic"]["laser_rx_power"][0, 0] == -40
    assert (found["nic"]["state"] == 1).sum() == 1
    assert found["port"]["oper_status"][0, 0] == 2
    assert (found["port"]["oper_status"] == 2).sum() == 1
    assert found["job"]["state"].item() == STALLED


def test_nic_degraded_rate(normal: Outputs) -> None:
    """Rates fall at both ends, nothing is down, steps take longer."""
    found = watch("nic-degraded-rate")
    assert found["nic"]["rate"][0, 0] == 2.5e10
    assert found["port"]["high_speed"][0, 0] == 200_000
    assert (found["nic"]["state"] == 4).all()
    assert step_ratio(found, normal) == pytest.approx(1 + EXCHANGE, rel=0.02)


@pytest.mark.full
def test_optic_ageing(normal: Outputs) -> None:
    """After minutes the light is dim and corrected bits are many, after more the link flaps."""
    early, late = watch("optic-ageing"), watch("optic-ageing", 900)
    dim = normal["nic"]["laser_rx_power"] - early["nic"]["laser_rx_power"]
    assert dim[0, 0] == pytest.approx(9.0 * (SECONDS - 1) / 600, abs=0.01)
    bits = early["nic"]["corrected_bits_phy"] / normal["nic"]["corrected_bits_phy"]
    assert bits[0, 0] > 10
    assert early["nic"]["link_downed"].sum() == 0
    assert late["nic"]["symbol_errors"][0, 0] > 1_000
    assert late["nic"]["link_downed"][0, 0] > 2
    assert late["nic"]["link_downed"].sum() == late["nic"]["link_downed"][0, 0]


def test_packet_loss(normal: Outputs) -> None:
    """The port counts errors, its sender retransmits, steps take a little longer."""
    found = watch("packet-loss")
    assert found["nic"]["rx_errors"][0, 0] > 1_000
    assert found["nic"]["net_rx_errors"][0, 0] == found["nic"]["rx_errors"][0, 0]
    assert (found["nic"]["rx_errors"] > 0).sum() == 1
    assert found["nic"]["adaptive_retransmits"].sum() > 1_000
    assert step_ratio(found, normal) == pytest.approx(1 + 0.2 * EXCHANGE, rel=0.02)


def test_pfc_storm(normal: Outputs) -> None:
    """Pauses by the million, no link down, steps take much longer."""
    found = watch("pfc-storm")
    assert found["nic"]["tx_pause"][0, 0] > 1_000_000
    assert (found["nic"]["state"] == 4).all()
    assert ratio(found, normal, "leaf", "pause") > 2
    assert step_ratio(found, normal) == pytest.approx(1 + EXCHANGE * 4, rel=0.05)


def test_leaf_down() -> None:
    """The switch is silent, a port of each of its servers is down, the job waits."""
    found = watch("leaf-down", 30)
    assert found["leaf"]["up"].sum() == 7
    assert np.isnan(found["leaf"]["rx_bytes"]).sum() == 1
    assert (found["nic"]["state"].reshape(-1, 9)[:, 0] == 1).all()
    assert found["job"]["state"].item() == STALLED


def test_spine_down(normal: Outputs) -> None:
    """A quarter of all uplinks is down, the others carry more, steps take longer."""
    found = watch("spine-down")
    assert found["spine"]["up"].sum() == 3
    assert ratio(found, normal, "leaf", "uplinks_up") == pytest.approx(0.75)
    assert (found["leaf"]["discarded_bytes"] > 0).all()
    assert step_ratio(found, normal) == pytest.approx(1 + 0.2 * EXCHANGE, rel=0.015)


def test_adaptive_routing_off(normal: Outputs) -> None:
    """Everything is up, and yet marks rise and steps take longer."""
    found = watch("adaptive-routing-off")
    assert found["leaf"]["up"].all()
    assert ratio(found, normal, "nic", "ecn_marked") > 1.5
    assert ratio(found, normal, "nic", "cnp_handled") > 1.5
    assert (found["leaf"]["discarded_bytes"] > 0).all()
    assert step_ratio(found, normal) == pytest.approx(1 + (0.95 / 0.6 - 1) * EXCHANGE, rel=0.015)


def test_service_rack_down() -> None:
    """Its servers are off, a checkpoint waits for it, and ends once it is back."""
    schedule, plant = FaultSchedule(LAYOUT, FAULTS), Plant(LAYOUT, seed=5)
    schedule.inject("x", "service-rack-down", "s001", now=0.0, seconds=2000.0)
    while plant.outputs()["job"]["state"].item() != CHECKPOINT:
        plant.step(1.0, schedule.conditions(plant.time))
    for _ in range(120):
        plant.step(1.0, schedule.conditions(plant.time))
    out = plant.outputs()
    assert out["job"]["state"].item() == CHECKPOINT
    for device in ("storage", "cpu"):
        assert not out[device]["up_node"][0].any()
        assert np.isnan(out[device]["power"][0]).all()
    schedule.clear()
    for _ in range(30):
        plant.step(1.0, schedule.conditions(plant.time))
    assert plant.outputs()["job"]["state"].item() != CHECKPOINT
    assert plant.outputs()["storage"]["up_node"].all()


@pytest.mark.full
def test_storage_slow() -> None:
    """A checkpoint takes four times as long."""
    waiting = {}
    for kind in (None, "storage-slow"):
        schedule, plant = FaultSchedule(LAYOUT, FAULTS), Plant(LAYOUT, seed=5)
        if kind is not None:
            schedule.inject("x", kind, "s001", now=0.0)
        waiting[kind] = 0
        (job,) = plant.jobs.progress
        while job.checkpoints < 2:
            plant.step(1.0, schedule.conditions(plant.time))
            waiting[kind] += job.state == CHECKPOINT
    assert waiting["storage-slow"] / waiting[None] == pytest.approx(4.0, rel=0.1)
