"""What natural failures cost a job of 16,384 GPUs in 54 days, against what Meta reports.

The physics of 54 days would take hours. So the plant is asked, on a small site, what each
fault does to the health of a job from second to second, and the job then lives through all
failures of the 54 days with the health that the plant has shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from twin.faults import FAULTS, FaultSchedule
from twin.faults.natural import CAUSES, Failure, NaturalFailures
from twin.plant import Plant
from twin.plant.workload import Health, TrainingJob, training
from twin.plant.workload.waveform import Waveform
from twin.site import Layout, load_site, parse_site

pytestmark = pytest.mark.xdist_group("goodput")

DAYS = 54 * 86_400.0
SMALL = Layout(parse_site("{name: small, racks: 1, servers_per_rack: 2}", "test"))
LASTS = 120
"""Seconds for which the plant is watched under a fault, whole periods of a flapping link."""
SAMPLE = 10.0
LONGEST = 600.0


@dataclass(frozen=True)
class Trace:
    """What a job sees of a fault.

    Attributes:
        during: health in each second of the fault.
        after: seconds until all is well again afterwards.
    """

    during: tuple[Health, ...]
    after: int


def watch(kind: str, monkeypatch: pytest.MonkeyPatch) -> Trace:
    """Return what the plant tells a job while a fault strikes it, and for how long after."""
    plant, faults = Plant(SMALL, seed=1), FaultSchedule(SMALL, FAULTS)
    seen: list[Health] = []
    step = TrainingJob.step

    def watched(job: TrainingJob, dt: float, health: Health) -> object:
        seen.append(health)
        return step(job, dt, health)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingJob, "step", watched)
        faults.inject("one", kind, FAULTS[kind].default_target, 0.0, LASTS)
        for second in range(LASTS + 240):
            faults.expire(float(second))
            plant.step(1.0, faults.conditions(float(second)))
    # Devices are asked at the end of a step, so their health comes a second late.
    during, after = seen[1 : LASTS + 1], seen[LASTS + 1 :]
    ill = [second for second, health in enumerate(after) if not well(health)]
    return Trace(tuple(during), ill[-1] + 1 if ill else 0)


def well(health: Health) -> bool:
    """Return whether nothing keeps the job from its steps."""
    return health.speed > 0.99 and not (
        health.gpus_missing or health.links_down or health.crashing or health.hanging
    )


def phases(failure: Failure, trace: Trace) -> Iterator[tuple[float, float, Health]]:
    """Yield from when to when a failure gives the job which health."""
    end = failure.at + failure.seconds
    if not any(well(health) for health in trace.during[LASTS // 2 :]):
        # What it is in the end it is for good; what comes and goes does so for good.
        yield failure.at, end + trace.after, trace.during[-1]
        return
    begun = failure.at
    while begun < end:
        for second, health in enumerate(trace.during):
            if not well(health):
                yield begun + second, min(begun + second + 1.0, end), health
        begun += LASTS


def together(healths: list[Health]) -> Health:
    """Return the health under several failures."""
    return Health(
        speed=min((health.speed for health in healths), default=1.0),
        gpus_missing=sum(health.gpus_missing for health in healths),
        links_down=sum(health.links_down for health in healths),
        network_speed=min((health.network_speed for health in healths), default=1.0),
        crashing=any(health.crashing for health in healths),
        hanging=any(health.hanging for health in healths),
    )


def live(job: TrainingJob, spells: list[tuple[float, float, Health]], seconds: float) -> None:
    """Let a job live through spells of ill health."""
    times = sorted({time for begun, end, _ in spells for time in (begun, end)} | {seconds})
    begins = sorted(spells, key=lambda spell: spell[0])
    ill: list[tuple[float, float, Health]] = []
    now, coming = 0.0, 0
    for time in times:
        while now < min(time, seconds):
            dt = min(time, seconds, now + LONGEST) - now
            job.step(dt, together([health for *_, health in ill]))
            now += dt
        while coming < len(begins) and begins[coming][0] <= now:
            ill.append(begins[coming])
            coming += 1
        ill = [spell for spell in ill if spell[1] > now]


@pytest.fixture(scope="module")
def traces() -> dict[str, Trace]:
    """What a job sees of every fault that comes by itself."""
    kinds = sorted({kind for cause in CAUSES for kind, *_ in cause.faults})
    with pytest.MonkeyPatch.context() as patch:
        return {kind: watch(kind, patch) for kind in kinds}


def effective(racks: int, days: float, traces: dict[str, Trace], seed: int) -> TrainingJob:
    """Return a job that has lived through the natural failures of so many racks of 64 GPUs."""
    cluster = Layout(parse_site(f"{{name: cluster, racks: {racks}}}", "test"))
    spells = [
        spell
        for failure in NaturalFailures(cluster, seed).until(days)
        for spell in phases(failure, traces[failure.kind])
    ]
    # Shape and number of steps do not matter here, their times do: long ones are quicker, and so
    # is a job with fewer GPUs, as long as it has more than are ever lost at once.
    meta = load_site("meta-24k").training.model_copy(update={"step_seconds": 60.0})
    site = parse_site("{name: job, racks: 16}", "test").model_copy(update={"training": meta})
    job = TrainingJob(site, np.random.default_rng(seed))
    live(job, spells, days)
    return job


@pytest.mark.full
def test_traces_are_what_the_faults_do(traces: dict[str, Trace]) -> None:
    """A lost GPU is missing all the time, a flapping link now and then, a lost supply never."""
    assert all(health.gpus_missing == 1 for health in traces["gpu-off-bus"].during)
    assert traces["server-down"].after > 100
    flaps = [health.links_down for health in traces["nic-flap"].during]
    assert 0.1 < np.mean(flaps) < 0.3
    assert all(well(health) for health in traces["psu-failure"].during)


@pytest.fixture
def without_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs pass in long samples, without the power of their servers, which costs no time."""
    monkeypatch.setattr(training, "_SAMPLE_SECONDS", SAMPLE)
    monkeypatch.setattr(Waveform, "draw", lambda _: None)
    monkeypatch.setattr(TrainingJob, "_close", lambda _, __: None)


@pytest.mark.full
@pytest.mark.usefixtures("without_power")
def test_effective_training_time_at_16384_gpus(traces: dict[str, Trace]) -> None:
    """54 days on 16,384 GPUs give more than 90 % effective training time, as Meta reports."""
    progress = effective(256, DAYS, traces, seed=0).progress
    assert 330 < progress.interruptions < 460
    assert 0.90 < progress.goodput < 0.94
    booked = progress.kept_seconds + sum(progress.lost.values())
    assert booked == pytest.approx(progress.elapsed_seconds, rel=1e-6)
    assert progress.elapsed_seconds == pytest.approx(DAYS)


@pytest.mark.full
@pytest.mark.usefixtures("without_power")
def test_effective_training_time_at_100032_gpus(traces: dict[str, Trace]) -> None:
    """With 100,032 GPUs an interruption comes every half hour, and more than a third is lost."""
    progress = effective(1563, DAYS / 18, traces, seed=0).progress
    assert 0.44 < progress.goodput < 0.70
