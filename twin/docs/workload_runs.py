"""Workload runs: the power of one node of the twin beside that of measured runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from twin.parameters import WorkloadParameters, WorkloadRun
from twin.plant import Conditions, Plant
from twin.site import Layout, load_gpu_model, load_site, shipped_profiles

__all__ = ["RunComparison", "run_comparisons"]

_SECONDS, _SETTLED = 660, 60
_SHARES = (1, 50, 99)
_AIR = ("h200-sxm",)
"""GPU models whose measured nodes are cooled by air."""


@dataclass(frozen=True, slots=True)
class RunComparison:
    """A measured run and the twin's.

    Attributes:
        workload: by its name.
        run: what was measured.
        watts: 1 %, 50 % and 99 % quantile of the twin's node, at the same side, in W.
    """

    workload: str
    run: WorkloadRun
    watts: tuple[float, float, float]

    @property
    def differences(self) -> tuple[float, float, float]:
        """Difference of each quantile over the measured one."""
        run = self.run
        measured = (run.least_watts, run.median_watts, run.most_watts)
        low, middle, high = (a / b - 1.0 for a, b in zip(self.watts, measured, strict=True))
        return low, middle, high


@cache
def run_comparisons() -> tuple[RunComparison, ...]:
    """Return every measured run of a shipped workload beside the twin's (some ten seconds)."""
    nodes: dict[tuple[str, str], dict[str, tuple[float, float, float]]] = {}
    rows = []
    for profile in shipped_profiles():
        for run in profile.measured:
            key = profile.name, run.gpu
            nodes[key] = nodes.get(key) or _node(profile, run.gpu)
            rows.append(RunComparison(profile.name, run, nodes[key][run.side]))
    return tuple(rows)


def _node(profile: WorkloadParameters, gpu: str) -> dict[str, tuple[float, float, float]]:
    """Return the power of one node that works, without checkpoints and evaluations, by side."""
    site = load_site("demo")
    quiet = {"checkpoint_seconds": 0.0, "eval_seconds": 0.0}
    training = profile.training.model_copy(update=quiet)
    medium = "air" if gpu in _AIR else "liquid"
    node = site.model_copy(
        update={
            "racks": 1,
            "servers_per_rack": 1,
            "gpu": load_gpu_model(gpu),
            "cooling": site.cooling.model_copy(update={"medium": medium}),
            "workloads": (profile.model_copy(update={"training": training}),),
        }
    )
    layout = Layout(node)
    plant, healthy = Plant(layout, workload=profile.name), Conditions.healthy(layout)
    seen: dict[str, list[float]] = {"ac": [], "dc": []}
    for second in range(_SECONDS):
        plant.step(1.0, healthy)
        if second >= _SETTLED:
            seen["ac"].append(float(plant.servers.power.sum()))
            seen["dc"].append(float(plant.servers.output.sum()))
    found = {}
    for side, values in seen.items():
        low, middle, high = np.percentile(values, _SHARES)
        found[side] = (float(low), float(middle), float(high))
    return found
