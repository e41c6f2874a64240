"""The text format and OpenMetrics, down to the byte."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    UnknownMetricFamily,
)
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from twin.aggregator.text_format import (
    ExpositionWriter,
    MetricHead,
    SeriesColumn,
    head,
    label_block,
)

HEAD = head("m", "gauge", "Help.")
STRINGS = st.text(st.characters(codec="utf-8"))


def _text(*columns: SeriesColumn, openmetrics: bool = False, metric: MetricHead = HEAD) -> bytes:
    text = ExpositionWriter(openmetrics)
    text.add(metric, columns)
    text.end()
    return bytes(text)


def _column(values: list[float], *, whole: bool = False) -> SeriesColumn:
    labels = [label_block((("i", str(i)),)) for i in range(len(values))]
    return SeriesColumn(labels, np.array(values), whole)


def _reference(metric: Metric) -> bytes:
    """Return what prometheus_client writes of a family as OpenMetrics."""

    class Collector:
        def collect(self) -> Iterable[Metric]:
            return [metric]

    registry = CollectorRegistry()
    registry.register(Collector())
    written: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]  # no types there
    return written


def test_a_metric_is_written_as_the_format_wants() -> None:
    """Help, type, then one line a series, each ended by a line break."""
    assert _text(_column([1.5, 2.0]), _column([3.0], whole=True)) == (
        b'# HELP m Help.\n# TYPE m gauge\nm{i="0"} 1.5\nm{i="1"} 2.0\nm{i="0"} 3\n'
    )


def test_openmetrics_has_the_same_lines_and_an_end() -> None:
    """Only the comments and the end tell the formats apart."""
    plain, openmetrics = _text(_column([1.5])), _text(_column([1.5]), openmetrics=True)
    assert openmetrics == plain + b"# EOF\n"


def test_missing_values_give_no_line() -> None:
    """NaN is left out, wherever it stands."""
    lines = _text(_column([np.nan, 2.0, np.nan])).splitlines()[2:]
    assert lines == [b'm{i="1"} 2.0']


def test_metric_without_series_is_left_out() -> None:
    """No header stands alone."""
    text = ExpositionWriter()
    text.add(HEAD, [_column([np.nan]), _column([])])
    assert text.chunks == []
    assert text.series == 0


def test_series_are_counted() -> None:
    """The count is that of the lines with a value."""
    text = ExpositionWriter()
    text.add(HEAD, [_column([1.0, np.nan]), _column([2.0])])
    text.add_family(HEAD, ["m_a", "m_b"], [b" ", b" "], [b"1", b"2"])
    assert text.series == 4
    assert text.size == len(bytes(text))


def test_what_is_printed_as_it_is_sent_is_the_same() -> None:
    """A stream prints steady metrics when their turn comes: the same lines, counted before."""
    texts = [ExpositionWriter(streams=streams) for streams in (False, True)]
    for text in texts:
        text.add_steady(HEAD, _column([1.0, np.nan, 2.0]))
        text.add_steady(HEAD, _column([np.nan]))
        text.add(HEAD, [_column([3.0])])
    plain, stream = texts
    assert (plain.waits, stream.waits) == (False, True)
    assert plain.series == stream.series == 3
    assert stream.size < plain.size
    assert b"".join(stream.pieces()) == bytes(plain)


def test_no_labels_no_braces() -> None:
    """A series without labels is a name and a number."""
    assert b"\nm 1\n" in _text(SeriesColumn([label_block(())], np.array([1.0]), whole=True))


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
    """A backslash or a line break does not end a help text; OpenMetrics escapes quotes too."""
    escaped = head("m", "gauge", 'a\\b\n"c"')
    assert escaped.plain == b'# HELP m a\\\\b\\n"c"\n# TYPE m gauge'
    assert escaped.openmetrics == b'# HELP m a\\\\b\\n\\"c\\"\n# TYPE m gauge'


@pytest.mark.parametrize(
    ("name", "kind", "unit", "comments"),
    [
        ("a_bytes_total", "counter", "bytes", ["TYPE a_bytes counter", "UNIT a_bytes bytes"]),
        ("a_total", "counter", "", ["TYPE a counter"]),
        ("DCGM_ENERGY", "counter", "millijoules", ["TYPE DCGM_ENERGY unknown"]),
        ("node_pause", "untyped", "", ["TYPE node_pause unknown"]),
        ("a_watts", "gauge", "watts", ["TYPE a_watts gauge", "UNIT a_watts watts"]),
        ("watts", "gauge", "watts", ["TYPE watts gauge"]),
    ],
)
def test_openmetrics_names_families(name: str, kind: str, unit: str, comments: list[str]) -> None:
    """A counter loses its ending, one without it is unknown, and a unit is the name's end."""
    lines = head(name, kind, "Help.", unit).openmetrics.decode().splitlines()
    assert lines[1:] == [f"# {comment}" for comment in comments]
    assert lines[0].startswith(f"# HELP {comments[0].split()[1]} ")


@pytest.mark.parametrize(
    ("family", "ours"),
    [
        (GaugeMetricFamily("g_watts", 'Of "it".', unit="watts"), ("g_watts", "gauge", "watts")),
        (CounterMetricFamily("c", "C."), ("c_total", "counter", "")),
        (UnknownMetricFamily("u", "U."), ("u", "untyped", "")),
    ],
)
@given(value=STRINGS, number=st.floats(1.5, 1e6).filter(lambda number: not number.is_integer()))
def test_openmetrics_is_prometheus_clients(
    family: Metric, ours: tuple[str, str, str], value: str, number: float
) -> None:
    """Family, comments, escaping and end are byte for byte those of prometheus_client."""
    family.samples = []
    family.add_sample(ours[0], {"l": value}, number)
    name, kind, unit = ours
    metric = head(name, kind, family.documentation, unit)
    column = SeriesColumn([label_block((("l", value),))], np.array([number]))
    assert _text(column, openmetrics=True, metric=metric) == _reference(family)


@given(STRINGS)
def test_any_label_value_survives(value: str) -> None:
    """What is written as a label value is what Prometheus's parsers read."""
    column = SeriesColumn([label_block((("l", value),))], np.array([1.0]))
    # Line breaks other than \n are part of a value; the parsers only split at \n.
    for read, openmetrics in (
        (text_string_to_metric_families, False),
        (openmetrics_families, True),
    ):
        (family,) = read(_text(column, openmetrics=openmetrics).decode())
        assert family.samples[0].labels == {"l": value}


@given(STRINGS.filter(lambda text: not text.startswith(" ")))
def test_any_help_survives(text: str) -> None:
    """What is written as a help text is what the parser of OpenMetrics reads.

    prometheus_client's parser takes spaces before the text for part of what separates them.
    """
    written = _text(_column([1.0]), openmetrics=True, metric=head("m", "gauge", text))
    (family,) = openmetrics_families(written.decode())  # type: ignore[no-untyped-call]  # no types there
    assert family.documentation == text


@given(st.lists(st.floats(allow_infinity=False, width=64), min_size=1, max_size=20))
def test_any_number_survives(values: list[float]) -> None:
    """Numbers are written so that the same float64 is read."""
    families = list(text_string_to_metric_families(_text(_column(values)).decode()))
    read = [sample.value for family in families for sample in family.samples]
    assert read == [value for value in values if not np.isnan(value)]
