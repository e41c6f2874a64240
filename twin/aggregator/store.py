"""Store of the last values of every device, and of the units that report them.

A value that is not being reported is NaN, never an old number: :meth:`Store.expire`
and :meth:`Store.lose` blank the rows of units that fell silent, and say why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import ge

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.aggregator.exporter_events import ExporterEvents
from twin.aggregator.identity import Identities
from twin.aggregator.pending_blocks import PendingBlocks
from twin.aggregator.shadow_reports import ShadowReports
from twin.aggregator.store_snapshot import StoreSnapshot
from twin.catalog import DEVICES, GPU, DeviceClass, Signal, UnitKind, devices_of
from twin.site import Layout
from twin.wire import FrameRows, RackBlock, Snapshot

__all__ = ["MOST_LOST", "Missing", "Store", "UnitStates", "timeout_of"]


class Missing(StrEnum):
    """Why a unit is not reporting."""

    NEVER_SEEN = "never_seen"
    """No frame of it has come since the aggregator started."""
    TIMEOUT = "timeout"
    """It fell silent."""
    DECODE_ERROR = "decode_error"
    """It sends messages, but no valid frame."""
    WILL = "will"
    """The broker lost the emulators."""
    OFFLINE = "offline"
    """The emulators said good-bye."""


_LEAST_TIMEOUT_SECONDS = 5.0
_TIMEOUT_INTERVALS = 3.5
"""Three lost frames are no reason to give a unit up; the fourth is."""
_MOST_TIMEOUT_SECONDS = 3600.0
_PACE_KEPT = 0.9
"""How much of the longest distance of two frames counts one frame later."""
MOST_LOST = 100_000
"""A greater jump of the running number is a new count, not a day of frames lost."""
_LEAST_FRAMES = 4
"""Frames after which a unit's own pace is known."""


def timeout_of(interval: float) -> float:
    """Return the seconds of silence after which a unit is given up.

    Args:
        interval: seconds between two of its frames.
    """
    wanted = _TIMEOUT_INTERVALS * interval
    return min(max(_LEAST_TIMEOUT_SECONDS, wanted), _MOST_TIMEOUT_SECONDS)


_ALL = slice(None)
_REASONS = np.array(list(Missing))
_NEVER_SEEN, _TIMEOUT, _DECODE_ERROR, _WILL, _OFFLINE = range(len(Missing))
_CODES = {reason: code for code, reason in enumerate(Missing)}


@dataclass(frozen=True, slots=True)
class UnitStates:
    """What is known of every unit of one kind; all arrays have one element a unit.

    Attributes:
        reporting: whether its values are current.
        ts: simulated time of its last frame, unix seconds, NaN before the first.
        seq: running number of its last frame, -1 before the first.
        received: elapsed time at its last frame, seconds, -inf before the first.
        pace: the longest that its frames were apart lately, in seconds a frame.
        paced: how many frames tell the pace; few do not.
        refused: elapsed time at its last undecodable frame, seconds, -inf before the first.
        reason: why it is missing, as an index into :class:`Missing`; read :meth:`missing`.
        changed: version of the store at which its values last changed.
        released: whether another aggregator has it now; it is then not exposed here.
    """

    reporting: NDArray[np.bool_]
    ts: NDArray[np.float64]
    seq: NDArray[np.int64]
    received: NDArray[np.float64]
    pace: list[float]
    paced: list[int]
    refused: NDArray[np.float64]
    reason: NDArray[np.int8]
    changed: NDArray[np.int64]
    released: NDArray[np.bool_]

    @classmethod
    def of(cls, count: int) -> UnitStates:
        """Return ``count`` units without any frame."""
        return cls(
            reporting=np.zeros(count, bool),
            ts=np.full(count, np.nan),
            seq=np.full(count, -1, np.int64),
            received=np.full(count, -np.inf),
            pace=[0.0] * count,
            paced=[0] * count,
            refused=np.full(count, -np.inf),
            reason=np.full(count, _NEVER_SEEN, np.int8),
            changed=np.zeros(count, np.int64),
            released=np.zeros(count, bool),
        )

    def __len__(self) -> int:
        return len(self.reporting)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which units have ever reported."""
        return self.seq >= 0

    def since(self, version: int) -> NDArray[np.intp] | slice | None:
        """Return the units that changed after a version of the store; None without any.

        All units are a slice, which copies nothing when it is taken of an array.
        """
        changed = np.nonzero(self.changed > version)[0]
        if not changed.size:
            return None
        return slice(None) if changed.size == len(self) else changed

    def missing(self) -> list[tuple[int, Missing]]:
        """Return the units that are not reporting, with the reason."""
        absent = np.nonzero(~self.reporting & ~self.released)[0]
        return [(int(unit), Missing(_REASONS[self.reason[unit]])) for unit in absent]

    def steps(self, own: slice, ts: Sequence[float], seq: Sequence[int]) -> list[int] | None:
        """Return how far each of some units' running number goes on; 0 for units that are new.

        None where one is another aggregator's, was silent, sends what was seen, or began anew.

        Args:
            own: the units.
            ts: simulated time of each one's next frame.
            seq: its running number.
        """
        # Of a few units, lists are compared in a third of the time that arrays take.
        last = self.seq[own].tolist()
        if any(self.released[own].tolist()):
            return None
        if max(last) < 0:
            return [0] * len(last)
        steps = [now - before for now, before in zip(seq, last, strict=True)]
        usual = (
            min(last) >= 0
            and min(steps) > 0
            and max(steps) <= MOST_LOST
            and all(self.reporting[own].tolist())
            and all(map(ge, ts, self.ts[own].tolist()))
        )
        return steps if usual else None

    def go_on(
        self, own: slice, steps: Sequence[int], ts: ArrayLike, seq: ArrayLike, at: float
    ) -> None:
        """Take note of the next frames of some units, as :meth:`steps` found them."""
        before = self.received[own].tolist()
        for unit, step, received in zip(range(own.start, own.stop), steps, before, strict=True):
            if 0 < step < _LEAST_FRAMES:
                self.pace[unit] = max((at - received) / step, _PACE_KEPT * self.pace[unit])
                self.paced[unit] += 1
            else:
                self.pace[unit], self.paced[unit] = 0.0, 0
        self.reporting[own] = True
        self.ts[own] = ts
        self.seq[own] = seq
        self.received[own] = at

    def timeouts(self, most: float) -> NDArray[np.float64]:
        """Return the seconds of silence after which each unit is given up.

        Args:
            most: for a unit whose own pace is not known yet, and the most for any.
        """
        own = np.maximum(_TIMEOUT_INTERVALS * np.array(self.pace), _LEAST_TIMEOUT_SECONDS)
        known = np.array(self.paced) >= _LEAST_FRAMES
        return np.where(known, np.minimum(own, most), most)

    def explain(self, at: float, timeout: float, loss: Missing | None) -> None:
        """Write down why units are missing, as far as it is known at this moment."""
        if loss is not None:
            self.reason[:] = _CODES[loss]
            return
        reason = np.where(self.seen, _TIMEOUT, _NEVER_SEEN)
        self.reason[:] = np.where(at - self.refused <= timeout, _DECODE_ERROR, reason)


class Store:
    """Values of the whole site.

    Elapsed times (``at``) are seconds of a clock that never runs backwards.

    Attributes:
        layout: the site.
        names: of its hosts and GPUs.
        units: kind of frame to its units.
        events: what exporters count of XIDs and clock events.
        shadow: what an observer says.
        loss: why all emulators are gone, None while one is there.
        version: rises with every change.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.names = Identities(layout)
        self.units = {kind: UnitStates.of(layout.units(kind)) for kind in UnitKind}
        self.shadow = ShadowReports(layout)
        self.loss: Missing | None = None
        self.version = 0
        self._rows = {
            device.name: {signal.name: row for row, signal in enumerate(_wire(layout, device))}
            for device in DEVICES
        }
        self._values: dict[str, NDArray[np.float64]] = {
            device.name: np.full((len(self._rows[device.name]), *layout.shape(device)), np.nan)
            for device in DEVICES
        }
        self._pending = PendingBlocks(layout.units(UnitKind.RACK), self._values)
        self.events = ExporterEvents(layout, self._rows[GPU.name])
        self._snapshot: tuple[int, StoreSnapshot] | None = None

    @property
    def now(self) -> float:
        """Simulated time of the latest frame of a rack, unix seconds; NaN before the first."""
        latest: float = np.fmax.reduce(self.units[UnitKind.RACK].ts, initial=np.nan)
        return latest

    @property
    def values(self) -> Mapping[str, NDArray[np.float64]]:
        """Device class to an array (signals that travel, units, devices a unit), float64.

        NaN where no value is reported.
        """
        self._pending.settle(_ALL)
        return self._values

    def settling(self) -> Iterator[None]:
        """Convert what came and was not read, a part at a step."""
        return self._pending.settling()

    def values_of(self, device: DeviceClass, units: slice = _ALL) -> NDArray[np.float64]:
        """Return the values of some units: (signals that travel, units, devices a unit)."""
        if device.frame is UnitKind.RACK:
            self._pending.settle(units)
        return self._values[device.name][:, units]

    def row(self, device: DeviceClass, signal: Signal) -> int:
        """Return the row of a signal that travels in the array of its device class."""
        return self._rows[device.name][signal.name]

    def column(self, device: DeviceClass, signal: str, units: slice = _ALL) -> NDArray[np.float64]:
        """Return the values of one signal, shape (units, devices a unit)."""
        values: NDArray[np.float64] = self.values_of(device, units)[self._rows[device.name][signal]]
        return values

    def snapshot(self) -> StoreSnapshot:
        """Return a copy of what it holds; the same one until something changes."""
        if self._snapshot is None or self._snapshot[0] != self.version:
            self._snapshot = (
                self.version,
                StoreSnapshot(
                    {name: values.copy() for name, values in self.values.items()},
                    {kind: units.reporting.copy() for kind, units in self.units.items()},
                    {kind: units.ts.copy() for kind, units in self.units.items()},
                ),
            )
        return self._snapshot[1]

    def accept(self, kind: UnitKind, unit: int, snapshot: Snapshot, at: float) -> None:
        """Take over a frame of a unit."""
        if kind is UnitKind.RACK:
            self._pending.settle(slice(unit, unit + 1))
        if self.events.wanted and GPU.name in snapshot.groups:
            gpus = snapshot.groups[GPU.name]
            self.events.see(unit, self._values[GPU.name][:, unit], gpus, snapshot.ts)
        for device, group in snapshot.groups.items():
            self._values[device][:, unit] = group
        units = self.units[kind]
        frames = snapshot.seq - units.seq.item(unit)
        if 0 < frames < _LEAST_FRAMES and units.reporting.item(unit):
            apart = (at - units.received.item(unit)) / frames
            units.pace[unit] = max(apart, _PACE_KEPT * units.pace[unit])
            units.paced[unit] += 1
        else:
            # It has restarted, perhaps at another interval.
            units.pace[unit], units.paced[unit] = 0.0, 0
        units.reporting[unit] = True
        units.ts[unit] = snapshot.ts
        units.seq[unit] = snapshot.seq
        units.received[unit] = at
        self.version += 1
        units.changed[unit] = self.version

    def accept_block(self, first: int, block: RackBlock, steps: Sequence[int], at: float) -> None:
        """Take over the frames of racks that are new, or report and go on.

        Args:
            first: the first of them; the others follow it.
            block: their frames.
            steps: how far the running number of each went on; 0 for one that is new.
            at: elapsed time.
        """
        self._pending.put(first, block)
        own = slice(first, first + len(steps))
        self.version += 1
        self.units[UnitKind.RACK].go_on(own, steps, block.ts, block.seq, at)
        self.units[UnitKind.RACK].changed[own] = self.version

    def accept_run(
        self, kind: UnitKind, first: int, rows: FrameRows, steps: Sequence[int], at: float
    ) -> None:
        """Take over the frames of units of a kind, not racks, that follow each other.

        Args:
            kind: of frame.
            first: the first unit.
            rows: their frames.
            steps: as for a block.
            at: elapsed time.
        """
        own, start = slice(first, first + len(steps)), 0
        for device in devices_of(kind):
            into = self._values[device.name][:, own].transpose(1, 0, 2)
            end = start + into[0].size
            into[...] = rows.values[:, start:end].reshape(into.shape)
            start = end
        self.version += 1
        self.units[kind].go_on(own, steps, rows.ts, rows.seq, at)
        self.units[kind].changed[own] = self.version

    def refuse(self, kind: UnitKind, unit: int, at: float) -> None:
        """Note that a unit sent something that is not a valid frame."""
        self.units[kind].refused[unit] = at

    @property
    def reports(self) -> bool:
        """Whether any unit reports."""
        return any(units.reporting.any() for units in self.units.values())

    def expire(self, at: float, timeout: float) -> None:
        """Blank the units that were silent for too long.

        Args:
            at: elapsed time.
            timeout: seconds of silence by what emulators announce; a unit's own pace may say
                less, never more: an announcement of one emulator is none of another's units.
        """
        for kind, units in self.units.items():
            silence = at - units.received
            # Most of the time all units have just spoken, and no timeout is that short.
            if silence.max(initial=0.0) > min(_LEAST_TIMEOUT_SECONDS, timeout):
                self._blank(kind, units.reporting & (silence > units.timeouts(timeout)))
            if not units.reporting.all():
                units.explain(at, timeout, self.loss)

    def lose(self, reason: Missing) -> None:
        """Blank every unit at once: no emulator is left to report."""
        self.loss = reason
        for kind, units in self.units.items():
            self._blank(kind, units.reporting.copy())
            units.reason[:] = _CODES[reason]

    def release(self, kind: UnitKind, units: NDArray[np.bool_]) -> None:
        """Fall silent about some units, which another aggregator has from now on.

        Args:
            kind: of the units.
            units: one element a unit; those that are False are ours again.
        """
        own = self.units[kind]
        self._blank(kind, units & own.reporting)
        own.released[:] = units
        self.version += 1

    def _blank(self, kind: UnitKind, units: NDArray[np.bool_]) -> None:
        if not units.any():
            return
        self._pending.settle(_ALL)
        for device in devices_of(kind):
            self._values[device.name][:, units] = np.nan
        self.units[kind].reporting[units] = False
        self.version += 1
        self.units[kind].changed[units] = self.version


def _wire(layout: Layout, device: DeviceClass) -> list[Signal]:
    return [signal for signal in layout.reported[device.name] if signal.on_wire]
