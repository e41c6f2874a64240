"""Part writer: evaluates the rules over each part of a past, and writes both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from twin.history.day_states import DayStates
from twin.history.events import PastEvent
from twin.history.page_reader import Block
from twin.history.past import PastPlan
from twin.history.rule_history import RuleHistory
from twin.history.targets import DayWriter, SampleTarget

__all__ = ["DayReport", "DirectWriter", "PartWriter"]


class DayReport(Protocol):
    """Who is told of days."""

    def written(self, day: int, samples: int) -> None:
        """Take note of a day that is in place.

        Args:
            day: unix time at which it begins.
            samples: that it has.
        """


class PartWriter(ABC):
    """Writes days part by part, in order; to be used as a context.

    An error in the context drops the day that is being written.
    """

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop the day that is being written, if there is one."""

    @abstractmethod
    def begin(self, day: int) -> None:
        """Begin a day, of which parts follow.

        Args:
            day: unix time at which it begins.
        """

    @abstractmethod
    def take(self, blocks: Iterable[Block], now: int) -> None:
        """Write a part of the day with what the rules gave.

        Args:
            blocks: what was scraped since the last call.
            now: unix time of the last scrape.
        """

    @abstractmethod
    def finish(
        self, blocks: Iterable[Block], now: int, events: Sequence[PastEvent], state: bytes
    ) -> None:
        """Write the last part of the day, put it in its place, and keep the state at its end.

        Args:
            blocks: what was scraped since the last call.
            now: unix time of the last scrape.
            events: what was in force on that day.
            state: of the plant, as it is kept.
        """

    @abstractmethod
    def pass_by(self, blocks: Iterable[Block], now: int) -> None:
        """Let the rules read a part of a day that is there already.

        Args:
            blocks: what they read of it.
            now: unix time of the last scrape.
        """

    @abstractmethod
    def end(self) -> int:
        """Wait until all is written, and return how many samples the days have."""


class DirectWriter(PartWriter):
    """Writes at once, in this process.

    Args:
        plan: what is made.
        target: what it is written to.
        report: is told of each day.
        now: unix time from which the simulation goes on.
    """

    def __init__(self, plan: PastPlan, target: SampleTarget, report: DayReport, now: int) -> None:
        self._target, self._report = target, report
        self._states = DayStates(plan, target)
        self._rules = RuleHistory(plan, at_once=target.in_order) if plan.rules else None
        self._states.follow(self._rules, now)
        self._writer: DayWriter | None = None
        self._day = self._samples = self._total = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop the day that is being written, if there is one."""
        if self._writer is not None:
            self._writer.drop()

    def begin(self, day: int) -> None:
        """Begin a day."""
        self._writer, self._day, self._samples = self._target.day(day), day, 0

    def take(self, blocks: Iterable[Block], now: int) -> None:
        """Evaluate the rules over a part, and write both."""
        self._take(self._begun(), blocks, now)

    def finish(
        self, blocks: Iterable[Block], now: int, events: Sequence[PastEvent], state: bytes
    ) -> None:
        """Write the last part, put the day in its place, and keep the states at its end."""
        writer = self._begun()
        self._take(writer, blocks, now)
        writer.finish(events)
        self._writer = None
        self._states.save(now, state, self._rules)
        self._total += self._samples
        self._report.written(self._day, self._samples)

    def pass_by(self, blocks: Iterable[Block], now: int) -> None:
        """Let the rules read a part of a day that is there already."""
        if self._rules is not None:
            self._rules.take(list(blocks), now)

    def end(self) -> int:
        """Return how many samples the days have."""
        return self._total

    def _take(self, writer: DayWriter, blocks: Iterable[Block], now: int) -> None:
        own = list(blocks)
        given = () if self._rules is None else self._rules.take(own, now)
        self._samples += writer.take([*own, *given])

    def _begun(self) -> DayWriter:
        if self._writer is None:
            raise AssertionError("a part comes after the beginning of its day")
        return self._writer
