"""Decoder of blocks: the frames of several racks of an array in one CBOR message.

A block says what its racks' frames would say one by one: each rack has its own time, running
number and values. What is wrong with a rack's numbers is that rack's only; a message that is no
block at all names none, so it is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2
import numpy as np
from numpy.typing import NDArray

from twin.catalog import UnitKind
from twin.errors import FrameError
from twin.site import Layout
from twin.wire.block_form import RACKS, SEQ_TAG, TS_TAG, BlockForm, Numbers, named
from twin.wire.cbor_form import FLOAT64, Tags
from twin.wire.cbor_frames import cbor_column, cbor_tree, is_cbor
from twin.wire.frame import MAX_FRAME_BYTES
from twin.wire.messages import END_OF_TIME
from twin.wire.schema import END_OF_SEQ, Schema, Snapshot

__all__ = ["BlockDecoder", "RackBlock", "largest_block"]

_FORMS = 16
"""Forms that a decoder remembers: blocks of silent racks are shorter."""
_NAMES = 16_384
"""Lists of names that a decoder remembers, one a block of the largest site."""


@dataclass(frozen=True, slots=True)
class RackBlock:
    """A decoded block: its numbers are checked, and converted once they are asked for.

    Attributes:
        racks: names of its racks.
        ts: simulated time of each rack's snapshot, unix seconds.
        seq: running number of each rack's frame.
        wrong: what is wrong with the numbers of a rack, by its place in the block.
    """

    racks: Sequence[str]
    ts: NDArray[np.float64]
    seq: NDArray[np.int64]
    wrong: Mapping[int, FrameError]
    _form: BlockForm
    _numbers: Numbers

    @property
    def groups(self) -> Mapping[str, NDArray[np.float64]]:
        """Device class to an array (signals that travel, racks, devices a rack).

        NaN where a device does not report. The arrays hold until another block's are asked for.
        """
        return self._form.groups(self._numbers)

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
            if form.is_of(payload):
                names = self._named(payload[form.size :])
                if len(names) == form.racks:
                    return self._block(form, names, form.stamps(payload), form.numbers(payload))
        return self._read(payload)

    def _block(
        self, form: BlockForm, names: tuple[str, ...], stamps: Sequence[bytes], numbers: Numbers
    ) -> RackBlock:
        times, running = np.frombuffer(stamps[0], "<f8"), np.frombuffer(stamps[1], "<u8")
        places = form.outside(numbers)
        wrong = {} if not places.size else self._outside(form.racks, places)
        sane = (times >= 0) & (times < END_OF_TIME) & (running < END_OF_SEQ)
        if not sane.all():
            for place in np.nonzero(~sane)[0].tolist():
                wrong[place] = FrameError(
                    "value", f"ts {times[place]!s} or seq {running[place]!s} of "
                    f"{names[place]} is no time or no running number")  # fmt: skip
        return RackBlock(names, times, running.view(np.int64), wrong, form, numbers)

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
        return self._block(form, names, head, form.joined([column.value for column in columns]))

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
