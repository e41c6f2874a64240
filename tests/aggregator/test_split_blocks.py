"""Label blocks in two parts: a sequence as good as that of the whole blocks."""

from __future__ import annotations

import numpy as np
import pytest

from twin.aggregator.series_lines import SeriesColumn, printed_lines
from twin.aggregator.split_blocks import SplitBlocks

HOSTS = [([b"{a,", b"{b,"], b"x} "), ([b"{a,", b"{b,"], b"y} "), ([b"{c,"], b"y} ")]
WHOLE = [b"{a,x} ", b"{b,x} ", b"{a,y} ", b"{b,y} ", b"{c,y} "]


def test_split_blocks_are_a_sequence_of_whole_ones() -> None:
    """Length, order, places, slices and equality are those of the whole blocks."""
    blocks = SplitBlocks(HOSTS)
    assert list(blocks) == WHOLE
    assert len(blocks) == len(WHOLE)
    assert [blocks[place] for place in range(-5, 5)] == WHOLE * 2
    assert list(blocks[1:4]) == WHOLE[1:4]
    assert blocks == SplitBlocks(iter(HOSTS))
    assert blocks != SplitBlocks(HOSTS[:2])
    with pytest.raises(IndexError):
        _ = blocks[5]


def test_first_parts_are_kept_once() -> None:
    """Hosts with the same series share what their blocks begin with; neighbours are joined."""
    same = SplitBlocks([*HOSTS[:2], ([b"{a,", b"{b,"], b"z} ")])
    assert same.first[0] is same.first[2]
    assert SplitBlocks(HOSTS).last == (b"x} ", b"y} ")


def test_many_lines_are_printed_in_parts() -> None:
    """A column of many series is the same text in pieces of some thousand lines, whole or not."""
    count = 5000
    firsts, ends = [b"{i=%d," % place for place in range(count)], [b"x} ", b"y} "]
    split = SplitBlocks((firsts, end) for end in ends)
    values = np.arange(2.0 * count)
    values[7::11] = np.nan
    for whole, top in ((True, 1.0), (True, 2.0**60), (False, 1.0)):
        values[-1] = top  # beyond what float64 has exactly, every number is one with a point
        pieces = list(printed_lines(b"\nm", SeriesColumn(split, values, whole)))
        assert len(pieces) > 2
        other = printed_lines(b"\nm", SeriesColumn(tuple(split), values, whole))
        assert b"".join(pieces) == b"".join(other)
        assert (b".0\n" in b"".join(pieces)) == (not whole or top > 1.0)
