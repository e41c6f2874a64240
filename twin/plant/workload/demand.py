"""Interface between a workload and the plant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

import numpy as np

from twin.plant.units import Floats

__all__ = [
    "LOSS_OF",
    "Demand",
    "Health",
    "JobProgress",
    "JobState",
    "Level",
    "Loss",
    "Progress",
    "Workload",
    "greatest",
    "least",
]  # fmt: skip

Level = float | Floats
"""A number for all racks of the site, or (racks, 1), one for each; of scheduled jobs also one for
each server or GPU, (racks, any)."""


def least(level: Level) -> float:
    """Return the least value of a level; a plain number is told fast."""
    return float(level.min()) if isinstance(level, np.ndarray) else level


def greatest(level: Level) -> float:
    """Return the greatest value of a level; a plain number is told fast."""
    return float(level.max()) if isinstance(level, np.ndarray) else level


class JobState(IntEnum):
    """States of a job; the codes of the catalogue's ``training_job_state``."""

    # That of an enumeration hashes its name, anew each time.
    __hash__ = int.__hash__

    IDLE = 0
    STARTING = 1
    TRAINING = 2
    EVALUATION = 3
    CHECKPOINT = 4
    STALLED = 5
    CRASHED = 6
    LOADING = 7


class Loss(StrEnum):
    """Why time was lost; the ``cause`` of the catalogue's ``training_job_lost_seconds_total``."""

    __hash__ = str.__hash__

    STALL = "stall"
    RESTART = "restart"
    STARTUP = "startup"
    LOADING = "loading"
    REWORK = "rework"
    CHECKPOINT = "checkpoint"
    EVALUATION = "evaluation"
    SLOW = "slow"


LOSS_OF = {
    JobState.STALLED: Loss.STALL,
    JobState.CRASHED: Loss.RESTART,
    JobState.IDLE: Loss.RESTART,
    JobState.STARTING: Loss.STARTUP,
    JobState.LOADING: Loss.LOADING,
    JobState.CHECKPOINT: Loss.CHECKPOINT,
    JobState.EVALUATION: Loss.EVALUATION,
}
"""As what the time in a state is lost; in training it is kept."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the hardware and the software that the job runs on are doing.

    Attributes:
        speed: the slowest GPU's clock over its full clock; a synchronous step takes
            as long as its slowest part.
        gpus_missing: GPUs that do not answer.
        links_down: NIC ports without link.
        network_speed: throughput of the slowest flow over that of a healthy fabric; the
            communication at the step boundary takes as much longer.
        storage_speed: throughput of the storage over its rating, which paces checkpoints.
        storage_full: no checkpoint can be written.
        input_ratio: rate at which the data loader feeds the job, over what it needs.
        crashing: the job's own code fails as soon as it runs.
        hanging: a rank never enters the collective in which all others wait.
        checkpoint_every: seconds between checkpoints, if shorter than configured.
        request_ratio: requests to a job that serves, over the usual ones.
    """

    speed: float = 1.0
    gpus_missing: int = 0
    links_down: int = 0
    network_speed: float = 1.0
    storage_speed: float = 1.0
    storage_full: bool = False
    input_ratio: float = 1.0
    crashing: bool = False
    hanging: bool = False
    checkpoint_every: float = float("inf")
    request_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of every GPU and NIC, as a mean over the step.

    A single job asks all its racks for the same, with plain numbers; what several jobs ask
    a site for has a number a rack, (racks, 1), see :class:`twin.plant.workload.Jobs`.

    Attributes:
        activity: (racks, servers) or (1, 1): dynamic power as a fraction of that on the
            plateau of a training step.
        wait: the activity of a GPU that waits for the others.
        busy: share of the time in which a kernel is resident (``GPU_UTIL``).
        compute: share of the time in which it computes rather than waits.
        network: mean use of the compute NICs as a fraction of line rate.
        congestion: mean excess of that use over the switches' marking threshold.
        storage: mean use of the storage NICs as a fraction of line rate.
        framebuffer: share of the framebuffer that is held.
        loading: mean use of the storage NICs to read a checkpoint, beside the training data.
        present: share of the time in which the job's processes run.
        saving: share of the time in which the first rank writes a checkpoint: the first GPU of
            the site, or of each rack.
        measured: True when ``activity`` is a measurement, which already has all noise.
        fluctuates: True when ``activity`` already has the fluctuation that the GPUs of
            a server share.
        flicker: the part of ``activity`` that comes and goes within a second and that no averaging
            sensor shows, (racks, servers) or (1, 1); 0 where there is none.
    """

    activity: Floats
    wait: Level
    busy: Level
    compute: Level
    network: Level
    congestion: Level
    storage: Level
    framebuffer: Level
    saving: Level = 0.0
    loading: Level = 0.0
    present: Level = 0.0
    measured: bool = False
    fluctuates: bool = False
    flicker: Floats | float = 0.0


@dataclass(slots=True)
class Progress:
    """What the job says of itself; times in simulated seconds.

    ``elapsed_seconds`` is ``kept_seconds`` plus all of ``lost``. ``has_tokens`` says whether tokens
    and operations of a step are known.
    """

    state: JobState = JobState.TRAINING
    steps: int = 0
    step_seconds: float = 0.0
    pace: float = 1.0
    tokens: float = 0.0
    tokens_per_second: float = 0.0
    mfu: float = 0.0
    has_tokens: bool = True
    checkpoints: int = 0
    interruptions: int = 0
    gpus_excluded: int = 0
    stalled_seconds: float = 0.0
    kept_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    lost: dict[Loss, float] = field(default_factory=lambda: dict.fromkeys(Loss, 0.0))

    @property
    def goodput(self) -> float:
        """Share of the time that went into steps which were kept."""
        return min(1.0, self.kept_seconds / self.elapsed_seconds) if self.elapsed_seconds else 1.0


JobProgress = Mapping[str, float]
"""Where a workload stands: all that decides what it asks for next but noise, by name."""


class Workload(Protocol):
    """A workload: advanced by the plant, once a step.

    Attributes:
        progress: what the job says of itself.
        course: mean activity of its servers within the last step, at points evenly spaced;
            a single one for a workload without a waveform below a step.
    """

    progress: Progress
    course: Floats

    @property
    def standing(self) -> JobProgress:
        """Where it stands."""
        ...

    def follow(self, standing: JobProgress) -> None:
        """Go to where the same workload stands elsewhere."""
        ...

    def step(self, dt: float, health: Health) -> Demand:
        """Advance by ``dt`` simulated seconds and return the mean demand over them."""
        ...
