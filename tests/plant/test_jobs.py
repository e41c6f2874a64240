"""Several jobs on one site: what each feels, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.faults import FAULTS, FaultSchedule
from twin.plant import Conditions, Plant
from twin.plant.units import Floats
from twin.plant.workload import JobState, Loss
from twin.site import Layout, parse_site

QUIET = "checkpoint_every_seconds: 1e6, eval_every_seconds: 1e6, step_jitter_seconds: 0"
TWO = f"""
name: two
racks: 7
racks_per_array: 2
training: {{{QUIET}}}
jobs:
  - {{name: a, racks: 3}}
  - {{name: b, racks: 2, training: {{step_seconds: 3}}}}
"""
"""Arrays of two racks: a has a001 and half of a002, b the rest of it and half of a003."""
A, B, IDLE = slice(0, 3), slice(3, 5), slice(5, 7)
RUNNING = {JobState.TRAINING, JobState.EVALUATION, JobState.CHECKPOINT}


@pytest.fixture(scope="module")
def two() -> Layout:
    """Two jobs without checkpoints and evaluations, and two idle racks."""
    return Layout(parse_site(TWO, "two"))


def run(plant: Plant, conditions: Conditions, seconds: int) -> None:
    """Step ``plant`` second by second."""
    for _ in range(seconds):
        plant.step(1.0, conditions)


def states(plant: Plant) -> list[JobState]:
    """Return the present state of every job."""
    return [progress.state for progress in plant.jobs.progress]


def after(layout: Layout, seconds: int, spoil: Callable[[Conditions], None]) -> Plant:
    """Return a plant that was well for ten seconds, then not for ``seconds``."""
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 10)
    conditions = Conditions.healthy(layout)
    spoil(conditions)
    run(plant, conditions, seconds)
    return plant


def well(_: Conditions) -> None:
    """Spoil nothing."""


def test_each_job_steps_at_its_own_pace(two: Layout) -> None:
    """Steps take the seconds that each job was given, and every job has its own frame."""
    out = after(two, 600, well).outputs()["job"]
    assert out["steps"].ravel() == pytest.approx([610 / 10.64, 610 / 3], abs=1.5)
    assert out["step_seconds"].ravel() == pytest.approx([10.64, 3.0], rel=0.01)
    assert out["gpus"].ravel().tolist() == [192, 128]
    assert out["state"].shape == (2, 1)


def test_idle_racks_are_idle(two: Layout) -> None:
    """Racks without a job draw idle power, move nothing and hold no memory."""
    plant = after(two, 5, well)
    before = plant.nics.tx_bytes[IDLE].copy()
    run(plant, Conditions.healthy(two), 1)
    out = plant.outputs()
    assert out["gpu"]["power_usage"][IDLE].max() < 80
    assert out["gpu"]["gpu_util"][IDLE].max() == 0
    assert out["gpu"]["fb_used"][IDLE].max() == 0
    assert out["gpu"]["sm_clock"][IDLE].max() == 345
    moved = (plant.nics.tx_bytes[IDLE] - before).reshape(-1, 9)
    assert moved[:, :8].max() == 0
    assert out["gpu"]["power_usage"][:5].mean() > 450
    assert out["gpu"]["sm_clock"][:5].min() > 1500


def lose_gpu(conditions: Conditions) -> None:
    """Take a GPU of job a off its bus."""
    conditions.gpu_attached[1, 17] = False


def test_a_lost_gpu_stalls_its_own_job_only(two: Layout) -> None:
    """Job a waits at full utilisation and low power; of job b not a bit is different."""
    sick, sound = after(two, 60, lose_gpu), after(two, 60, well)
    assert states(sick)[0] is JobState.STALLED
    assert states(sick)[1] in RUNNING
    ill, fit = sick.outputs(), sound.outputs()
    assert np.nanmedian(ill["gpu"]["power_usage"][A]) == pytest.approx(157, abs=6)
    assert np.nanmin(ill["gpu"]["gpu_util"][A]) == 100
    for device, names in {
        "gpu": ("power_usage", "gpu_util", "sm_clock", "energy", "tensor_active"),
        "nic": ("tx_bytes", "rx_bytes", "ecn_marked", "link_downed"),
        "server": ("power",),
    }.items():
        for name in names:
            for rows in (B, IDLE):
                np.testing.assert_array_equal(
                    ill[device][name][rows], fit[device][name][rows], err_msg=name
                )
    for name, values in ill["job"].items():
        assert values[1] == fit["job"][name][1], name
    assert ill["job"]["interruptions"].ravel().tolist() == [1, 0]
    assert ill["job"]["goodput"][0] < ill["job"]["goodput"][1] == 1.0


def test_a_job_goes_on_without_its_own_server_only(two: Layout) -> None:
    """The job that lost a GPU for good restarts without it; the other keeps all of its own."""
    plant = after(two, 180 + 190 + 180 + 70, lose_gpu)
    assert states(plant)[0] in RUNNING
    out = plant.outputs()["job"]
    assert out["gpus"].ravel().tolist() == [191, 128]
    lost = [progress.lost for progress in plant.jobs.progress]
    assert lost[0][Loss.STALL] == pytest.approx(180, abs=2)
    assert sum(lost[1].values()) == 0


def test_a_loss_in_idle_racks_stops_nobody(two: Layout) -> None:
    """What nobody uses nobody misses, until it is needed."""

    def spoil(conditions: Conditions) -> None:
        conditions.gpu_attached[6] = False
        conditions.nic_link[5] = False
        conditions.gpu_xid[5, 1] = 43

    plant = after(two, 30, spoil)
    assert RUNNING.issuperset(states(plant))
    assert plant.outputs()["job"]["interruptions"].sum() == 0


def test_an_error_ends_the_application_of_its_job(two: Layout) -> None:
    """XID 43 on a GPU of b ends b."""

    def spoil(conditions: Conditions) -> None:
        conditions.gpu_xid[4, 3] = 43

    assert states(after(two, 5, spoil)) == [JobState.TRAINING, JobState.CRASHED]


def test_a_slow_gpu_holds_back_its_job(two: Layout) -> None:
    """The others of its job wait for it and draw less; the other job does not."""

    def spoil(conditions: Conditions) -> None:
        conditions.gpu_clock_limit[0, 0] = 0.5

    slow, full = after(two, 200, spoil), after(two, 200, well)
    out = slow.outputs()["job"]
    assert out["pace"].ravel() == pytest.approx([0.5, 1.0])
    assert out["step_seconds"].ravel() == pytest.approx([21.28, 3.0], rel=0.01)
    energy = (slow.gpus.energy_joules - full.gpus.energy_joules).sum(axis=1)
    assert (energy[A] < -0.2 * 200 * 64 * 600).all()
    np.testing.assert_array_equal(energy[3:], 0.0)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (0, [JobState.STALLED, JobState.TRAINING]),
        (1, [JobState.STALLED, JobState.STALLED]),
        (2, [JobState.TRAINING, JobState.STALLED]),
        (3, [JobState.TRAINING, JobState.TRAINING]),
    ],
)
def test_a_leaf_stalls_the_jobs_of_its_array(
    two: Layout, array: int, expected: list[JobState]
) -> None:
    """A leaf takes a rail of every rack of its array, whoever has them."""

    def spoil(conditions: Conditions) -> None:
        conditions.leaf_available[array, 3] = False

    assert states(after(two, 5, spoil)) == expected


def test_a_spine_slows_both(two: Layout) -> None:
    """All jobs send over the same spines; with few of them both take longer for a step."""

    def spoil(conditions: Conditions) -> None:
        conditions.spine_available[0] = False

    slow, full = after(two, 200, spoil).outputs()["job"], after(two, 200, well).outputs()["job"]
    assert (slow["step_seconds"] > 1.001 * full["step_seconds"]).all()


def test_without_spines_nobody_sends(two: Layout) -> None:
    """Every leaf of both jobs is cut off, so both stall."""

    def spoil(conditions: Conditions) -> None:
        conditions.spine_available[:] = False

    plant = after(two, 3, spoil)
    assert states(plant) == [JobState.STALLED, JobState.STALLED]
    assert plant.nics.sent.max() == 0


def test_traffic_stays_within_a_job(two: Layout) -> None:
    """A job is a ring of its own: while a stalls b moves as many bytes as it ever does."""
    plant = after(two, 20, lose_gpu)
    before = plant.nics.rx_bytes.copy(), plant.nics.tx_bytes.copy()
    run(plant, two_lost(two), 10)
    received = rails(plant.nics.rx_bytes - before[0])
    sent = rails(plant.nics.tx_bytes - before[1])
    assert received[A].sum() == sent[A].sum() == 0
    assert sent[B].sum() > 0
    np.testing.assert_allclose(received[B], sent[B])


def two_lost(layout: Layout) -> Conditions:
    """Return conditions in which job a misses a GPU."""
    conditions = Conditions.healthy(layout)
    lose_gpu(conditions)
    return conditions


def rails(values: Floats) -> Floats:
    """Return the values of the compute ports, (racks, servers, rails)."""
    return values.reshape(values.shape[0], -1, 9)[:, :, :8]


@pytest.mark.parametrize(
    ("kind", "state"),
    [("job-crash", JobState.CRASHED), ("software-hang", JobState.STALLED)],
)
def test_software_faults_strike_one_job(two: Layout, kind: str, state: JobState) -> None:
    """A fault of the software takes the job that it is told."""
    schedule = FaultSchedule(two, FAULTS)
    plant = Plant(two, seed=1)
    run(plant, schedule.conditions(0.0), 10)
    schedule.inject("x", kind, "b", 10.0)
    run(plant, schedule.conditions(10.0), 5)
    assert states(plant) == [JobState.TRAINING, state]


def test_input_and_checkpoints_are_a_jobs_own(two: Layout) -> None:
    """A slow loader of a and too frequent checkpoints of b show in a and in b."""
    schedule = FaultSchedule(two, FAULTS)
    schedule.inject("x", "data-loader-slow", "a", 0.0)
    schedule.inject("y", "checkpoint-storm", "b", 0.0)
    plant = Plant(two, seed=1)
    run(plant, schedule.conditions(0.0), 300)
    out = plant.outputs()["job"]
    assert out["pace"].ravel() == pytest.approx([0.6, 1.0])
    assert out["checkpoints"][0, 0] == 0
    assert out["checkpoints"][1, 0] >= 3
    assert plant.outputs()["gpu"]["gpu_util"][A].mean() < 70


def test_two_that_save_at_once_take_longer() -> None:
    """Jobs share the storage: a checkpoint beside another's takes up to twice as long."""
    text = TWO.replace("checkpoint_every_seconds: 1e6", "checkpoint_every_seconds: 60")
    layout = Layout(parse_site(text, "two"))
    spent = {}
    for kept in ("ab", "b"):
        plant, conditions = Plant(layout, seed=3), Conditions.healthy(layout)
        if kept == "b":
            conditions.gpu_attached[0, 0] = False
        run(plant, conditions, 160)
        progress = plant.jobs.progress[1]
        spent[kept] = progress.lost[Loss.CHECKPOINT] / progress.checkpoints
    assert spent["b"] == pytest.approx(16, abs=2.5)
    assert 1.15 * spent["b"] < spent["ab"] < 2.2 * spent["b"]


def test_a_checkpoint_shows_on_the_first_gpu_of_its_job(two: Layout) -> None:
    """The rank that writes hardly computes; those of the other job do."""
    schedule = FaultSchedule(two, FAULTS)
    schedule.inject("y", "checkpoint-storm", "b", 0.0)
    plant = Plant(two, seed=1)
    while states(plant)[1] is not JobState.CHECKPOINT:
        run(plant, schedule.conditions(0.0), 1)
    run(plant, schedule.conditions(0.0), 2)
    util = plant.outputs()["gpu"]["gpu_util"]
    assert util[3, 0] == pytest.approx(3)
    assert np.delete(util[:5].ravel(), 3 * 64).min() == 100


def test_one_job_on_all_racks_is_the_site() -> None:
    """Whether the only job is named or not changes nothing but its name."""
    texts = "{name: x, racks: 2}", "{name: x, racks: 2, jobs: [{name: j, racks: 2}]}"
    plants = [Plant(Layout(parse_site(text, "x")), seed=4) for text in texts]
    for plant in plants:
        run(plant, Conditions.healthy(Layout(parse_site(texts[0], "x"))), 30)
    unnamed, named = (plant.outputs() for plant in plants)
    for device, group in unnamed.items():
        for name, values in group.items():
            np.testing.assert_array_equal(values, named[device][name], err_msg=name)


def test_same_seed_same_values(two: Layout) -> None:
    """Two plants of the same seed give the same values; the jobs of one differ from each other."""
    plants = [Plant(two, seed=seed) for seed in (7, 7, 8)]
    for plant in plants:
        run(plant, Conditions.healthy(two), 20)
    first, same, other = (plant.outputs()["gpu"]["power_usage"] for plant in plants)
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_trace_replay_has_every_job_alike() -> None:
    """Each job replays the trace from its first node on; idle racks stay idle."""
    layout = Layout(parse_site(TWO, "two"))
    plant = Plant(layout, seed=1, workload="trace:gpt3-512xh100")
    run(plant, Conditions.healthy(layout), 20)
    output = plant.servers.output
    np.testing.assert_allclose(output[0], output[3], rtol=1e-4)
    np.testing.assert_allclose(output[1], output[4], rtol=1e-4)
    assert output[IDLE].max() == pytest.approx(2231, abs=1)
    assert output[A].mean() > 6000


def test_idle_jobs_hold_their_racks() -> None:
    """A job that is idle reports so, and its racks are as idle as those without a job."""
    text = "{name: x, racks: 3, jobs: [{name: a, racks: 1}, {name: b, racks: 1, workload: idle}]}"
    layout = Layout(parse_site(text, "x"))
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 20)
    assert states(plant)[1] is JobState.IDLE
    power = plant.gpus.power.mean(axis=1)
    assert power[0] > 400
    assert power[1:].max() < 80


JOBS = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@settings(max_examples=15, deadline=None)
@given(racks=JOBS, idle=st.integers(0, 2), seed=st.integers(0, 1000))
def test_power_and_time_add_up(racks: list[int], idle: int, seed: int) -> None:
    """Over random jobs and faults power is conserved and every job's time is accounted for."""
    jobs = ", ".join(f"{{name: job{index}, racks: {count}}}" for index, count in enumerate(racks))
    layout = Layout(
        parse_site(
            f"{{name: x, racks: {sum(racks) + idle}, racks_per_array: 3, jobs: [{jobs}], "
            "training: {step_seconds: 2, detect_seconds: 3, restart_delay_seconds: 2, "
            "replace_seconds: 6, startup_seconds: 2, reload_seconds: 2, "
            "checkpoint_every_seconds: 8, checkpoint_seconds: 2}}",
            "x",
        )
    )
    rng = np.random.default_rng(seed)
    plant = Plant(layout, seed)
    conditions = Conditions.healthy(layout)
    energy = plant.gpus.energy_joules.copy()
    drawn: Floats = np.zeros(energy.shape)
    for tick in range(40):
        if tick % 8 == 0:
            conditions = Conditions.healthy(layout)
            conditions.gpu_attached[:] = rng.random(conditions.gpu_attached.shape) > 0.002
            conditions.nic_link[:] = rng.random(conditions.nic_link.shape) > 0.002
            conditions.gpu_clock_limit[rng.random(conditions.gpu_attached.shape) < 0.01] = 0.6
            conditions.job_sound[:] = rng.random(len(racks)) < 0.8
            conditions.job_synchronous[:] = rng.random(len(racks)) < 0.8
            conditions.storage_speed[:] = rng.choice([1.0, 0.3])
        plant.step(1.0, conditions)
        drawn += plant.gpus.power
        out = plant.outputs()
        facility = {name: value.sum() for name, value in out["facility"].items()}
        carried = out["grid"]["power"].sum() + out["megapack"]["power"].sum()
        assert carried == pytest.approx(facility["power"], rel=1e-9)
        it = [out[name]["power"].sum() for name in ("server", "leaf", "spine", "storage", "cpu")]
        assert facility["it_power"] == pytest.approx(sum(it))
        for group in out.values():
            assert not any(np.isinf(values).any() for values in group.values())
    np.testing.assert_allclose(plant.gpus.energy_joules - energy, drawn, rtol=1e-6)
    for progress in plant.jobs.progress:
        booked = progress.kept_seconds + sum(progress.lost.values())
        assert booked == pytest.approx(progress.elapsed_seconds, abs=1e-6)
        assert progress.elapsed_seconds == pytest.approx(40.0, abs=0.01)
        assert 0.0 <= progress.goodput <= 1.0
