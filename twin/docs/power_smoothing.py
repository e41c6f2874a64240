"""Comparison of what smooths a site's power: at the grid's meter, and in energy."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from twin.docs.markdown import table
from twin.plant import Conditions, Plant
from twin.site import Layout, parse_site

__all__ = ["SmoothingRun", "smoothing_runs", "smoothing_table"]

_SITE = """
name: pod
racks: 8
rack: nvl72
gpu: gb300
grid: {limit_watts: 1.6e+6}
training: {checkpoint_every_seconds: 100000, eval_every_seconds: 100000}
"""
_MEGAPACK = "megapacks: {count: 1}"
_FLOOR = "smoothing: {enabled: true, presets: [{floor_percent: 65}]}"
_WAYS = {
    "nothing": "",
    "storage in the shelves alone": "smoothing: {enabled: true, presets: [{floor_percent: 0}]}",
    "power smoothing, floor of 65 %": _FLOOR,
    "power smoothing as shipped once it is on, 89.99 %": "smoothing: {enabled: true}",
    "software that burns up to 1,300 W": "smoothing: {burn_watts: 1300}",
    "a Megapack": _MEGAPACK,
    "a Megapack and the floor of 65 %": f"{_MEGAPACK}\n{_FLOOR}",
}
_WARM, _TRAINED, _ENDED = 40, 150, 180
"""Seconds: from when on power is taken, until when the job trains, and until when it has ended."""
_KILOWATT = 1e3


class SmoothingRun(NamedTuple):
    """What the grid's meter shows of eight racks of GB300, in kW.

    Attributes:
        way: what smooths.
        mean: power in training, less what Megapacks gave of their charge.
        swing: greatest less smallest power in training.
        ramp: fastest change in training, a second.
        oscillation: root mean square of 0.1 to 1 Hz.
        fall: fastest change, a second, when the job ends by itself.
        burnt: what the GPUs draw for nothing in training.
    """

    way: str
    mean: float
    swing: float
    ramp: float
    oscillation: float
    fall: float
    burnt: float


@cache
def smoothing_runs() -> tuple[SmoothingRun, ...]:
    """Run the same job on the same racks in each way, and return what the grid sees."""
    return tuple(_run(way, more) for way, more in _WAYS.items())


def _run(way: str, more: str) -> SmoothingRun:
    layout = Layout(parse_site(_SITE + more, "pod"))
    plant, conditions = Plant(layout), Conditions.healthy(layout)
    power, burnt, stored = [], [], []
    oscillation = 0.0
    for second in range(_ENDED):
        if second == _TRAINED:
            oscillation = float(plant.ripple.grid.bands[0])
            conditions.job_sound[:] = False
        plant.step(1.0, conditions)
        power.append(plant.grid.power)
        stored.append(float((plant.megapacks.outputs(1.0, 60.0)["energy_available"]).sum()))
        smoothing = plant.gpus.smoothing
        burnt.append(0.0 if smoothing is None else float(smoothing.burnt.sum()))
    kilowatts = np.array(power) / _KILOWATT
    trained, ended = kilowatts[_WARM:_TRAINED], kilowatts[_TRAINED - 1 :]
    charged = (stored[_TRAINED - 1] - stored[_WARM]) / (_TRAINED - 1 - _WARM)
    return SmoothingRun(
        way,
        float(trained.mean()) - charged / _KILOWATT,
        float(np.ptp(trained)),
        float(np.abs(np.diff(trained)).max()),
        oscillation / _KILOWATT,
        float(np.abs(np.diff(ended)).max()),
        float(np.mean(burnt[_WARM:_TRAINED])) / _KILOWATT,
    )


def smoothing_table() -> str:
    """Return the comparison as a table of Markdown."""
    runs = smoothing_runs()
    usual = runs[0].mean
    rows = [
        (
            run.way,
            f"{run.swing:.0f} kW",
            f"{run.ramp:.0f} kW/s",
            f"{run.oscillation:.1f} kW",
            f"{run.fall:.0f} kW/s",
            f"{run.burnt:.0f} kW",
            f"{100.0 * (run.mean / usual - 1.0):+.1f} %",
        )
        for run in runs
    ]
    head = ("What smooths", "Swing in training", "Fastest change", "0.1 to 1 Hz, rms",
            "When the job ends", "Burnt in GPUs", "Energy at the grid")  # fmt: skip
    return table(head, rows)
