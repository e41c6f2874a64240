"""Present of a fleet: the site file with the set points and the load that are measured now.

They come from the fleet's Prometheus, or from an observer, which also knows what each GPU is like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.fleet.calibration.past import FleetPast
from twin.fleet.calibration.writing import calibrated_text
from twin.plant.units import Floats
from twin.shadow.present import ShadowPresent
from twin.site import Layout, parse_site
from twin.yamls import load

__all__ = ["PRESENT_READINGS", "PRESENT_SECONDS", "MeasuredGpus", "PresentSite", "at_present",
           "observed"]  # fmt: skip

PRESENT_READINGS = (
    "gpu.power_usage", "gpu.gpu_util", "cdu.supply_temperature", "cdu.flow",
)  # fmt: skip
PRESENT_SECONDS = 1800.0
"""Of the past that is read, so that there is enough of it at any scrape interval."""
_NOW_SECONDS = 600.0
"""Of its end, that stands for the present."""
_BUSY_RATIO = 0.05
_BUSY_CONTEXTS = 1.3
"""Power of a GPU at work over that of one whose memory is only held, est."""
_PLATEAU = 90.0
"""Percentile of the power of busy GPUs that stands for the plateau of a training step."""
_WHICH_JOBS = "which job runs where, and how far it is: racks at work are taken for training"
_WEATHER = "weather, batteries, generators, and what is broken already: the site file's own"
_NEVER = (
    _WHICH_JOBS,
    "the temperatures of this second: the plant is warmed up at this load first",
    _WEATHER,
)


@dataclass(frozen=True, slots=True)
class MeasuredGpus:
    """What is measured of each GPU; arrays are (racks, GPUs a rack), NaN where nothing is.

    Attributes:
        power: in W.
        die: temperature in °C.
        resistance: thermal resistance over its model's.
        memory: rise of its memory above the die over its model's.
        working: power above which a GPU is at work, W.
    """

    power: Floats
    die: Floats
    resistance: Floats
    memory: Floats
    working: float


@dataclass(frozen=True, slots=True)
class PresentSite:
    """A site as it is loaded now.

    Attributes:
        values: of the site, as a file has them.
        taken: what was taken over from the measurements, a sentence each.
        left: what was not.
        gpus: what is measured of each GPU; None for what the site file says.
    """

    values: Mapping[str, Any]
    taken: Sequence[str]
    left: Sequence[str]
    gpus: MeasuredGpus | None = None


def at_present(text: str, where: str, past: FleetPast | None) -> PresentSite:
    """Return the site with the load that it has now.

    Args:
        text: of the site file.
        where: it stands.
        past: what its fleet measured last; None to take the site file as it is.
    """
    if past is None:
        return PresentSite(dict(load(text, where)), (), ("everything: no measurements are given",))
    layout = Layout(parse_site(text, where))
    now = past.between(max(0, past.steps - round(_NOW_SECONDS / past.step)), past.steps)
    levels, taken, left = _levels(layout, now.values)
    busy, known = _busy(layout, now)
    _add_plateau(layout, now.values["gpu.power_usage"][:, busy], _PLATEAU, levels, taken)
    values = dict(load(calibrated_text(text, where, layout, levels), where))
    _put_load(values, busy, known, taken, left)
    return PresentSite(values, taken, [*left, *_NEVER])


def observed(text: str, where: str, present: ShadowPresent) -> PresentSite:
    """Return the site with the load that its observer sees now, and what its GPUs are like.

    Args:
        text: of the site file.
        where: it stands.
        present: of the observer.
    """
    layout = Layout(parse_site(text, where))
    levels, taken, left = _levels(layout, present.readings)
    power, die = (present.readings[name] for name in ("gpu.power_usage", "gpu.gpu_temp"))
    working = _working(layout)
    known = np.asarray(np.isfinite(power).any(axis=1))
    busy = known & (_means(power) > working)
    _add_plateau(layout, present.peak[busy], 50.0, levels, taken)
    values = dict(load(calibrated_text(text, where, layout, levels), where))
    if values.get("measured") or values.get("scheduler"):
        _put_load(values, busy, known, taken, left)
        left.append(_WHICH_JOBS)
    else:
        taken.append("jobs: those of the site file")
    taken.append(f"power and temperature of {int(np.isfinite(die).sum())} GPUs, means over "
                 f"{present.block:g} s")  # fmt: skip
    fitted = int(np.isfinite(present.resistance).sum())
    if fitted:
        taken.append(f"thermal resistance of {fitted} GPUs, as the observer has fitted it")
    if rest := present.resistance.size - fitted:
        left.append(f"thermal resistance of {rest} GPUs that are not calibrated yet: the site "
                    "file's own")  # fmt: skip
    left += [f"finding: {text}" for text in present.findings]
    gpus = MeasuredGpus(power, die, present.resistance, present.memory, working)
    return PresentSite(values, taken, [*left, _WEATHER], gpus)


def _working(layout: Layout) -> float:
    return _BUSY_CONTEXTS * layout.site.gpu.power_context_watts


def _add_plateau(
    layout: Layout, power: Floats, percentile: float, levels: dict[str, float], taken: list[str]
) -> None:
    """Add the power of GPUs at work, where all are of one model."""
    power = power[np.isfinite(power)]
    if not power.size or len({block.gpu.key for block in layout.site.all_blocks}) > 1:
        return
    gpu = layout.site.gpu
    watts = float(np.clip(np.percentile(power, percentile), gpu.power_context_watts,
                          gpu.power_limit_watts))  # fmt: skip
    levels["gpu.power_training_watts"] = watts
    taken.append(f"power of GPUs at work: {watts:.0f} W at the plateau")


def _put_load(
    values: dict[str, Any],
    busy: NDArray[np.bool_],
    known: NDArray[np.bool_],
    taken: list[str],
    left: list[str],
) -> None:
    """Let the racks at work train, and the others be idle."""
    for key in ("measured", "jobs", "scheduler"):
        values.pop(key, None)
    values["jobs"] = [
        {"name": f"load-{number}", "racks": len(list(same)),
         "workload": "training" if state else "idle"}
        for number, (state, same) in enumerate(groupby(busy.tolist()), 1)
    ]  # fmt: skip
    taken.append(f"load: {int(busy.sum())} of {len(busy)} racks are at work")
    if unknown := int((~known).sum()):
        left.append(f"the load of {unknown} racks that measure nothing: they are taken for idle")


def _levels(
    layout: Layout, readings: Mapping[str, Floats]
) -> tuple[dict[str, float], list[str], list[str]]:
    """Return the set points that coolant units hold now."""
    levels: dict[str, float] = {}
    taken: list[str] = []
    left: list[str] = []
    for key, reading, unit in (
        ("cooling.supply_celsius", "cdu.supply_temperature", "°C"),
        ("cooling.flow_liters_per_minute", "cdu.flow", "L/min"),
    ):
        values = readings[reading]
        what = key.partition(".")[2].replace("_", " ")
        if np.isfinite(values).any():
            levels[key] = float(np.nanmedian(values))
            taken.append(f"{what}: {levels[key]:.4g} {unit}, the median of the coolant units")
        elif layout.site.cooling.medium == "liquid":
            left.append(f"{what}: no coolant unit measures it; the site file's own")
    return levels, taken, left


def _busy(layout: Layout, now: FleetPast) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return which racks are at work, and of which that is known."""
    racks = layout.site.racks
    used = now.values["gpu.gpu_util"].transpose(1, 0, 2).reshape(racks, -1)
    power = now.values["gpu.power_usage"].transpose(1, 0, 2).reshape(racks, -1)
    known = (np.isfinite(used).sum(axis=1) + np.isfinite(power).sum(axis=1)) > 0
    busy = (_means(used) > _BUSY_RATIO * _full(used)) | (_means(power) > _working(layout))
    return busy & known, known


def _full(used: Floats) -> float:
    """Return what full utilisation reads: 1, or 100 where it is a percentage."""
    return 100.0 if np.nanmax(used, initial=0.0) > 1.0 else 1.0


def _means(values: Floats) -> Floats:
    there = np.isfinite(values)
    means: Floats = np.where(there, values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return means
