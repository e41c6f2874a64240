"""Encoder of blocks: the frames of several racks of an array as one CBOR message.

What was written stays, so a tick costs only what changed: an array that is read-only never
changes (:func:`twin.plant.units.frozen`), and is written once for as long as the plant shows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.catalog import UnitKind
from twin.site import Layout
from twin.wire.block_form import RACKS, BlockForm, named
from twin.wire.cbor_form import FLOAT32, FLOAT64, fits, grows
from twin.wire.schema import Outputs, Schema, rounded

__all__ = ["BlockEncoder", "BlockRow"]

_CHUNK_RACKS = 256
"""Racks whose numbers are written at a time: few enough for the processor's cache."""


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A block that an encoder writes.

    Attributes:
        first: row of its first rack among those of the site or part; the others follow it.
        racks: names of its racks.
    """

    first: int
    racks: tuple[str, ...]


@dataclass(slots=True)
class _Chunk:
    """Blocks of equal length whose racks follow each other: one array of records.

    Attributes:
        first: row of the first rack.
        racks: in each block.
        names: the end of each block.
        tick: for which its numbers were written.
        written: the array of which each column was written.
        data: all bytes, (blocks, bytes of a block).
        ts: (blocks, racks).
        seq: (blocks, racks).
        fields: the numbers, column by column, (blocks, racks, devices).
    """

    first: int
    racks: int
    names: list[bytes]
    tick: int = -1
    written: list[NDArray[Any] | None] = field(default_factory=list)
    data: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0), np.uint8))
    ts: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    seq: NDArray[np.uint64] = field(default_factory=lambda: np.empty((0, 0), np.uint64))
    fields: list[NDArray[Any]] = field(default_factory=list)

    @property
    def rows(self) -> slice:
        """The rows of its racks."""
        return slice(self.first, self.first + len(self.names) * self.racks)

    def lay_out(self, form: BlockForm) -> None:
        """Have records with all in them except for the numbers."""
        names = len(self.names[0])
        records = np.empty(len(self.names), form.dtype(names))
        self.data = records.view(np.uint8).reshape(len(self.names), form.size + names)
        self.data[:, : form.size] = np.frombuffer(form.blank, np.uint8)
        records[RACKS] = np.frombuffer(b"".join(self.names), f"V{names}")
        self.ts, self.seq = records["ts"], records["seq"]
        self.fields = [records[str(column)] for column in range(form.columns)]
        self.written = [None] * form.columns


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
        self._places: list[tuple[_Chunk, int]] = []
        self._chunks = self._divide()
        self._signals = [(s.decimals, grows(s)) for _, s in self._schema.columns]
        self._tags = [FLOAT32] * len(self._signals)
        self._values: list[tuple[NDArray[np.floating[Any]], bool]] = []
        self._tick = 0
        self._narrow, self._wide = np.empty(0, np.float32), np.empty(0)
        self._forms: dict[int, BlockForm] = {}

    def load(self, outputs: Outputs) -> None:
        """Take over the plant's outputs of one tick; they are read until the next."""
        columns = (outputs[group.name][signal.name] for group, signal in self._schema.columns)
        self._values = [(values, not values.flags.writeable) for values in columns]
        self._tick += 1

    def encode(self, number: int, present: Mapping[int, tuple[float, int]]) -> bytes:
        """Return a block.

        Args:
            number: which of the rows.
            present: time and running number of each rack that is in it, by its place.
        """
        if len(present) == len(self._rows[number].racks):
            times, running = zip(*present.values(), strict=True)
            return self.whole(number, [round(ts, 3) for ts in times], running)
        chunk, place = self._written(number)
        return self._part(chunk, place, number, present)

    def whole(self, number: int, ts: float | Sequence[float], running: Sequence[int]) -> bytes:
        """Return a block with all its racks.

        Args:
            number: which of the rows.
            ts: time of all racks or of each, to a millisecond.
            running: number of each rack's frame.
        """
        chunk, place = self._written(number)
        chunk.ts[place] = ts
        chunk.seq[place] = running
        block: bytes = chunk.data[place].tobytes()
        return block

    def _divide(self) -> list[_Chunk]:
        chunks: list[_Chunk] = []
        for row in self._rows:
            text, racks = named(row.racks), len(row.racks)
            last = chunks[-1] if chunks else None
            if (
                last is not None
                and last.racks == racks
                and last.rows.stop == row.first
                and len(last.names[0]) == len(text)
                and (len(last.names) + 1) * racks <= max(_CHUNK_RACKS, racks)
            ):
                last.names.append(text)
            else:
                chunks.append(_Chunk(row.first, racks, [text]))
            self._places.append((chunks[-1], len(chunks[-1].names) - 1))
        return chunks

    def _written(self, number: int) -> tuple[_Chunk, int]:
        """Return the chunk of a block with the numbers of this tick, and its place there."""
        chunk, place = self._places[number]
        while chunk.tick != self._tick:
            self._write(chunk)
        return chunk, place

    def _write(self, chunk: _Chunk) -> None:
        """Write what changed of a chunk; where float32 is too small for one, remember that."""
        if not chunk.fields:
            chunk.lay_out(self._form(chunk.racks))
        rows, grown = chunk.rows, False
        with np.errstate(over="ignore", invalid="ignore"):
            for column, (values, steady) in enumerate(self._values):
                if steady and values is chunk.written[column]:
                    continue
                if not self._put(column, values[rows], chunk.fields[column]):
                    self._tags[column], grown = FLOAT64, True
                chunk.written[column] = values if steady else None
        if not grown:
            chunk.tick = self._tick
            return
        self._forms.clear()
        for other in self._chunks:
            other.fields, other.tick = [], -1

    def _put(self, column: int, values: NDArray[np.floating[Any]], into: NDArray[Any]) -> bool:
        """Write values as :func:`rounded` gives them; return whether float32 keeps them."""
        decimals, grows = self._signals[column]
        scale = 10.0**decimals
        if self._tags[column] == FLOAT64:
            into[...] = self._exact(values, decimals).reshape(into.shape)
            return True
        steps = self._steps(values, scale if decimals else None)
        most = max(float(steps.max()), -float(steps.min()))
        if not math.isfinite(most):
            numbers, missing = rounded(values, decimals)
            if missing is not None and missing.all():
                most = 0.0
            else:
                most = float(np.nanmax(np.abs(numbers)))
            if grows and not fits(most, decimals):
                return False
            into[...] = numbers.reshape(into.shape)
        elif grows and not fits(most / scale, decimals):
            return False
        elif decimals:
            # The quotient of whole numbers that float32 has is that of float64, rounded to float32.
            steps /= np.float32(scale)
            into[...] = steps.reshape(into.shape)
        else:
            into[...] = steps.reshape(into.shape)
        return True

    def _steps(self, values: NDArray[np.floating[Any]], scale: float | None) -> NDArray[np.float32]:
        """Return values as whole numbers of their resolution, until the next call."""
        self._reserve(values.size)
        steps = self._narrow[: values.size].reshape(values.shape)
        if scale is not None:
            room = self._narrow if values.dtype == np.float32 else self._wide
            values = np.multiply(values, scale, out=room[: values.size].reshape(values.shape))
        np.rint(values, out=steps)
        return steps

    def _exact(self, values: NDArray[np.floating[Any]], decimals: int) -> NDArray[np.float64]:
        """Return values as :func:`rounded` gives them, until the next call."""
        self._reserve(values.size)
        numbers = self._wide[: values.size].reshape(values.shape)
        if decimals:
            scale = 10.0**decimals
            np.multiply(values, scale, out=numbers)
            np.rint(numbers, out=numbers)
            numbers /= scale
        else:
            np.rint(values, out=numbers)
        if math.isfinite(float(numbers.max())) and math.isfinite(float(numbers.min())):
            return numbers
        return rounded(values, decimals)[0]

    def _reserve(self, size: int) -> None:
        if self._wide.size < size:
            self._narrow, self._wide = np.empty(size, np.float32), np.empty(size)

    def _part(
        self, chunk: _Chunk, place: int, number: int, present: Mapping[int, tuple[float, int]]
    ) -> bytes:
        """Return a block of some of its racks."""
        places, stamps = list(present), list(present.values())
        names = named([self._rows[number].racks[own] for own in places])
        form = self._form(len(places))
        part = np.frombuffer(bytearray(form.blank + names), form.dtype(len(names)))
        part["ts"] = [round(ts, 3) for ts, _ in stamps]
        part["seq"] = [seq for _, seq in stamps]
        for column, values in enumerate(chunk.fields):
            part[str(column)][0] = values[place][places]
        return part.tobytes()

    def _form(self, racks: int) -> BlockForm:
        if racks not in self._forms:
            self._forms[racks] = BlockForm(self._schema, tuple(self._tags), racks)
        return self._forms[racks]
