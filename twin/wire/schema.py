"""Frame schema of a site, whatever codec carries it.

A frame is a mapping ``{"v": 1, "ts": <unix s>, "seq": <n>, "gpu": {"power_usage":
[…64…], …}, "nic": {…}, …}``. Which groups and signals it has follows from the
catalogue and from the site. ``seq`` rises by one a frame, so a gap is visible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import nsmallest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.catalog import Signal, UnitKind
from twin.errors import FrameError
from twin.site import Layout
from twin.wire.messages import END_OF_TIME

__all__ = [
    "END_OF_SEQ",
    "VERSION",
    "ColumnGroup",
    "FrameRows",
    "Outputs",
    "Schema",
    "Snapshot",
    "rounded",
]

VERSION = 1

Outputs = Mapping[str, Mapping[str, NDArray[np.floating[Any]]]]
"""What the plant gives: device class, then signal, to an array (units, devices a unit)."""

END_OF_SEQ = 2**63
_NAMED = 8
"""Groups that an error names."""
_FINITE = np.finfo(np.float64).max
"""Bound of a signal that has none: CBOR could carry an infinity."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A decoded frame.

    Attributes:
        ts: simulated time of the snapshot, unix seconds.
        seq: running number of the unit's frames.
        groups: device class to an array (signals that travel, devices a unit), float64,
            NaN where a device does not report.
    """

    ts: float
    seq: int
    groups: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class FrameRows:
    """Several decoded frames of one kind.

    Attributes:
        ts: simulated time of each, unix seconds.
        seq: running number of each.
        values: all values of each, (frames, values of a frame), NaN where a device does not report.
    """

    ts: Sequence[float]
    seq: Sequence[int]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class ColumnGroup:
    """The columns of one device class.

    Attributes:
        name: key of the group: the device class.
        signals: one a column, in declared order.
        count: devices a unit, which is the length of every column.
        start: where its values begin among those of a whole frame.
    """

    name: str
    signals: tuple[Signal, ...]
    count: int
    start: int

    @cached_property
    def part(self) -> slice:
        """Which of the values of a whole frame are its own."""
        return slice(self.start, self.start + len(self.signals) * self.count)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Signals, devices."""
        return len(self.signals), self.count

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Keys of the columns."""
        return tuple(signal.name for signal in self.signals)

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def _scales(self) -> NDArray[np.float64]:
        scales = np.array([10.0**signal.decimals for signal in self.signals], np.float64)
        return scales[:, None, None]

    def rounded(self, outputs: Mapping[str, NDArray[np.floating[Any]]]) -> NDArray[np.float64]:
        """Return the outputs of all units as :func:`rounded` gives them: (signals, units, devices).

        All signals at once, which takes a tenth of the time for a few racks.
        """
        values = np.empty((len(self.signals), *outputs[self.names[0]].shape))
        for column, name in zip(values, self.names, strict=True):
            column[...] = outputs[name]
        return _to_scale(values, self._scales)[0]

    def columns(self, group: Any) -> list[Any]:
        """Return the columns of a decoded group, in declared order.

        Raises:
            FrameError: with the reason ``schema``.
        """
        if not isinstance(group, dict) or group.keys() != self._keys:
            raise FrameError("schema", f"signals of {self.name} differ from the catalogue")
        return [group[name] for name in self.names]


class Schema:
    """The frames of one kind at one site.

    Attributes:
        groups: one a device class, in declared order.
        columns: all columns in order: group and signal.
    """

    def __init__(self, layout: Layout, kind: UnitKind) -> None:
        groups: list[ColumnGroup] = []
        start = 0
        for device in layout.devices_of(kind):
            signals = tuple(s for s in layout.reported[device.name] if s.on_wire)
            groups.append(ColumnGroup(device.name, signals, layout.per_unit(device), start))
            start = groups[-1].part.stop
        self.groups: Sequence[ColumnGroup] = tuple(groups)
        self.columns = [(group, signal) for group in groups for signal in group.signals]
        self._keys = {"v", "ts", "seq"} | {group.name for group in groups}
        self._low, self._high = (self.spread(bounds.tolist()) for bounds in self.bounds)

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The least and the greatest value of each column."""
        low = [-_FINITE if signal.low is None else signal.low for _, signal in self.columns]
        high = [_FINITE if signal.high is None else signal.high for _, signal in self.columns]
        return np.array(low, np.float64), np.array(high, np.float64)

    def spread(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Return one value a column as one a value of the frame."""
        counts = [group.count for group, _ in self.columns]
        return np.repeat(np.array(values, np.float64), counts)

    def opened(self, frame: Any) -> dict[str, Any]:
        """Return a decoded frame if it has the version and the groups that it must have.

        Raises:
            FrameError: with the reason ``malformed``, ``version`` or ``schema``.
        """
        if not isinstance(frame, dict):
            raise FrameError("malformed", f"a frame is a mapping, not {type(frame).__name__}")
        version = frame.get("v")
        if type(version) is not int or version != VERSION:
            raise FrameError("version", f"v is {_shown(version)}, not {VERSION}")
        if frame.keys() != self._keys:
            odd = nsmallest(_NAMED, (str(key)[:40] for key in frame.keys() ^ self._keys))
            raise FrameError("schema", f"groups differ from the catalogue: {', '.join(odd)[:200]}")
        return frame

    def snapshot(self, ts: Any, seq: Any, values: NDArray[np.float64]) -> Snapshot:
        """Return the snapshot that a frame's parts make.

        Args:
            ts: simulated time as it came.
            seq: running number as it came.
            values: all values of the frame, group after group, signal after signal.

        Raises:
            FrameError: with the reason ``value``.
        """
        if type(ts) not in (int, float) or not 0 <= ts < END_OF_TIME:
            raise FrameError("value", f"ts is {_shown(ts)}, not unix seconds")
        if type(seq) is not int or not 0 <= seq < END_OF_SEQ:
            raise FrameError("value", f"seq is {_shown(seq)}, not a running number")
        # NaN compares false, so a device that does not report passes.
        outside = (values < self._low) | (values > self._high)
        if outside.any():
            place = self._place(int(outside.argmax()))
            raise FrameError("value", f"{place} is outside its range")
        groups = {group.name: values[group.part].reshape(group.shape) for group in self.groups}
        return Snapshot(float(ts), seq, groups)

    def admits(self, rows: FrameRows) -> bool:
        """Whether nothing is wrong with any of some frames, as :meth:`snapshot` would find."""
        outside = (rows.values < self._low) | (rows.values > self._high)
        return (
            not outside.any()
            and all(0 <= ts < END_OF_TIME for ts in rows.ts)
            and max(rows.seq) < END_OF_SEQ
        )

    def _place(self, index: int) -> str:
        group = next(group for group in self.groups if index < group.part.stop)
        return f"{group.name}.{group.names[(index - group.start) // group.count]}"


def rounded(
    values: NDArray[np.floating[Any]], decimals: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """Return ``values`` at the catalogue's resolution, and which of them are missing.

    Every codec rounds in this way, so that they all carry the same numbers. What is no
    finite number becomes NaN and is missing; None says that nothing is.
    """
    return _to_scale(values, 10.0**decimals)


def _to_scale(
    values: NDArray[np.floating[Any]], scale: float | NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    numbers = np.multiply(values, scale, dtype=np.float64)
    np.rint(numbers, out=numbers)
    if isinstance(scale, np.ndarray) or scale != 1.0:
        numbers /= scale
    finite = np.isfinite(numbers)
    if finite.all():
        return numbers, None
    missing = ~finite
    numbers[missing] = np.nan
    return numbers, missing


def _shown(value: object) -> str:
    """Return ``value`` for an error message: short, whatever a stranger sent."""
    if isinstance(value, (str, int, float, type(None))) and not _long(value):
        return repr(value)[:80]
    return f"a {type(value).__name__}"


def _long(value: object) -> bool:
    """Whether ``value`` is a number that takes long to write, or cannot be written at all."""
    return type(value) is int and value.bit_length() > 2**8
