"""Faults of a training job's own software."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from twin.faults.base import Fault, FaultContext

if TYPE_CHECKING:
    from twin.site import Layout, Target

__all__ = ["CheckpointStorm", "DataLoaderSlow", "JobCrash", "RequestSurge", "SoftwareHang"]

_JOB = "pretrain"
"""Name of a site's only job; written here too, so that listing faults loads no site parameters."""


def _kind_of(layout: Layout, target: Target) -> str:
    """Return the kind of a job's workload: ``training``, ``serving``, ``idle`` or another."""
    from twin.site import job_places  # noqa: PLC0415 - listing faults needs no site

    place = job_places(layout.entire.site)[target.unit]
    return place.workload if place.profile is None else place.profile.kind


class _TrainingFault(Fault):
    """A fault of jobs that take steps."""

    @classmethod
    def shows_at(cls, layout: Layout, target: Target) -> bool:
        """Return whether the job trains."""
        return _kind_of(layout, target) == "training"


class JobCrash(Fault):
    """The job's own code fails, for example by an unhandled exception or XID 13, 31 or 43."""

    kind = "job-crash"
    system = "job"
    title = "the training job crashes because of its own code"
    target = "job"
    default_target = _JOB
    default_seconds = 30.0
    severity = "critical"
    shows = (
        "The job's state turns to crashed at once and all its GPUs drop from training to idle: if "
        "it is the only job, the power of the whole site drops in one step. The hardware is "
        "healthy. The job is relaunched after two minutes, starts and loads its checkpoint; the "
        "work since then is lost. If the cause is still there, it crashes again."
    )

    def apply(self, context: FaultContext) -> None:
        """Let the code fail."""
        context.conditions.job_sound[context.target.unit] = False


class SoftwareHang(_TrainingFault):
    """One rank never enters a collective: all others wait until it times out."""

    kind = "software-hang"
    system = "job"
    title = "a rank hangs in software (NCCL time-out)"
    target = "job"
    default_target = _JOB
    default_seconds = 60.0
    severity = "critical"
    shows = (
        "All GPUs of the job show 100 % utilisation at about 157 W and no step completes, but no "
        "device is missing and no link is down. After three minutes the collective times out: the "
        "job crashes and restarts from its checkpoint. The hang does not end on its own."
    )

    def apply(self, context: FaultContext) -> None:
        """Hang the rank."""
        context.conditions.job_synchronous[context.target.unit] = False


class DataLoaderSlow(_TrainingFault):
    """The data loader does not keep up: every step waits for its input."""

    kind = "data-loader-slow"
    system = "job"
    title = "the data loader does not keep up"
    target = "job"
    default_target = _JOB
    default_seconds = 600.0
    severity = "warning"
    shows = (
        "Step time grows in inverse proportion to the input rate, the pace falls below 1 and lost "
        "time rises with the cause slow. Unlike in a hang, GPU utilisation and power fall too, "
        "because no kernel runs without input."
    )

    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.6
    """Input rate as a fraction of what the job needs."""

    def apply(self, context: FaultContext) -> None:
        """Slow the input."""
        context.conditions.job_input_ratio[context.target.unit] = self.ratio


class CheckpointStorm(_TrainingFault):
    """The job writes a checkpoint far too often."""

    kind = "checkpoint-storm"
    system = "job"
    title = "the job checkpoints far too often"
    target = "job"
    default_target = _JOB
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "The job's state alternates between training and checkpoint, goodput falls, and lost time "
        "rises with the cause checkpoint. With each checkpoint the site's power swings between "
        "training and waiting, 0.4 kW per GPU, and the storage NICs and racks are busy."
    )

    every: Annotated[float, Field(ge=10, le=3600)] = 60.0
    """Seconds from the start of one checkpoint to the next."""

    def apply(self, context: FaultContext) -> None:
        """Shorten the time between checkpoints."""
        context.conditions.job_checkpoint_seconds[context.target.unit] = self.every


class RequestSurge(Fault):
    """More requests come to a job that serves than its replicas can answer."""

    kind = "request-surge"
    system = "serving"
    title = "requests surge to a model that is served"
    target = "job"
    default_target = "chat"
    default_seconds = 600.0
    severity = "warning"
    shows = (
        "Batches grow, then the queues: `vllm:num_requests_waiting` rises, the time to the first "
        "token grows from a fraction of a second to that of a client's patience, and requests end "
        "as aborted. GPU power rises to that of full batches and no further. A job that trains "
        "shows nothing."
    )

    ratio: Annotated[float, Field(gt=1, le=20)] = 3.0
    """Requests over the usual ones."""

    @classmethod
    def shows_at(cls, layout: Layout, target: Target) -> bool:
        """Return whether the job serves."""
        return _kind_of(layout, target) == "serving"

    def apply(self, context: FaultContext) -> None:
        """Raise the requests."""
        context.conditions.job_request_ratio[context.target.unit] = self.ratio
