"""The Prometheus text format and OpenMetrics, written from arrays.

This is the hot path of the aggregator: a line is the metric's name, a label block that
was escaped once, and a number that orjson printed together with all its neighbours.

The lines are the same in both formats; the differences are in the comments before them,
which a :class:`MetricHead` holds for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from twin.aggregator.series_lines import (
    PrintedLines,
    SeriesColumn,
    count_lines,
    lasting,
    numbers,
    printed_lines,
)
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
    chunks: list[bytes | Callable[[], Iterator[bytes]]] = field(default_factory=list)
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
        # In a stream, what comes in before they are printed replaces the values.
        self._append(metric, [lasting(own) if self.streams else own for own in columns])

    def add_steady(self, metric: MetricHead, column: SeriesColumn) -> None:
        """Append a metric whose values are this text's own: nothing replaces them."""
        if self.streams:
            self._append(metric, [column])
        else:
            self.add(metric, [column])

    def _append(self, metric: MetricHead, columns: Sequence[SeriesColumn]) -> None:
        count = sum(map(count_lines, columns))
        if not count:
            return
        self.series += count
        if self.streams:
            # Without this text itself: what refers to itself is kept long after it is sent.
            self.chunks.append(partial(_text, metric, columns, self.openmetrics))
        else:
            self.chunks += _text(metric, columns, self.openmetrics)

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
            if isinstance(chunk, bytes):
                yield chunk
            else:
                yield from chunk()

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


def _text(
    metric: MetricHead, columns: Iterable[SeriesColumn], openmetrics: bool
) -> Iterator[bytes]:
    """Yield the text of one metric that has series."""
    start = b"\n" + metric.name.encode()
    pieces = chain.from_iterable(printed_lines(start, column) for column in columns)
    # A part of a histogram that is not its first has no comments, so no line to end.
    yield (metric.openmetrics if openmetrics else metric.plain) or next(pieces)[1:]
    yield from pieces
    yield b"\n"
