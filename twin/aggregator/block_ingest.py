"""Ingest of blocks: the frames of several racks of an array, checked and stored as one.

What is the same for all racks of a block is done once. Each rack keeps what is its own: it is
known by its name, it is late, lost, twice there or wrong by itself, and is counted by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twin.catalog import UnitKind
from twin.errors import FrameError
from twin.wire import BlockDecoder, RackBlock

if TYPE_CHECKING:
    from twin.aggregator.emulator_registry import EmulatorRegistry
    from twin.aggregator.store import Store
    from twin.aggregator.telemetry import OwnTelemetry
    from twin.site import Layout
    from twin.wire import Snapshot

__all__ = ["BlockIngest", "taken"]

_NAMED = 16_384
"""Lists of racks that are remembered, one a block of the largest site."""

_RACK = UnitKind.RACK

Take = Callable[[UnitKind, int, "Snapshot", float, float], None]
Note = Callable[[Exception], None]


class BlockIngest:
    """Takes blocks over.

    Args:
        layout: the site or shard.
        store: takes the values.
        announced: the emulators and their clock.
        telemetry: counts the frames.
        take: takes one frame over, or raises; for blocks in which something is out of the usual.
    """

    def __init__(
        self,
        layout: Layout,
        store: Store,
        announced: EmulatorRegistry,
        telemetry: OwnTelemetry,
        take: Take,
    ) -> None:
        self._layout = layout
        self._store = store
        self._announced = announced
        self._telemetry = telemetry
        self._take = take
        self._decoder = BlockDecoder(layout)
        self._units: dict[tuple[int, Sequence[str]], list[int | FrameError]] = {}

    def handle(self, name: str, payload: bytes, now: float, at: float, note: Note) -> float | None:
        """Take over a block; return the lag of its frames, None where it cannot be told.

        Args:
            name: of the array.
            payload: of the message.
            now: the wall clock, unix seconds.
            at: elapsed time.
            note: told what is wrong with a rack.

        Raises:
            FrameError: there is no such array, or the message is no block.
        """
        array = self._layout.unit_index(UnitKind.ARRAY, name)
        if array is None:
            known = self._layout.entire.unit_index(UnitKind.ARRAY, name) is not None
            text = (
                f"array {name!r} is another shard's" if known else f"the site has no array {name!r}"
            )
            raise FrameError("foreign", text)
        try:
            block = self._decoder.decode(payload)
        except FrameError:
            for rack in self._racks(array):
                self._store.refuse(_RACK, rack, at)
            raise
        places = self._places(array, block.racks)
        steps = self._steps(block, places, now)
        if steps is not None:
            return self._take_all(block, places[0], steps, now, at)
        self._take_each(block, places, now, at, note)
        return None

    def _racks(self, array: int) -> range:
        """Return the racks of an array, by their index here."""
        return self._layout.racks_of(array)

    def _places(self, array: int, names: Sequence[str]) -> list[int | FrameError]:
        """Return the racks that a block names, or what is wrong with a name."""
        key = (array, names)
        places = self._units.get(key)
        if places is None:
            if len(self._units) >= _NAMED:
                self._units.clear()
            racks = self._racks(array)
            places = [self._place(name, racks) for name in names]
            self._units[key] = places
        return places

    def _place(self, name: str, racks: range) -> int | FrameError:
        unit = self._layout.unit_index(_RACK, name)
        if unit is None or unit not in racks:
            return FrameError("foreign", f"the array of this topic has no rack {name[:64]!r}")
        return unit

    def _steps(
        self, block: RackBlock, places: list[int | FrameError], now: float
    ) -> list[int] | None:
        """Return how far each rack's running number went on, None for what is out of the usual.

        Usual is that the racks follow each other, and all else is as :meth:`UnitStates.steps` says.
        """
        first = places[0]
        if block.wrong or self._store.events.wanted or not isinstance(first, int):
            return None
        if places != list(range(first, first + len(places))):
            return None
        times = block.ts.tolist()
        if self._announced.is_ahead(max(times), now):
            return None
        own = slice(first, first + len(places))
        return self._store.units[_RACK].steps(own, times, block.seq.tolist())

    def _take_all(
        self,
        block: RackBlock,
        first: int | FrameError,
        steps: list[int],
        now: float,
        at: float,
    ) -> float | None:
        """Take over a block in which nothing is out of the usual."""
        assert isinstance(first, int)  # noqa: S101 - what `_steps` looked at, for the types' sake
        self._store.accept_block(first, block, steps, at)
        return taken(self._telemetry, self._announced, _RACK, steps, block.ts.tolist(), now)

    def _take_each(
        self,
        block: RackBlock,
        places: list[int | FrameError],
        now: float,
        at: float,
        note: Note,
    ) -> None:
        """Take over a block rack by rack; what is wrong with one is not another's."""
        for place, rack in enumerate(places):
            try:
                self._take_one(block, place, rack, now, at)
            except Exception as error:  # noqa: BLE001 - it is noted, and the next rack's frame is another
                note(error)

    def _take_one(
        self, block: RackBlock, place: int, rack: int | FrameError, now: float, at: float
    ) -> None:
        if isinstance(rack, FrameError):
            raise rack
        if self._store.units[_RACK].released[rack]:
            return
        try:
            snapshot = block.snapshot(place)
        except FrameError:
            self._store.refuse(_RACK, rack, at)
            raise
        self._take(_RACK, rack, snapshot, now, at)


def taken(
    telemetry: OwnTelemetry,
    announced: EmulatorRegistry,
    kind: UnitKind,
    steps: Sequence[int],
    times: Sequence[float],
    now: float,
) -> float | None:
    """Count frames that were taken over as one, and return the lag of the last.

    Args:
        telemetry: that counts.
        announced: the emulators and their clock.
        kind: of the frames.
        steps: how far each unit's running number went on, 0 for a new one.
        times: simulated time of each.
        now: the wall clock, unix seconds.
    """
    telemetry.ingested[kind.value].inc(len(steps))
    lost = sum(steps) - len(steps)
    if lost > 0 and not announced.rivals.names:  # each of those counts by itself, so a gap is none
        telemetry.lost[kind.value].inc(lost)
    lag = announced.lag(times[-1], now)
    if lag is not None and min(times) == max(times):  # as it is most often
        telemetry.lag.observe(lag, len(times))
    elif lag is not None:
        for ts in times:
            telemetry.lag.observe(announced.lag(ts, now) or 0.0)
    return lag
