"""Frames as JSON: columns are lists, a device that does not report is ``null`` in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from twin.errors import FrameError
from twin.wire.schema import VERSION, ColumnGroup, Outputs, Schema, Snapshot, rounded

__all__ = ["JsonDecoder", "JsonEncoder"]

_COLUMNAR = 2
"""Dimensions of a group: signals, devices."""


class JsonEncoder:
    """Encodes the units of one kind; :class:`twin.wire.Encoder` says how it is used."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._rows: dict[str, dict[str, _SignalColumn]] = {}

    def load(self, outputs: Outputs) -> None:
        """Take over the plant's outputs of one tick."""
        self._rows = {
            group.name: {
                signal.name: _SignalColumn.of(outputs[group.name][signal.name], signal.decimals)
                for signal in group.signals
            }
            for group in self._schema.groups
        }

    def encode(self, unit: int, ts: float, seq: int) -> bytes:
        """Return the frame of one unit."""
        frame: dict[str, Any] = {"v": VERSION, "ts": ts, "seq": seq}
        for device, columns in self._rows.items():
            frame[device] = {name: column.row(unit) for name, column in columns.items()}
        return orjson.dumps(frame, option=orjson.OPT_SERIALIZE_NUMPY)


@dataclass(frozen=True, slots=True)
class _SignalColumn:
    """One signal of all units, rounded: integers where the catalogue has no decimals."""

    values: NDArray[Any]
    missing: NDArray[np.bool_] | None

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]], decimals: int) -> _SignalColumn:
        numbers, missing = rounded(values, decimals)
        if decimals:
            return cls(numbers, missing)
        known = numbers if missing is None else np.where(missing, 0.0, numbers)
        return cls(known.astype(np.int64), missing)

    def row(self, unit: int) -> Any:
        row = self.values[unit]
        if self.missing is None or not self.missing[unit].any():
            return row
        gaps = self.missing[unit].tolist()
        return [None if gap else value for value, gap in zip(row.tolist(), gaps, strict=True)]


class JsonDecoder:
    """Decodes and checks frames of one kind."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        keys = 3 + len(schema.groups) + len(schema.columns)
        self._quotes = 2 * keys
        """Quotation marks of a frame: those of its keys. More are of texts."""

    def decode(self, data: bytes) -> Snapshot:
        """Return the snapshot that ``data`` holds.

        Raises:
            FrameError: with any reason but ``oversized``.
        """
        try:
            tree = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise FrameError("malformed", str(error)) from error
        frame = self._schema.opened(tree)
        columns = [_columns(group, frame[group.name]) for group in self._schema.groups]
        # NumPy would take true for 1 and the text "1.5" for a number. All keys are known here,
        # so words and further quotation marks can only be values, or keys that stand twice.
        if b"true" in data or b"false" in data:
            raise FrameError("value", "a truth value is not a number")
        if data.count(b'"') != self._quotes:
            raise FrameError("value", "a text is not a number, and no key may occur twice")
        blocks = map(_numbers, self._schema.groups, columns)
        values = np.concatenate([block.ravel() for block in blocks])
        return self._schema.snapshot(frame["ts"], frame["seq"], values)


def _columns(group: ColumnGroup, tree: Any) -> list[list[Any]]:
    columns = group.columns(tree)
    for name, column in zip(group.names, columns, strict=True):
        if type(column) is not list or len(column) != group.count:
            raise FrameError("shape", f"{group.name}.{name} must be a list of {group.count}")
    return columns


def _numbers(group: ColumnGroup, columns: list[list[Any]]) -> NDArray[np.float64]:
    try:
        # None becomes NaN. Without the type NumPy would choose one that holds every value.
        block = np.array(columns, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError("value", f"{group.name} has a value that is not a number") from error
    if block.ndim != _COLUMNAR:
        raise FrameError("value", f"{group.name} has a list in place of a number")
    return block
