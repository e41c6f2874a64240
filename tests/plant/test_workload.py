"""The training job and the replay of a measured trace."""

from __future__ import annotations

import numpy as np
import pytest

from twin.errors import ConfigError
from twin.plant import load_trace
from twin.plant.workload import Demand, Health, JobState, TrainingJob, workload_of
from twin.site import Layout

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
    """In an hour there are an evaluation every 142 s of training and a checkpoint every 900 s."""
    states = []
    for _ in range(3600):
        job.step(1.0, WELL)
        states.append(state(job))
    assert job.progress.checkpoints == pytest.approx(3600 / 916, abs=1)
    evaluation = states.count(JobState.EVALUATION)
    assert evaluation / 3600 == pytest.approx(13 / 155, rel=0.15)


def test_waveform(job: TrainingJob) -> None:
    """Activity stands on a plateau of 1 and halves at the step boundary."""
    activity = np.array([d.activity.mean() for d in run(job, 400) if d.compute == 1.0])
    assert np.percentile(activity, 80) == pytest.approx(1.0, abs=0.01)
    assert 0.45 <= activity.min() <= 0.75


def test_network_bursts_at_the_boundary(job: TrainingJob) -> None:
    """Between boundaries the NICs idle along at 8 %, at the boundary they burst to 95 %."""
    use = np.array([d.network for d in run(job, 300)])
    assert use.max() == pytest.approx(0.95, abs=0.01)
    assert np.median(use) == pytest.approx(0.08, abs=0.001)


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


def test_lost_gpu_costs_the_work_since_the_checkpoint(job: TrainingJob) -> None:
    """A lost GPU interrupts the job once; it restarts after delay and start-up, with less kept."""
    run(job, 2000)
    kept = job.progress.kept_seconds
    run(job, 60, Health(gpus_missing=1))
    assert state(job) is JobState.STALLED
    assert job.progress.interruptions == 1
    assert job.progress.kept_seconds < kept
    run(job, 119)
    assert state(job) is JobState.IDLE
    run(job, 350)
    assert state(job) is JobState.STARTING
    run(job, 20)
    assert state(job) is JobState.TRAINING
    assert job.progress.goodput < 1.0


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
def test_unknown_workload(array: Layout, spec: str) -> None:
    """A workload that does not exist is refused with the list of those that do."""
    with pytest.raises(ConfigError, match="gpt3-512xh100"):
        workload_of(spec, array.site, np.random.default_rng(0))
