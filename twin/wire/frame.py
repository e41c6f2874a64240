"""Frames: one atomic snapshot of one unit, columnar, sans-I/O.

A frame is a mapping ``{"v": 1, "ts": <unix s>, "seq": <n>, "gpu": {"power_usage":
[…64…], …}, "nic": {…}, …}``. Which groups and signals it has follows from the
catalogue and from the site; a device that does not report is ``null`` in all columns.
``seq`` rises by one a frame, so a gap is visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from twin.catalog import DeviceClass, Frame
from twin.errors import FrameError
from twin.site import Layout

__all__ = ["MAX_FRAME_BYTES", "VERSION", "Decoder", "Encoder", "Outputs", "Snapshot"]

VERSION = 1
MAX_FRAME_BYTES = 1 << 20
"""Largest frame that is looked at; a rack of 64 GPUs with all signals has about 25 KB."""

Outputs = Mapping[str, Mapping[str, NDArray[np.floating[Any]]]]
"""What the plant gives: device class, then signal, to an array (units, devices a unit)."""

_END_OF_TIME = 1e11
"""``ts`` stays below it: the year 5138, so that milliseconds are refused."""

_END_OF_SEQ = 2**63
_COLUMNAR = 2
"""Dimensions of a group: signals, devices."""


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


class Encoder:
    """Encodes all units of one kind, tick by tick.

    Rounding to the catalogue's resolution is done once a tick over the whole site;
    encoding a unit then only cuts rows.
    """

    def __init__(self, layout: Layout, kind: Frame) -> None:
        self._columns = [
            (device, signal)
            for device in layout.devices_of(kind)
            for signal in layout.reported[device.name]
            if signal.on_wire
        ]
        self._rows: dict[str, dict[str, _Column]] = {}

    def load(self, outputs: Outputs) -> None:
        """Take over the plant's outputs of one tick."""
        rows: dict[str, dict[str, _Column]] = {}
        for device, signal in self._columns:
            values = outputs[device.name][signal.name]
            rows.setdefault(device.name, {})[signal.name] = _Column.of(values, signal.decimals)
        self._rows = rows

    def encode(self, unit: int, ts: float, seq: int) -> bytes:
        """Return the frame of one unit.

        Args:
            unit: index of the unit.
            ts: simulated time, unix seconds.
            seq: running number.
        """
        frame: dict[str, Any] = {"v": VERSION, "ts": round(ts, 3), "seq": seq}
        for device, columns in self._rows.items():
            frame[device] = {name: column.row(unit) for name, column in columns.items()}
        return orjson.dumps(frame, option=orjson.OPT_SERIALIZE_NUMPY)


@dataclass(frozen=True, slots=True)
class _Column:
    """One signal of all units, rounded: integers where the catalogue has no decimals."""

    values: NDArray[Any]
    missing: NDArray[np.bool_] | None

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]], decimals: int) -> _Column:
        finite = np.isfinite(values)
        missing = None if finite.all() else ~finite
        if decimals:
            return cls(np.ascontiguousarray(np.round(values, decimals)), missing)
        known = values if missing is None else np.where(missing, 0.0, values)
        return cls(np.ascontiguousarray(np.rint(known).astype(np.int64)), missing)

    def row(self, unit: int) -> Any:
        row = self.values[unit]
        if self.missing is None or not self.missing[unit].any():
            return row
        gaps = self.missing[unit].tolist()
        return [None if gap else value for value, gap in zip(row.tolist(), gaps, strict=True)]


class Decoder:
    """Decodes and checks frames of one kind against the catalogue and the site."""

    def __init__(self, layout: Layout, kind: Frame) -> None:
        self._groups = [_Group.of(layout, device) for device in layout.devices_of(kind)]
        self._keys = {"v", "ts", "seq"} | {group.name for group in self._groups}

    def decode(self, payload: bytes | bytearray | memoryview) -> Snapshot:
        """Return the snapshot that ``payload`` holds.

        Raises:
            FrameError: with the reason ``oversized``, ``malformed``, ``version``,
                ``schema``, ``shape`` or ``value``.
        """
        if len(payload) > MAX_FRAME_BYTES:
            raise FrameError("oversized", f"{len(payload)} bytes, at most {MAX_FRAME_BYTES}")
        data = bytes(payload)
        try:
            frame = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise FrameError("malformed", str(error)) from error
        if not isinstance(frame, dict):
            raise FrameError("malformed", f"a frame is an object, not {type(frame).__name__}")
        version = frame.get("v")
        if type(version) is not int or version != VERSION:
            raise FrameError("version", f"v is {_shown(version)}, not {VERSION}")
        if frame.keys() != self._keys:
            odd = sorted(frame.keys() ^ self._keys)
            raise FrameError("schema", f"groups differ from the catalogue: {', '.join(odd)[:200]}")
        ts, seq = frame["ts"], frame["seq"]
        if type(ts) not in (int, float) or not 0 <= ts < _END_OF_TIME:
            raise FrameError("value", f"ts is {_shown(ts)}, not unix seconds")
        if type(seq) is not int or not 0 <= seq < _END_OF_SEQ:
            raise FrameError("value", f"seq is {_shown(seq)}, not a running number")
        groups = {group.name: group.decode(frame[group.name]) for group in self._groups}
        # NumPy would take true for 1. All keys are known here, so the words can only be values.
        if b"true" in data or b"false" in data:
            raise FrameError("value", "a truth value is no number")
        return Snapshot(float(ts), seq, groups)


def _shown(value: object) -> str:
    """Return ``value`` for an error message: short, whatever a stranger sent."""
    if isinstance(value, (dict, list)):
        return f"a {type(value).__name__}"
    return repr(value)[:80]


@dataclass(frozen=True)
class _Group:
    """The columns of one device class that a frame must have."""

    name: str
    signals: tuple[str, ...]
    count: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, layout: Layout, device: DeviceClass) -> _Group:
        signals = [s for s in layout.reported[device.name] if s.on_wire]
        low = [-np.inf if s.low is None else s.low for s in signals]
        high = [np.inf if s.high is None else s.high for s in signals]
        return cls(
            device.name,
            tuple(signal.name for signal in signals),
            layout.per_unit(device),
            np.array(low)[:, None],
            np.array(high)[:, None],
        )

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.signals)

    def decode(self, group: Any) -> NDArray[np.float64]:
        if not isinstance(group, dict) or group.keys() != self._names:
            raise FrameError("schema", f"signals of {self.name} differ from the catalogue")
        columns = [group[name] for name in self.signals]
        for name, column in zip(self.signals, columns, strict=True):
            if type(column) is not list or len(column) != self.count:
                raise FrameError("shape", f"{self.name}.{name} must be a list of {self.count}")
        block = self._numbers(columns)
        # NaN compares false, so a device that does not report passes.
        if (block < self.low).any() or (block > self.high).any():
            row = int(np.nonzero(((block < self.low) | (block > self.high)).any(axis=1))[0][0])
            raise FrameError("value", f"{self.name}.{self.signals[row]} is outside its range")
        return block

    def _numbers(self, columns: list[list[Any]]) -> NDArray[np.float64]:
        try:
            block = np.array(columns)
        except (ValueError, OverflowError) as error:
            raise FrameError("value", f"{self.name} has a value that is no number") from error
        if block.dtype.kind in "fiu" and block.ndim == _COLUMNAR:
            return block.astype(np.float64, copy=False)
        # None makes an object array; anything but numbers and None is refused by type,
        # because NumPy would turn the text "1.5" into a number.
        kinds = {type(value) for column in columns for value in column}
        if not kinds <= {int, float, type(None)}:
            raise FrameError("value", f"{self.name} has a value that is no number")
        return np.array(columns, dtype=np.float64)
