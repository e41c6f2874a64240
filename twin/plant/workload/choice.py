"""Choice of a workload by its name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from twin.errors import ConfigError
from twin.plant.trace import load_trace, trace_names
from twin.plant.workload.demand import Workload
from twin.plant.workload.idle import Idle
from twin.plant.workload.replay import TraceReplay
from twin.plant.workload.training import TrainingJob
from twin.site import Site

__all__ = ["Maker", "workload_of"]

Maker = Callable[[Site, np.random.Generator], Workload]
"""Makes a workload for a site, or for the part of one that a job holds."""


def workload_of(spec: str) -> Maker:
    """Return what makes the workload that ``spec`` names: ``training``, ``idle``, ``trace:NAME``.

    Raises:
        ConfigError: there is no such workload or trace.
    """
    kind, _, name = spec.partition(":")
    if kind == "trace" and name:
        trace = load_trace(name)
        return lambda site, _: TraceReplay(site, trace)
    if spec == "training":
        return TrainingJob
    if spec == "idle":
        return lambda _, __: Idle()
    traces = ", ".join(f"trace:{known}" for known in trace_names())
    raise ConfigError(f"workload {spec!r} does not exist; choose training, idle or {traces}")
