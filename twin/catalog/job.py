"""The training job, as its own framework would report it."""

from __future__ import annotations

from functools import partial

from twin.catalog.device import DeviceClass
from twin.catalog.model import Exporter, MetricType, Signal, Unit
from twin.catalog.place import UnitKind

__all__ = ["JOB", "JOB_STATES", "LOSS_CAUSES", "OF_TOKENS"]

_TRAINER = Exporter("trainer", "trainer", 8000, ("training_job",), "Prometheus naming",
                    lambda place: (place.unit_name,))  # fmt: skip

JOB_STATES = {0: "idle", 1: "starting", 2: "training", 3: "evaluation", 4: "checkpoint",
              5: "stalled", 6: "crashed", 7: "loading"}  # fmt: skip

OF_TOKENS = ("tokens", "tokens_per_second", "mfu")
"""Signals that a job has only if its model has tokens."""
LOSS_CAUSES = (
    ("stall", "waiting for a rank that does not answer"),
    ("restart", "between the end of the job's processes and the next launch"),
    ("startup", "starting"),
    ("loading", "loading a checkpoint"),
    ("rework", "work since the last checkpoint that a crash threw away"),
    ("checkpoint", "writing checkpoints"),
    ("evaluation", "evaluating the model between steps"),
    ("slow", "steps that took longer than they should"),
)
"""Causes of lost time, and what each is."""

_gauge = partial(Signal, family=_TRAINER, kind=MetricType.GAUGE)
_counter = partial(Signal, family=_TRAINER, kind=MetricType.COUNTER)

JOB = DeviceClass(
    name="job",
    frame=UnitKind.JOB,
    title="training job",
    signals=(
        _gauge("state", "training_job_state", unit=Unit.NONE, states=JOB_STATES, high=7,
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
        _gauge("pace", "training_job_pace_ratio", unit=Unit.RATIO, decimals=4, high=1,
               help="Pace of the slowest part, a GPU or the data loader, over the nominal one."),
        _counter("tokens", "training_job_tokens_total", unit=Unit.NONE,
                 help="Tokens of the steps done; none where the model has no tokens."),
        _gauge("tokens_per_second", "training_job_tokens_per_second", unit=Unit.NONE,
               help="Tokens of the last step over its duration."),
        _gauge("mfu", "training_job_model_flops_utilization_ratio", unit=Unit.RATIO, decimals=4,
               high=1, help="Model FLOPs of the last step over what the GPUs' peak would do in its "
               "duration (MFU)."),
        *(
            _counter(f"lost_{cause}", "training_job_lost_seconds_total", unit=Unit.SECONDS,
                     decimals=1, labels=(("cause", cause),),
                     help="Time that did not go into steps which were kept, by cause.")
            for cause, _ in LOSS_CAUSES
        ),
    ),
)  # fmt: skip
