"""The training job and the replay of a measured trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.errors import ConfigError
from twin.plant import load_trace
from twin.plant.performance import site_cost
from twin.plant.workload import Demand, Health, JobState, Loss, TrainingJob, workload_of
from twin.site import Layout, job_places, load_site

WELL = Health()


@pytest.fixture
def job(array: Layout) -> TrainingJob:
    """A job on one array."""
    return TrainingJob(array.site, np.random.default_rng(0))


def state(job: TrainingJob) -> JobState:
    """Return the job's present state."""
    return job.progress.state


def run(job: TrainingJob, seconds: int, health: Health = WELL) -> list[Demand]:
    """Step ``job`` second by second."""
    return [job.step(1.0, health) for _ in range(seconds)]


def test_steps_take_their_time(job: TrainingJob) -> None:
    """In an undisturbed stretch a step takes 10.64 s."""
    run(job, 3600)
    progress = job.progress
    assert progress.kept_seconds / progress.steps == pytest.approx(10.64, rel=0.01)


def test_evaluations_and_checkpoints(job: TrainingJob) -> None:
    """In an hour there are an evaluation every 142 s and a checkpoint every 900 s."""
    states = []
    for _ in range(3600):
        job.step(1.0, WELL)
        states.append(state(job))
    assert job.progress.checkpoints == pytest.approx(3600 / 900, abs=1)
    evaluation = states.count(JobState.EVALUATION)
    assert evaluation / 3600 == pytest.approx(14.7 / 142.4, rel=0.15)


def test_waveform(job: TrainingJob) -> None:
    """The plateau has activity 1, and single servers fall to waiting at the boundary."""
    steps = [d.activity for d in run(job, 400) if d.compute == 1.0]
    mean = np.array([activity.mean() for activity in steps])
    assert np.percentile(mean, 80) == pytest.approx(1.02, abs=0.04)
    assert 0.5 <= mean.min() <= 0.9
    assert np.min(steps) == pytest.approx(run(job, 1)[0].wait, abs=0.02)


@pytest.mark.parametrize("dt", [0.1, 0.5, 1.0])
def test_energy_does_not_depend_on_the_step(array: Layout, dt: float) -> None:
    """Mean activity over ten minutes is the same whatever the length of the plant's step."""
    job = TrainingJob(array.site, np.random.default_rng(3))
    mean = np.mean([job.step(dt, WELL).activity.mean() for _ in range(round(600 / dt))])
    assert mean == pytest.approx(0.94, rel=0.03)


@pytest.mark.parametrize("dt", [1.0, 5.0, 15.0])
def test_a_long_step_is_the_mean_of_short_ones(two_racks: Layout, dt: float) -> None:
    """Each server's activity over a step of the plant is the mean of those of its parts."""
    quiet = {"eval_seconds": 0.0, "checkpoint_seconds": 0.0, "step_jitter_seconds": 0.0}
    training = two_racks.site.training.model_copy(update=quiet)
    site, parts = two_racks.site.model_copy(update={"training": training}), round(dt / 0.2)
    long, short = (TrainingJob(site, np.random.default_rng(3)) for _ in range(2))
    for _ in range(round(150 / dt)):
        mean = np.mean([short.step(0.2, WELL).activity for _ in range(parts)], axis=0)
        np.testing.assert_allclose(long.step(dt, WELL).activity, mean, rtol=1e-5)


@pytest.mark.parametrize("seconds", [0.7, 1.5, 4.0, 60.0])
def test_any_step_time(array: Layout, seconds: float) -> None:
    """Activity stays within its bounds when steps are shorter or longer than the plant's own."""
    training = array.site.training.model_copy(update={"step_seconds": seconds})
    site = array.site.model_copy(update={"training": training})
    job = TrainingJob(site, np.random.default_rng(1))
    activity = np.array([job.step(1.0, WELL).activity.mean() for _ in range(300)])
    assert 0.1 <= activity.min() <= activity.max() <= 1.1


def test_network_bursts_at_the_boundary(job: TrainingJob) -> None:
    """Between boundaries the NICs idle along at 4 %, at the boundary they burst to 95 %."""
    use = np.array([job.step(0.1, WELL).network for _ in range(3000)])
    assert use.max() == pytest.approx(0.95, abs=0.02)
    assert np.median(use) == pytest.approx(0.043, abs=0.001)


@pytest.mark.parametrize("health", [WELL, Health(speed=0.5), Health(network_speed=0.3)])
@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_a_step_sends_its_bytes(array: Layout, health: Health, dt: float) -> None:
    """However slow GPUs or fabric are, and however long the plant's own steps, bytes are those."""
    quiet = {"eval_seconds": 0.0, "checkpoint_seconds": 0.0, "step_jitter_seconds": 0.0}
    training = array.site.training.model_copy(update=quiet)
    site = array.site.model_copy(update={"training": training})
    job, rate = TrainingJob(site, np.random.default_rng(4)), site.network.bytes_per_second
    begin = job.standing["phase"]
    sent = sum(job.step(dt, health).network * rate * dt for _ in range(round(400 / dt)))
    steps = job.progress.steps + job.standing["phase"] - begin
    assert sent / steps == pytest.approx(site_cost(site).nic_bytes, rel=0.02)


def test_loading_fills_the_framebuffer(job: TrainingJob) -> None:
    """A job that starts anew holds little; loading fills its memory from storage and fabric."""
    run(job, 1, Health(crashing=True))
    seen: dict[JobState, list[float]] = {}
    moved = 0.0
    for _ in range(400):
        demand = run(job, 1)[-1]
        seen.setdefault(state(job), []).append(float(np.max(demand.framebuffer)))
        moved += float(np.max(demand.loading))
    assert seen[JobState.CRASHED][-1] == 0.0
    assert 0.0 < max(seen[JobState.STARTING]) < 0.02
    assert np.all(np.diff(seen[JobState.LOADING]) > 0)
    assert seen[JobState.TRAINING][-1] == pytest.approx(0.86)
    assert moved > 0.0


def test_a_slow_gpu_slows_the_job(job: TrainingJob) -> None:
    """At half the clock of its slowest GPU the job makes half the steps."""
    run(job, 1000)
    before = job.progress.steps
    run(job, 1000, Health(speed=0.5))
    slow = job.progress.steps - before
    run(job, 1000)
    assert slow == pytest.approx((job.progress.steps - before - slow) / 2, abs=4)


def test_link_stalls_and_resumes(job: TrainingJob) -> None:
    """While a link is down all GPUs wait, fully busy; once it is back the job goes on."""
    run(job, 10)
    demand = run(job, 5, Health(links_down=1))[-1]
    assert state(job) is JobState.STALLED
    assert demand.busy == 1.0
    assert demand.compute == 0.0
    assert demand.network == 0.0
    run(job, 1)
    assert state(job) in (JobState.TRAINING, JobState.EVALUATION)
    assert job.progress.interruptions == 0
    assert job.progress.stalled_seconds == pytest.approx(5.0)


def test_short_link_loss_in_an_evaluation(job: TrainingJob) -> None:
    """A link that comes back lets an evaluation go on where it was."""
    while state(job) is not JobState.EVALUATION:
        run(job, 1)
    run(job, 30, Health(links_down=1))
    assert state(job) is JobState.STALLED
    run(job, 1)
    assert state(job) is JobState.EVALUATION


def test_long_link_loss_times_out(job: TrainingJob) -> None:
    """After 180 s the collective times out and the job crashes; it counts one interruption."""
    run(job, 179, Health(links_down=1))
    assert state(job) is JobState.STALLED
    run(job, 2, Health(links_down=1))
    assert state(job) is JobState.CRASHED
    assert job.progress.interruptions == 1


def test_lost_gpu_costs_the_work_since_the_checkpoint(job: TrainingJob) -> None:
    """A lost GPU leaves all waiting until the time-out, then all starts anew."""
    run(job, 2000)
    kept = job.progress.kept_seconds
    run(job, 60, Health(gpus_missing=1))
    demand = run(job, 118)[-1]
    assert state(job) is JobState.STALLED
    assert demand.busy == 1.0
    assert job.progress.interruptions == 1
    run(job, 3)
    assert state(job) is JobState.CRASHED
    assert job.progress.kept_seconds < kept
    assert run(job, 100)[-1].framebuffer == 0.0
    run(job, 22)
    assert state(job) is JobState.STARTING
    run(job, 180)
    assert state(job) is JobState.LOADING
    assert run(job, 1)[-1].loading > 0.0
    run(job, 60)
    assert state(job) is JobState.TRAINING
    assert job.progress.interruptions == 1
    assert job.progress.goodput < 1.0


def test_goes_on_without_a_device_that_stays_away(job: TrainingJob) -> None:
    """After 180 s the job is launched without the lost GPU; another loss stops it again."""
    lost = Health(gpus_missing=1)
    run(job, 180 + 170, lost)
    assert state(job) is JobState.CRASHED
    run(job, 20 + 180 + 60, lost)
    assert state(job) is JobState.TRAINING
    assert job.progress.gpus_excluded == 1
    run(job, 5, Health(gpus_missing=2))
    assert state(job) is JobState.STALLED
    assert job.progress.interruptions == 2


def test_takes_in_a_device_that_is_back(job: TrainingJob) -> None:
    """A job that went on without a GPU has it again once it answers, and counts as whole."""
    run(job, 610, Health(gpus_missing=1))
    assert job.progress.gpus_excluded == 1
    run(job, 5)
    assert state(job) is JobState.TRAINING
    assert job.progress.gpus_excluded == 0


def test_without_any_gpu_there_is_nothing_to_launch(job: TrainingJob) -> None:
    """A job that has lost all its GPUs, as in a blackout, waits until some are back."""
    run(job, 2000, Health(gpus_missing=512))
    assert state(job) is JobState.CRASHED
    run(job, 180 + 60 + 5, Health(gpus_missing=504))
    assert state(job) is JobState.TRAINING


def test_crash_of_the_code(job: TrainingJob) -> None:
    """A crash ends the job at once, without a wait; it crashes again as long as the cause lasts."""
    run(job, 1, Health(crashing=True))
    assert state(job) is JobState.CRASHED
    assert job.progress.stalled_seconds == 0.0
    run(job, 400, Health(crashing=True))
    assert job.progress.interruptions == 2


def test_hang_ends_by_time_out_only(job: TrainingJob) -> None:
    """A rank that hangs for a moment stops the job until the collective times out."""
    run(job, 1, Health(hanging=True))
    run(job, 170)
    assert state(job) is JobState.STALLED
    run(job, 15)
    assert state(job) is JobState.CRASHED


def test_slow_input(job: TrainingJob) -> None:
    """At half the input the job makes half the steps, its GPUs idle half the time and draw less."""
    well = run(job, 600)
    before = job.progress.steps
    slow = run(job, 600, Health(input_ratio=0.5))
    assert job.progress.steps - before == pytest.approx(before / 2, abs=3)
    assert np.mean([d.busy for d in slow]) < 0.6
    assert np.mean([d.activity.mean() for d in slow]) < 0.65 * np.mean(
        [d.activity.mean() for d in well]
    )
    assert job.progress.lost[Loss.SLOW] > 200


def test_checkpoint_storm(job: TrainingJob) -> None:
    """With a checkpoint a minute the job spends a fifth of its time on them."""
    run(job, 1200, Health(checkpoint_every=60.0))
    assert job.progress.checkpoints == pytest.approx(1200 / 64, abs=3)
    assert job.progress.lost[Loss.CHECKPOINT] > 0.2 * 1200


HEALTH = st.builds(
    Health,
    speed=st.floats(0.1, 1.0),
    gpus_missing=st.sampled_from([0, 0, 0, 1]),
    links_down=st.sampled_from([0, 0, 0, 2]),
    input_ratio=st.sampled_from([1.0, 0.3]),
    crashing=st.sampled_from([False, False, True]),
    hanging=st.sampled_from([False, False, True]),
)


@given(st.lists(st.tuples(HEALTH, st.integers(1, 40)), max_size=12), st.floats(0.2, 1.5))
@settings(deadline=None, max_examples=25)
def test_time_adds_up(parts: list[tuple[Health, int]], dt: float) -> None:
    """Kept and lost time make up all time, goodput is the rest, and demand stays within bounds."""
    site = load_site("colossus-array").model_copy(update={"racks": 1})
    job = TrainingJob(site, np.random.default_rng(0))
    for health, times in parts:
        for _ in range(times):
            demand = job.step(10 * dt, health)
            assert 0.0 <= demand.busy <= 1.0
            assert 0.0 <= demand.compute <= demand.busy + 1e-9
            assert 0.0 <= demand.framebuffer <= 1.0
            assert np.isfinite(demand.activity).all()
            assert -0.01 <= demand.activity.min() <= demand.activity.max() <= 1.2
    progress = job.progress
    booked = progress.kept_seconds + sum(progress.lost.values())
    assert booked == pytest.approx(progress.elapsed_seconds, abs=1e-6)
    good = progress.goodput * progress.elapsed_seconds
    assert good + sum(progress.lost.values()) == pytest.approx(progress.elapsed_seconds, abs=1e-6)
    assert min(progress.lost.values()) >= 0
    assert progress.kept_seconds >= -1e-9


def test_trace_shape() -> None:
    """The shipped trace is 64 nodes for 3409 s, in watts of an 8-GPU node."""
    trace = load_trace("gpt3-512xh100")
    assert trace.nodes == 64
    assert trace.duration == pytest.approx(3409, abs=1)
    assert np.median(trace.watts) == pytest.approx(6877, abs=1)


def test_trace_interpolates_and_wraps() -> None:
    """Between samples the trace is linear, and after its end it begins anew."""
    trace = load_trace("gpt3-512xh100")
    middle = (trace.times[10] + trace.times[11]) / 2
    np.testing.assert_allclose(trace.at(middle), (trace.watts[10] + trace.watts[11]) / 2)
    np.testing.assert_allclose(trace.at(trace.duration + 5.0), trace.at(5.0))
    np.testing.assert_allclose(trace.at(0.0), trace.watts[0])


@pytest.mark.parametrize("spec", ["", "trainig", "trace:", "trace:nothing", "idle:x"])
def test_unknown_workload(spec: str) -> None:
    """A workload that does not exist is refused with the list of those that do."""
    with pytest.raises(ConfigError, match="gpt3-512xh100"):
        workload_of(job_places(load_site("demo"), spec)[0], np.random.default_rng(0))


def test_servers_stop_one_after_the_other(job: TrainingJob) -> None:
    """When a GPU is lost the mean power falls over several seconds, no second takes half of it."""
    run(job, 100)
    lost = Health(gpus_missing=1)
    before = float(run(job, 1)[0].activity.mean())
    means = [float(demand.activity.mean()) for demand in run(job, 8, lost)]
    falls = -np.diff([before, *means])
    drop = before - means[-1]
    assert means[-1] == pytest.approx(run(job, 1, lost)[0].wait, abs=0.01)
    assert falls.max() < 0.6 * drop
    assert (falls[:4] > 0.02 * drop).all()
    assert job.course.mean() == pytest.approx(means[-1], abs=0.02)
