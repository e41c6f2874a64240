"""Lines of the series of a column: printed from arrays, and kept where they stand still."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise, repeat

import numpy as np
import orjson
from numpy.typing import NDArray

from twin.aggregator.split_blocks import SplitBlocks

__all__ = [
    "PrintedLines",
    "SeriesColumn",
    "count_lines",
    "lasting",
    "numbers",
    "printed_lines",
    "worth_keeping",
]

_EXACT = 2.0**53
"""Above this a float64 is no longer every whole number, so it is printed as a float."""
_OPEN = b"\xff"
"""Stands for the end of a label block in lines that are kept; UTF-8 has no such byte."""
_MANY = 64
"""Lines from which it pays to look whether all have the same number."""
_LINES_AT_ONCE = 2048
"""Lines that are printed at once: more would only need more memory."""


@dataclass(slots=True)
class PrintedLines:
    """Lines of a column that is printed again and again; only split label blocks have any.

    Attributes:
        lines: those of each device, each led by its line break, with the place of the ends of
            their label blocks left open; None before they are printed.
        ends: of the label blocks of each device.
        count: how many lines there are.
    """

    lines: Sequence[bytes] | None = None
    ends: Sequence[bytes] = ()
    count: int = 0

    def pieces(self) -> Iterator[bytes]:
        """Yield the whole lines."""
        lines = self.lines or ()
        step = _LINES_AT_ONCE * len(lines) // max(self.count, 1) + 1
        for at in range(0, len(lines), step):
            part = slice(at, at + step)
            yield b"".join(map(bytes.replace, lines[part], repeat(_OPEN), self.ends[part]))


@dataclass(frozen=True, slots=True)
class SeriesColumn:
    """Series of one metric that are printed alike.

    Attributes:
        labels: one label block a series.
        values: one value a series, in the same order; NaN gives no line.
        whole: print whole numbers.
        printed: where the lines are kept, for a column that stays as it is.
    """

    labels: Sequence[bytes]
    values: NDArray[np.float64]
    whole: bool = False
    printed: PrintedLines | None = None


def lasting(column: SeriesColumn) -> SeriesColumn:
    """Return a column that stays as it is although what comes in replaces the values."""
    if column.printed is not None and column.printed.lines is not None:
        return column
    return SeriesColumn(column.labels, column.values.copy(), column.whole, column.printed)


def count_lines(column: SeriesColumn) -> int:
    """Return how many lines a column has."""
    kept = column.printed
    if kept is not None and kept.lines is not None:
        return kept.count
    return int(np.count_nonzero(np.isfinite(column.values)))


def worth_keeping(column: SeriesColumn) -> bool:
    """Return whether lines that stand still are to be kept: where devices share them.

    Others, and those with whole label blocks, take more memory and cost as little to print.
    """
    labels, values = column.labels, column.values
    if not isinstance(labels, SplitBlocks):
        return False
    bounds = np.cumsum([0, *map(len, labels.first)]).tolist()
    own = {
        (id(firsts), values[at:end].tobytes())
        for firsts, (at, end) in zip(labels.first, pairwise(bounds), strict=True)
    }
    return 2 * len(own) <= len(labels.first)


def printed_lines(start: bytes, column: SeriesColumn) -> Iterator[bytes]:
    """Yield the lines of a column, each led by its line break.

    Args:
        start: line break and name of the metric.
        column: its series.
    """
    labels, kept = column.labels, column.printed
    if kept is None or not isinstance(labels, SplitBlocks):
        yield from _printed(start, column)
        return
    if kept.lines is None:
        kept.count = count_lines(column)
        kept.ends, kept.lines = labels.last, _open_lines(start, labels, column)
    yield from kept.pieces()


def numbers(values: NDArray[np.float64], *, whole: bool) -> list[bytes]:
    """Return finite values, at least one, as they are printed."""
    return _texts(_rounded(values, whole=whole))


def _rounded(values: NDArray[np.float64], *, whole: bool) -> NDArray[np.float64 | np.int64]:
    """Return whole numbers as such, where float64 has them all."""
    if whole and np.abs(values).max() < _EXACT:
        return np.rint(values).astype(np.int64)
    return np.ascontiguousarray(values)


def _texts(values: NDArray[np.float64 | np.int64]) -> list[bytes]:
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


def _printed(start: bytes, column: SeriesColumn) -> Iterator[bytes]:
    labels, values = column.labels, column.values
    halves = [labels.firsts, labels.lasts] if isinstance(labels, SplitBlocks) else [labels]
    finite = np.isfinite(values)
    count = int(np.count_nonzero(finite))
    if not count:
        return
    if count < len(values):
        known = finite.tolist()
        halves, values = [list(compress(half, known)) for half in halves], values[finite]
    if count >= _MANY and len(halves) == 1 and (values == values[0]).all():
        (number,) = numbers(values[:1], whole=column.whole)
        yield b"".join([start, (number + start).join(halves[0]), number])
        return
    rounded, step = _rounded(values, whole=column.whole), 2 + len(halves)
    for at in range(0, count, _LINES_AT_ONCE):
        own = slice(at, at + _LINES_AT_ONCE)
        texts = _texts(rounded[own])
        parts = [start] * (step * len(texts))
        for place, half in enumerate(halves, 1):
            parts[place::step] = half[own]
        parts[step - 1 :: step] = texts
        yield b"".join(parts)


def _open_lines(start: bytes, labels: SplitBlocks, column: SeriesColumn) -> list[bytes]:
    """Return the lines of devices with the ends of label blocks left open; like ones are one."""
    values, firsts = column.values, labels.firsts
    finite = np.isfinite(values)
    # Before which of the lines those of a device begin.
    bounds = np.cumsum([0, *map(len, labels.first)])
    if not finite.all():
        firsts, values = list(compress(firsts, finite.tolist())), values[finite]
        bounds = np.cumsum([0, *finite])[bounds]
    if not firsts:
        return []
    parts = [start] * (4 * len(firsts))
    parts[1::4] = firsts
    parts[2::4] = [_OPEN] * len(firsts)
    parts[3::4] = numbers(values, whole=column.whole)
    texts = [b"".join(parts[at:end]) for at, end in pairwise((4 * bounds).tolist())]
    same: dict[bytes, bytes] = {}
    return [same.setdefault(text, text) for text in texts]
