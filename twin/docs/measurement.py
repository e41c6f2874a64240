"""Comparison of the twin with measured data.

:func:`comparisons` runs the twin for an hour of simulated time (some seconds) and
reads the measured traces that ship with it; the page ``calibration.md`` and the tests
of ``tests/calibration`` both read its rows.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from twin.docs.power_statistics import Values
from twin.plant import Conditions, Plant, load_trace
from twin.plant.workload import JobState
from twin.site import Layout, Site, load_site

__all__ = [
    "SAMPLE",
    "Comparison",
    "MeasuredRun",
    "comparisons",
    "levels",
    "quantiles",
    "read_table",
    "training",
]

_SECONDS = 3410
SAMPLE = 2
"""The measured run was sampled every 2 s; the twin's power is a mean over 1 s."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity, measured and of the twin.

    Attributes:
        key: name of the row.
        quantity: what is compared.
        unit: of both values.
        measured: the measured value.
        twin: the twin's value.
        tolerance: greatest difference over the measured value; None where the two are
            not the same thing and the row only informs.
        basis: source of the measurement.
        validated: True where nothing was fitted to this measurement.
    """

    key: str
    quantity: str
    unit: str
    measured: float
    twin: float
    tolerance: float | None
    basis: str
    validated: bool = False

    @property
    def difference(self) -> float:
        """Difference over the measured value."""
        return self.twin / self.measured - 1


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """What one run of the twin showed.

    Attributes:
        nodes: (samples, nodes), DC power in W.
        inlets: the same at the inlets, as the BMCs show it.
        evaluation: (samples,), True while the job evaluates.
        dies: temperature of every GPU at some moments of it, in °C.
        memories: the same of the GPUs' memory.
        step_seconds: mean duration of a step.
        conversion: AC over DC power.
    """

    nodes: Values
    inlets: Values
    evaluation: NDArray[np.bool_]
    dies: Values
    memories: Values
    step_seconds: float
    conversion: float


_PERIOD = {"step_seconds": 10.8, "eval_seconds": 12.76}
"""The measured run's step as its power has it: twelve and an evaluation take 142.36 s."""
_OTHERS_RATIO, _OTHERS_RATIO_IDLE = 1.0235, 1.080
"""AC over DC power above 5.5 kW and below 4 kW DC: means over two runs each of BERT, DLRM-DCNv2 and
3D U-Net on one node of the same submission, to which nothing is fitted."""


def _site(**training: float) -> Site:
    site = load_site("colossus-array")
    given = _PERIOD | training
    parts = {
        "training": site.training.model_copy(update=given),
        "telemetry": site.telemetry.model_copy(update={"averaged_power": True}),
    }
    return site.model_copy(update=parts)


@cache
def training() -> MeasuredRun:
    """Run one array for as long as the measured run, without checkpoints like it."""
    layout = Layout(_site(checkpoint_seconds=0.0))
    plant, healthy = Plant(layout), Conditions.healthy(layout)
    nodes, inlets, evaluation, dies, memories, ratios = [], [], [], [], [], []
    for second in range(_SECONDS):
        plant.step(1.0, healthy)
        if second % SAMPLE == 0:
            nodes.append(plant.servers.output.ravel().copy())
            inlets.append(plant.outputs()["server"]["power"].ravel().copy())
            evaluation.append(plant.jobs.progress[0].state is JobState.EVALUATION)
        if second % 100 == 0:
            outputs = plant.outputs()
            dies.append(outputs["gpu"]["gpu_temp"].ravel().copy())
            memories.append(outputs["gpu"]["memory_temp"].ravel().copy())
            ratios.append(plant.servers.power.sum() / plant.servers.output.sum())
    progress = plant.jobs.progress[0]
    return MeasuredRun(
        nodes=np.array(nodes),
        inlets=np.array(inlets),
        evaluation=np.array(evaluation),
        dies=np.concatenate(dies),
        memories=np.concatenate(memories),
        step_seconds=progress.kept_seconds / progress.steps,
        conversion=float(np.mean(ratios)),
    )


@cache
def levels() -> dict[str, float]:
    """Return the power of a GPU in W while the job waits, is down and starts.

    One GPU is lost: the others wait for it until the collective times out, then the job
    is down, then it starts. ``conversion`` and ``node`` are AC over DC power and DC
    power of a node while it is down.
    """
    layout = Layout(_site(detect_seconds=30.0, restart_delay_seconds=60.0, startup_seconds=60.0))
    plant, conditions = Plant(layout), Conditions.healthy(layout)
    seen: dict[JobState, float] = {}
    found: dict[str, float] = {}
    for second in range(170):
        conditions.gpu_attached[0, 0] = second > 10  # noqa: PLR2004 - back after 10 s
        plant.step(1.0, conditions)
        # The last of a state's values counts: by then the step before it is over.
        seen[plant.jobs.progress[0].state] = float(np.median(plant.gpus.power))
        if plant.jobs.progress[0].state is JobState.CRASHED:
            output = plant.servers.output
            found["conversion"] = float(plant.servers.power.sum() / output.sum())
            found["node"] = float(np.median(output))
    found["wait"] = seen[JobState.STALLED]
    found["idle"] = seen[JobState.CRASHED]
    found["context"] = seen[JobState.STARTING]
    return found


def read_table(name: str) -> Values:
    """Return a measured table that ships with the twin, without its header."""
    entry = resources.files("twin.plant") / "traces" / name
    text = entry.read_bytes()
    text = gzip.decompress(text) if name.endswith(".gz") else text
    return np.loadtxt(text.decode().splitlines(), delimiter=",", skiprows=2)


def quantiles() -> Values:
    """Return the quantiles of the A100 fleet: quantile, W, die °C, memory °C, server W."""
    return read_table("acme-kalos-a100-quantiles.csv")


def _evaluating(nodes: Values) -> NDArray[np.bool_]:
    """Return which samples of the measured run are an evaluation: flat and low for 10 s."""
    mean, length = nodes.mean(axis=1), 5
    flat = np.zeros(len(mean), dtype=np.bool_)
    for first in range(len(mean) - length):
        part = mean[first : first + length]
        if part.std() < 70.0 and 6100.0 < part.mean() < 6420.0:  # noqa: PLR2004 - in W
            flat[first : first + length] = True
    return flat


@cache
def comparisons() -> tuple[Comparison, ...]:
    """Return all rows, in the order in which the page shows them."""
    return (*_rhythm(), *_levels(), *_temperatures())


def _rhythm() -> list[Comparison]:
    measured, run = load_trace("gpt3-512xh100").watts, training()
    name = "Time after which the power repeats between evaluations"
    step = Comparison("step", name, "s", 10.8, run.step_seconds, 0.01, "MLPerf DC")
    rows = [step]
    flat = _evaluating(measured)
    for key, name, select in (("evaluation", "in an evaluation", 1), ("steps", "in steps", 0)):
        both = (
            float(measured[flat == select].sum(axis=1).mean()) / 1e3,
            float(run.nodes[run.evaluation == select].sum(axis=1).mean()) / 1e3,
        )
        rows.append(
            Comparison(
                f"array-{key}", f"Array power, DC, mean {name}", "kW",
                both[0], both[1], 0.02, "MLPerf DC",
            )
        )  # fmt: skip
    return rows


def _levels() -> list[Comparison]:
    twin, run = levels(), training()
    supply = read_table("mlperf-v4.0-smc-llama2-1x8h100-ac-dc-2s.csv")
    ac, dc = supply[:, 1], supply[:, 2]
    busy, quiet = dc > 6500.0, dc < 3000.0  # noqa: PLR2004 - W, training and idle
    others = "MLPerf AC and DC: BERT, DLRM, 3D U-Net"
    smi, llama = "nvidia-smi", "100 ms trace of 8 H100, Llama 3 8B"
    return [
        Comparison("idle", "GPU without a context", "W", 73.0, twin["idle"], 0.05, smi),
        Comparison("context", "GPU with an idle context", "W", 120.5, twin["context"], 0.05, llama),
        Comparison("wait", "GPU that waits in a collective, utilisation 100 %", "W", 157.0,
                   twin["wait"], 0.05, llama),
        Comparison("checkpoint", "8 GPUs during a checkpoint", "W", 1270.0, 8 * twin["wait"], 0.03,
                   llama),
        Comparison("node-idle", "Idle node, DC", "W", float(np.median(dc[quiet])), twin["node"],
                   0.2, "MLPerf AC"),
        Comparison("ac-dc", "AC over DC power while training", "",
                   float(ac[busy].sum() / dc[busy].sum()), run.conversion, 0.01, "MLPerf AC"),
        Comparison("ac-dc-idle", "AC over DC power, idle", "", float(np.median((ac / dc)[quiet])),
                   twin["conversion"], 0.02, "MLPerf AC"),
        Comparison("ac-dc-others", "AC over DC power while training, six other runs", "",
                   _OTHERS_RATIO, run.conversion, 0.01, others, validated=True),
        Comparison("ac-dc-idle-others", "AC over DC power, idle, six other runs", "",
                   _OTHERS_RATIO_IDLE, twin["conversion"], 0.02, others, validated=True),
    ]  # fmt: skip


def _temperatures() -> list[Comparison]:
    fleet, run = quantiles(), training()
    rows = []
    for percent in (5, 50, 95):
        measured = float(np.interp(percent / 100, fleet[:, 0], fleet[:, 2]))
        twin = float(np.percentile(run.dies, percent))
        name = f"Die temperature of the fleet, {percent} % quantile"
        rows.append(Comparison(f"die-{percent}", name, "°C", measured, twin, None, "Acme"))
    measured = float(np.interp(0.5, fleet[:, 0], fleet[:, 3] - fleet[:, 2]))
    twin = float(np.median(run.memories - run.dies))
    name = "Memory above die, medians"
    rows.append(Comparison("memory", name, "K", measured, twin, None, "Acme"))
    return rows
