"""Duration of a past before it is made: what a few of its scrapes took, times how many follow."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from twin.faults.maintenance import MaintenanceCalendar
from twin.faults.natural import failures_of
from twin.history.day_states import missing_days
from twin.history.past import QUIET_AFTER, PastPlan, SimulatedPast
from twin.history.targets import SampleTarget
from twin.history.writing import estimated, writes_beside

__all__ = ["Trial", "expected_seconds", "fine_steps", "tried"]

_MOST_SECONDS, _FEWEST, _MOST = 0.6, 3, 60
"""Of a trial, and its scrapes at least and at most."""
_RULES, _RULES_OF_MANY, _MANY = 0.31e-6, 1.1e-6, 30_000
"""Seconds of promtool for a sample, and the same from so many series on: measured of ``demo``
with racks and a sample a minute, and with devices in full and one every 15 s."""
_START_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What it takes, in s.

    Attributes:
        scrape: while nothing is wrong, with the series that follow from it.
        passed_by: a step without a scrape, likewise.
        fine: what a step takes longer where the plant is stepped finely.
    """

    scrape: float
    passed_by: float
    fine: float


def expected_seconds(plan: PastPlan, target: SampleTarget, processes: int) -> float:
    """Return how long the days that are missing will take, in s; it takes a second or so.

    Failures and planned works are those that the seed gives, so it is known when the plant will
    be stepped finely.

    Args:
        plan: what is made.
        target: what it is written to.
        processes: that share the days.
    """
    days = missing_days(plan, target)
    if not days:
        return 0.0
    trial = tried(plan)
    samples = estimated(plan, target).samples
    own = -(-len(days) // processes)
    scraped, passed = own * plan.scrapes, (len(days) - own) * plan.scrapes
    simulated = scraped * trial.scrape + passed * trial.passed_by
    simulated += fine_steps(plan, days) * trial.fine
    written = samples * target.seconds_a_sample / processes
    others = samples * target.seconds_of_others / processes
    many = samples > _MANY * plan.scrapes * len(days)
    rules = samples * (_RULES_OF_MANY if many else _RULES) if plan.rules else 0.0
    cores = max(1, (os.cpu_count() or 1) // processes)
    least = (simulated + written + others + rules) / cores
    if not writes_beside(plan, target):
        return _START_SECONDS + max(simulated + written + rules, least)
    # The rules of the last day, and what is left to write of it, follow the simulation.
    return _START_SECONDS + max(simulated, written + rules, least) + rules / len(days)


def tried(plan: PastPlan) -> Trial:
    """Return what a few scrapes of a past took."""
    past = SimulatedPast(plan)
    past.settle(QUIET_AFTER // 2)
    began = time.perf_counter()
    steps = past.settle()
    fine = (time.perf_counter() - began) / max(1, steps)
    past.scrape()
    list(past.blocks())
    taken = _mean(past.scrape, lambda: list(past.blocks()))
    passed = _mean(past.pass_by)
    return Trial(taken, passed, max(0.0, fine - passed) if steps else 0.0)


def _mean(step: Callable[[], None], last: Callable[[], object] | None = None) -> float:
    """Return the seconds of a step, of some that take no longer than they must."""
    began, count = time.perf_counter(), 0
    while count < _FEWEST or (count < _MOST and time.perf_counter() - began < _MOST_SECONDS):
        step()
        count += 1
    if last is not None:
        last()
    return (time.perf_counter() - began) / count


def fine_steps(plan: PastPlan, days: Collection[int]) -> int:
    """Return in how many steps of some days the plant is stepped finely."""
    end = max(days) + plan.day
    failures = failures_of(plan.failures, plan.layout, plan.seed)
    spells = (
        []
        if failures is None
        else [(plan.start + own.at, own.seconds) for own in failures.until(end - plan.start)]
    )
    if plan.maintenance:
        calendar = MaintenanceCalendar(plan.layout, plan.seed)
        spells += [(own.start, own.seconds) for own in calendar.between(plan.start, end)]
    changes: list[float] = [*days]
    changes += [moment for at, seconds in spells for moment in (at, at + seconds)]
    ordered = np.sort(np.array(changes, np.float64))
    steps = np.concatenate([np.arange(day, day + plan.day, plan.step) for day in days])
    before = np.searchsorted(ordered, steps, side="right") - 1
    since = np.where(before >= 0, steps - ordered[before], np.inf)
    return int((since < QUIET_AFTER).sum())
