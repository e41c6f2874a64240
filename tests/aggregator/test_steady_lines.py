"""Lines that stand still: kept while values and labels are the same, and within a bound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.aggregator.conftest import Feed
from twin.aggregator.split_blocks import SplitBlocks
from twin.aggregator.steady_lines import LineBudget, SteadyLines
from twin.aggregator.text_format import ExpositionWriter, SeriesColumn, head
from twin.catalog import UnitKind

LABELS, OTHERS = (
    SplitBlocks(([b'{i="0",'], end) for end in (b'host="%c"} ' % host for host in hosts))
    for hosts in (b"ab", b"cd")
)
HEAD = head("m", "gauge", "Help.")
SPLIT = SplitBlocks(([b'{i="0",', b'{i="1",'], b'host="%c"} ' % host) for host in b"abcd")
nan = float("nan")


def scrape(lines: SteadyLines, *values: float, labels: Sequence[bytes] = LABELS) -> SeriesColumn:
    """Print a column of these values and return it as it was printed."""
    column = lines.of("key", SeriesColumn(labels, np.array(values)))
    text = ExpositionWriter()
    text.add(HEAD, [column])
    plain = ExpositionWriter()
    plain.add(HEAD, [SeriesColumn(labels, np.array(values))])
    assert bytes(text) == bytes(plain)
    assert text.series == plain.series
    return column


def test_what_was_the_same_twice_is_kept() -> None:
    """A column is kept as text from its second like scrape on, until a value moves."""
    lines = SteadyLines(LineBudget())
    seen = [scrape(lines, 1.0, 1.0).printed for _ in range(3)]
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1] is seen[2]
    assert scrape(lines, 1.0, 2.0).printed is None
    assert scrape(lines, 1.0, 2.0).printed is not seen[2]


def test_lines_of_hosts_that_are_alike_are_kept_once() -> None:
    """Of split label blocks the lines of a host are kept without its own labels."""
    lines = SteadyLines(LineBudget())
    values = (1.0, nan, 2.0, 3.0, 1.0, nan, 1.0, nan)
    printed = [scrape(lines, *values, labels=SPLIT).printed for _ in range(3)]
    assert printed[2] is not None
    first, second, *others = printed[2].lines or ()
    assert all(own is first for own in others)
    assert second.count(b"\n") == 2
    assert b"host" not in first


def test_lines_of_hosts_that_differ_are_not_kept() -> None:
    """Where most hosts have lines of their own, they are printed at each scrape."""
    lines = SteadyLines(LineBudget())
    values = (1.0, nan, 2.0, 3.0, 4.0, nan, 1.0, nan)
    assert [scrape(lines, *values, labels=SPLIT).printed for _ in range(3)] == [None] * 3


def test_lines_with_whole_blocks_are_not_kept() -> None:
    """Where a device has one line of each metric, printing it costs less than keeping it."""
    lines = SteadyLines(LineBudget())
    assert [scrape(lines, 1.0, nan, labels=(b"a ", b"b ")).printed for _ in range(3)] == [None] * 3


def test_other_labels_are_printed_anew() -> None:
    """The same values of other devices are other lines."""
    lines = SteadyLines(LineBudget())
    for _ in range(3):
        scrape(lines, 1.0, 1.0)
    assert scrape(lines, 1.0, 1.0, labels=OTHERS).printed is None


def test_no_more_is_kept_than_may_be() -> None:
    """Beyond the bound columns are printed anew; what is forgotten makes room."""
    budget = LineBudget(30)
    first, second = SteadyLines(budget), SteadyLines(budget)
    kept = [[scrape(lines, 1.0, 1.0).printed for _ in range(3)][-1] for lines in (first, second)]
    assert kept[0] is not None
    assert kept[1] is None
    first.clear()
    assert budget.left == 30
    assert scrape(second, 1.0, 1.0).printed is not None
    scrape(second, 1.0, 3.0)
    assert budget.left == 30


def test_a_page_that_keeps_lines_is_the_same(feed: Feed) -> None:
    """Scraped again and again, a page says what a new one says."""
    for second in range(1, 6):
        feed.site(ts=float(second), seq=second)
        fresh = Feed(type(feed.core)(feed.layout), feed.outputs)
        fresh.site(ts=float(second), seq=second)
        assert feed.lines(0) == fresh.lines(0)
    feed.outputs["gpu"]["gpu_temp"] = feed.outputs["gpu"]["gpu_temp"] + 1.0
    feed.frame(UnitKind.RACK, 0, ts=9.0, seq=9)
    before = feed.lines(0)
    assert before != fresh.lines(0)
    assert feed.lines(0) == before
