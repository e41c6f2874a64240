"""The observer beside training jobs: the time of a step from the clocks of the GPUs it runs on."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest

from twin.bench.hidden_reality import KNOWN, readings
from twin.catalog import DEVICES, GPU, JOB, UnitKind
from twin.shadow import RELATIONS, ShadowCore
from twin.site import Layout, parse_site
from twin.wire import Allocation, RackJobs, Snapshot

_JOBS = """
jobs:
  - {name: first, racks: 4}
  - {name: second, racks: 2}
"""
_SITE = KNOWN + _JOBS
_INTERVAL = 7.5
_USUAL_MHZ, _MOST_MHZ = 1_755.0, 1_980.0
_TRAINING, _CHECKPOINT, _STALLED = 2.0, 4.0, 5.0


class Steps:
    """Two jobs whose GPUs have clocks of their own, and an observer.

    Attributes:
        shadow: the observer.
        second: how far it is.
        limit: greatest clock of each GPU, MHz, (racks, GPUs a rack).
        share: of a step's time that goes with the clock, (jobs,).
        rest: what else a step of each job takes, s, (jobs,).
        state: of each job, (jobs,).
    """

    def __init__(self, seed: int) -> None:
        self.layout = Layout(parse_site(_SITE, "known"))
        self.shadow = ShadowCore(self.layout)
        self.shadow.watches = self.shadow.of_units(UnitKind.JOB)
        self._rng = np.random.default_rng(seed)
        shape = self.layout.shape(GPU)
        self.limit = np.full(shape, np.inf)
        self._usual = _USUAL_MHZ * (1.0 + 0.01 * self._rng.standard_normal(shape))
        self.share, self.rest = np.array([9.0, 4.5]), np.array([0.7, 1.1])
        self.state = np.full(2, _TRAINING)
        self.second = 0.0
        self._rows = readings(self.layout)
        self._of_jobs = readings(self.layout, UnitKind.JOB)
        self._steps = np.zeros(2)

    def run(self, seconds: float) -> Iterator[float]:
        """Let the observer see so many seconds and yield each at which a block ended."""
        for _ in range(round(seconds / _INTERVAL)):
            self.second += _INTERVAL
            ts, before = 1e9 + self.second, self.shadow.blocks
            clocks = self._clocks()
            for rack in range(len(clocks)):
                self.shadow.take(rack, self._frame(UnitKind.RACK, "gpu.sm_clock", clocks[rack], ts))
            for job, racks in enumerate((slice(0, 4), slice(4, 6))):
                slowest = np.minimum(self._usual, self.limit)[racks].min()
                seconds_a_step = self.share[job] * _USUAL_MHZ / slowest + self.rest[job]
                if self.state[job] == _TRAINING:
                    noise = 1.0 + 0.004 * self._rng.standard_normal()
                    self._steps[job] = seconds_a_step * noise
                frame = self._frame(UnitKind.JOB, "job.step_seconds", self._steps[job], ts)
                device, row, _ = self._of_jobs["job.state"]
                frame.groups[device][row] = self.state[job]
                self.shadow.take_unit(UnitKind.JOB, job, frame)
            if self.shadow.blocks > before:
                yield self.second

    def _clocks(self) -> np.ndarray:
        """Return the clocks as they are sampled, which differ from phase to phase of a step."""
        phase = 1.0 + 0.02 * self._rng.standard_normal(self._usual.shape)
        clocks = np.clip(np.minimum(self._usual * phase, self.limit), 210.0, _MOST_MHZ)
        for job, racks in enumerate((slice(0, 4), slice(4, 6))):
            if self.state[job] != _TRAINING:
                clocks[racks] = 345.0
        shown: np.ndarray = np.round(clocks / 15.0) * 15.0
        return shown

    def _frame(self, kind: UnitKind, name: str, values: object, ts: float) -> Snapshot:
        device, row, _ = (self._rows if kind is UnitKind.RACK else self._of_jobs)[name]
        own = next(each for each in DEVICES if each.name == device)
        signals = sum(signal.on_wire for signal in self.layout.reported[device])
        group = np.full((signals, self.layout.per_unit(own)), np.nan)
        group[row] = values
        return Snapshot(ts, round(ts * 2), {device: group})

    def place(self, rack: int, job: str, number: int) -> None:
        """Let a scheduler say which job a rack has."""
        name = self.layout.unit_name(UnitKind.RACK, rack)
        own = tuple(
            Allocation.model_validate(
                {"job": number, "name": job, "user": "root", "account": "ml", "server": server,
                 "gpus": tuple(range(8)), "state": "running", "start": 1e9}
            )
            for server in range(2)
        )  # fmt: skip
        message = RackJobs(rack=name, allocations=own, nodes=())
        self.shadow.handle(self.shadow.topics.jobs(name), message.encode(), retain=True)


@pytest.fixture(scope="module")
def calibrated() -> Steps:
    """Return jobs whose observer has calibrated them, and was silent."""
    steps = Steps(9)
    for _ in steps.run(1_500):
        assert not steps.shadow.findings
    for own in steps.shadow.watches.values():
        assert own.own.watching.all()
    return steps


@pytest.fixture
def known(calibrated: Steps) -> Steps:
    """Return them as they go on by themselves; tables are told by identity and stay."""
    kept = (*DEVICES, *RELATIONS, calibrated.layout)
    return deepcopy(calibrated, {id(own): own for own in kept})


def _told(steps: Steps, seconds: float) -> list[tuple[str, str]]:
    for _ in steps.run(seconds):
        pass
    return [(own.cause, own.place) for own in steps.shadow.findings]


def test_healthy_hours_are_silent(known: Steps) -> None:
    """Checkpoints, stalls, a restart and a power limit on all GPUs alike raise no finding."""
    for state in (_TRAINING, _CHECKPOINT, _TRAINING, _STALLED, 6.0, 1.0, _TRAINING):
        known.state[0] = state
        for _ in known.run(240):
            assert not known.shadow.findings, known.shadow.findings
    known.limit[:] = 0.92 * _USUAL_MHZ
    for _ in known.run(1_800):
        assert not known.shadow.findings, known.shadow.findings
    assert known.shadow.watches["step_time"].covered.all()


def test_gpu_that_holds_its_job_back_is_named(known: Steps) -> None:
    """One GPU of 64 at 70 % of its clock is named with its job, and the other job is not."""
    known.limit[2, 13] = 0.7 * _USUAL_MHZ
    assert _told(known, 900) == [("slow_gpu", "first")]
    text = known.shadow.findings[0].text
    assert text.startswith("job first takes ")
    assert text.endswith("most of its GPUs ask for: r0003/n2/gpu5 holds it back")
    known.limit[2, 13] = np.inf
    assert _told(known, 900) == []


def test_step_that_no_clock_explains_is_told_so(known: Steps) -> None:
    """A step that takes a tenth longer at the same clocks is found, and not put down to them."""
    known.rest[1] += 0.6
    assert _told(known, 900) == [("slow_beside_gpus", "second")]
    assert known.shadow.findings[0].residual == pytest.approx(0.6, abs=0.15)
    assert "no clock of its GPUs explains it" in known.shadow.findings[0].text


def test_job_is_placed_by_what_the_scheduler_says(known: Steps) -> None:
    """After its racks have changed a job is calibrated anew, on the GPUs that it has now."""
    known.limit[0, 3] = 0.7 * _USUAL_MHZ
    for rack in range(4):
        known.place(rack, "elsewhere", 7)
    for rack in (4, 5):
        known.place(rack, "first", 8)
    watches = known.shadow.watches
    assert watches["step_time"].own.watching[:, 0].tolist() == [False, True]
    known.share[:], known.rest[:] = known.share[::-1].copy(), known.rest[::-1].copy()
    assert _told(known, 300) == []
    placed = known.shadow._model.jobs.of_job("first")
    assert placed[4:].all()
    assert not placed[:4].any()
    assert not known.shadow._model.jobs.of_job("second").any()
    assert not watches["step_time"].covered.any()


def test_frames_of_jobs_are_asked_for() -> None:
    """They are subscribed to where the site has jobs that tell of themselves, and on no other."""
    layout = Layout(parse_site(_SITE, "known"))
    core = ShadowCore(layout)
    assert core.topics.frames(JOB.frame) in core.subscriptions
    text = KNOWN + "scheduler: {kind: slurm}\n"
    scheduled = ShadowCore(Layout(parse_site(text, "known")))
    assert JOB.frame not in scheduled.kinds
