"""Writing a past: what it will come to, and its days, each whole or not at all.

Several processes write different days. Each lives through all of them, and scrapes only its own:
the plant is the smaller part of the work, and so no process waits for another. Rules need every
scrape, in order, so a past with rules is simulated by one process; what was scraped is then
evaluated and written by another beside it, unless it is little.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import prod
from typing import Protocol

from twin.catalog import DEVICES
from twin.history.day_states import DayStates, begun, claim, kept_states, missing_days
from twin.history.part_writer import DayReport, DirectWriter, PartWriter
from twin.history.past import PastPlan, SimulatedPast
from twin.history.rule_history import rules_read
from twin.history.targets import SampleTarget
from twin.history.writer_process import WriterProcess
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
    "writes_beside",
]

_PART_SECONDS = 7200
"""What a block of Prometheus covers: so much is held in memory at a time, or less."""
_MOST_HELD = 20_000_000
"""Samples of a part, of 8 bytes each: one is written while the next is simulated."""
_PAYS = 5_000_000
"""Samples from which a process beside pays: it is there after a second, and writes that in two."""


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


class HistoryReport(DayReport, Protocol):
    """Who is told how far it is."""

    def scraped(self) -> None:
        """Take note of a scrape."""


def estimated(plan: PastPlan, target: SampleTarget) -> Estimate:
    """Return what a plan will come to."""
    series = count_series(plan.layout, plan.detail)
    days = len(missing_days(plan, target))
    samples = series * plan.scrapes * days
    return Estimate(series, samples, round(samples * target.bytes_a_sample), days)


def processes_for(plan: PastPlan, target: SampleTarget, most: int) -> int:
    """Return how many processes can share the days that are still to be made.

    Rules are evaluated once, over all scrapes in order, and what a file of the user adds to the
    catalogue is in this process alone.
    """
    alone = target.in_order or plan.rules or DEVICES.is_extended
    return 1 if alone else max(1, min(most, len(missing_days(plan, target))))


def writes_beside(plan: PastPlan, target: SampleTarget) -> bool:
    """Return whether a process of its own writes what one process simulates: where that pays."""
    # What a file of the user adds to the catalogue is in this process alone.
    return not DEVICES.is_extended and estimated(plan, target).samples >= _PAYS


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
    claim(target, plan)
    missing = missing_days(plan, target)
    if not missing:
        return 0
    count = processes_for(plan, target, processes)
    if count == 1:
        beside = writes_beside(plan, target)
        return write_days(plan, target, missing, report, beside=beside)
    from twin.history.sharing import write_together  # noqa: PLC0415 - it imports this module

    return write_together(plan, target, [missing[own::count] for own in range(count)], report)


def write_days(
    plan: PastPlan,
    target: SampleTarget,
    days: Collection[int],
    report: HistoryReport,
    *,
    beside: bool = False,
) -> int:
    """Write some days and return how many samples they have.

    Args:
        plan: what is made.
        target: what it is written to.
        days: unix time at which each begins, in their order.
        report: is told how far it is.
        beside: whether a process of its own writes them while this one simulates.
    """
    states = DayStates(plan, target)
    past = SimulatedPast(plan, states.before(min(days)))
    last = max(days)
    passes = any(day not in days for day in range(round(past.now), last, plan.day))
    reads = rules_read(plan) if plan.rules and passes else None
    kind = WriterProcess if beside else DirectWriter
    with kind(plan, target, report, round(past.now)) as writer:
        while (day := round(past.now)) <= last:
            if day in days:
                writer.begin(day)
                _live(plan, past, writer, report, states)
            else:
                _pass_by(plan, past, writer, reads)
        return writer.end()


def _pass_by(
    plan: PastPlan, past: SimulatedPast, writer: PartWriter, reads: Collection[str] | None
) -> None:
    """Live through a day that somebody else writes, or that is there already.

    Args:
        plan: what is made.
        past: which goes on.
        writer: whose rules follow.
        reads: names of the metrics that the rules read, None without rules.
    """
    each = _scrapes_held(plan)
    for step in range(plan.scrapes):
        if step in (0, plan.scrapes - 1):  # where counters begin, and how far they have come
            past.scrape()
        elif reads is not None:
            past.watch(reads)
            past.scrape()
            past.watch(None)
        else:
            past.pass_by()
        if reads is None:
            past.forget()
        elif (step + 1) % each == 0 or step == plan.scrapes - 1:
            writer.pass_by(past.blocks(), round(past.now))


def _scrapes_held(plan: PastPlan) -> int:
    """Return how many scrapes are held in memory at a time."""
    layout = plan.layout
    sent = sum(
        len(layout.reported[device.name]) * prod(layout.shape(device)) for device in layout.devices
    )
    most = max(count_series(layout, plan.detail), sent, 1)
    return max(1, min(_PART_SECONDS // plan.step, _MOST_HELD // most))


def _live(
    plan: PastPlan,
    past: SimulatedPast,
    writer: PartWriter,
    report: HistoryReport,
    states: DayStates,
) -> None:
    """Live through a day that has begun, and have it written."""
    each, day = _scrapes_held(plan), round(past.now)
    for scrape in range(1, plan.scrapes + 1):
        past.scrape()
        report.scraped()
        if scrape % each == 0 and scrape < plan.scrapes:
            writer.take(past.blocks(), round(past.now))
    events, state = past.events(day, day + plan.day), states.dumped(past.state())
    writer.finish(past.blocks(), round(past.now), events, state)
