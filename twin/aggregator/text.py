"""The Prometheus text format, written from arrays.

This is the hot path of the aggregator: a line is the metric's name, a label block that
was escaped once, and a number that orjson printed together with all its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
import orjson
from numpy.typing import NDArray

from twin.site import Labels

__all__ = ["CONTENT_TYPE", "Column", "Text", "header", "label_block"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_EXACT = 2.0**53
"""Above this a float64 is no longer every whole number, so it is printed as a float."""


@dataclass(frozen=True, slots=True)
class Column:
    """Series of one metric that are printed alike.

    Attributes:
        labels: one label block a series.
        values: one value a series, in the same order; NaN gives no line.
        whole: print whole numbers.
    """

    labels: Sequence[bytes]
    values: NDArray[np.float64]
    whole: bool = False


@dataclass(slots=True)
class Text:
    """A text under construction.

    Attributes:
        chunks: its pieces, one a metric.
        series: lines that carry a value.
    """

    chunks: list[bytes] = field(default_factory=list)
    series: int = 0

    def add(self, name: str, head: bytes, columns: Iterable[Column]) -> None:
        """Append one metric with all its series; nothing when it has none.

        Args:
            name: metric name.
            head: what :func:`header` gave for it.
            columns: its series.
        """
        start = b"\n" + name.encode()
        parts = [head]
        for column in columns:
            lines, count = _lines(start, column)
            parts.append(lines)
            self.series += count
        if any(parts[1:]):
            parts.append(b"\n")
            self.chunks.append(b"".join(parts))

    @property
    def size(self) -> int:
        """Length of the text in bytes."""
        return sum(map(len, self.chunks))

    def __bytes__(self) -> bytes:
        return b"".join(self.chunks)


def header(name: str, kind: str, help_text: str) -> bytes:
    """Return the two comment lines of a metric, without the last line's end."""
    text = help_text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {text}\n# TYPE {name} {kind}".encode()


def label_block(labels: Labels) -> bytes:
    """Return the labels in braces, escaped, and the space before the value."""
    if not labels:
        return b" "
    inside = ",".join(f'{name}="{_escape(value)}"' for name, value in labels)
    return f"{{{inside}}} ".encode()


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _lines(start: bytes, column: Column) -> tuple[bytes, int]:
    """Return the lines, each led by its line break, and how many there are."""
    labels, values = column.labels, column.values
    finite = np.isfinite(values)
    if not finite.all():
        labels, values = list(compress(labels, finite.tolist())), values[finite]
    count = len(labels)
    if not count:
        return b"", 0
    parts = [start] * (3 * count)
    parts[1::3] = labels
    parts[2::3] = _numbers(values, whole=column.whole)
    return b"".join(parts), count


def _numbers(values: NDArray[np.float64], *, whole: bool) -> list[bytes]:
    """Print finite values, at least one."""
    if whole and np.abs(values).max() < _EXACT:
        text = orjson.dumps(np.rint(values).astype(np.int64), option=orjson.OPT_SERIALIZE_NUMPY)
    else:
        text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].split(b",")
