"""Tokens and model FLOPs utilization of training jobs, beside the roofline and the step time."""

from __future__ import annotations

import numpy as np
import pytest

from twin.plant import Conditions, Plant
from twin.plant.performance import TrainingStep, site_cost
from twin.plant.units import Floats
from twin.site import Layout, Site, parse_site

SITE = """
name: train
racks: 3
servers_per_rack: 1
training: {step_seconds: 4, step_jitter_seconds: 0, eval_seconds: 0, checkpoint_seconds: 0}
jobs:
  - {name: pretrain, racks: 1}
  - {name: vision, racks: 1, workload: vision-detection}
  - {name: tune, racks: 1, workload: fine-tuning}
"""


def lived(seconds: int, clock: float = 1.0) -> dict[str, Floats]:
    """Return the signals of the jobs after a while at a limit of all clocks."""
    layout = Layout(parse_site(SITE, "train"))
    plant, conditions = Plant(layout, seed=1), Conditions.healthy(layout)
    conditions.gpu_clock_limit[:] = clock
    for _ in range(seconds):
        plant.step(1.0, conditions)
    return plant.outputs()["job"]


def roofline(site: Site) -> TrainingStep:
    """Return the cost of a step of the first job, which has one rack."""
    return site_cost(site.model_copy(update={"racks": 1, "jobs": ()}))


@pytest.mark.parametrize("clock", [1.0, 0.6])
def test_throughput_is_that_of_the_roofline_and_the_step(clock: float) -> None:
    """Tokens a second are a step's tokens over its duration, whatever the clock makes of it."""
    job = lived(60, clock)
    cost = roofline(parse_site(SITE, "train"))
    seconds = job["step_seconds"][0, 0]
    assert job["tokens_per_second"][0, 0] * seconds == pytest.approx(cost.tokens)
    assert job["tokens"][0, 0] == pytest.approx(cost.tokens * job["steps"][0, 0])
    assert job["mfu"][0, 0] * seconds == pytest.approx(cost.mfu * cost.seconds)
    assert seconds == pytest.approx(4.0 / clock, rel=0.1)


def test_utilization_is_operations_over_the_peak() -> None:
    """MFU follows from tokens a second: 6 operations a parameter and token, and attention's."""
    site = parse_site(SITE, "train")
    job, model = lived(20), site.training.model
    cost = roofline(site)
    # Eight GPUs hold no whole pipeline of the default model, so they train a part of it.
    part = cost.stages * cost.tensor_parallel / model.shards
    each = part * (6 * model.parameters + 12 * model.layers * model.hidden * model.sequence)
    done = job["tokens_per_second"][0, 0] * each
    peak = 8 * site.gpu.flops_per_second(model.precision)
    assert job["mfu"][0, 0] == pytest.approx(done / peak, rel=0.01)


def test_what_takes_no_tokens_says_none() -> None:
    """Images are no tokens; language models of other workloads have theirs."""
    job = lived(20)
    for name in ("tokens", "tokens_per_second", "mfu"):
        assert np.isnan(job[name][1, 0])
        assert job[name][2, 0] > 0
    assert 0.1 < job["mfu"][2, 0] < 0.7
