"""Jobs whose workload is data."""

from __future__ import annotations

import numpy as np
import pytest

from twin.parameters import ServingParameters
from twin.plant import Conditions, Plant
from twin.plant.inference import replica_cost
from twin.plant.state import restore_plant, state_of
from twin.plant.units import Floats
from twin.plant.workload.quantiles import Fluctuation
from twin.site import Layout, load_gpu_model, parse_site, profile_names

SITE = """\
name: mine
racks: 3
racks_per_array: 2
servers_per_rack: 2
jobs:
  - {name: chat, racks: 1, workload: llm-serving}
  - {name: vision, racks: 1, workload: vision-segmentation}
"""


def run(plant: Plant, layout: Layout, seconds: int) -> dict[str, Floats]:
    """Return the GPUs' values after so many healthy seconds."""
    healthy = Conditions.healthy(layout)
    for _ in range(seconds):
        plant.step(1.0, healthy)
    return dict(plant.outputs()["gpu"])


def test_fluctuation_has_its_quantiles() -> None:
    """Over a long time levels are below each quantile as often as it says."""
    quantiles = ((0.1, 0.5), (0.5, 0.9), (0.9, 1.0))
    wave = Fluctuation((4, 4), quantiles, 2.0, 0.0, np.random.default_rng(1))
    seen = []
    for _ in range(4000):
        wave.advance(1.0)
        seen.append(wave.level)
    for share, level in quantiles:
        assert np.quantile(seen, share) == pytest.approx(level, abs=0.02)


def test_servers_fluctuate_together_as_much_as_they_should() -> None:
    """The correlation of two servers is the share of the variance that they have together."""
    linear = tuple((share, place) for share, place in ((0.0013, -3), (0.5, 0), (0.9987, 3)))
    wave = Fluctuation((1, 2), linear, 0.1, 0.6, np.random.default_rng(1))
    seen = []
    for _ in range(5000):
        wave.advance(1.0)
        seen.append(wave.level[0])
    assert np.corrcoef(np.array(seen).T)[0, 1] == pytest.approx(0.6, abs=0.05)


def test_each_job_does_its_own() -> None:
    """Serving holds most memory and multiplies little, vision trains, a free rack rests."""
    layout = Layout(parse_site(SITE, "mine.yaml"))
    plant = Plant(layout)
    values = {name: value.mean(axis=1) for name, value in run(plant, layout, 90).items()}
    assert values["tensor_active"][1] == pytest.approx(0.3, rel=0.05)
    assert 0.0 < values["tensor_active"][0] < 0.3
    assert values["fb_used"][0] > 0.85 * 81559
    assert values["sm_active"][2] == 0.0
    assert values["power_usage"][0] < values["power_usage"][1]
    chat, vision = plant.jobs.progress
    assert chat.steps == 0
    assert vision.steps > 200


def test_requests_follow_the_day() -> None:
    """At night GPUs that serve draw less than in the afternoon, and more than idle ones."""
    site = parse_site(SITE, "mine.yaml")
    at = {}
    for hour in (15.0, 3.0):
        own = {"name": "chat", "kind": "serving", "activity": [[0.5, 0.66]],
               "serving": {"begin_hour": hour, "night_ratio": 0.2, "load_ratio": 0.9}}  # fmt: skip
        text = SITE + f"workloads: [{own}]\n".replace("'", '"')
        layout = Layout(parse_site(text.replace("llm-serving", "chat"), "mine.yaml"))
        at[hour] = run(Plant(layout), layout, 60)["power_usage"][0].mean()
    assert site.gpu.power_context_watts + 50 < at[3.0] < 0.85 * at[15.0]


def test_a_lost_gpu_leaves_its_requests_to_the_others() -> None:
    """Serving goes on without it, the others draw more, and nothing crashes."""
    layout = Layout(parse_site(SITE, "mine.yaml"))
    plant = Plant(layout)
    before = run(plant, layout, 60)["power_usage"][0, 8:].mean()
    conditions = Conditions.healthy(layout)
    conditions.gpu_attached[0, :4] = False
    for _ in range(60):
        plant.step(1.0, conditions)
    power = plant.outputs()["gpu"]["power_usage"][0]
    assert np.isnan(power[:4]).all()
    assert power[8:].mean() > 1.02 * before
    assert plant.jobs.progress[0].interruptions == 0


def test_a_replica_is_as_fast_as_real_ones() -> None:
    """Eight H200 serve Llama 2 70B at about the 34,900 tokens a second of MLPerf Inference v4.1."""
    serving = ServingParameters()
    cost = replica_cost(load_gpu_model("h200-sxm"), serving)
    tokens = 4 * cost.requests_per_second * serving.output_tokens
    assert tokens == pytest.approx(34_900, rel=0.25)


def test_memory_is_full_of_keys_and_values_before_the_tensor_cores_are_busy() -> None:
    """A model that leaves no room for a batch serves few requests, bound by memory."""
    h100 = load_gpu_model("h100-sxm")
    tight = replica_cost(h100, ServingParameters(tensor_parallel=1))
    roomy = replica_cost(h100, ServingParameters(tensor_parallel=4))
    assert tight.batch < 0.1 * roomy.batch
    assert tight.tensor_active < 0.7 * roomy.tensor_active
    assert tight.dram_active > roomy.dram_active


@pytest.mark.parametrize("name", profile_names())
def test_a_state_goes_on_as_the_plant_would(name: str) -> None:
    """Every workload restored from its state gives the same values as the one that was left."""
    layout = Layout(parse_site("name: mine\nracks: 1\nservers_per_rack: 2\n", "mine.yaml"))
    plant, twin = Plant(layout, workload=name), Plant(layout, workload=name)
    run(plant, layout, 20)
    restore_plant(twin, state_of(plant))
    after, there = run(plant, layout, 5), run(twin, layout, 5)
    np.testing.assert_array_equal(after["power_usage"], there["power_usage"])


def test_notebooks_hold_memory_and_are_mostly_idle() -> None:
    """Half of the memory is held all the time; power is that of a context but for short bursts."""
    jobs = "[{name: a, racks: 4, workload: notebooks}]"
    layout = Layout(parse_site(f"{{name: x, racks: 4, servers_per_rack: 2, jobs: {jobs}}}", "x"))
    plant, healthy, site = Plant(layout), Conditions.healthy(layout), layout.site
    power, memory = [], []
    for _ in range(1200):
        plant.step(1.0, healthy)
        seen = plant.outputs()["gpu"]
        power.append(seen["power_usage"][:, ::8].ravel())
        memory.append(float(seen["fb_used"].mean()))
    watts = np.array(power)
    idle = watts < site.gpu.power_context_watts + 40
    assert 0.55 < idle.mean() < 0.9
    assert watts.max() > 0.6 * site.gpu.power_training_watts
    assert np.ptp(memory) < 0.02 * memory[0]
    assert memory[0] > 0.5 * site.gpu.framebuffer_mib
    starts = (idle[:-1] & ~idle[1:]).sum() / idle.shape[1]
    assert 3 < starts < 60  # bursts of seconds to minutes in twenty minutes
    assert plant.jobs.progress[0].steps == 0
