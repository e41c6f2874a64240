"""The training job, as its own framework would report it."""

from __future__ import annotations

from functools import partial

from twin.catalog.model import DeviceClass, Family, Frame, Kind, Signal, Unit

__all__ = ["JOB", "JOB_STATES"]

_TRAINER = Family("trainer", "trainer", 8000, ("training_job",), "Prometheus naming")

JOB_STATES = {0: "idle", 1: "starting", 2: "training", 3: "evaluation", 4: "checkpoint",
              5: "stalled"}  # fmt: skip

_gauge = partial(Signal, family=_TRAINER, kind=Kind.GAUGE)
_counter = partial(Signal, family=_TRAINER, kind=Kind.COUNTER)

JOB = DeviceClass(
    name="job",
    frame=Frame.JOB,
    title="training job",
    signals=(
        _gauge("state", "training_job_state", unit=Unit.NONE, states=JOB_STATES, high=5,
               help="State of the job: 1 for the state it is in, 0 for the others."),
        _counter("steps", "training_job_steps_total", unit=Unit.NONE,
                 help="Optimizer steps done."),
        _gauge("step_seconds", "training_job_step_duration_seconds", unit=Unit.SECONDS,
               decimals=3, help="Duration of the last step."),
        _gauge("goodput", "training_job_goodput_ratio", unit=Unit.RATIO, decimals=5, high=1,
               help="Time spent on steps that were kept, over the time since the job began."),
        _counter("checkpoints", "training_job_checkpoints_total", unit=Unit.NONE,
                 help="Checkpoints written."),
        _counter("interruptions", "training_job_interruptions_total", unit=Unit.NONE,
                 help="Times the job was interrupted."),
        _counter("stalled_seconds", "training_job_stalled_seconds_total", unit=Unit.SECONDS,
                 decimals=1, help="Time lost waiting for a device that did not answer."),
        _gauge("gpus", "training_job_gpus", unit=Unit.NONE, help="GPUs that the job holds."),
    ),
)  # fmt: skip
