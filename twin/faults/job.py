"""Faults of a training job's own software."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.faults.base import Fault, FaultContext

__all__ = ["CheckpointStorm", "DataLoaderSlow", "JobCrash", "SoftwareHang"]

_JOB = "pretrain"
"""As a site calls its one job; a list of faults needs no parameters, which have the word too."""


class JobCrash(Fault):
    """The job's own code fails, as by an unhandled exception or an XID of the class 13, 31, 43."""

    kind = "job-crash"
    system = "job"
    title = "the training job crashes by itself"
    target = "job"
    default_target = _JOB
    default_seconds = 30.0
    severity = "critical"
    shows = (
        "The job's state goes to crashed at once and all its GPUs fall from training to idle: a "
        "step down of the whole site where it is the only job. The hardware is well. The job is "
        "launched again after two minutes, starts, loads its checkpoint and has lost the work "
        "since then; if the cause is still there, it crashes again."
    )

    def apply(self, context: FaultContext) -> None:
        """Let the code fail."""
        context.conditions.job_sound[context.target.unit] = False


class SoftwareHang(Fault):
    """One rank never enters a collective: all others wait until it times out."""

    kind = "software-hang"
    system = "job"
    title = "a rank hangs in software (NCCL time-out)"
    target = "job"
    default_target = _JOB
    default_seconds = 60.0
    severity = "critical"
    shows = (
        "All GPUs of the job show 100 % utilisation at about 157 W and the steps stand still, but "
        "no device is missing and no link is down. After three minutes the collective times out: "
        "the job crashes and restarts from its checkpoint. The hang does not end by itself."
    )

    def apply(self, context: FaultContext) -> None:
        """Hold the rank back."""
        context.conditions.job_synchronous[context.target.unit] = False


class DataLoaderSlow(Fault):
    """The data loader does not keep up: every step waits for its input."""

    kind = "data-loader-slow"
    system = "job"
    title = "the data loader does not keep up"
    target = "job"
    default_target = _JOB
    default_seconds = 600.0
    severity = "warning"
    shows = (
        "Steps take longer in inverse proportion to the input, pace falls below 1 and time is lost "
        "by the cause slow. Unlike in a hang the GPUs' utilisation falls too, since without input "
        "no kernel runs; so does power."
    )

    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.6
    """Rate of the input over what the job needs."""

    def apply(self, context: FaultContext) -> None:
        """Slow the input."""
        context.conditions.job_input_ratio[context.target.unit] = self.ratio


class CheckpointStorm(Fault):
    """The job writes a checkpoint far too often."""

    kind = "checkpoint-storm"
    system = "job"
    title = "the job checkpoints far too often"
    target = "job"
    default_target = _JOB
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "The job's state alternates between training and checkpoint, goodput falls and time is "
        "lost by the cause checkpoint. The site's power swings between training and waiting, 0.4 "
        "kW a GPU, at each of them, and the storage NICs and racks are busy."
    )

    every: Annotated[float, Field(ge=10, le=3600)] = 60.0
    """Seconds from the start of one checkpoint to the next."""

    def apply(self, context: FaultContext) -> None:
        """Shorten the time between checkpoints."""
        context.conditions.job_checkpoint_seconds[context.target.unit] = self.every
