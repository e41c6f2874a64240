"""The past of a site: its emulator and its aggregator in simulated time, and every scrape of them.

Physics, weather, jobs and natural failures are those of ``twin emulate``; a scrape is what
the aggregator's own pages write, so names, labels and values are those of ``/metrics``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

import numpy as np

from twin.aggregator import Core
from twin.aggregator.discovery import target_groups
from twin.aggregator.shard_assignment import Addresses
from twin.aggregator.text_format import ExpositionWriter, MetricHead, PrintedLines, SeriesColumn
from twin.catalog import UP, UnitKind
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.emulator.state import KeptState
from twin.errors import ConfigError
from twin.faults.maintenance import MaintenanceCalendar
from twin.faults.schedule import AppliedFault
from twin.history.events import PastEvent, event_of
from twin.history.page_reader import Block, PageReader
from twin.plant import Plant
from twin.plant.units import FINE_STEP
from twin.rules.simulation import hand_over
from twin.site import DetailPlan, Layout

__all__ = ["DAY", "PastPlan", "SimulatedPast"]

DAY = 86_400
_ADDRESS = "aggregator:9400"
_STATUS_SECONDS = 60
LONGEST = 5.0
"""Longest step of the plant in s; docs/history.md says what it changes."""
QUIET = 60.0
"""The same where nothing has changed for a while."""
QUIET_AFTER = 900
"""Seconds after a fault began or ended, and into a day, until the longer steps are taken: a job
that lost a GPU trains again after 720 s, and servers have booted long before."""
_STEADY = 7.5
"""Longest step where jobs come and go, requests are served or power is smoothed, in s."""
_UP_HEAD = MetricHead(UP, b"# HELP up 1 where the target answers.\n# TYPE up gauge",
                      b"# HELP up 1 where the target answers.\n# TYPE up gauge")  # fmt: skip


@dataclass(frozen=True, slots=True)
class PastPlan:
    """What past is made.

    Attributes:
        layout: the site.
        detail: how much of each array is exposed.
        start: unix time of its beginning, the first second of a day.
        days: how many.
        step: seconds between two scrapes, a divisor of a day.
        seed: of all random numbers.
        workload: what the training jobs run.
        failures: as ``twin emulate --failures``.
        longest: longest step of the plant in s.
        quiet: the same where no fault has begun or ended for a quarter of an hour.
        day: seconds of a day; shorter ones are for tests.
        rules: whether the shipped rules are evaluated, too.
        maintenance: whether the site is maintained, by the calendar of the seed.
    """

    layout: Layout
    detail: DetailPlan
    start: int
    days: int
    step: int
    seed: int = 0
    workload: str = "training"
    failures: str = "natural"
    longest: float = LONGEST
    quiet: float = QUIET
    day: int = DAY
    rules: bool = False
    maintenance: bool = False

    @property
    def scrapes(self) -> int:
        """Scrapes a day."""
        return self.day // self.step

    @property
    def each_day(self) -> tuple[int, ...]:
        """Unix time at which each day begins."""
        return tuple(self.start + number * self.day for number in range(self.days))

    @property
    def identity(self) -> dict[str, object]:
        """What makes two plans parts of one past; how long it is does not."""
        return {
            "site": self.layout.site.model_dump(mode="json", exclude_unset=True),
            "detail": [level.value for level in self.detail.levels],
            "start": self.start, "step": self.step, "seed": self.seed,
            "workload": self.workload, "failures": self.failures,
            "longest": self.longest, "quiet": self.quiet, "day": self.day,
            **({"rules": True} if self.rules else {}),
            **({"maintenance": True} if self.maintenance else {}),
        }  # fmt: skip


class SimulatedPast:
    """The past as it is made, day by day.

    Args:
        plan: what is made.
        kept: state at the end of a day before the first that is wanted; None to begin.
        wanted: names of the metrics that are kept; None for all.

    Raises:
        ConfigError: the workload or the kind of failures does not exist.
    """

    def __init__(
        self,
        plan: PastPlan,
        kept: KeptState | None = None,
        wanted: Collection[str] | None = None,
    ) -> None:
        self._plan = plan
        config = EmulatorConfig(
            plan.layout,
            seed=plan.seed,
            workload=plan.workload,
            interval=float(plan.step),
            longest_step=min(plan.longest, float(plan.step)),
            failures=plan.failures,
        )
        self._emulator = EmulatorCore(config, float(plan.start), kept=kept)
        self._core = Core(plan.layout, plan.detail, watched=False)
        halls = self._emulator.plant.halls
        busy = halls.batch or halls.engines or halls.gpus.smoothing or None
        self._quiet = plan.quiet if busy is None else min(plan.quiet, _STEADY)
        self._ticks, self._injected, self._changed = 0, 0, plan.start
        self._wrong: frozenset[str] = frozenset()
        self._took = FINE_STEP
        self._events: dict[str, PastEvent] = {}
        self._calendar = MaintenanceCalendar(plan.layout, plan.seed) if plan.maintenance else None
        self._pages: list[tuple[int | None, PageReader]] = []
        for group in target_groups(plan.layout, Addresses(_ADDRESS), plan.detail):
            own = {k: v for k, v in group["labels"].items() if not k.startswith("__")}
            array = plan.layout.unit_index(UnitKind.ARRAY, own.get("array", ""))
            self._pages.append(
                (array, PageReader(wanted=wanted, target={"instance": _ADDRESS, **own}))
            )
        self._core.connected(connected=True)
        for message in self._emulator.announcement(self._figures()):
            self._core.handle(message.topic, message.payload, retain=False, now=self.now)

    @property
    def now(self) -> float:
        """Simulated unix time."""
        return self._emulator.now

    @property
    def longest(self) -> float:
        """Longest step that the plant took last, in s."""
        return self._took

    @property
    def plant(self) -> Plant:
        """The plant, at this moment."""
        return self._emulator.plant

    def inject(
        self,
        kind: str,
        target: str,
        seconds: float,
        parameters: Mapping[str, float] | None = None,
    ) -> None:
        """Let a fault begin with the next step.

        Raises:
            ConfigError: there is no such fault or target.
        """
        self._injected += 1
        self._emulator.inject(f"past-{self._injected}", kind, target, seconds, parameters)

    def state(self) -> KeptState:
        """Return what a later call needs to go on from here."""
        return self._emulator.state()

    def scrape(self) -> None:
        """Go on by a step and scrape all targets."""
        self._step(whole=True)
        self._read(round(self.now * 1000))

    def pass_by(self) -> None:
        """Go on by a step that is not scraped."""
        self._step(whole=False)

    def settle(self, seconds: int = QUIET_AFTER) -> int:
        """Go on, unscraped, until the short steps at the beginning are over.

        Args:
            seconds: after the beginning, until which it goes on at most.

        Returns:
            How many steps that were.
        """
        steps = 0
        while self._plan.step > FINE_STEP and self.now - self._plan.start < seconds:
            self.pass_by()
            steps += 1
        return steps

    def _step(self, *, whole: bool) -> None:
        emulator, core, plan = self._emulator, self._core, self._plan
        self._maintain()
        # What a scrape sees is as fine as on a running twin: a second, and all before it as one.
        if plan.step > FINE_STEP:
            emulator.plant.longest = self._longest()
            emulator.replay(plan.step - FINE_STEP)
        self._took, emulator.plant.longest = emulator.plant.longest, FINE_STEP
        emulator.step(FINE_STEP)
        for applied in emulator.faults.active:
            if applied.id not in self._events:
                self._note(applied)
        self._ticks += 1
        now = emulator.now
        for message in emulator.outbox():
            core.handle(message.topic, message.payload, retain=False, now=now)
        frames = emulator.frames
        for unit in frames.due():
            stamp = frames.stamp(unit)
            if stamp is not None and whole:
                hand_over(emulator, core, stamp, now, whole=True)
        if self._ticks % max(_STATUS_SECONDS // plan.step, 1) == 0:
            status = emulator.status("online", self._figures())
            core.handle(status.topic, status.payload, retain=False, now=now)
        if whole:  # who looks at nothing in between gives up nobody in between
            core.tick(now)

    def _maintain(self) -> None:
        """Let the planned works begin whose time comes within this step."""
        if self._calendar is None:
            return
        now = round(self.now)
        for work in self._calendar.between(now, now + self._plan.step):
            seconds = float(work.start + work.seconds - now)
            # What is out of service for the same reason already is left alone.
            with suppress(ConfigError):
                self._emulator.inject(work.identifier, work.kind, work.target, seconds)

    def blocks(self) -> Iterator[Block]:
        """Return all that was scraped since the last call; it is computed as it is taken.

        Another thread may take it while this one goes on, call after call in their order.
        """
        return chain.from_iterable([page.blocks() for _, page in self._pages])

    def watch(self, wanted: Collection[str] | None) -> None:
        """Keep these metrics only from now on; None for all."""
        for _, page in self._pages:
            page.wanted = wanted

    def events(self, start: int, end: int) -> list[PastEvent]:
        """Return what was in force between two unix times, and drop what ended before them."""
        for applied in self._emulator.faults.active:
            self._note(applied)
        self._events = {own.event: own for own in self._events.values() if own.end > start * 1000}
        return [own for own in self._events.values() if own.start < end * 1000]

    def page(self, array: int) -> ExpositionWriter:
        """Return what the metrics page of an array says at this moment."""
        return self._core.array(array)

    def forget(self) -> None:
        """Drop what was scraped since the last call."""
        for _, page in self._pages:
            page.forget()

    def _longest(self) -> float:
        """Return the longest step of the plant at this moment.

        Each day begins with short ones, so that it does not matter where a past was cut.
        """
        plan, now = self._plan, round(self.now)
        wrong = frozenset(applied.id for applied in self._emulator.faults.active)
        if wrong != self._wrong:
            self._wrong, self._changed = wrong, now
        since = max(self._changed, now - (now - plan.start) % plan.day)
        return self._quiet if now - since >= QUIET_AFTER else plan.longest

    def _read(self, moment: int) -> None:
        for array, page in self._pages:
            page.now = moment
            if array is None:
                self._core.exposure.write_site(page)
            else:
                self._core.exposure.write_array(array, page)
            page.add(_UP_HEAD, [_UP_COLUMN])

    def _note(self, applied: AppliedFault) -> None:
        self._events[applied.id] = event_of(applied, self._plan.layout, self._plan.detail)

    def _figures(self) -> Mapping[str, object]:
        step = {"simulated": 1.0, "wall": 1.0}
        return {"clock": step, "ticks": self._ticks, "frames": self._ticks}


_UP_COLUMN = SeriesColumn([b" "], np.ones(1), whole=True, printed=PrintedLines())
