"""The text format, down to the byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from twin.aggregator.text import Column, Text, header, label_block


def _text(*columns: Column) -> bytes:
    text = Text()
    text.add("m", header("m", "gauge", "Help."), columns)
    return bytes(text)


def _column(values: list[float], *, whole: bool = False) -> Column:
    labels = [label_block((("i", str(i)),)) for i in range(len(values))]
    return Column(labels, np.array(values), whole)


def test_a_metric_is_written_as_the_format_wants() -> None:
    """Help, type, then one line a series, each ended by a line break."""
    assert _text(_column([1.5, 2.0]), _column([3.0], whole=True)) == (
        b'# HELP m Help.\n# TYPE m gauge\nm{i="0"} 1.5\nm{i="1"} 2.0\nm{i="0"} 3\n'
    )


def test_missing_values_give_no_line() -> None:
    """NaN is left out, wherever it stands."""
    lines = _text(_column([np.nan, 2.0, np.nan])).splitlines()[2:]
    assert lines == [b'm{i="1"} 2.0']


def test_metric_without_series_is_left_out() -> None:
    """No header stands alone."""
    text = Text()
    text.add("m", header("m", "gauge", "Help."), [_column([np.nan]), _column([])])
    assert text.chunks == []
    assert text.series == 0


def test_series_are_counted() -> None:
    """The count is that of the lines with a value."""
    text = Text()
    text.add("m", b"", [_column([1.0, np.nan]), _column([2.0])])
    assert text.series == 2
    assert text.size == len(bytes(text))


def test_no_labels_no_braces() -> None:
    """A series without labels is a name and a number."""
    assert b"\nm 1\n" in _text(Column([label_block(())], np.array([1.0]), whole=True))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, b"2"),
        (1.6, b"2"),
        (-0.2, b"0"),
        (2.0**53 - 1, b"9007199254740991"),
        (1e300, b"1e+300"),
    ],
)
def test_whole_numbers(value: float, text: bytes) -> None:
    """Whole signals print without a point, as long as a float64 is exact."""
    assert _text(_column([value], whole=True)).split()[-1] == text


def test_help_is_escaped() -> None:
    """A backslash or a line break in a help text does not end it."""
    assert header("m", "gauge", "a\\b\nc") == b"# HELP m a\\\\b\\nc\n# TYPE m gauge"


@given(st.text(st.characters(codec="utf-8")))
def test_any_label_value_survives(value: str) -> None:
    """What is written as a label value is what Prometheus's parser reads."""
    text = _text(Column([label_block((("l", value),))], np.array([1.0])))
    # Line breaks other than \n are part of a value; the parser only splits at \n.
    (family,) = text_string_to_metric_families(text.decode())
    assert family.samples[0].labels == {"l": value}


@given(st.lists(st.floats(allow_infinity=False, width=64), min_size=1, max_size=20))
def test_any_number_survives(values: list[float]) -> None:
    """Numbers are written so that the same float64 is read."""
    families = list(text_string_to_metric_families(_text(_column(values)).decode()))
    read = [sample.value for family in families for sample in family.samples]
    assert read == [value for value in values if not np.isnan(value)]
