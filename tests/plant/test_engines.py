"""Inference engines: their queue, their latency and what they count."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twin.catalog import ENGINE, ENGINE_HISTOGRAMS, INFERENCE_SERVER
from twin.plant import Conditions, Plant
from twin.plant.inference import replica_cost
from twin.plant.units import Floats
from twin.site import Layout, parse_site

SITE = """
name: serve
racks: 2
servers_per_rack: 2
jobs:
  - {name: chat, racks: 1, workload: chat}
workloads:
  - name: chat
    kind: serving
    activity: [[0.5, 0.66]]
    serving: {load_ratio: 0.7, swing_ratio: 0.05, begin_hour: 15, startup_seconds: 30}
"""
RATIO, CLOCK, ATTACHED = "job_request_ratio", "gpu_clock_limit", "gpu_attached"
Change = Callable[[Conditions], None]


def surge(conditions: Conditions) -> None:
    """Let three times the requests come."""
    conditions.job_request_ratio[0] = 3.0


def braked(conditions: Conditions) -> None:
    """Halve the clocks of the first server."""
    conditions.gpu_clock_limit[0, :8] = 0.5


def lost(conditions: Conditions) -> None:
    """Take a GPU of the first server off its bus."""
    conditions.gpu_attached[0, 0] = False


def healthy(conditions: Conditions) -> None:
    """Leave all as it is."""
    del conditions


def lived(change: Change = healthy, seconds: int = 90) -> dict[str, dict[str, Floats]]:
    """Return the signals of a site after a while, which ends with some time of a change."""
    layout = Layout(parse_site(SITE, "serve"))
    plant, conditions = Plant(layout, seed=1), Conditions.healthy(layout)
    for second in range(60 + seconds):
        if second == 60:
            change(conditions)
        plant.step(1.0, conditions)
    return plant.outputs()


@pytest.fixture(scope="module")
def usual() -> dict[str, Floats]:
    """The signals of the engines of a healthy site."""
    return lived()["engine"]


def mean(signals: dict[str, Floats], name: str, engines: slice = slice(0, 8)) -> float:
    """Return the mean of a histogram over some engines of the first rack."""
    count = np.nansum(signals[f"{name}_count"][0, engines])
    return float(np.nansum(signals[f"{name}_sum"][0, engines]) / count)


def test_engines_are_the_replicas_of_the_job_that_serves(usual: dict[str, Floats]) -> None:
    """Two GPUs are an engine; a rack that serves nothing has none, and no server to scrape."""
    assert set(usual) == {signal.name for signal in ENGINE.wire_signals}
    assert usual["running"].shape == (2, 8)
    assert np.isfinite(usual["running"][0]).all()
    assert np.isnan(usual["running"][1]).all()
    up = lived(seconds=0)["inference_server"]
    assert set(up) == {signal.name for signal in INFERENCE_SERVER.signals}
    np.testing.assert_array_equal(up["up_vllm"], [[1, 1], [np.nan, np.nan]])


def test_histograms_are_cumulative(usual: dict[str, Floats]) -> None:
    """Buckets rise to the count, and the sum lies between what the buckets allow."""
    for name, own in ENGINE_HISTOGRAMS.items():
        buckets = np.array([usual[each][0] for each in own.buckets])
        assert (np.diff(buckets, axis=0) >= 0).all(), name
        assert (buckets[-1] <= usual[f"{name}_count"][0]).all(), name
        low = (np.diff(buckets, axis=0) * np.array(own.bounds[:-1])[:, None]).sum(axis=0)
        assert (usual[f"{name}_sum"][0] >= low).all(), name


def test_what_is_counted_agrees(usual: dict[str, Floats]) -> None:
    """Requests that ended are those observed, and their tokens those written, to a few percent."""
    ended = usual["finished_stop"] + usual["finished_length"] + usual["finished_abort"]
    np.testing.assert_array_equal(usual["end_to_end_count"], ended)
    np.testing.assert_array_equal(usual["inter_token_count"], usual["generation_tokens"])
    written = np.nansum(usual["generation_tokens"])
    assert written == pytest.approx(np.nansum(usual["answer_length_sum"]), rel=0.06)
    parts = np.nansum(usual["queue_time_sum"] + usual["inference_time_sum"])
    assert np.nansum(usual["end_to_end_sum"]) == pytest.approx(parts)


def test_throughput_is_that_of_the_load(usual: dict[str, Floats]) -> None:
    """Engines with room answer what comes: 0.7 of what the roofline lets them serve."""
    layout = Layout(parse_site(SITE, "serve"))
    site = layout.site
    cost = replica_cost(site.gpu, site.workloads[0].serving)
    begun = np.nansum(usual["first_token_count"]) / (8 * 150)
    assert begun == pytest.approx(0.7 * cost.requests_per_second, rel=0.06)
    assert np.nansum(usual["waiting"]) == 0


@pytest.mark.parametrize("change", [surge, braked, lost])
def test_trouble_lengthens_queue_and_latency(change: Change, usual: dict[str, Floats]) -> None:
    """More requests, slower GPUs and fewer replicas all show in the latency of what is left."""
    signals = lived(change)["engine"]
    hit = slice(0, 4) if change is braked else slice(4, 8)
    assert mean(signals, "first_token", hit) > 2 * mean(usual, "first_token", hit)
    assert mean(signals, "inter_token", hit) > 1.5 * mean(usual, "inter_token", hit)
    assert np.nansum(signals["waiting"]) > 0


def test_a_lost_gpu_ends_its_server_until_it_has_started_again() -> None:
    """VLLM runs with all GPUs or not at all; its counters begin again at 0 after the start."""
    layout = Layout(parse_site(SITE, "serve"))
    plant, conditions = Plant(layout, seed=1), Conditions.healthy(layout)
    seen = []
    for second in range(120):
        conditions.gpu_attached[0, 0] = not 20 <= second < 40
        plant.step(1.0, conditions)
        out = plant.outputs()
        seen.append(
            (out["inference_server"]["up_vllm"][0, 0], out["engine"]["prompt_tokens"][0, 0])
        )
    up = [each for each, _ in seen]
    assert up[:20] == [1.0] * 20
    assert up[20:65] == [0.0] * 45
    assert up[-20:] == [1.0] * 20
    assert seen[19][1] > seen[-45][1] or np.isnan(seen[-45][1])
    assert 0 < seen[-1][1] < 40 * seen[19][1]


def test_steps_of_any_length_count_alike() -> None:
    """A plant in steps of ten seconds serves as one in steps of one does."""
    layout = Layout(parse_site(SITE, "serve"))
    totals = []
    for dt in (1.0, 10.0):
        plant = Plant(layout, seed=1, longest=dt)
        for _ in range(round(120 / dt)):
            plant.step(dt, Conditions.healthy(layout))
        totals.append(np.nansum(plant.outputs()["engine"]["generation_tokens"]))
    assert totals[0] == pytest.approx(totals[1], rel=0.05)
