"""What the training job asks of the hardware.

Three workloads: a synchronous training job (steps with an all-reduce at the boundary,
evaluations, checkpoints, stalls, crashes and restarts), the replay of a measured power
trace, and an idle site. All of them are told how the hardware is doing and answer with
a :class:`Demand`; time that a slow or missing GPU costs the job is lost for every GPU,
because the job is synchronous.
"""

from __future__ import annotations

import numpy as np

from twin.errors import ConfigError
from twin.plant.trace import load_trace, trace_names
from twin.plant.workload.demand import Demand, Health, JobState, Loss, Progress, Workload
from twin.plant.workload.idle import IdleSite
from twin.plant.workload.replay import TraceReplay
from twin.plant.workload.training import TrainingJob
from twin.site import Site

__all__ = ["Demand", "Health", "IdleSite", "JobState", "Loss", "Progress", "TraceReplay",
           "TrainingJob", "Workload", "workload_of"]  # fmt: skip


def workload_of(spec: str, site: Site, rng: np.random.Generator) -> Workload:
    """Return the workload that ``spec`` names: ``training``, ``idle`` or ``trace:NAME``.

    Raises:
        ConfigError: there is no such workload or trace.
    """
    kind, _, name = spec.partition(":")
    if kind == "trace" and name:
        return TraceReplay(site, load_trace(name))
    if spec == "training":
        return TrainingJob(site, rng)
    if spec == "idle":
        return IdleSite()
    traces = ", ".join(f"trace:{known}" for known in trace_names())
    raise ConfigError(f"workload {spec!r} does not exist; choose training, idle or {traces}")
