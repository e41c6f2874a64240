"""Faults of the job's software, seen through the whole plant."""

from __future__ import annotations

import numpy as np
import pytest

from twin.faults import FAULTS, FaultSchedule
from twin.plant import Plant
from twin.plant.workload import JobState, Loss
from twin.site import Layout, load_site


class Twin:
    """One array and its faults, second by second."""

    def __init__(self) -> None:
        self.layout = Layout(load_site("colossus-array"))
        self.plant = Plant(self.layout, seed=1)
        self.faults = FaultSchedule(self.layout, FAULTS)

    def inject(self, kind: str, seconds: float | None = None) -> None:
        """Let a fault of the job begin now."""
        self.faults.inject(kind, kind, "pretrain", self.plant.time, seconds)

    def run(self, seconds: int) -> float:
        """Run and return the median GPU power of the last second."""
        for _ in range(seconds):
            self.faults.expire(self.plant.time)
            self.plant.step(1.0, self.faults.conditions(self.plant.time))
        return float(np.median(self.plant.gpus.power))

    def state(self) -> JobState:
        """State of the job."""
        return self.plant.jobs.progress[0].state


@pytest.fixture
def twin() -> Twin:
    """An array that has trained for a minute."""
    twin = Twin()
    twin.run(60)
    return twin


def test_crash_drops_the_site_to_idle(twin: Twin) -> None:
    """A crash takes GPUs from training to idle power within seconds, and all of them report."""
    before = twin.plant.meters.total
    twin.inject("job-crash")
    assert twin.run(5) == pytest.approx(73, abs=4)
    assert twin.state() is JobState.CRASHED
    out = twin.plant.outputs()
    assert np.isfinite(out["gpu"]["gpu_temp"]).all()
    assert (out["gpu"]["gpu_util"] == 0).all()
    assert (out["gpu"]["fb_used"] == 0).all()
    assert out["job"]["state"].item() == JobState.CRASHED
    assert twin.plant.meters.total < 0.55 * before


def test_crash_restarts_from_the_checkpoint(twin: Twin) -> None:
    """After delay, start-up and loading the job trains again; six minutes are lost, by cause."""
    twin.inject("job-crash")
    twin.run(120 + 180 + 60 + 5)
    assert twin.state() is JobState.TRAINING
    lost = twin.plant.jobs.progress[0].lost
    assert lost[Loss.RESTART] == pytest.approx(120, abs=2)
    assert lost[Loss.STARTUP] == pytest.approx(180, abs=2)
    assert lost[Loss.LOADING] == pytest.approx(60, abs=2)
    assert lost[Loss.REWORK] > 0
    out = twin.plant.outputs()["job"]
    assert out["lost_startup"].item() == pytest.approx(180, abs=2)
    assert out["interruptions"].item() == 1


def test_hang_is_busy_but_cold(twin: Twin) -> None:
    """In a hang all GPUs show 100 % utilisation at the power of waiting, and none is missing."""
    twin.inject("software-hang")
    assert twin.run(20) == pytest.approx(157, abs=8)
    assert twin.state() is JobState.STALLED
    out = twin.plant.outputs()
    assert (out["gpu"]["gpu_util"] == 100).all()
    assert (out["nic"]["up"] == 1).all()
    assert twin.plant.gpus.missing == 0
    twin.run(180)
    assert twin.state() is JobState.CRASHED


def test_slow_loader_lowers_utilisation(twin: Twin) -> None:
    """Without input GPUs are idle between kernels: utilisation, power and pace fall together."""
    twin.inject("data-loader-slow")
    twin.run(60)
    out = twin.plant.outputs()
    assert out["job"]["pace"].item() == pytest.approx(0.6)
    assert out["gpu"]["gpu_util"].mean() < 70
    assert twin.plant.gpus.power.mean() < 480


def test_storm_swings_the_power(twin: Twin) -> None:
    """Every minute the array falls from training to waiting and back."""
    twin.inject("checkpoint-storm")
    states, power = [], []
    for _ in range(300):
        twin.run(1)
        states.append(twin.state())
        power.append(float(np.median(twin.plant.gpus.power)))
    saving = np.array([state is JobState.CHECKPOINT for state in states])
    assert 0.2 < saving.mean() < 0.4
    assert np.median(np.array(power)[saving]) == pytest.approx(157, abs=8)
    assert twin.plant.jobs.progress[0].checkpoints >= 4


def test_straggler_makes_the_others_wait(twin: Twin) -> None:
    """One GPU at half its clock doubles the step; the others wait for it and draw less."""
    healthy = np.mean([twin.run(1) for _ in range(40)])
    twin.faults.inject("slow", "gpu-slow", "r0001/n1/gpu0", twin.plant.time, 600.0, {"ratio": 0.5})
    twin.run(30)
    slow = np.mean([twin.run(1) for _ in range(40)])
    out = twin.plant.outputs()["job"]
    assert out["pace"].item() == pytest.approx(0.5, abs=0.02)
    assert out["step_seconds"].item() == pytest.approx(2 * 10.64, rel=0.05)
    assert slow < 0.75 * healthy
    assert out["lost_slow"].item() > 20
