"""Lines of hosts that stand still: printed once, and sent again until a value changes.

More than half of the series of healthy hosts are counters and states that do not move from scrape
to scrape, and are the same on most hosts. What was the same twice is kept as text, without what
tells hosts apart, up to a bound over all pages. Lines with whole label blocks are not: of these a
device has one for each metric, so that text is long for what it costs to print.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from twin.aggregator.series_lines import PrintedLines, SeriesColumn, worth_keeping
from twin.aggregator.split_blocks import SplitBlocks

__all__ = ["LineBudget", "SteadyLines"]

_MOST_BYTES = 128 << 20
_NUMBER_BYTES = 4
"""Of a number that stands still and its line's end; most are 0 or 1."""


@dataclass(slots=True)
class LineBudget:
    """Bytes of text that all pages together may still keep."""

    left: int = _MOST_BYTES


@dataclass(slots=True)
class _Seen:
    """A column at the last scrape, and its lines where it stood still until then."""

    labels: SplitBlocks
    values: bytes
    worth: bool | None = None
    printed: PrintedLines | None = None
    size: int = 0


class SteadyLines:
    """The lines of a page's columns, as far as they stand still.

    Args:
        budget: of all pages.
    """

    def __init__(self, budget: LineBudget) -> None:
        self._budget = budget
        self._seen: dict[Hashable, _Seen] = {}

    def of(self, key: Hashable, column: SeriesColumn) -> SeriesColumn:
        """Return a column that is printed from what was kept, if it is as it was.

        Args:
            key: of the column: its metric and place on the page.
            column: as it is now; its labels are another list when they change.
        """
        labels = column.labels
        if column.printed is not None or not isinstance(labels, SplitBlocks):
            return column
        # Bytes are compared in a tenth of the time of numbers that may be none.
        seen, values = self._seen.get(key), column.values.tobytes()
        if seen is None or seen.labels is not labels or seen.values != values:
            if seen is not None:
                self._budget.left += seen.size
            self._seen[key] = _Seen(labels, values)
            return column
        if seen.worth is None:
            seen.worth = worth_keeping(column)
        if not seen.worth:
            return column
        if seen.printed is None:
            size = _NUMBER_BYTES * len(labels) + sum(map(len, labels.firsts))
            if size > self._budget.left:
                return column
            self._budget.left -= size
            seen.printed, seen.size = PrintedLines(), size
        return SeriesColumn(labels, column.values, column.whole, seen.printed)

    def clear(self) -> None:
        """Forget all: the labels are others now, or the page is gone."""
        self._budget.left += sum(seen.size for seen in self._seen.values())
        self._seen.clear()
