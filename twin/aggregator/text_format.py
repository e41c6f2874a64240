"""The Prometheus text format and OpenMetrics, written from arrays.

This is the hot path of the aggregator: a line is the metric's name, a label block that
was escaped once, and a number that orjson printed together with all its neighbours.

The lines are the same in both formats; the differences are in the comments before them,
which a :class:`MetricHead` holds for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from twin.catalog import Labels, MetricType, OwnMetric
from twin.catalog.selectors import labelled

if TYPE_CHECKING:
    from twin.aggregator.exposition import MetricsPage
    from twin.aggregator.rollup_page import RollupPage
    from twin.aggregator.store_snapshot import StoreSnapshot

__all__ = [
    "OPENMETRICS_END",
    "ExpositionWriter",
    "MetricHead",
    "PrintedLines",
    "SeriesColumn",
    "head",
    "histogram_head",
    "label_block",
    "labels_text",
    "numbers",
    "own_head",
]

OPENMETRICS_END = b"# EOF\n"

_EXACT = 2.0**53
"""Above this a float64 is no longer every whole number, so it is printed as a float."""

_Metric = TypeVar("_Metric")

_OPENMETRICS_TYPES = {MetricType.UNTYPED.value: "unknown"}


@dataclass(frozen=True, slots=True)
class MetricHead:
    """What stands before the series of a metric.

    Attributes:
        name: name of its samples.
        plain: the comments of the text format, without the last line's end.
        openmetrics: the same for OpenMetrics.
        devices: device class of each of its columns, for one that devices report.
    """

    name: str
    plain: bytes
    openmetrics: bytes
    devices: tuple[str, ...] = ()


@dataclass(slots=True)
class PrintedLines:
    """Lines of a column that is printed again and again.

    Attributes:
        lines: each led by its line break; None before they are printed.
        count: how many there are.
    """

    lines: bytes | None = None
    count: int = 0


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


@dataclass(slots=True)
class ExpositionWriter:
    """A text under construction.

    Attributes:
        openmetrics: whether it is OpenMetrics 1.0 instead of the text format 0.0.4.
        chunks: its pieces, one a metric: bytes, or what prints them.
        series: lines that carry a value.
        computes: whether it takes values from which series follow, by :meth:`follow`, to compute
            the series of many scrapes at once.
        streams: whether it is sent piece by piece, so that what can wait is printed when its turn
            comes.
    """

    openmetrics: bool = False
    chunks: list[bytes | Callable[[], bytes]] = field(default_factory=list)
    series: int = 0
    computes: bool = False
    streams: bool = False

    def wants(self, name: str) -> bool:  # noqa: ARG002 - a text takes all; others choose
        """Return whether the series of that name are worth computing."""
        return True

    def chosen(
        self, metrics: Sequence[tuple[_Metric, MetricHead]]
    ) -> Iterable[tuple[_Metric, MetricHead]]:
        """Return those of a page's metrics whose series are worth computing.

        Args:
            metrics: the same list for every scrape of the page.
        """
        return (own for own in metrics if self.wants(own[1].name))

    def add(self, metric: MetricHead, columns: Iterable[SeriesColumn]) -> None:
        """Append one metric with all its series, if it has any."""
        if self.streams:
            # What comes in before they are printed replaces the values.
            copied = [replace(column, values=column.values.copy()) for column in columns]
            self._wait(metric, copied)
            return
        parts, count = self._parts(metric, columns)
        self.series += count
        self.chunks += parts

    def add_steady(self, metric: MetricHead, column: SeriesColumn) -> None:
        """Append a metric whose values are this text's own: nothing replaces them."""
        if self.streams:
            self._wait(metric, [column])
        else:
            self.add(metric, [column])

    def _wait(self, metric: MetricHead, columns: Sequence[SeriesColumn]) -> None:
        count = sum(int(np.count_nonzero(np.isfinite(column.values))) for column in columns)
        if count:
            self.series += count
            self.chunks.append(lambda: b"".join(self._parts(metric, columns)[0]))

    def _parts(
        self, metric: MetricHead, columns: Iterable[SeriesColumn]
    ) -> tuple[list[bytes], int]:
        """Return the text of one metric, and how many series it has."""
        start = b"\n" + metric.name.encode()
        first = metric.openmetrics if self.openmetrics else metric.plain
        parts: list[bytes] = []
        series = 0
        for column in columns:
            lines, count = _lines(start, column)
            series += count
            if count:
                # A part of a histogram that is not its first has no comments, so no line to end.
                parts.append(lines if first or parts else lines[1:])
        if not parts:
            return [], 0
        return ([first, *parts, b"\n"] if first else [*parts, b"\n"]), series

    def follow(self, page: MetricsPage, snapshot: StoreSnapshot) -> None:
        """Take the values from which the series of a page's devices follow."""
        raise NotImplementedError

    def follow_rollups(self, page: RollupPage, snapshot: StoreSnapshot) -> None:
        """Take the values from which the roll-ups of a page follow."""
        raise NotImplementedError

    def add_family(
        self,
        family: MetricHead,
        names: Sequence[str],
        labels: Sequence[bytes],
        values: Sequence[bytes],
    ) -> None:
        """Append a metric whose samples have several names: one of each a line."""
        parts = [b"\n"] * (4 * len(names))
        parts[1::4] = [name.encode() for name in names]
        parts[2::4] = labels
        parts[3::4] = values
        first = family.openmetrics if self.openmetrics else family.plain
        self.chunks.append(b"".join([first, *parts, b"\n"]))
        self.series += len(names)

    def end(self) -> None:
        """Append what the format wants at the end."""
        if self.openmetrics:
            self.chunks.append(OPENMETRICS_END)

    @property
    def prints(self) -> bool:
        """Whether it is text, which may be kept, and not values for another use."""
        return type(self) is ExpositionWriter

    @property
    def size(self) -> int:
        """Length of the text in bytes, without what is printed later."""
        return sum(len(chunk) for chunk in self.chunks if isinstance(chunk, bytes))

    @property
    def waits(self) -> bool:
        """Whether some of it is printed later."""
        return self.streams and not all(isinstance(chunk, bytes) for chunk in self.chunks)

    def pieces(self) -> Iterator[bytes]:
        """Yield the text piece by piece."""
        for chunk in self.chunks:
            yield chunk if isinstance(chunk, bytes) else chunk()

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces())


def head(name: str, kind: str, help_text: str, unit: str = "") -> MetricHead:
    """Return the comments of a metric.

    OpenMetrics names a family, not a sample: a counter's without ``_total``. It knows no
    counter whose samples are called anything else, so one of a foreign exporter that is,
    such as DCGM's, is ``unknown`` there, as client_golang has it too. Its unit must be the
    end of the family's name, and is left out where it is not.

    Args:
        name: name of the samples.
        kind: Prometheus type.
        help_text: help text.
        unit: unit, as it would stand in the name; empty for none.
    """
    escaped = help_text.replace("\\", r"\\").replace("\n", r"\n")
    plain = f"# HELP {name} {escaped}\n# TYPE {name} {kind}"
    family, known = name, _OPENMETRICS_TYPES.get(kind, kind)
    if kind == MetricType.COUNTER.value:
        family = name.removesuffix("_total")
        known = kind if family != name else "unknown"
    quoted = escaped.replace('"', r"\"")
    lines = [f"# HELP {family} {quoted}", f"# TYPE {family} {known}"]
    if unit and family.endswith(f"_{unit}"):
        lines.append(f"# UNIT {family} {unit}")
    return MetricHead(name, plain.encode(), "\n".join(lines).encode())


def histogram_head(name: str, help_text: str) -> MetricHead:
    """Return the comments before the series of a histogram that have one of its three names.

    They stand before the buckets, which come first, and nowhere else.

    Args:
        name: name of the samples, with the suffix.
        help_text: help text of the histogram.
    """
    family, _, suffix = name.rpartition("_")
    if suffix != "bucket":
        return MetricHead(name, b"", b"")
    return replace(head(family, MetricType.HISTOGRAM.value, help_text), name=name)


def own_head(metric: OwnMetric) -> MetricHead:
    """Return what stands before the series of one of the aggregator's own metrics."""
    return head(metric.name, metric.kind, metric.help)


def label_block(labels: Labels) -> bytes:
    """Return the labels in braces, escaped, and the space before the value."""
    return f"{{{labels_text(labels)}}} ".encode() if labels else b" "


def labels_text(labels: Labels) -> str:
    """Return labels as they stand between the braces."""
    return ",".join([labelled(name, value) for name, value in labels])


def numbers(values: NDArray[np.float64], *, whole: bool) -> list[bytes]:
    """Return finite values, at least one, as they are printed."""
    if whole and np.abs(values).max() < _EXACT:
        text = orjson.dumps(np.rint(values).astype(np.int64), option=orjson.OPT_SERIALIZE_NUMPY)
    else:
        text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].split(b",")


def _lines(start: bytes, column: SeriesColumn) -> tuple[bytes, int]:
    """Return the lines, each led by its line break, and how many there are."""
    kept = column.printed
    if kept is None:
        return _printed(start, column)
    if kept.lines is None:
        kept.lines, kept.count = _printed(start, column)
    return kept.lines, kept.count


def _printed(start: bytes, column: SeriesColumn) -> tuple[bytes, int]:
    labels, values = column.labels, column.values
    finite = np.isfinite(values)
    if not finite.all():
        labels, values = list(compress(labels, finite.tolist())), values[finite]
    count = len(labels)
    if not count:
        return b"", 0
    parts = [start] * (3 * count)
    parts[1::3] = labels
    parts[2::3] = numbers(values, whole=column.whole)
    return b"".join(parts), count
