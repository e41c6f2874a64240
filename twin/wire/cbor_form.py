"""CBOR template of a kind of frame: its constant bytes and the places of the numbers."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cbor2
import numpy as np
from numpy.typing import NDArray

from twin.catalog import Signal
from twin.wire.schema import VERSION, FrameRows, Schema

__all__ = ["DTYPES", "FLOAT32", "FLOAT64", "Form", "Tags", "exact", "fits", "grows", "head"]

FLOAT32 = 85
"""RFC 8746 tag of a float32 array in little endian."""
FLOAT64 = 86
"""RFC 8746 tag of a float64 array in little endian."""
DTYPES: Mapping[int, np.dtype[Any]] = {FLOAT32: np.dtype("<f4"), FLOAT64: np.dtype("<f8")}

Tags = tuple[int, ...]
"""The tag of every column of a frame."""

_STEPS = 2.0**23
"""So many steps of its resolution a value may have in float32, whose error is at most 2**-24
of the value: half a step then, which rounding mends."""
_MOST_DECIMALS = 37
"""Of a value in float32, which knows nothing smaller than 1.2e-38 to its full precision."""
_MAP, _TAG, _BYTES = 5, 6, 2
"""Major types of data items (RFC 8949, 3.1)."""


def grows(signal: Signal) -> bool:
    """Whether a signal may take values that float32 does not keep to its resolution."""
    if signal.low is None or signal.high is None:
        return True
    return max(abs(signal.low), abs(signal.high)) * 10.0**signal.decimals > _STEPS


def exact(values: NDArray[np.float64], decimals: int) -> bool:
    """Whether float32 keeps all of ``values``, rounded to ``decimals``; NaN it does."""
    limit = _STEPS / 10.0**decimals
    return decimals <= _MOST_DECIMALS and not (np.abs(values) > limit).any()


def fits(most: float, decimals: int) -> bool:
    """Whether float32 keeps all values up to ``most`` on either side, as :func:`exact` does."""
    return decimals <= _MOST_DECIMALS and not most > _STEPS / 10.0**decimals


@dataclass(frozen=True, slots=True)
class _Slot:
    """A number or a column of a frame, and the bytes that stand before it."""

    name: str
    before: bytes
    dtype: tuple[np.dtype[Any], int] | str

    @property
    def size(self) -> int:
        return np.dtype(self.dtype).itemsize


class Form:
    """What the frames of one kind look like whose columns have given tags.

    Args:
        schema: of the frames.
        tags: one a column, :data:`FLOAT32` or :data:`FLOAT64`.
    """

    def __init__(self, schema: Schema, tags: Tags) -> None:
        self._schema = schema
        self._tags = tags
        self._narrow, self._wide = (
            [index for index, own in enumerate(tags) if own == tag] for tag in (FLOAT32, FLOAT64)
        )
        narrow = schema.spread(tags) == FLOAT32
        steps = schema.spread([10.0**signal.decimals for _, signal in schema.columns])
        self._steps = steps[narrow]
        self._order = np.argsort(np.concatenate((np.nonzero(narrow)[0], np.nonzero(~narrow)[0])))

    def values(self, columns: Sequence[bytes]) -> NDArray[np.float64]:
        """Return the values of all columns, in the order of the schema."""
        narrow = np.frombuffer(b"".join([columns[index] for index in self._narrow]), "<f4")
        whole = np.frombuffer(b"".join([columns[index] for index in self._wide]), "<f8")
        return self._ordered(narrow, whole)

    def _ordered(self, narrow: NDArray[Any], wide: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values of frames in the order of the schema, from those of each width."""
        # As the encoder rounds, so that the number is the one that it had.
        steps = narrow * self._steps
        np.rint(steps, out=steps)
        steps /= self._steps
        return np.concatenate((steps, wide), axis=-1).take(self._order, axis=-1)

    def parts(self, data: bytes) -> Sequence[Any] | None:
        """Return ts, seq and the columns' bytes, or None when ``data`` has another form."""
        if len(data) != self._struct.size:
            return None
        fields = self._struct.unpack(data)
        return fields[1::2] if fields[::2] == self._fixed else None

    def rows(self, frames: Sequence[bytes]) -> FrameRows | None:
        """Return what frames hold, None when one of them has another form."""
        size = self.dtype.itemsize
        if any(len(frame) != size for frame in frames):
            return None
        records = np.frombuffer(b"".join(frames), self.dtype)
        odd = records.view(np.uint8).reshape(len(frames), size) ^ self._constant
        if (odd & self._mask).any():
            return None
        narrow, wide = (
            np.concatenate([records[self._fields[index]] for index in own], axis=1)
            if own
            else np.empty((len(frames), 0))
            for own in (self._narrow, self._wide)
        )
        values = self._ordered(narrow, wide)
        return FrameRows(records["ts"].tolist(), records["seq"].tolist(), values)

    @cached_property
    def _fields(self) -> Sequence[str]:
        """Names of the columns' fields."""
        return [slot.name for slot in self._slots[2:]]

    @cached_property
    def _constant(self) -> NDArray[np.uint8]:
        """The bytes of a frame, with zeros for its numbers."""
        return np.frombuffer(self.blank, np.uint8)

    @cached_property
    def _mask(self) -> NDArray[np.uint8]:
        """All bits of the bytes that all frames of this form share."""
        text = b"".join(b"\xff" * len(s.before) + bytes(s.size) for s in self._slots)
        return np.frombuffer(text, np.uint8)

    @cached_property
    def blank(self) -> bytes:
        """A frame with zeros in its slots."""
        return b"".join(slot.before + bytes(slot.size) for slot in self._slots)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """A frame as a NumPy record: ``ts``, ``seq``, and a field a column by group and signal."""
        slots = self._slots
        ends = np.cumsum([len(slot.before) + slot.size for slot in slots])
        return np.dtype(
            {
                "names": [slot.name for slot in slots],
                "formats": [slot.dtype for slot in slots],
                "offsets": [int(end) - slot.size for slot, end in zip(slots, ends, strict=True)],
                "itemsize": int(ends[-1]),
            }
        )

    @cached_property
    def _fixed(self) -> tuple[bytes, ...]:
        return tuple(slot.before for slot in self._slots)

    @cached_property
    def _struct(self) -> struct.Struct:
        kinds = ("d", "Q", *(f"{slot.size}s" for slot in self._slots[2:]))
        fields = (f"{len(fixed)}s{kind}" for fixed, kind in zip(self._fixed, kinds, strict=True))
        return struct.Struct(">" + "".join(fields))

    @cached_property
    def _slots(self) -> Sequence[_Slot]:
        schema, tags = self._schema, iter(self._tags)
        before = head(_MAP, 3 + len(schema.groups)) + cbor2.dumps("v") + cbor2.dumps(VERSION)
        slots = [
            _Slot("ts", before + cbor2.dumps("ts") + b"\xfb", ">f8"),
            _Slot("seq", cbor2.dumps("seq") + b"\x1b", ">u8"),
        ]
        for group in schema.groups:
            before = cbor2.dumps(group.name) + head(_MAP, len(group.signals))
            for name in group.names:
                tag = next(tags)
                dtype = DTYPES[tag]
                before += cbor2.dumps(name) + head(_TAG, tag)
                before += head(_BYTES, dtype.itemsize * group.count)
                slots.append(_Slot(f"{group.name}.{name}", before, (dtype, group.count)))
                before = b""
        return slots


def head(major: int, value: int) -> bytes:
    """Return the head of a data item (RFC 8949, 3): its major type and a length or tag."""
    # The head of an unsigned integer is that of any other item except for the first three bits.
    head = bytearray(cbor2.dumps(value))
    head[0] |= major << 5
    return bytes(head)
