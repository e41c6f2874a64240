"""Parts of a past on their way to the process that writes them.

A message is a pickle of protocol 5 whose arrays follow as they are. Labels, which hardly change
from part to part, travel once.
"""

from __future__ import annotations

import io
import pickle  # of a process for the one that it started, and of nobody else
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.text_format import MetricHead
from twin.history.page_reader import Block
from twin.history.targets import SampleTarget

__all__ = [
    "BlockPacker",
    "BlockUnpacker",
    "PackedBlocks",
    "PartCall",
    "WritingTask",
    "receive",
    "send",
]

Readable = io.RawIOBase | io.BufferedIOBase
_LENGTHS = struct.Struct("<QQ")
"""Of the pickle in bytes, and of arrays how many follow, each with its own length before all."""


@dataclass(frozen=True, slots=True)
class _PackedBlock:
    head: MetricHead
    device: str
    labels: int
    whole: bool
    times: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PackedBlocks:
    """Blocks of a part.

    Attributes:
        labels: label blocks that the part before did not have, by their number.
        blocks: with the numbers of their label blocks.
    """

    labels: Mapping[int, Sequence[bytes]]
    blocks: Sequence[_PackedBlock]


@dataclass(frozen=True, slots=True)
class WritingTask:
    """What is to be written, the first message.

    Attributes:
        plan: what is made, as plain values.
        target: what it is written to.
        now: unix time from which the simulation goes on.
    """

    plan: Mapping[str, Any]
    target: SampleTarget
    now: int


@dataclass(frozen=True, slots=True)
class PartCall:
    """A call of a writer.

    Attributes:
        verb: name of the method.
        moment: its unix time.
        packed: its blocks.
        others: what else it is called with.
    """

    verb: str
    moment: int = 0
    packed: PackedBlocks | None = None
    others: tuple[Any, ...] = ()


class BlockPacker:
    """Packs the blocks of one part after the other."""

    def __init__(self) -> None:
        self._numbers: dict[int, tuple[Sequence[bytes], int]] = {}
        self._next = 0

    def pack(self, blocks: Iterable[Block]) -> PackedBlocks:
        """Return blocks as they travel."""
        before, self._numbers = self._numbers, {}
        new: dict[int, Sequence[bytes]] = {}
        packed = []
        for own in blocks:
            labels = own.labels
            known = self._numbers.get(id(labels)) or before.get(id(labels))
            if known is None or known[0] is not labels:
                known = labels, self._next
                self._next += 1
                new[known[1]] = labels
            self._numbers[id(labels)] = known
            packed.append(
                _PackedBlock(own.head, own.device, known[1], own.whole, own.times, own.values)
            )
        return PackedBlocks(new, packed)


class BlockUnpacker:
    """Unpacks what a :class:`BlockPacker` packed, in the same order."""

    def __init__(self) -> None:
        self._labels: dict[int, Sequence[bytes]] = {}

    def unpack(self, packed: PackedBlocks) -> list[Block]:
        """Return the blocks; what had the same labels as the part before has the same object."""
        before = {**self._labels, **packed.labels}
        self._labels = {own.labels: before[own.labels] for own in packed.blocks}
        return [
            Block(own.head, own.device, before[own.labels], own.whole, own.times, own.values)
            for own in packed.blocks
        ]


def send(stream: IO[bytes], message: object) -> None:
    """Write a message.

    Args:
        stream: without a buffer, so that closing it never waits for its reader.
        message: what is sent.

    Raises:
        OSError: nobody reads it any more.
    """
    arrays: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, 5, buffer_callback=arrays.append)
    raw = [own.raw() for own in arrays]
    lengths = np.array([own.nbytes for own in raw], np.uint64).tobytes()
    pieces: list[bytes | memoryview] = [_LENGTHS.pack(len(body), len(raw)) + lengths, body, *raw]
    for piece in pieces:
        rest = memoryview(piece).cast("B")
        while rest:
            rest = rest[stream.write(rest) :]


def receive(stream: Readable) -> tuple[Any, int] | None:
    """Return the next message and its bytes, None where no other comes.

    Args:
        stream: from the process that started this one: a pickle may run anything.
    """
    head = _read(stream, _LENGTHS.size)
    if head is None:
        return None
    length, count = _LENGTHS.unpack(head)
    lengths = _read(stream, 8 * count)
    body = _read(stream, length)
    if lengths is None or body is None:
        return None
    arrays = []
    for size in np.frombuffer(lengths, np.uint64).tolist():
        # Each has memory of its own, so that one that is kept for long keeps no other.
        own = _read(stream, size)
        if own is None:
            return None
        arrays.append(own)
    message = pickle.loads(body, buffers=arrays)  # noqa: S301 - see above
    return message, length + sum(map(len, arrays))


def _read(stream: Readable, size: int) -> bytearray | None:
    """Return so many bytes, None where the stream ends before."""
    whole = bytearray(size)
    rest = memoryview(whole)
    while rest:
        count = stream.readinto(rest)
        if not count:
            return None
        rest = rest[count:]
    return whole
