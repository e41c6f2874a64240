"""Deployments: scheduled jobs that serve, beside jobs that train."""

from __future__ import annotations

import numpy as np
import pytest

from twin.errors import ConfigError
from twin.plant import Conditions, Plant
from twin.plant.scheduler import BatchState
from twin.plant.state import restore_plant, state_of
from twin.site import Layout, parse_site

SITE = """
name: mixed
racks: 3
servers_per_rack: 2
jobs: [{name: pretrain, racks: 1}]
scheduler: {kind: kubernetes, load_ratio: 1, start_seconds: 10, detect_seconds: 20}
workloads:
  - name: chat
    kind: serving
    activity: [[0.5, 0.66]]
    serving: {load_ratio: 0.7, swing_ratio: 0.05, begin_hour: 15, startup_seconds: 30}
job_mix:
  - {name: serve, share: 1, gpus: [8], workload: chat, SECONDS, priority: 90, account: web}
  - {name: train, share: 1, gpus: [8], SECONDS, account: research}
"""


LONG = "seconds: 1e6, spread: 0, failure_ratio: 0"


def built(seconds: str = LONG) -> tuple[Layout, Plant]:
    """Return the site and its plant."""
    layout = Layout(parse_site(SITE.replace("SECONDS", seconds), "test"))
    return layout, Plant(layout, 3)


def run(layout: Layout, plant: Plant, seconds: int) -> None:
    """Let seconds pass."""
    conditions = Conditions.healthy(layout)
    for _ in range(seconds):
        plant.step(1.0, conditions)


def serving_servers(plant: Plant) -> np.ndarray:
    """Return which servers run a job that serves, (racks, servers)."""
    assert plant.halls.batch is not None
    assert plant.halls.batch.deployments is not None
    return plant.halls.batch.deployments.held[0]


def test_replicas_answer_beside_jobs_that_train() -> None:
    """Servers of a deployment show engines that answer, and no other server of the site does."""
    layout, plant = built()
    run(layout, plant, 150)
    held = serving_servers(plant)
    assert 0 < held.sum() < held.size
    assert not held[0].any()  # the rack of the site file's own job
    outputs = plant.outputs()
    up = outputs["inference_server"]["up_vllm"]
    np.testing.assert_array_equal(up == 1.0, held)
    assert np.isnan(up[~held]).all()
    tokens = outputs["engine"]["generation_tokens"].reshape((*held.shape, -1))
    assert (tokens[held] > 1000).all()
    assert np.isnan(tokens[~held]).all()


def test_power_follows_the_serving_workload() -> None:
    """GPUs that serve draw what they draw in a job of the site file that serves the same."""
    layout, plant = built()
    chat = SITE[SITE.index("workloads:") : SITE.index("job_mix:")]
    jobs = "jobs: [{name: chat, racks: 3, workload: chat}]\n"
    alone = Layout(parse_site(SITE.partition("jobs:")[0] + jobs + chat, "test"))
    other = Plant(alone, 3)
    run(layout, plant, 150)
    run(alone, other, 150)
    held = np.repeat(serving_servers(plant), 8, axis=1)
    signals = ("power_usage", "gpu_util", "fb_used")
    for name in signals:
        own = np.nanmean(plant.outputs()["gpu"][name][held])
        assert own == pytest.approx(np.nanmean(other.outputs()["gpu"][name]), rel=0.03), name
    training = plant.outputs()["gpu"]["power_usage"][~held]
    assert np.nanmean(plant.outputs()["gpu"]["power_usage"][held]) < np.nanmean(training)


def test_replicas_come_and_go_with_their_jobs() -> None:
    """An engine starts some time after its job and ends with it, and its counters begin anew."""
    layout, plant = built("seconds: 60, spread: 0.2")
    conditions, tokens = Conditions.healthy(layout), []
    for second in range(400):
        plant.step(1.0, conditions)
        if second % 8 == 0:
            held, outputs = serving_servers(plant), plant.outputs()
            up = outputs["inference_server"]["up_vllm"]
            np.testing.assert_array_equal(np.isnan(up), ~held)
            tokens.append(outputs["engine"]["generation_tokens"][1, 0])
    answers = np.isfinite(tokens)
    assert answers.any()
    assert not answers.all()
    assert (np.diff(np.nan_to_num(tokens)) < 0).any()


def test_a_lost_gpu_ends_the_engines_of_its_server() -> None:
    """The engines of the other servers go on, and the job is placed anew once the node is out."""
    layout, plant = built()
    run(layout, plant, 100)
    held = serving_servers(plant)
    rack, server = np.argwhere(held)[0]
    conditions = Conditions.healthy(layout)
    conditions.gpu_attached[rack, 8 * server] = False
    for _ in range(5):
        plant.step(1.0, conditions)
    up = plant.outputs()["inference_server"]["up_vllm"]
    assert up[rack, server] == 0.0
    assert np.nansum(up) == held.sum() - 1
    for _ in range(40):
        plant.step(1.0, conditions)
    assert plant.halls.batch is not None
    assert plant.halls.batch.scheduler.nodes.out[rack * 2 + server]
    assert not serving_servers(plant)[rack, server]


def test_a_deployment_survives_a_restart() -> None:
    """A plant restored from its state goes on with the same engines and the same bytes."""
    layout, plant = built()
    run(layout, plant, 60)
    kept = state_of(plant)
    _, other = built()
    restore_plant(other, kept)
    run(layout, plant, 5)
    run(layout, other, 5)
    for name in ("running", "generation_tokens"):
        own = plant.outputs()["engine"][name]
        np.testing.assert_array_equal(own, other.outputs()["engine"][name])


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("gpus: [8], workload: chat", "gpus: [4], workload: chat", "whole servers of 8 GPUs"),
        ("workload: chat", "workload: chatter", "'chatter' serves nothing; choose chat or"),
        ("workload: chat", "workload: bert", "workload 'bert' serves nothing"),
        ("account: research", "account: research, workload: llm-serving", "a scheduler serves one"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused(old: str, new: str, match: str) -> None:
    """A kind that serves needs whole servers and the one workload of its site."""
    with pytest.raises(ConfigError, match=match):
        parse_site(SITE.replace("SECONDS", "seconds: 60").replace(old, new), "test")


def test_without_deployments_nothing_is_added() -> None:
    """A mix of jobs that compute has no engines and asks for what it did before."""
    text = SITE.replace("SECONDS", "seconds: 60").replace(", workload: chat", "")
    plant = Plant(Layout(parse_site(text, "test")), 3)
    assert plant.halls.engines is None
    assert plant.halls.batch is not None
    assert plant.halls.batch.deployments is None
    assert (plant.halls.batch.scheduler.table.state != BatchState.FREE).any()
