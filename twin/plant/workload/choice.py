"""Choice of a workload by its name."""

from __future__ import annotations

import numpy as np

from twin.errors import ConfigError
from twin.plant.trace import load_trace, trace_names
from twin.plant.workload.demand import Workload
from twin.plant.workload.idle import Idle
from twin.plant.workload.notebooks import Notebooks
from twin.plant.workload.replay import TraceReplay
from twin.plant.workload.serving import Serving
from twin.plant.workload.training import TrainingJob
from twin.site import JobPlace, profile_names
from twin.site.profiles import BUILT_IN

__all__ = ["workload_names", "workload_of"]


def workload_names() -> tuple[str, ...]:
    """Return the names of all workloads that ship."""
    traces = (f"trace:{name}" for name in trace_names())
    return (*BUILT_IN, *profile_names(), *traces)


def workload_of(place: JobPlace, rng: np.random.Generator) -> Workload:
    """Return the workload of a job: ``training``, ``idle``, a profile's name, or ``trace:NAME``.

    Raises:
        ConfigError: there is no such workload or trace.
    """
    if place.profile is not None:
        if place.profile.kind == "serving":
            return Serving(place.site, rng, place.profile)
        if place.profile.kind == "interactive":
            return Notebooks(place.site, rng, place.profile)
        return TrainingJob(place.site, rng, place.profile)
    kind, _, name = place.workload.partition(":")
    if kind == "trace" and name:
        return TraceReplay(place.site, load_trace(name))
    if place.workload == "training":
        return TrainingJob(place.site, rng)
    if place.workload == "idle":
        return Idle()
    known = ", ".join(workload_names())
    raise ConfigError(f"workload {place.workload!r} does not exist; choose {known}")
