"""Frames as CBOR (RFC 8949): the same mapping, its columns typed arrays of RFC 8746.

A column is tag 85, float32, or tag 86, float64, over the bytes of its values in little
endian; a device that does not report is NaN in it. A signal is float32 until a value of
the site comes up that float32 would not keep to the signal's resolution.

All frames of one kind have the same bytes except for the numbers, so a whole site is one
block of memory in which a tick only writes the numbers anew, and the frame of a unit is a
row of it. The decoder knows these bytes too: what differs from them in nothing but numbers
is taken apart in one call. Any other encoding of the same mapping goes through cbor2.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import cbor2
import numpy as np

from twin.errors import FrameError
from twin.wire.cbor_form import DTYPES, FLOAT32, FLOAT64, Form, Tags, exact, grows
from twin.wire.schema import ColumnGroup, FrameRows, Outputs, Schema, Snapshot, rounded

__all__ = ["CborDecoder", "CborEncoder", "cbor_column", "cbor_tree", "is_cbor"]

_MAPS = range(0xA0, 0xC0)
"""First bytes of a CBOR map; no JSON text begins with one of them."""
_FORMS = 8
"""Forms that a decoder remembers. An emulator has one at a time."""
_DEPTH = 6
"""Frame, group, column and its tag are four levels."""
_FOREIGN_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261,
                 1004, 43000, 55799)  # fmt: skip
"""Tags that cbor2 would make dates, regular expressions and more of: none is a number here."""


def is_cbor(data: bytes) -> bool:
    """Whether a frame is CBOR and not JSON, by its first byte."""
    return data[:1] != b"" and data[0] in _MAPS


class CborEncoder:
    """Encodes the units of one kind; :class:`twin.wire.Encoder` says how it is used."""

    def __init__(self, schema: Schema, units: int) -> None:
        self._schema = schema
        self._units = units
        self._tags = [FLOAT32] * len(schema.columns)
        self._reserve()

    def load(self, outputs: Outputs) -> None:
        """Take over the plant's outputs of one tick."""
        grown = self._write(outputs)
        if grown:
            for column in grown:
                self._tags[column] = FLOAT64
            self._reserve()
            self._write(outputs)

    def encode(self, unit: int, ts: float, seq: int) -> bytes:
        """Return the frame of one unit."""
        self._ts[unit] = ts
        self._seq[unit] = seq
        frame: bytes = self._bytes[unit].tobytes()
        return frame

    def _reserve(self) -> None:
        """Write all frames except for the numbers."""
        form = Form(self._schema, tuple(self._tags))
        self._frames = np.empty(self._units, form.dtype)
        self._bytes = self._frames.view(np.uint8).reshape(self._units, form.dtype.itemsize)
        self._bytes[:] = np.frombuffer(form.blank, np.uint8)
        self._ts, self._seq = self._frames["ts"], self._frames["seq"]
        self._columns = [
            (group.name, signal, self._frames[f"{group.name}.{signal.name}"], tag)
            for (group, signal), tag in zip(self._schema.columns, self._tags, strict=True)
        ]

    def _write(self, outputs: Outputs) -> list[int]:
        """Write the numbers; return which columns have become too great for float32."""
        grown = []
        # A value beyond its range may be beyond float32 too: infinite, it is refused as well.
        with np.errstate(over="ignore"):
            for index, (device, signal, column, tag) in enumerate(self._columns):
                values, _ = rounded(outputs[device][signal.name], signal.decimals)
                if tag == FLOAT32 and grows(signal) and not exact(values, signal.decimals):
                    grown.append(index)
                else:
                    column[...] = values
        return grown


class CborDecoder:
    """Decodes and checks frames of one kind."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._forms: dict[Tags, Form] = {}

    def decode(self, data: bytes) -> Snapshot:
        """Return the snapshot that ``data`` holds.

        Raises:
            FrameError: with any reason but ``oversized``.
        """
        for form in self._forms.values():
            parts = form.parts(data)
            if parts is not None:
                ts, seq, *columns = parts
                return self._schema.snapshot(ts, seq, form.values(columns))
        frame = self._read(data)
        values = self._form(frame.tags).values(frame.columns)
        return self._schema.snapshot(frame.ts, frame.seq, values)

    def rows(self, frames: Sequence[bytes]) -> FrameRows | None:
        """Return what some frames hold, None where one of them is to be read by itself."""
        for form in self._forms.values():
            found = form.rows(frames)
            if found is not None:
                return found if self._schema.admits(found) else None
        return None

    def _form(self, tags: Tags) -> Form:
        """Return the form that has these tags, and remember it."""
        if tags not in self._forms:
            if len(self._forms) >= _FORMS:
                del self._forms[next(iter(self._forms))]
            self._forms[tags] = Form(self._schema, tags)
        return self._forms[tags]

    def _read(self, data: bytes) -> _Read:
        """Take apart a frame in any encoding."""
        frame = self._schema.opened(cbor_tree(data))
        columns = [
            cbor_column(group, name, value)
            for group in self._schema.groups
            for name, value in zip(group.names, group.columns(frame[group.name]), strict=True)
        ]
        return _Read(
            frame["ts"],
            frame["seq"],
            tuple(column.tag for column in columns),
            [column.value for column in columns],
        )


class _Read(NamedTuple):
    """A frame as cbor2 reads it: only checked that the columns are arrays."""

    ts: Any
    seq: Any
    tags: Tags
    columns: Sequence[bytes]


def cbor_tree(data: bytes) -> Any:
    """Return what CBOR says, with tags that are no numbers refused.

    Raises:
        FrameError: with the reason ``malformed``.
    """
    stream = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=_REFUSED,
        max_depth=_DEPTH,
        allow_duplicate_keys=False,
        strict_hashable_types=True,
    )
    try:
        tree = decoder.decode()
    except cbor2.CBORDecodeError as error:
        raise FrameError("malformed", str(error)[:200]) from error
    if stream.tell() != len(data):
        raise FrameError("malformed", f"{len(data) - stream.tell()} bytes follow the frame")
    return tree


def cbor_column(group: ColumnGroup, name: str, value: Any, units: int = 1) -> cbor2.CBORTag:
    """Return a column that is an array of the right type and length.

    Args:
        group: of the column.
        name: of its signal.
        value: as it came.
        units: whose values it has.

    Raises:
        FrameError: with the reason ``shape``.
    """
    tagged = isinstance(value, cbor2.CBORTag) and value.tag in DTYPES
    if not tagged or type(value.value) is not bytes:
        raise FrameError("shape", f"{group.name}.{name} must be a float array (tag 85 or 86)")
    if len(value.value) != DTYPES[value.tag].itemsize * group.count * units:
        raise FrameError("shape", f"{group.name}.{name} must have {group.count * units} values")
    column: cbor2.CBORTag = value
    return column


def _refuse(_value: object, _immutable: object = None) -> NoReturn:
    raise ValueError("a frame has no such tag")


_REFUSED: Mapping[int, Any] = dict.fromkeys(_FOREIGN_TAGS, _refuse)
