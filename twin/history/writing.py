"""Writing a past: what it will come to, and its days, each whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from twin.emulator.state import StateFile
from twin.errors import ConfigError
from twin.files import write_whole
from twin.history.past import PastPlan, SimulatedPast
from twin.history.targets import SampleTarget
from twin.site import count_series

__all__ = ["Estimate", "estimated", "write_history"]

_OWN = ".twin-history"
_PART_SECONDS = 7200
"""What a block of Prometheus covers: so much is held in memory at a time, or less."""
_MOST_HELD = 30_000_000
"""Samples that are held in memory at a time, of 8 bytes each."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The size of a past before it is made.

    Attributes:
        series: that are exposed at a time.
        samples: of all days that are still to be made.
        bytes: once written.
        days: that are still to be made.
    """

    series: int
    samples: int
    bytes: int
    days: int


def estimated(plan: PastPlan, target: SampleTarget) -> Estimate:
    """Return what a plan will come to."""
    series = count_series(plan.layout, plan.detail)
    days = sum(not target.has(day) for day in plan.each_day)
    samples = series * plan.scrapes * days
    return Estimate(series, samples, round(samples * target.bytes_a_sample), days)


def write_history(
    plan: PastPlan,
    target: SampleTarget,
    scraped: Callable[[], None],
    written: Callable[[int, int], None],
) -> int:
    """Write the days that are not there yet and return how many samples they have.

    The state at the end of the last day is kept beside them, and a later call goes on from it.
    The aggregator's own counts and the roll-ups of counters then begin anew, as after a restart.

    Args:
        plan: what is made.
        target: what it is written to.
        scraped: is called after each scrape.
        written: is told the unix time of each day that is in place, and its samples.

    Raises:
        ConfigError: the folder holds another past.
        ServiceError: promtool fails.
        OSError: it cannot be written.
    """
    own = target.folder / _OWN
    states = StateFile(own, plan.layout, plan.workload)
    _claim(own / "plan.json", plan)
    days = plan.each_day
    done = next((number for number, day in enumerate(days) if not target.has(day)), len(days))
    if done == len(days):
        return 0
    kept = states.load() if done else None
    past = SimulatedPast(plan, kept if kept is not None and round(kept.now) == days[done] else None)
    total = 0
    for day in days:
        if round(past.now) > day:
            continue
        if target.has(day):  # its state is gone, so it is lived through once more
            _live(plan, past, scraped)
            continue
        samples = _write_day(plan, past, target, day, scraped)
        states.save(past.state())
        written(day, samples)
        total += samples
    return total


def _live(plan: PastPlan, past: SimulatedPast, scraped: Callable[[], None]) -> None:
    for _ in range(plan.scrapes):
        past.scrape()
        past.forget()
        scraped()


def _write_day(
    plan: PastPlan, past: SimulatedPast, target: SampleTarget, day: int, scraped: Callable[[], None]
) -> int:
    """Write a day and return its samples."""
    series = max(count_series(plan.layout, plan.detail), 1)
    each = max(1, min(_PART_SECONDS // plan.step, _MOST_HELD // series))
    writer, samples = target.day(day), 0
    try:
        for scrape in range(1, plan.scrapes + 1):
            past.scrape()
            scraped()
            if scrape % each == 0 or scrape == plan.scrapes:
                samples += writer.take(past.blocks())
        writer.finish()
    except BaseException:
        writer.drop()
        raise
    return samples


def _claim(path: Path, plan: PastPlan) -> None:
    """Say which past a folder holds.

    Raises:
        ConfigError: it holds another.
    """
    text = json.dumps(plan.identity, sort_keys=True).encode()
    if path.exists() and path.read_bytes() != text:
        raise ConfigError(
            f"--to: {path.parent.parent} holds a past of another site, detail, step or seed; "
            "choose another folder, or give the same options to go on with it"
        )
    write_whole(path, text)
