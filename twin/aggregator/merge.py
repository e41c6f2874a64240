"""Roll-ups of halls and the site over the parts of several aggregators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.reduction import Figures, Reduction
from twin.aggregator.rollup import HallReduction, Rollups
from twin.aggregator.shard_assignment import ShardAssignment
from twin.aggregator.store import Store
from twin.catalog import Level
from twin.errors import FrameError
from twin.site import ranges, site_rollups
from twin.wire import RollupPart, SignalPart

__all__ = ["MergedRollups", "Parts", "part_of"]

_Values = NDArray[np.float64]


def part_of(
    division: ShardAssignment, rollups: Rollups, arrays: Iterable[int], *, ready: bool
) -> RollupPart:
    """Return what an aggregator contributes.

    Args:
        division: which aggregator it is.
        rollups: of its arrays.
        arrays: those, by their index on the site.
        ready: whether all of its racks have reported.
    """
    layout = division.layout
    return RollupPart.model_construct(
        shard=str(division.shard),
        ready=ready,
        arrays=ranges(arrays),
        halls=tuple(layout.hall_name(first) for first in layout.hall_arrays),
        signals={part.key: _signal(part.figures) for part in rollups.parts()},
    )


def _signal(own: Figures) -> SignalPart:
    return SignalPart.model_construct(
        reports=tuple(own.reports.tolist()),
        count=tuple(own.count.tolist()),
        total=tuple(own.total.tolist()),
        lowest=tuple(v if np.isfinite(v) else None for v in own.lowest.tolist()),
        highest=tuple(v if np.isfinite(v) else None for v in own.highest.tolist()),
        risen=tuple(own.risen.tolist()),
        matching=tuple(tuple(row.tolist()) for row in own.matching),
        buckets=tuple(tuple(tuple(row.tolist()) for row in rows) for rows in own.buckets),
    )


@dataclass(slots=True)
class _Source:
    """A shard's last part, when it came, and what its counters rose by since the first."""

    part: RollupPart
    at: float
    risen: dict[str, dict[str, float]] = field(default_factory=dict)
    live: bool = True

    def take(self, part: RollupPart, at: float) -> None:
        for key, signal in part.signals.items():
            before = self.part.signals.get(key)
            was = dict(zip(self.part.halls, before.risen, strict=True)) if before else {}
            sums = self.risen.setdefault(key, {})
            for hall, value in zip(part.halls, signal.risen, strict=True):
                old = was.get(hall, value)
                # A shard that has restarted counts from 0.
                sums[hall] = sums.get(hall, 0.0) + (value - old if value >= old else value)
        self.part, self.at, self.live = part, at, True


class Parts:
    """The last part of every other aggregator of a site.

    Attributes:
        version: rises with every change.
    """

    def __init__(self, division: ShardAssignment, timeout: Callable[[], float]) -> None:
        self._division = division
        self._timeout = timeout
        self._known = {f"{d.name}.{s.name}" for _, d, s in site_rollups(division.whole)}
        self._sources: dict[int, _Source] = {}
        self.version = 0

    def hear(self, name: str, part: RollupPart, at: float) -> None:
        """Take over a part.

        Args:
            name: of the shard, as its topic has it.
            part: the part.
            at: elapsed time.

        Raises:
            FrameError: it does not fit.
        """
        index, count = (int(number) for number in part.shard.split("/"))
        if name != str(index) or index >= count or count > self._division.whole.site.arrays:
            raise FrameError("foreign", f"shard {part.shard!r} on the topic of {name!r}")
        if index == self._division.shard.index:
            return
        self._check(part)
        # What is not rolled up here may be of another version; nothing is kept of it.
        known = {key: own for key, own in part.signals.items() if key in self._known}
        part = part.model_copy(update={"signals": known})
        source = self._sources.get(index)
        if source is None:
            source = self._sources[index] = _Source(part, at)
        source.take(part, at)
        self.version += 1

    def _check(self, part: RollupPart) -> None:
        last = -1
        for first, end in part.arrays:
            if not last < first <= end < self._division.whole.site.arrays:
                raise FrameError("shape", f"arrays: {first} to {end} are not of the site")
            last = end
        halls = {self._division.whole.hall_name(a) for a in self._division.whole.hall_arrays}
        if not set(part.halls) <= halls or len(set(part.halls)) != len(part.halls):
            raise FrameError("shape", "halls: not those of the site")
        for key, own in part.signals.items():
            rows = (own.reports, own.count, own.total, own.lowest, own.highest, own.risen,
                    *own.matching, *(row for rows in own.buckets for row in rows))  # fmt: skip
            if any(len(row) != len(part.halls) for row in rows):
                raise FrameError("shape", f"{key}: not one value a hall")

    def expire(self, at: float) -> None:
        """Leave out those that have been silent for too long; what their counters rose by stays."""
        for source in self._sources.values():
            if source.live and at - source.at > self._timeout():
                source.live = False
                self.version += 1

    @property
    def shards(self) -> int:
        """The most shards that any ready aggregator speaks of, 0 without any."""
        ready = [source.part for source in self._sources.values() if source.live]
        counts = [int(part.shard.split("/")[1]) for part in ready if part.ready]
        return max(counts, default=0)

    def live(self, own: Sequence[int]) -> int:
        """Return how many other aggregators' parts are counted.

        Args:
            own: arrays that are counted already, by their index on the site.
        """
        return len(self.counted(own))

    def figures(self, part: HallReduction, counted: Iterable[int]) -> list[tuple[str, Figures]]:
        """Return the figures of a signal in all other aggregators, with the hall of each.

        Args:
            part: of our own, for its key and its shape.
            counted: shards of which more counts than what their counters rose by.
        """
        found = []
        for index, source in self._sources.items():
            signal = source.part.signals.get(part.key) if index in counted else None
            if signal is not None and not _fits(signal, part.figures):
                signal = None
            for place, hall in enumerate(source.part.halls):
                risen = source.risen.get(part.key, {}).get(hall, 0.0)
                found.append((hall, _figures(signal, place, risen, part.figures)))
        return found

    def counted(self, own: Iterable[int]) -> frozenset[int]:
        """Return the shards to add up: no array twice, also while its owner changes.

        Args:
            own: arrays that are counted already, by their index on the site.
        """
        taken, counted = set(own), set()
        live = [(index, source) for index, source in self._sources.items() if source.live]
        for index, source in sorted(live, key=lambda one: int(one[1].part.shard.split("/")[1])):
            arrays = {a for first, last in source.part.arrays for a in range(first, last + 1)}
            if not arrays & taken:
                taken |= arrays
                counted.add(index)
        return frozenset(counted)


def _fits(signal: SignalPart, own: Figures) -> bool:
    """Whether a part has as many counts and bounds as we have: it may be of another version."""
    bounds = [len(rows) for rows in own.buckets]
    return len(signal.matching) == len(own.matching) and bounds == [
        len(rows) for rows in signal.buckets
    ]


def _figures(signal: SignalPart | None, place: int, risen: float, like: Figures) -> Figures:
    """Return the figures of one hall of a part; without a part only the counters' increases."""

    def one(row: Sequence[float | None], nothing: float = 0.0) -> _Values:
        value = row[place]
        return np.array([nothing if value is None else value])

    if signal is None:
        return _nothing(like, risen)
    return Figures(
        one(signal.reports), one(signal.count), one(signal.total), one(signal.lowest, np.inf),
        one(signal.highest, -np.inf), np.array([risen]),
        tuple(one(row) for row in signal.matching),
        tuple(np.array([[row[place]] for row in rows]) for rows in signal.buckets),
    )  # fmt: skip


def _nothing(like: Figures, risen: float = 0.0) -> Figures:
    zero = np.zeros(1)
    return Figures(
        zero, zero, zero, np.array([np.inf]), np.array([-np.inf]), np.array([risen]),
        tuple(zero for _ in like.matching),
        tuple(np.zeros((len(rows), 1)) for rows in like.buckets),
    )  # fmt: skip


def _cut(own: Figures, place: int) -> Figures:
    """Return the figures of one group."""
    here = slice(place, place + 1)
    return Figures(
        own.reports[here], own.count[here], own.total[here], own.lowest[here],
        own.highest[here], own.risen[here], tuple(row[here] for row in own.matching),
        tuple(rows[:, here] for rows in own.buckets),
    )  # fmt: skip


def _joined(parts: Sequence[Figures]) -> Figures:
    """Return the figures of several, one after the other."""
    join = np.concatenate
    return Figures(
        join([p.reports for p in parts]),
        join([p.count for p in parts]),
        join([p.total for p in parts]),
        join([p.lowest for p in parts]),
        join([p.highest for p in parts]),
        join([p.risen for p in parts]),
        tuple(join(rows) for rows in zip(*(p.matching for p in parts), strict=True)),
        tuple(join(rows, axis=1) for rows in zip(*(p.buckets for p in parts), strict=True)),
    )


class MergedRollups(Rollups):
    """Roll-ups of an aggregator's arrays, and of all halls and the site.

    Args:
        store: of its arrays.
        division: which aggregator it is.
        parts: of the others.
        owned: returns its arrays by their index on the site.
    """

    def __init__(
        self,
        store: Store,
        division: ShardAssignment,
        parts: Parts,
        owned: Callable[[], Sequence[int]],
    ) -> None:
        super().__init__(store)
        self._division = division
        self._owned = owned
        self._parts = parts
        self._merged: dict[str, tuple[Reduction, NDArray[np.intp]]] = {}
        self._parts_version = -1
        whole = division.whole
        self._halls = [whole.hall_name(array) for array in whole.hall_arrays]

    def _reduction(self, name: str, level: Level) -> tuple[Reduction, NDArray[np.intp]]:
        if level not in (Level.HALL, Level.SITE):
            return super()._reduction(name, level)
        if not self._merged:
            self._merge()
        reduction, halls = self._merged[name]
        return reduction, halls if level is Level.HALL else np.zeros(1, np.intp)

    def _groups(self, level: Level) -> int:
        if level is Level.HALL:
            return len(self._halls)
        return 1 if level is Level.SITE else super()._groups(level)

    def _forget_if_changed(self) -> None:
        super()._forget_if_changed()
        if self._parts_version != self._parts.version:
            self._parts_version = self._parts.version
            self._forget()

    def _forget(self) -> None:
        super()._forget()
        self._merged.clear()

    def _merge(self) -> None:
        """Merge the roll-ups of each hall in turn."""
        layout = self._division.layout
        own = [layout.hall_name(first) for first in layout.hall_arrays]
        counted = self._parts.counted(self._owned())
        for part in self.parts():
            known = [(hall, _cut(part.figures, place)) for place, hall in enumerate(own)]
            known += self._parts.figures(part, counted)
            # Every hall has one at least, if only of nothing.
            known += [(hall, _nothing(part.figures)) for hall in self._halls]
            place_of = {hall: place for place, hall in enumerate(self._halls)}
            known.sort(key=lambda entry: place_of[entry[0]])
            places = np.array([place_of[hall] for hall, _ in known])
            reduction = Reduction(part.rollups, len(known), part.devices)
            reduction.fill(_joined([figures for _, figures in known]))
            _, first = np.unique(places, return_index=True)
            self._merged |= {rollup.name: (reduction, first) for rollup in part.rollups}
