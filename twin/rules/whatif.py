"""Foresight: a fault on a site as it is loaded at present, and its consequences.

The plant is built from the site file with the set points and the load that the fleet has just
measured, runs until it is warm, and then has the fault. The rules are judged as in a rule test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from twin.catalog import GPU, JOB
from twin.faults import FAULTS, parse_fault, place_of
from twin.fleet.calibration.past import FleetPast
from twin.fleet.calibration.writing import calibrated_text
from twin.plant.units import Floats
from twin.rules.engine import evaluate
from twin.rules.jobs import Candidate
from twin.rules.sampling import Samples, known_metrics, sample
from twin.rules.scenario_run import wanted_metrics
from twin.rules.source import RuleSet
from twin.scenario import parse_scenario
from twin.scenario.loader import LoadedScenario
from twin.site import Layout, parse_site
from twin.yamls import load

__all__ = [
    "PRESENT_READINGS",
    "PRESENT_SECONDS",
    "Foresight",
    "PresentSite",
    "at_present",
    "foresee",
    "scenario_of",
]

PRESENT_READINGS = (
    "gpu.power_usage", "gpu.gpu_util", "cdu.supply_temperature", "cdu.flow",
)  # fmt: skip
PRESENT_SECONDS = 1800.0
"""Of the past that is read, so that there is enough of it at any scrape interval."""
_NOW_SECONDS = 600.0
"""Of its end, that stands for the present."""
_WARM_SECONDS = 300.0
"""From the start of the simulation to the fault."""
_SCRAPE_SECONDS = 5.0
_BUSY_RATIO = 0.05
_PLATEAU = 90.0
"""Percentile of the power of busy GPUs that stands for the plateau of a training step."""
_NEVER = (
    "which job runs where, and how far it is: racks at work are taken for training",
    "the temperatures of this second: the plant is warmed up at this load first",
    "weather, batteries, generators, and what is broken already: the site file's own",
)


@dataclass(frozen=True, slots=True)
class PresentSite:
    """A site as it is loaded now.

    Attributes:
        values: of the site, as a file has them.
        taken: what was taken over from the measurements, a sentence each.
        left: what was not.
    """

    values: Mapping[str, Any]
    taken: Sequence[str]
    left: Sequence[str]


@dataclass(frozen=True, slots=True)
class ForeseenAlert:
    """An alert that would fire.

    Attributes:
        name: of the alert.
        severity: its label; empty for none.
        after: seconds from the fault to its first firing.
        instances: of it.
    """

    name: str
    severity: str
    after: float
    instances: int


@dataclass(frozen=True, slots=True)
class Foresight:
    """What would follow from a fault.

    Attributes:
        throttle: seconds from the fault until a GPU reaches the temperature at which software
            lowers its clock; None for never.
        throttled: GPUs that reach it.
        shutdown: seconds until a GPU shuts down; None for never.
        lost: GPUs that are down in the end and were not before.
        hottest: highest temperature of a GPU, °C.
        watts_before: power of all GPUs at the fault.
        watts_least: least power after it.
        watts_end: power in the end.
        jobs: that are interrupted.
        alerts: in order of time.
        before: alerts that fire without the fault.
        failed: rules that could not be evaluated.
    """

    throttle: float | None
    throttled: int
    shutdown: float | None
    lost: int
    hottest: float
    watts_before: float
    watts_least: float
    watts_end: float
    jobs: Sequence[str]
    alerts: Sequence[ForeseenAlert]
    before: Sequence[str]
    failed: int


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
    levels, taken, left = _levels(layout, now)
    busy, known = _busy(layout, now)
    power = now.values["gpu.power_usage"][:, busy]
    power = power[np.isfinite(power)]
    one_model = len({block.gpu.key for block in layout.site.all_blocks}) == 1
    if power.size and one_model:
        gpu = layout.site.gpu
        watts = float(np.clip(np.percentile(power, _PLATEAU), gpu.power_context_watts,
                              gpu.power_limit_watts))  # fmt: skip
        levels["gpu.power_training_watts"] = watts
        taken.append(f"power of GPUs at work: {watts:.0f} W at the plateau")
    values = dict(load(calibrated_text(text, where, layout, levels), where))
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
    return PresentSite(values, taken, [*left, *_NEVER])


def _levels(layout: Layout, now: FleetPast) -> tuple[dict[str, float], list[str], list[str]]:
    """Return the set points that coolant units hold now."""
    levels: dict[str, float] = {}
    taken: list[str] = []
    left: list[str] = []
    for key, reading, unit in (
        ("cooling.supply_celsius", "cdu.supply_temperature", "°C"),
        ("cooling.flow_liters_per_minute", "cdu.flow", "L/min"),
    ):
        values = now.values[reading]
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
    context = 1.3 * layout.site.gpu.power_context_watts
    known = (np.isfinite(used).sum(axis=1) + np.isfinite(power).sum(axis=1)) > 0
    busy = (_means(used) > _BUSY_RATIO * _full(used)) | (_means(power) > context)
    return busy & known, known


def _full(used: Floats) -> float:
    """Return what full utilisation reads: 1, or 100 where it is a percentage."""
    return 100.0 if np.nanmax(used, initial=0.0) > 1.0 else 1.0


def _means(values: Floats) -> Floats:
    there = np.isfinite(values)
    means: Floats = np.where(there, values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return means


def scenario_of(
    present: PresentSite, kind: str, target: str | None, lasts: float, workload: str, where: str
) -> LoadedScenario:
    """Return the scenario of a fault on a site.

    Raises:
        ConfigError: there is no such fault or target, or the site is wrong.
    """
    lasts = max(1.0, round(lasts / _SCRAPE_SECONDS)) * _SCRAPE_SECONDS
    event: dict[str, Any] = {"kind": kind, "at": _WARM_SECONDS, "for": lasts}
    if target is not None:
        event["target"] = target
    parse_fault(FAULTS, kind, {})
    if target is not None:
        layout = Layout(parse_site(yaml.safe_dump(dict(present.values)), where))
        place_of(FAULTS, layout, kind, target)
    values = {
        "title": f"what if {kind}", "site": dict(present.values), "workload": workload,
        "duration": _WARM_SECONDS + lasts, "scrape": _SCRAPE_SECONDS,
        "evaluate": _SCRAPE_SECONDS, "faults": [event],
    }  # fmt: skip
    return parse_scenario(yaml.safe_dump(values), Path(where))


def foresee(loaded: LoadedScenario, rules: RuleSet, threads: int = 1) -> Foresight:
    """Return what follows from the fault of a scenario.

    Raises:
        ConfigError: promtool is not there.
    """
    metrics = known_metrics(loaded.layout)
    own = _names(loaded.layout)
    samples = sample(loaded, wanted_metrics(rules, metrics) | set(own.values()))
    alerts, before, failed = _alerts(samples, rules, loaded.scenario.evaluate, threads)
    first = round(_WARM_SECONDS / samples.interval)
    die, power = (_values(samples, own[name]) for name in ("gpu_temp", "power_usage"))
    limit = max(block.gpu.temperature_max_operating_celsius
                for block in loaded.layout.site.all_blocks)  # fmt: skip
    hot = np.where(np.isfinite(die), die, -np.inf) >= limit
    there = np.isfinite(die[:, first - 1 : first])
    gone = there & ~np.isfinite(die)
    total = np.nansum(power, axis=0)
    return Foresight(
        throttle=_when(hot[:, first:], samples.interval),
        throttled=int(hot[:, first:].any(axis=1).sum()),
        shutdown=_when(gone[:, first:], samples.interval),
        lost=int(gone[:, -1].sum()),
        hottest=float(np.nanmax(die[:, first:])),
        watts_before=float(total[first - 1]),
        watts_least=float(total[first:].min()),
        watts_end=float(total[-1]),
        jobs=_interrupted(samples, own["interruptions"], first),
        alerts=alerts,
        before=before,
        failed=failed,
    )


def _names(layout: Layout) -> dict[str, str]:
    """Return the metrics that tell what happens, by the signal."""
    edition = layout.editions[0]
    names = {name: edition.row(GPU[name]).metric for name in ("gpu_temp", "power_usage")}
    return {**names, "interruptions": JOB["interruptions"].metric}


def _values(samples: Samples, name: str) -> Floats:
    return samples.families[name].values


def _when(flags: np.ndarray[Any, Any], interval: float) -> float | None:
    """Return the seconds to the first scrape at which any flag holds."""
    at = np.flatnonzero(flags.any(axis=0))
    return float((at[0] + 1) * interval) if len(at) else None


def _interrupted(samples: Samples, name: str, first: int) -> list[str]:
    """Return the jobs whose interruptions are more in the end than at the fault."""
    family = samples.families.get(name)
    if family is None:
        return []
    found = set()
    for labels, values in zip(family.labels, family.values, strict=True):
        if np.nan_to_num(values[-1]) > np.nan_to_num(values[first - 1]):
            found.add(labels.get("training_job", labels.get("job", "")))
    return sorted(found)


def _alerts(
    samples: Samples, rules: RuleSet, interval: float, threads: int
) -> tuple[list[ForeseenAlert], list[str], int]:
    """Return the alerts after the fault, those that fire without it, and rules that fail."""
    candidates = [Candidate(rule, rule.body) for rule in rules.alerts]
    outcome = evaluate(samples, candidates, rules, interval, threads)
    after: dict[str, list[tuple[float, str]]] = {}
    before: set[str] = set()
    for own in outcome.episodes:
        if own.firing is None:
            continue
        name = own.labels["alertname"]
        if own.firing < _WARM_SECONDS:
            if own.ended is None or own.ended > _WARM_SECONDS:
                before.add(name)
        else:
            told = own.firing - _WARM_SECONDS, own.labels.get("severity", "")
            after.setdefault(name, []).append(told)
    found = [ForeseenAlert(name, own[0][1], min(own)[0], len(own)) for name, own in after.items()]
    found.sort(key=lambda own: (own.after, own.name))
    return found, sorted(before), len(outcome.errors) + len(outcome.failed)
