"""Foresight: a fault on a site as it is loaded at present, and its consequences.

The plant is built from the site file with the set points and the load that the fleet has just
measured, runs until it is warm, and then has the fault. What an observer knows of each GPU is put
in its place first. The rules are judged as in a rule test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from twin.catalog import JOB
from twin.faults import FAULTS, parse_fault, place_of
from twin.plant.gpu import Gpus
from twin.plant.units import Floats
from twin.rules.engine import evaluate
from twin.rules.jobs import Candidate
from twin.rules.present import MeasuredGpus, PresentSite
from twin.rules.sampling import Samples, Sampling, known_metrics
from twin.rules.scenario_run import wanted_metrics
from twin.rules.source import RuleSet
from twin.scenario import parse_scenario
from twin.scenario.loader import LoadedScenario
from twin.site import Layout, parse_site

__all__ = ["Foresight", "WarmPlant", "foresee", "scenario_of"]

_WARM_SECONDS = 300.0
"""From the start of the simulation to the fault: as long as most rules look back."""
_WARM_STEP = 5.0
_POWER_SECONDS = 60
"""From the start until the power of each GPU is put at what is measured, and over which its mean
before the fault is taken."""
_SCRAPE_SECONDS = 15.0
"""What GPUs do is looked at every second; only alerts go by this."""
_POWER_RATIOS = (0.5, 1.5)
"""What a GPU may draw over what the model foretells; beyond, it does something else."""
_MOST = 95.0
"""Percentile of the GPUs that are within what is told."""


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
class WarmPlant:
    """How near the plant is to what is measured when the fault begins.

    Attributes:
        kelvin: by which the dies of 95 % of the GPUs were off before they were put there.
        watts: of all GPUs that measure it.
        measured: the same as measured.
    """

    kelvin: float
    watts: float
    measured: float


@dataclass(frozen=True, slots=True)
class Foresight:
    """What would follow from a fault.

    Attributes:
        throttle: seconds from the fault until heat lowers the clock of a GPU; None for never.
        throttled: GPUs whose clock it lowers.
        shutdown: seconds until a GPU shuts down; None for never.
        lost: GPUs that are down in the end and were not before.
        hottest: highest temperature of a GPU, °C.
        watts_before: mean power of all GPUs in the minute before the fault.
        watts_least: least power after it.
        watts_end: power in the end.
        jobs: that are interrupted.
        alerts: in order of time.
        before: alerts that fire without the fault.
        failed: rules that could not be evaluated.
        warm: how near the plant was to what is measured; None where nothing is.
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
    warm: WarmPlant | None = None


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


def foresee(
    loaded: LoadedScenario,
    rules: RuleSet | None,
    threads: int = 1,
    gpus: MeasuredGpus | None = None,
) -> Foresight:
    """Return what follows from the fault of a scenario.

    Args:
        loaded: the scenario.
        rules: whose alerts are told; None for none.
        threads: promtools at a time.
        gpus: what is measured of each GPU; None for what the site file says.

    Raises:
        ConfigError: promtool is not there.
    """
    interruptions = JOB["interruptions"].metric
    wanted = {interruptions}
    if rules is not None:
        wanted |= wanted_metrics(rules, known_metrics(loaded.layout))
    sampling = Sampling(_calm(loaded), wanted)
    before, warm = _warm(sampling, gpus)
    sampling.follow(loaded)
    course = _Course(sampling.plant.gpus)
    for second in range(1, round(loaded.scenario.duration - _WARM_SECONDS) + 1):
        sampling.advance(_WARM_SECONDS + second)
        course.take(second)
    samples = sampling.samples()
    alerts, firing, failed = (
        ([], [], 0) if rules is None else _alerts(samples, rules, loaded.scenario.evaluate, threads)
    )
    return Foresight(
        throttle=course.throttle,
        throttled=int(course.hot.sum()),
        shutdown=course.shutdown,
        lost=int(course.lost.sum()),
        hottest=course.hottest,
        watts_before=float(before.sum()),
        watts_least=course.least,
        watts_end=course.watts,
        jobs=_interrupted(samples, interruptions, round(_WARM_SECONDS / samples.interval)),
        alerts=alerts,
        before=firing,
        failed=failed,
        warm=warm,
    )


def _calm(loaded: LoadedScenario) -> LoadedScenario:
    """Return the scenario without its fault, in steps that are long enough for that."""
    calm = loaded.scenario.model_copy(update={"faults": (), "step": _WARM_STEP})
    return replace(loaded, scenario=calm)


def _warm(sampling: Sampling, measured: MeasuredGpus | None) -> tuple[Floats, WarmPlant | None]:
    """Run up to the fault, with each GPU as it is measured, and return its mean power before it.

    Its resistance is known from the start; its power follows from what it draws here, and in the
    end its die is put where it is measured.
    """
    gpus = sampling.plant.gpus
    last = _WARM_SECONDS - _POWER_SECONDS
    if measured is None:
        sampling.advance(last)
        return _means(sampling, _WARM_SECONDS)[0], None
    gpus.adopt(resistance=measured.resistance, memory=measured.memory, die=measured.die)
    mean, _ = _means(sampling, _POWER_SECONDS)
    working = np.minimum(mean, measured.power) > measured.working
    ratio = np.clip(measured.power / np.maximum(mean, 1.0), *_POWER_RATIOS)
    gpus.adopt(power=np.where(working, ratio, np.nan))
    sampling.advance(last)
    mean, die = _means(sampling, _WARM_SECONDS)
    off = np.abs(die - measured.die)
    gpus.adopt(die=gpus.die + (measured.die - die))  # as warm as that, at this phase of a step
    there = np.isfinite(measured.power)
    return mean, WarmPlant(
        float(np.nanpercentile(off, _MOST)) if np.isfinite(off).any() else 0.0,
        float(mean[there].sum()),
        float(measured.power[there].sum()),
    )


def _means(sampling: Sampling, until: float) -> tuple[Floats, Floats]:
    """Go on to a second, and return each GPU's mean power and die temperature on the way."""
    gpus = sampling.plant.gpus
    total, steps = np.zeros((2, *gpus.power.shape)), 0
    for second in np.arange(sampling.second + _WARM_STEP, until + 1.0, _WARM_STEP):
        sampling.advance(float(second))
        total += np.stack((gpus.power, gpus.die))
        steps += 1
    power, die = total / max(steps, 1)
    return power, die


class _Course:
    """What GPUs do from the fault on, second by second.

    Attributes:
        throttle: second at which heat first slows one.
        shutdown: second at which one is first lost.
        hot: GPUs that heat has slowed.
        lost: GPUs that are lost and were not before.
        hottest: temperature of a die, °C.
        least: power of all, W.
    """

    def __init__(self, gpus: Gpus) -> None:
        self._gpus = gpus
        self._there = ~self._lost()
        self.throttle: float | None = None
        self.shutdown: float | None = None
        self.hot: NDArray[np.bool_] = np.zeros_like(self._there)
        self.lost: NDArray[np.bool_] = self.hot
        self.hottest = float(gpus.die.max(initial=-np.inf))
        self.least = self.watts

    @property
    def watts(self) -> float:
        """Power of all GPUs now."""
        return float(self._gpus.power.sum(dtype=np.float64))

    def take(self, second: int) -> None:
        """Take in how they are now."""
        die, memory = self._gpus.overheated
        self.hot = self.hot | die | memory
        self.lost = self._there & self._lost()
        if self.throttle is None and self.hot.any():
            self.throttle = float(second)
        if self.shutdown is None and self.lost.any():
            self.shutdown = float(second)
        self.hottest = max(self.hottest, float(self._gpus.die.max(initial=-np.inf)))
        self.least = min(self.least, self.watts)

    def _lost(self) -> NDArray[np.bool_]:
        dark: NDArray[np.bool_] = self._gpus.power <= 0.0
        return self._gpus.lost | dark


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
