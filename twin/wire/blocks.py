"""Blocks: the frames of several racks of an array in one CBOR message.

A block says what its racks' frames would say one by one: each rack has its own time, running
number and values. What is wrong with a rack's numbers is that rack's only; a message that is no
block at all names none, so it is refused as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2
import numpy as np
from numpy.typing import NDArray

from twin.catalog import UnitKind
from twin.errors import FrameError
from twin.site import Layout
from twin.wire.block_form import RACKS, SEQ_TAG, TS_TAG, BlockForm, named
from twin.wire.cbor_form import FLOAT32, FLOAT64, Tags, fits, grows
from twin.wire.cbor_frames import cbor_column, cbor_tree, is_cbor
from twin.wire.frame import MAX_FRAME_BYTES
from twin.wire.messages import END_OF_TIME
from twin.wire.schema import END_OF_SEQ, Outputs, Schema, Snapshot, rounded

__all__ = ["BlockDecoder", "BlockEncoder", "BlockRow", "RackBlock", "largest_block"]

_FORMS = 16
"""Forms that a decoder remembers: blocks of silent racks are shorter."""
_NAMES = 16_384
"""Lists of names that a decoder remembers, one a block of the largest site."""
_CHUNK_RACKS = 256
"""Racks whose numbers are written at a time: few enough for the processor's cache."""


@dataclass(frozen=True, slots=True)
class RackBlock:
    """A decoded block; its values hold until the next one is decoded.

    Attributes:
        racks: names of its racks.
        ts: simulated time of each rack's snapshot, unix seconds.
        seq: running number of each rack's frame.
        groups: device class to an array (signals that travel, racks, devices a rack), NaN where
            a device does not report.
        wrong: what is wrong with the numbers of a rack, by its place in the block.
    """

    racks: Sequence[str]
    ts: NDArray[np.float64]
    seq: NDArray[np.int64]
    groups: Mapping[str, NDArray[np.float64]]
    wrong: Mapping[int, FrameError]

    def snapshot(self, place: int) -> Snapshot:
        """Return the frame of one rack.

        Raises:
            FrameError: its numbers are wrong.
        """
        if place in self.wrong:
            raise self.wrong[place]
        groups = {name: group[:, place].copy() for name, group in self.groups.items()}
        return Snapshot(self.ts.item(place), self.seq.item(place), groups)


def largest_block(layout: Layout) -> int:
    """Return how many racks fit into one message of the largest size."""
    schema = Schema(layout, UnitKind.RACK)
    one, two = (BlockForm(schema, (FLOAT64,) * len(schema.columns), n).size for n in (1, 2))
    name = len(named([layout.unit_name(UnitKind.RACK, layout.units(UnitKind.RACK) - 1)]))
    return max(1, (MAX_FRAME_BYTES - (2 * one - two)) // (two - one + name))


class BlockDecoder:
    """Decodes and checks blocks of the racks of a site."""

    def __init__(self, layout: Layout) -> None:
        self._schema = Schema(layout, UnitKind.RACK)
        self._forms: dict[tuple[Tags, int], BlockForm] = {}
        self._names: dict[bytes, tuple[str, ...]] = {}

    def decode(self, payload: bytes) -> RackBlock:
        """Return the block that ``payload`` holds.

        Raises:
            FrameError: it is no block: ``oversized``, ``malformed``, ``version``, ``schema``
                or ``shape``. What is wrong with one rack only is in the block.
        """
        if len(payload) > MAX_FRAME_BYTES:
            raise FrameError("oversized", f"{len(payload)} bytes, at most {MAX_FRAME_BYTES}")
        for form in self._forms.values():
            parts = form.columns(payload)
            if parts is not None:
                names = self._named(payload[form.size :])
                if len(names) == form.racks:
                    return self._block(form, names, parts)
        return self._read(payload)

    def _block(
        self, form: BlockForm, names: tuple[str, ...], parts: Sequence[bytes | memoryview]
    ) -> RackBlock:
        ts, seq, *columns = parts
        times, numbers = np.frombuffer(ts, "<f8"), np.frombuffer(seq, "<u8")
        values, places = form.values(columns)
        groups = {
            group.name: values[group.part.start * form.racks : group.part.stop * form.racks]
            .reshape(len(group.signals), form.racks, group.count)
            for group in self._schema.groups
        }  # fmt: skip
        wrong = {} if not places.size else self._outside(form.racks, places)
        sane = (times >= 0) & (times < END_OF_TIME) & (numbers < END_OF_SEQ)
        if not sane.all():
            for place in np.nonzero(~sane)[0].tolist():
                wrong[place] = FrameError(
                    "value", f"ts {times[place]!s} or seq {numbers[place]!s} of "
                    f"{names[place]} is no time or no running number")  # fmt: skip
        return RackBlock(names, times, numbers.view(np.int64), groups, wrong)

    def _outside(self, racks: int, places: NDArray[np.intp]) -> dict[int, FrameError]:
        """Return what is wrong, by rack: the first value of each that is outside its range."""
        wrong: dict[int, FrameError] = {}
        for place in places.tolist():
            group = next(g for g in self._schema.groups if place < g.part.stop * racks)
            column, value = divmod(place - group.part.start * racks, racks * group.count)
            text = f"{group.name}.{group.names[column]} is outside its range"
            wrong.setdefault(value // group.count, FrameError("value", text))
            if len(wrong) == racks:
                break
        return wrong

    def _read(self, data: bytes) -> RackBlock:
        """Take apart a block in any encoding."""
        if not is_cbor(data):
            raise FrameError("malformed", "a block is a CBOR map")
        tree = cbor_tree(data)
        names = _names_of(tree.pop(RACKS, None) if isinstance(tree, dict) else None)
        frame = self._schema.opened(tree)
        racks = len(names)
        head = [
            _numbers(frame[key], key, tag, racks) for key, tag in (("ts", TS_TAG), ("seq", SEQ_TAG))
        ]
        columns = [
            cbor_column(group, name, value, racks)
            for group in self._schema.groups
            for name, value in zip(group.names, group.columns(frame[group.name]), strict=True)
        ]
        form = self._form(tuple(column.tag for column in columns), racks)
        return self._block(form, names, [*head, *(column.value for column in columns)])

    def _form(self, tags: Tags, racks: int) -> BlockForm:
        key = (tags, racks)
        if key not in self._forms:
            if len(self._forms) >= _FORMS:
                del self._forms[next(iter(self._forms))]
            self._forms[key] = BlockForm(self._schema, tags, racks)
        return self._forms[key]

    def _named(self, text: bytes) -> tuple[str, ...]:
        """Return the names at the end of a block, none where the bytes are another thing."""
        names = self._names.get(text)
        if names is None:
            try:
                names = _names_of(cbor_tree(text))
            except FrameError:
                return ()
            if len(self._names) >= _NAMES:
                self._names.clear()
            self._names[text] = names
        return names


def _names_of(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not names or not all(type(name) is str for name in names):
        raise FrameError("schema", f"{RACKS} must be the names of the block's racks")
    if len(set(names)) < len(names):
        raise FrameError("schema", f"{RACKS} names a rack twice")
    return tuple(names)


def _numbers(value: Any, key: str, tag: int, racks: int) -> bytes:
    tagged = isinstance(value, cbor2.CBORTag) and value.tag == tag
    if not tagged or type(value.value) is not bytes or len(value.value) != 8 * racks:
        raise FrameError("shape", f"{key} must be an array (tag {tag}) of {racks} numbers")
    numbers: bytes = value.value
    return numbers


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A block that an encoder writes.

    Attributes:
        first: row of its first rack among those of the site or part; the others follow it.
        racks: names of its racks.
    """

    first: int
    racks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Blocks of equal length whose racks follow each other: one array of records."""

    first: int
    count: int
    racks: int
    names: tuple[bytes, ...]


class BlockEncoder:
    """Encodes blocks, tick by tick.

    Numbers are written for some hundred racks at a time, right before the first of them is
    asked for: what was just written is still in the processor's cache when it is sent, and a
    tick need not wait for the last rack before its first block leaves.

    Args:
        layout: the site, or the part of it that is published.
        rows: the blocks.
    """

    def __init__(self, layout: Layout, rows: Sequence[BlockRow]) -> None:
        self._schema = Schema(layout, UnitKind.RACK)
        self._rows = rows
        self._places: list[tuple[int, int]] = []
        self._chunks = self._divide()
        self._tags = [FLOAT32] * len(self._schema.columns)
        self._outputs: Outputs = {}
        self._written = -1
        self._scratch = np.empty(0)
        self._records: NDArray[Any] = np.empty(0)
        self._blank: tuple[int, int] | None = None
        self._forms: dict[int, BlockForm] = {}

    def load(self, outputs: Outputs) -> None:
        """Take over the plant's outputs of one tick; they are read until the next."""
        self._outputs, self._written = outputs, -1

    def encode(self, number: int, present: Mapping[int, tuple[float, int]]) -> bytes:
        """Return a block.

        Args:
            number: which of the rows.
            present: time and running number of each rack that is in it, by its place.
        """
        chunk, place = self._places[number]
        while self._written != chunk:
            self._write(chunk)
        record = self._records[place]
        if len(present) < len(self._rows[number].racks):
            record = self._part(record, number, list(present))
        stamps = list(present.values())
        record["ts"] = [round(ts, 3) for ts, _ in stamps]
        record["seq"] = [seq for _, seq in stamps]
        block: bytes = record.tobytes()
        return block

    def _divide(self) -> list[_Chunk]:
        chunks: list[_Chunk] = []
        for row in self._rows:
            text, racks = named(row.racks), len(row.racks)
            last = chunks[-1] if chunks else None
            if (
                last is not None
                and last.racks == racks
                and last.first + last.count * racks == row.first
                and len(last.names[0]) == len(text)
                and (last.count + 1) * racks <= max(_CHUNK_RACKS, racks)
            ):
                chunks[-1] = _Chunk(last.first, last.count + 1, racks, (*last.names, text))
            else:
                chunks.append(_Chunk(row.first, 1, racks, (text,)))
            self._places.append((len(chunks) - 1, chunks[-1].count - 1))
        return chunks

    def _write(self, number: int) -> None:
        """Write the numbers of a chunk; where float32 is too small for one, remember that."""
        chunk = self._chunks[number]
        self._reserve(chunk)
        rows = slice(chunk.first, chunk.first + chunk.count * chunk.racks)
        grown = False
        with np.errstate(over="ignore"):
            for column, (group, signal) in enumerate(self._schema.columns):
                values, most = self._rounded(
                    self._outputs[group.name][signal.name][rows], signal.decimals
                )
                narrow = self._tags[column] == FLOAT32
                if narrow and grows(signal) and not fits(most, signal.decimals):
                    self._tags[column], grown = FLOAT64, True
                elif not grown:
                    field = self._records[str(column)]
                    field[...] = values.reshape(field.shape)
        if grown:
            self._forms.clear()
            self._blank = None
            return
        self._written = number

    def _rounded(
        self, values: NDArray[np.floating[Any]], decimals: int
    ) -> tuple[NDArray[np.float64], float]:
        """Return ``values`` as :func:`rounded` gives them, until the next call, and the largest."""
        if self._scratch.size < values.size:
            self._scratch = np.empty(values.size)
        numbers = self._scratch[: values.size].reshape(values.shape)
        if decimals:
            scale = 10.0**decimals
            np.multiply(values, scale, out=numbers)
            np.rint(numbers, out=numbers)
            numbers /= scale
        else:
            np.rint(values, out=numbers)
        most = max(float(numbers.max()), -float(numbers.min()))
        if math.isfinite(most):
            return numbers, most
        careful, missing = rounded(values, decimals)
        return careful, 0.0 if missing is None or missing.all() else float(
            np.nanmax(np.abs(careful))
        )

    def _reserve(self, chunk: _Chunk) -> None:
        """Have records for a chunk, with all in them except for the numbers."""
        names, form = len(chunk.names[0]), self._form(chunk.racks)
        wanted = (chunk.racks, names)
        if self._blank != wanted or len(self._records) < chunk.count:
            self._records = np.empty(chunk.count, form.dtype(names))
            length = form.size + names
            text = self._records.view(np.uint8).reshape(chunk.count, length)
            text[:, : form.size] = np.frombuffer(form.blank, np.uint8)
            self._blank = wanted
        self._records = self._records[: chunk.count]
        joined = b"".join(chunk.names)
        self._records[RACKS] = np.frombuffer(joined, f"V{names}")

    def _part(self, record: Any, number: int, places: list[int]) -> Any:
        """Return a record of some of a block's racks."""
        names = named([self._rows[number].racks[place] for place in places])
        form = self._form(len(places))
        part = np.frombuffer(bytearray(form.blank + names), form.dtype(len(names)))
        for column in range(len(self._schema.columns)):
            part[str(column)][0] = record[str(column)][places]
        return part[0]

    def _form(self, racks: int) -> BlockForm:
        if racks not in self._forms:
            self._forms[racks] = BlockForm(self._schema, tuple(self._tags), racks)
        return self._forms[racks]
