"""Form of a block: where the numbers of several racks lie in one CBOR message.

A block is a frame whose columns have one row a rack: ``gpu.power_usage`` of eight racks with 64
GPUs is one typed array of 8 x 64 values. So what stands between the numbers is there once for all
racks, and what is done for a column is done for all of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import cbor2
import numpy as np
from numpy.typing import NDArray

from twin.wire.cbor_form import DTYPES, FLOAT32, FLOAT64, Tags, head
from twin.wire.schema import VERSION, Schema

__all__ = ["RACKS", "SEQ_TAG", "TS_TAG", "BlockForm", "Numbers", "named"]

Numbers = NDArray[np.uint8]
"""The numbers of a block in its own types, those in float64 first."""

RACKS = "racks"
"""Key of the names of the racks; it comes last, so that all else has a fixed place."""
TS_TAG = FLOAT64
SEQ_TAG = 71
"""RFC 8746 tag of a uint64 array in little endian."""
_MAP, _TAG, _BYTES, _ARRAY = 5, 6, 2, 4
_ORDERED = np.uint32(0x7FFF_FFFF)
_NOWHERE: NDArray[np.intp] = np.empty(0, np.intp)


def named(racks: Sequence[str]) -> bytes:
    """Return the end of a block: the names of its racks."""
    return head(_ARRAY, len(racks)) + b"".join(map(cbor2.dumps, racks))


class BlockForm:
    """Blocks of so many racks whose columns have given tags.

    Args:
        schema: of a rack's frames.
        tags: one a column, float32 or float64.
        racks: how many racks.

    Attributes:
        racks: how many.
        columns: how many.
        size: bytes before the names of the racks.
    """

    def __init__(self, schema: Schema, tags: Tags, racks: int) -> None:
        self.racks, self.columns = racks, len(tags)
        self._schema = schema
        plain, scaled, wide = _sorted(schema, tags)
        self._narrow = (*plain, *scaled)
        self._slots, fixed = _slots(schema, tags, racks)
        self.size = fixed[-1][1]
        self._fixed = tuple(text for text, _ in fixed)
        self._head = self._fixed[-1]
        sizes = [high - low for low, high in self._slots]
        pattern = "".join(
            f"{len(text)}s{size}x" for text, size in zip(self._fixed, [*sizes, 0], strict=True)
        )
        self._struct = struct.Struct(f"<{pattern}")
        counts = [group.count for group, _ in schema.columns]
        self._plain = racks * sum(counts[column] for column in plain)
        self._between = racks * sum(counts[column] for column in self._narrow)
        values = racks * sum(counts)
        self._steps = _repeated(
            schema, scaled, racks, [10.0**s.decimals for _, s in schema.columns]
        )
        least, most = _bounds32(schema)
        self._least = _repeated(schema, self._narrow, racks, least).astype(np.float32)
        self._most = _repeated(schema, self._narrow, racks, most).astype(np.float32)
        low, high = schema.bounds
        self._low, self._high = (_repeated(schema, wide, racks, own) for own in (low, high))
        # A column is as many runs of `racks` values as it has devices, wherever they belong.
        starts = np.cumsum([0, *counts])
        order = np.concatenate(
            [np.arange(starts[column], starts[column + 1]) for column in (*self._narrow, *wide)]
        )
        self._order = np.argsort(order)
        self._shape = (values // racks, racks)
        self._wide = values - self._between
        self._laid = (*wide, *self._narrow)
        """Columns in the order in which :data:`Numbers` has them."""
        self._parts = [slice(*self._slots[2 + column]) for column in self._laid]
        # Room that every block of this form uses anew: memory that the system has to hand out
        # page by page, and takes back, costs more than all that is done with the numbers.
        self._read, self._values = np.empty(values), np.empty(self._shape)
        self._outside = np.empty(values, np.bool_)
        self._groups = {
            group.name: self._values.reshape(-1)[group.part.start * racks : group.part.stop * racks]
            .reshape(len(group.signals), racks, group.count)
            for group in schema.groups
        }  # fmt: skip
        self._held: Numbers | None = None

    # -- reading ------------------------------------------------------------------

    def is_of(self, data: bytes) -> bool:
        """Whether a block has this form, as far as it stands before the names."""
        end = self.size
        if len(data) <= end or data[end - len(self._head) : end] != self._head:
            return False
        return self._struct.unpack_from(data) == self._fixed

    def stamps(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the bytes of ts and seq of a block of this form."""
        (low, high), (first, last) = self._slots[:2]
        return data[low:high], data[first:last]

    def numbers(self, data: bytes) -> Numbers:
        """Return the numbers of a block of this form, without what is between them."""
        view = memoryview(data)
        return np.frombuffer(b"".join([view[at] for at in self._parts]), np.uint8)

    def joined(self, columns: Sequence[bytes]) -> Numbers:
        """Return the same of a block in another encoding, from the bytes of each column."""
        return np.frombuffer(b"".join([columns[own] for own in self._laid]), np.uint8)

    def outside(self, numbers: Numbers) -> NDArray[np.intp]:
        """Return which values, in the order of the schema, are out of their range.

        A column of the schema is ``racks`` rows.
        """
        narrow, wide = self._halves(numbers)
        # The bounds are those of the rounded number, said in float32: half the bytes to compare.
        outside = self._outside
        np.less(narrow, self._least, out=outside[: self._between])
        np.less(wide, self._low, out=outside[self._between :])
        any_outside = outside.any()
        np.greater(narrow, self._most, out=outside[: self._between])
        np.greater(wide, self._high, out=outside[self._between :])
        if any_outside or outside.any():
            return self._places(narrow, wide)
        return _NOWHERE

    def groups(self, numbers: Numbers) -> Mapping[str, NDArray[np.float64]]:
        """Return the values: device class to (signals that travel, racks, devices a rack).

        They hold until those of another block of this form are asked for.
        """
        if numbers is not self._held:
            self._convert(numbers)
            self._held = numbers
        return self._groups

    def _convert(self, numbers: Numbers) -> None:
        narrow, wide = self._halves(numbers)
        read = self._read
        whole, rest = read[: self._between], read[self._plain : self._between]
        whole[:], read[self._between :] = narrow, wide
        # As the encoder rounds, so that the number is the one that it had.
        with np.errstate(over="ignore", invalid="ignore"):
            rest *= self._steps
            np.rint(whole, out=whole)
            rest /= self._steps
        read.reshape(self._shape).take(self._order, axis=0, out=self._values, mode="clip")

    def _halves(self, numbers: Numbers) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return the numbers in float32, and those in float64."""
        end = 8 * self._wide
        return numbers[end:].view("<f4"), numbers[:end].view("<f8")

    def _places(self, narrow: NDArray[np.float32], wide: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the places of the values that are out of range."""
        wrong = np.concatenate(
            (
                (narrow < self._least) | (narrow > self._most),
                (wide < self._low) | (wide > self._high),
            )
        ).reshape(self._shape)
        return np.nonzero(wrong.take(self._order, axis=0).reshape(-1))[0]

    # -- writing ------------------------------------------------------------------

    def dtype(self, names: int) -> np.dtype[Any]:
        """Return a block as a NumPy record: ``ts``, ``seq``, each column by its number, ``racks``.

        Args:
            names: bytes of the names at its end.
        """
        formats = [self._dtype(number) for number in range(len(self._slots))]
        fields = ["ts", "seq", *(str(column) for column in range(len(self._slots) - 2))]
        return np.dtype(
            {
                "names": [*fields, RACKS],
                "formats": [*formats, f"V{names}"],
                "offsets": [*(low for low, _ in self._slots), self.size],
                "itemsize": self.size + names,
            }
        )

    @cached_property
    def blank(self) -> bytes:
        """A block up to the names, with zeros for numbers."""
        sizes = [high - low for low, high in self._slots]
        return b"".join(
            text + bytes(size) for text, size in zip(self._fixed, [*sizes, 0], strict=True)
        )

    def _dtype(self, slot: int) -> tuple[str, tuple[int, ...]]:
        low, high = self._slots[slot]
        if slot < len((TS_TAG, SEQ_TAG)):
            return ("<f8", "<u8")[slot], (self.racks,)
        group, _ = self._schema.columns[slot - 2]
        item = (high - low) // (self.racks * group.count)
        return f"<f{item}", (self.racks, group.count)


def _sorted(schema: Schema, tags: Tags) -> tuple[Tags, Tags, Tags]:
    """Return columns in float32 of whole numbers, the others in float32, those in float64."""
    narrow = [column for column, tag in enumerate(tags) if tag == FLOAT32]
    decimals = [signal.decimals for _, signal in schema.columns]
    plain = tuple(column for column in narrow if not decimals[column])
    scaled = tuple(column for column in narrow if decimals[column])
    return plain, scaled, tuple(column for column, tag in enumerate(tags) if tag == FLOAT64)


def _slots(
    schema: Schema, tags: Tags, racks: int
) -> tuple[list[tuple[int, int]], list[tuple[bytes, int]]]:
    """Return where the numbers lie, and the bytes before each and at the end, with their ends."""
    slots: list[tuple[int, int]] = []
    fixed: list[tuple[bytes, int]] = []
    at = 0

    def place(before: bytes, size: int) -> None:
        nonlocal at
        at += len(before)
        fixed.append((before, at))
        if size:
            slots.append((at, at + size))
            at += size

    def array(tag: int, size: int) -> bytes:
        return head(_TAG, tag) + head(_BYTES, size)

    before = head(_MAP, 4 + len(schema.groups)) + cbor2.dumps("v") + cbor2.dumps(VERSION)
    place(before + cbor2.dumps("ts") + array(TS_TAG, 8 * racks), 8 * racks)
    place(cbor2.dumps("seq") + array(SEQ_TAG, 8 * racks), 8 * racks)
    kinds = iter(tags)
    for group in schema.groups:
        before = cbor2.dumps(group.name) + head(_MAP, len(group.signals))
        for name in group.names:
            tag = next(kinds)
            size = DTYPES[tag].itemsize * group.count * racks
            place(before + cbor2.dumps(name) + array(tag, size), size)
            before = b""
    place(cbor2.dumps(RACKS), 0)
    return slots, fixed


def _repeated(
    schema: Schema, columns: Iterable[int], racks: int, values: Sequence[float] | NDArray[Any]
) -> NDArray[np.float64]:
    """Return what holds for each of some columns, once for each of their values."""
    chosen = list(columns)
    counts = [racks * schema.columns[column][0].count for column in chosen]
    return np.repeat(np.asarray(values, np.float64)[chosen], counts)


def _bounds32(schema: Schema) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the least and the greatest float32 of each column that rounds into its range."""
    low, high = schema.bounds
    steps = np.array([10.0**signal.decimals for _, signal in schema.columns])

    def inside(numbers: NDArray[np.int64], *, upper: bool) -> NDArray[np.bool_]:
        exact = np.rint(_float(numbers).astype(np.float64) * steps) / steps
        fits: NDArray[np.bool_] = exact <= high if upper else exact >= low
        return fits

    infinite = int(_ORDERED) & 0x7F80_0000
    # Bisect: all float32 in order are whole numbers, from minus to plus infinity.
    most, beyond = (np.full(steps.size, end, np.int64) for end in (-infinite, infinite))
    least, below = (np.full(steps.size, end, np.int64) for end in (infinite, -infinite))
    for _ in range(33):
        middle = (most + beyond) // 2
        fits = inside(middle, upper=True)
        most, beyond = np.where(fits, middle, most), np.where(fits, beyond, middle)
        middle = -((-least - below) // 2)
        fits = inside(middle, upper=False)
        least, below = np.where(fits, middle, least), np.where(fits, below, middle)
    return _float(least), _float(most)


def _float(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the float32 at each place in the order of all float32; 0 is at 0."""
    bits = np.abs(numbers).astype(np.uint32)
    return np.where(numbers < 0, bits | np.uint32(0x8000_0000), bits).view(np.float32)
