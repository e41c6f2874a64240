"""The part of each GPU in its job, and what its profiling values show of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twin.plant import Conditions, Plant
from twin.plant.units import Floats
from twin.site import Layout, parse_site

QUIET = "checkpoint_seconds: 0, eval_seconds: 0"


def shown(
    text: str, seconds: int = 20, spoil: Callable[[Conditions], None] | None = None
) -> dict[str, Floats]:
    """Return what DCGM shows of the GPUs of a site after so long."""
    layout = Layout(parse_site(text, "ranks"))
    plant, conditions = Plant(layout, seed=3), Conditions.healthy(layout)
    if spoil is not None:
        spoil(conditions)
    for _ in range(seconds):
        plant.step(1.0, conditions)
    return plant.outputs()["gpu"]


@pytest.fixture(scope="module")
def gpus() -> dict[str, Floats]:
    """GPUs of two racks that train."""
    return shown(f"{{name: x, racks: 2, training: {{{QUIET}}}}}")


@pytest.mark.parametrize("signal", ["tensor_active", "dram_active", "fb_used", "power_usage"])
def test_gpus_of_a_server_are_not_alike(gpus: dict[str, Floats], signal: str) -> None:
    """GPUs of one server differ by their stage and from each other."""
    assert (gpus[signal].reshape(-1, 8).std(axis=1) > 0).all()


def test_the_last_stage_has_more_to_do(gpus: dict[str, Floats]) -> None:
    """The projection on the vocabulary makes the last of eight stages work longest."""
    for signal in ("tensor_active", "sm_active", "nvlink_bandwidth"):
        # Two stages share a server and with it the moments in which it waits.
        servers = gpus[signal].reshape(-1, 4, 2, 4).mean(axis=3)
        assert (servers[:, 3, 1] > 1.01 * servers[:, 3, 0]).all()
        assert (servers[:, 2, 1] < 1.01 * servers[:, 2, 0]).all()
    # The first stage holds the activations of more micro-batches than those after it.
    memory = gpus["fb_used"].reshape(-1, 8, 4).mean(axis=(0, 2))
    assert memory.argmax() == 0
    assert (np.diff(memory[:7]) < 0).all()


def test_framebuffer_stays_within_the_card(gpus: dict[str, Floats]) -> None:
    """Whatever a stage holds, used and free memory stay above nothing."""
    assert (gpus["fb_free"] > 0).all()
    assert gpus["fb_used"].mean() == pytest.approx(0.86 * 81_559, rel=0.01)


def test_waiting_in_a_collective_occupies_multiprocessors() -> None:
    """GPUs that wait for a lost one spin: all busy, some SMs taken, no matrix multiplied."""

    def spoil(conditions: Conditions) -> None:
        conditions.nic_link[0, 0] = False

    out = shown("{name: x, racks: 2}", 10, spoil)
    assert (out["gpu_util"] == 100).all()
    assert out["sm_active"] == pytest.approx(24 / 132, rel=0.01)
    assert (out["sm_occupancy"] > 0).all()
    for signal in ("tensor_active", "dram_active", "nvlink_bandwidth"):
        assert (out[signal] == 0).all(), signal


def test_the_others_spin_while_a_slow_gpu_computes() -> None:
    """At half the clock of one GPU the others multiply half as much and spin the rest."""

    def spoil(conditions: Conditions) -> None:
        conditions.gpu_clock_limit[0, 0] = 0.5

    text = f"{{name: x, racks: 2, training: {{{QUIET}}}}}"
    well, slow = shown(text, 60), shown(text, 60, spoil)
    others = slow["tensor_active"][1] / well["tensor_active"][1]
    assert np.median(others) == pytest.approx(0.5, abs=0.08)
    assert slow["sm_active"][0, 0] > 1.4 * np.median(slow["sm_active"][0, 1:])
    assert np.median(slow["gpu_util"]) == 100


def test_models_of_gpus_differ_in_what_they_show() -> None:
    """The same job shows another DRAM_ACTIVE on another memory, and on each its own step."""
    memory = [
        float(
            shown(f"{{name: x, racks: 2, gpu: {gpu}, training: {{{QUIET}}}}}")["dram_active"].mean()
        )
        for gpu in ("h100-sxm", "h200-sxm", "b200-sxm")
    ]
    assert memory[1] < 0.8 * memory[0]
    assert len({round(value, 3) for value in memory}) == 3
