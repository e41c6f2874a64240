"""Writing a past: what it will come to, and its days, each whole or not at all.

Several processes write different days. Each lives through all of them, and scrapes only its own:
the plant is the smaller part of the work, and so no process waits for another. Rules need every
scrape, in order, so a past with rules is made by one process. In each, a thread writes a part, and
evaluates the rules over it, while the next part, or the next day, is simulated.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Protocol

from twin.catalog import DEVICES
from twin.emulator.state import KeptState, StateFile
from twin.errors import ConfigError
from twin.files import write_whole
from twin.history.events import PastEvent
from twin.history.page_reader import Block
from twin.history.part_queue import PartQueue
from twin.history.past import PastPlan, SimulatedPast
from twin.history.rule_history import RuleHistory
from twin.history.targets import DayWriter, SampleTarget
from twin.site import count_series

__all__ = [
    "Estimate",
    "HistoryReport",
    "begun",
    "estimated",
    "kept_states",
    "processes_for",
    "write_days",
    "write_history",
]

_OWN = ".twin-history"
_PART_SECONDS = 7200
"""What a block of Prometheus covers: so much is held in memory at a time, or less."""
_MOST_HELD = 20_000_000
"""Samples of a part, of 8 bytes each: one is written while the next is simulated."""


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


class HistoryReport(Protocol):
    """Who is told how far it is."""

    def scraped(self) -> None:
        """Take note of a scrape."""

    def written(self, day: int, samples: int) -> None:
        """Take note of a day that is in place.

        Args:
            day: unix time at which it begins.
            samples: that it has.
        """


def estimated(plan: PastPlan, target: SampleTarget) -> Estimate:
    """Return what a plan will come to."""
    series = count_series(plan.layout, plan.detail)
    days = len(_missing(plan, target))
    samples = series * plan.scrapes * days
    return Estimate(series, samples, round(samples * target.bytes_a_sample), days)


def processes_for(plan: PastPlan, target: SampleTarget, most: int) -> int:
    """Return how many processes can share the days that are still to be made.

    Rules are evaluated once, over all scrapes in order, and what a file of the user adds to the
    catalogue is in this process alone.
    """
    alone = target.in_order or plan.rules or DEVICES.is_extended
    return 1 if alone else max(1, min(most, len(_missing(plan, target))))


def write_history(
    plan: PastPlan, target: SampleTarget, report: HistoryReport, processes: int = 1
) -> int:
    """Write the days that are not there yet and return how many samples they have.

    The state at the end of days is kept beside them, and a later call goes on from it.
    The aggregator's own counts and the roll-ups of counters then begin anew, as after a restart.

    Args:
        plan: what is made.
        target: what it is written to.
        report: is told how far it is.
        processes: that share the days.

    Raises:
        ConfigError: the folder holds another past.
        ServiceError: promtool fails.
        OSError: it cannot be written.
    """
    _claim(_plan_file(target), plan)
    missing = _missing(plan, target)
    if not missing:
        return 0
    count = processes_for(plan, target, processes)
    if count == 1:
        return write_days(plan, target, missing, report)
    from twin.history.sharing import write_together  # noqa: PLC0415 - it imports this module

    return write_together(plan, target, [missing[own::count] for own in range(count)], report)


def write_days(
    plan: PastPlan, target: SampleTarget, days: Collection[int], report: HistoryReport
) -> int:
    """Write some days and return how many samples they have.

    Args:
        plan: what is made.
        target: what it is written to.
        days: unix time at which each begins, in their order.
        report: is told how far it is.
    """
    states = _DayStates(plan, target)
    past = SimulatedPast(plan, states.before(min(days)))
    rules = RuleHistory(plan, at_once=target.in_order) if plan.rules else None
    states.follow(rules, round(past.now))
    total, last = 0, max(days)
    with PartQueue() as parts:
        while (day := round(past.now)) <= last:
            if day in days:
                work = _DayInWork(target.day(day), rules, states, report, day)
                total += _live(plan, past, work, parts)
            else:
                total += parts.wait()
                _pass_by(plan, past, rules)
        return total + parts.wait()


def _missing(plan: PastPlan, target: SampleTarget) -> list[int]:
    return [day for day in plan.each_day if not target.has(day)]


def _pass_by(plan: PastPlan, past: SimulatedPast, rules: RuleHistory | None) -> None:
    """Live through a day that somebody else writes, or that is there already."""
    each = _scrapes_held(plan)
    for step in range(plan.scrapes):
        if step in (0, plan.scrapes - 1):  # where counters begin, and how far they have come
            past.scrape()
        elif rules is not None:
            past.watch(rules.reads)
            past.scrape()
            past.watch(None)
        else:
            past.pass_by()
        if rules is None:
            past.forget()
        elif (step + 1) % each == 0 or step == plan.scrapes - 1:
            rules.take(list(past.blocks()), round(past.now))


def _scrapes_held(plan: PastPlan) -> int:
    """Return how many scrapes are held in memory at a time."""
    layout = plan.layout
    sent = sum(
        len(layout.reported[device.name]) * prod(layout.shape(device)) for device in layout.devices
    )
    most = max(count_series(layout, plan.detail), sent, 1)
    return max(1, min(_PART_SECONDS // plan.step, _MOST_HELD // most))


def _live(plan: PastPlan, past: SimulatedPast, work: _DayInWork, parts: PartQueue) -> int:
    """Live through a day, have it written behind, and return the samples written meanwhile."""
    each, samples, day = _scrapes_held(plan), 0, work.day
    try:
        for scrape in range(1, plan.scrapes + 1):
            past.scrape()
            work.report.scraped()
            if scrape % each == 0 and scrape < plan.scrapes:
                samples += parts.put(partial(work.take, past.blocks(), round(past.now)))
        events, state = past.events(day, day + plan.day), past.state()
        kept = work.states.dumped(state)
        end = partial(work.finish, past.blocks(), round(past.now), events, kept)
        return samples + parts.put(end)
    except BaseException:
        parts.settle()
        work.writer.drop()
        raise


@dataclass(slots=True)
class _DayInWork:
    """A day that is being written, whole or not at all.

    Attributes:
        writer: writes it.
        rules: that follow it, if any do.
        states: are kept at its end.
        report: is told when it is in place.
        day: unix time at which it begins.
        samples: that were written so far.
    """

    writer: DayWriter
    rules: RuleHistory | None
    states: _DayStates
    report: HistoryReport
    day: int
    samples: int = 0

    def take(self, computed: Iterator[Block], now: int) -> int:
        """Compute and write a part with what the rules gave, and return its samples."""
        blocks = list(computed)
        given = () if self.rules is None else self.rules.take(blocks, now)
        samples = self.writer.take([*blocks, *given])
        self.samples += samples
        return samples

    def finish(
        self, computed: Iterator[Block], now: int, events: Sequence[PastEvent], state: bytes
    ) -> int:
        """Write the last part, put the day in its place, and return the samples of the part."""
        try:
            samples = self.take(computed, now)
            self.writer.finish(events)
        except BaseException:
            self.writer.drop()
            raise
        self.states.save(now, state, self.rules)
        self.report.written(self.day, self.samples)
        return samples


def kept_states(target: SampleTarget) -> dict[int, Path]:
    """Return the files of the states that are kept beside a past, by their unix time."""
    found = {}
    for path in (target.folder / _OWN).glob("plant-*.state"):
        word = path.stem.removeprefix("plant-")
        if word.isdigit():
            found[int(word)] = path
    return found


class _DayStates:
    """States at the ends of days, from which a later call goes on."""

    def __init__(self, plan: PastPlan, target: SampleTarget) -> None:
        self._plan, self._target = plan, target
        self._folder = target.folder / _OWN

    def before(self, day: int) -> KeptState | None:
        """Return the latest state from which a day can be reached, None without any."""
        ends = [end for end in kept_states(self._target) if end <= day]
        kept = self._file(max(ends)).load() if ends else None
        return kept if kept is not None and round(kept.now) <= day else None

    def follow(self, rules: RuleHistory | None, end: int) -> None:
        """Let rules go on from what is kept of them at the end of a day."""
        path = self._rules(end)
        if rules is not None and path.exists():
            rules.load(path)
        elif rules is not None:
            rules.begin(end)

    def dumped(self, state: KeptState) -> bytes:
        """Return a state as it is kept."""
        return self._file(round(state.now)).dump(state)

    def save(self, now: int, state: bytes, rules: RuleHistory | None) -> None:
        """Keep a state of a moment, and drop those that no day that is missing needs any more."""
        if rules is not None:
            rules.save(self._rules(now))
        self._file(now).write(state)
        missing = _missing(self._plan, self._target)
        first = missing[0] if missing else self._plan.each_day[-1] + self._plan.day
        for end in sorted(end for end in kept_states(self._target) if end <= first)[:-1]:
            self._file(end).path.unlink(missing_ok=True)
            self._rules(end).unlink(missing_ok=True)

    def _rules(self, end: int) -> Path:
        return self._folder / f"rules-{end}.npz"

    def _file(self, end: int) -> StateFile:
        return StateFile(self._folder, self._plan.layout, self._plan.workload, str(end))


def begun(target: SampleTarget) -> int | None:
    """Return the unix time at which the past of a folder begins, None where there is none."""
    path = _plan_file(target)
    return int(json.loads(path.read_bytes())["start"]) if path.exists() else None


def _plan_file(target: SampleTarget) -> Path:
    return target.folder / _OWN / "plan.json"


def _claim(path: Path, plan: PastPlan) -> None:
    """Say which past a folder holds.

    Raises:
        ConfigError: it holds another.
    """
    text = json.dumps(plan.identity, sort_keys=True).encode()
    path.parent.mkdir(exist_ok=True)
    if path.exists() and path.read_bytes() != text:
        raise ConfigError(
            f"--to: {path.parent.parent} holds a past of another site, detail, step or seed; "
            "choose another folder, or give the same options to go on with it"
        )
    write_whole(path, text)
