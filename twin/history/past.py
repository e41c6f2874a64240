"""The past of a site: its emulator and its aggregator in simulated time, and every scrape of them.

Physics, weather, jobs and natural failures are those of ``twin emulate``; a scrape is what
the aggregator's own pages write, so names, labels and values are those of ``/metrics``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.aggregator import Core
from twin.aggregator.discovery import target_groups
from twin.aggregator.shard_assignment import Addresses
from twin.aggregator.text_format import ExpositionWriter, MetricHead, SeriesColumn, label_block
from twin.catalog import UP, UnitKind
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.emulator.state import KeptState
from twin.rules.sampling import labels_of_block
from twin.site import DetailPlan, Layout

__all__ = ["DAY", "Block", "PastPlan", "SimulatedPast"]

DAY = 86_400
_ADDRESS = "aggregator:9400"
_STATUS_SECONDS = 60
LONGEST = 5.0
"""Longest step of the plant in s; docs/history.md says what it changes."""
_UP_HEAD = MetricHead(UP, b"# HELP up 1 where the target answers.\n# TYPE up gauge",
                      b"# HELP up 1 where the target answers.\n# TYPE up gauge")  # fmt: skip

Values = NDArray[np.float64]


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

    @property
    def scrapes(self) -> int:
        """Scrapes a day."""
        return DAY // self.step

    @property
    def each_day(self) -> tuple[int, ...]:
        """Unix time at which each day begins."""
        return tuple(self.start + number * DAY for number in range(self.days))

    @property
    def identity(self) -> dict[str, object]:
        """What makes two plans parts of one past; how long it is does not."""
        return {
            "site": self.layout.site.model_dump(mode="json", exclude_unset=True),
            "detail": [level.value for level in self.detail.levels],
            "start": self.start, "step": self.step, "seed": self.seed,
            "workload": self.workload, "failures": self.failures,
            "longest": self.longest,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """Scrapes of some series of one metric, over which their labels stayed the same.

    Attributes:
        head: of the metric.
        device: device class, or ``site`` for roll-ups and what is told of the twin itself.
        labels: label block of each series, with the labels of its target.
        whole: whether the values are whole numbers.
        times: unix time of each scrape in ms.
        values: (scrapes, series), NaN where a series was not there.
    """

    head: MetricHead
    device: str
    labels: Sequence[bytes]
    whole: bool
    times: NDArray[np.int64]
    values: Values


@dataclass(slots=True)
class _SteadyRun:
    labels: Sequence[bytes]
    times: list[int] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)


@dataclass(slots=True)
class _PageReader(ExpositionWriter):
    """A page that is kept as arrays instead of printed."""

    target: Mapping[str, str] = field(default_factory=dict)
    now: int = 0
    heads: dict[str, MetricHead] = field(default_factory=dict)
    runs: dict[tuple[str, int], list[_SteadyRun]] = field(default_factory=dict)
    whole: dict[tuple[str, int], bool] = field(default_factory=dict)
    known: dict[int, tuple[Sequence[bytes], list[bytes]]] = field(default_factory=dict)

    def add(self, metric: MetricHead, columns: Iterable[SeriesColumn]) -> None:
        """Keep the values of this scrape."""
        self.heads.setdefault(metric.name, metric)
        for place, column in enumerate(columns):
            if not len(column.labels):
                continue
            runs = self.runs.setdefault((metric.name, place), [])
            self.whole[metric.name, place] = column.whole
            labels = column.labels
            if not runs or (runs[-1].labels is not labels and runs[-1].labels != labels):
                runs.append(_SteadyRun(labels))
            runs[-1].times.append(self.now)
            values = np.array(column.values, np.float64)
            runs[-1].values.append(np.rint(values) if column.whole else values)

    def blocks(self) -> Iterator[Block]:
        """Yield what was kept since the last call."""
        kept, self.runs = self.runs, {}
        used: dict[int, tuple[Sequence[bytes], list[bytes]]] = {}
        for (name, place), runs in kept.items():
            metric = self.heads[name]
            device = metric.devices[place] if place < len(metric.devices) else "site"
            for run in runs:
                used[id(run.labels)] = labels = self._placed(run.labels)
                yield Block(metric, device, labels[1], self.whole[name, place],
                            np.array(run.times, np.int64), np.array(run.values))  # fmt: skip
        self.known = used

    def _placed(self, labels: Sequence[bytes]) -> tuple[Sequence[bytes], list[bytes]]:
        """Return label blocks with those of the target that they do not have themselves."""
        known = self.known.get(id(labels))
        if known is not None and known[0] is labels:
            return known
        return labels, [_with_target(block, self.target) for block in labels]


class SimulatedPast:
    """The past as it is made, day by day.

    Args:
        plan: what is made.
        kept: state at the end of a day before the first that is wanted; None to begin.

    Raises:
        ConfigError: the workload or the kind of failures does not exist.
    """

    def __init__(self, plan: PastPlan, kept: KeptState | None = None) -> None:
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
        self._core = Core(plan.layout, plan.detail)
        self._ticks = 0
        layout = plan.layout
        names = [layout.unit_name(UnitKind.ARRAY, own) for own in range(layout.site.arrays)]
        self._pages: list[tuple[int | None, _PageReader]] = []
        for group in target_groups(plan.layout, Addresses(_ADDRESS), plan.detail):
            own = {k: v for k, v in group["labels"].items() if not k.startswith("__")}
            array = names.index(own["array"]) if "array" in own else None
            self._pages.append((array, _PageReader(target={"instance": _ADDRESS, **own})))
        self._core.connected(connected=True)
        for message in self._emulator.announcement(self._figures()):
            self._core.handle(message.topic, message.payload, retain=False, now=self.now)

    @property
    def now(self) -> float:
        """Simulated unix time."""
        return self._emulator.now

    def state(self) -> KeptState:
        """Return what a later call needs to go on from here."""
        return self._emulator.state()

    def scrape(self) -> None:
        """Go on by a step and scrape all targets."""
        emulator, core = self._emulator, self._core
        emulator.step(float(self._plan.step))
        self._ticks += 1
        now = emulator.now
        for message in emulator.outbox():
            core.handle(message.topic, message.payload, retain=False, now=now)
        frames = emulator.frames
        for unit in frames.due():
            stamp = frames.stamp(unit)
            if stamp is not None:
                core.take(unit.kind, unit.row, frames.snapshot(stamp), now)
        if self._ticks % max(_STATUS_SECONDS // self._plan.step, 1) == 0:
            status = emulator.status("online", self._figures())
            core.handle(status.topic, status.payload, retain=False, now=now)
        core.tick(now)
        self._read(round(now * 1000))

    def blocks(self) -> Iterator[Block]:
        """Yield all that was scraped since the last call."""
        for _, page in self._pages:
            yield from page.blocks()

    def page(self, array: int) -> ExpositionWriter:
        """Return what the metrics page of an array says at this moment."""
        return self._core.array(array)

    def forget(self) -> None:
        """Drop what was scraped since the last call."""
        for _, page in self._pages:
            page.runs.clear()

    def _read(self, moment: int) -> None:
        for array, page in self._pages:
            page.now = moment
            if array is None:
                self._core.exposure.write_site(page)
            else:
                self._core.exposure.write_array(array, page)
            page.add(_UP_HEAD, [_UP_COLUMN])

    def _figures(self) -> Mapping[str, object]:
        step = {"simulated": 1.0, "wall": 1.0}
        return {"clock": step, "ticks": self._ticks, "frames": self._ticks}


_UP_COLUMN = SeriesColumn([b" "], np.ones(1), whole=True)


def _with_target(block: bytes, target: Mapping[str, str]) -> bytes:
    """Return a label block with the labels of its target that it lacks, as Prometheus adds them."""
    own = labels_of_block(block)
    more = {name: value for name, value in target.items() if name not in own}
    if not more:
        return block
    added = label_block(tuple(more.items()))
    return added if not own else block.rstrip()[:-1] + b"," + added[1:]
