"""Charts as SVG: scales, gaps, legends."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.drawing import IN_PAGE, Axis, Drawing, DrawnLine, Span, round_axis, time_axis

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([0.0, 0.0], (0.0, 1.0)),
        ([0.0], (0.0, 1.0)),
        ([5.0, 5.0], (0.0, 6.0)),
        ([-5.0], (-6.0, 0.0)),
        ([0.0, 1.0], (0.0, 1.0)),
        ([30.0, 87.0], (20.0, 100.0)),
    ],
)
def test_an_axis_holds_its_values(values: list[float], ends: tuple[float, float]) -> None:
    """Values lie within round ends; what is always 0 never makes an axis from -1 to 1."""
    axis = round_axis(values)
    assert (axis.ticks[0], axis.ticks[-1]) == ends


@given(st.lists(st.integers(-(10**12), 10**12).map(lambda own: own / 1e3), min_size=1))
def test_any_values_have_an_axis(values: list[float]) -> None:
    """Whatever the values are, ticks rise and hold them all."""
    axis = round_axis(values)
    assert all(before < after for before, after in pairwise(axis.ticks))
    slack = 1e-6 * max(1.0, *map(abs, values))
    assert axis.ticks[0] - slack <= min(values) <= max(values) <= axis.ticks[-1] + slack


def test_an_axis_of_time_ends_with_the_run() -> None:
    """Ticks are round moments, the end is that of the run."""
    axis = time_axis(430.0)
    assert list(axis.ticks) == [0, 60, 120, 180, 240, 300, 360, 420]
    assert axis.place(430.0, 0.0, 100.0) == 100.0


def test_a_line_is_broken_where_there_is_nothing() -> None:
    """Points further apart than the gap are not joined, and a single one is still drawn."""
    drawing = Drawing(IN_PAGE)
    axis = Axis("", [0, 100])
    points = [(0.0, 1.0), (10.0, 1.0), (50.0, 1.0)]
    drawing.lines(axis, axis, [DrawnLine("a <b>", "red", points, gap=20.0)])
    root = ET.fromstring(drawing.text)  # noqa: S314 - our own text
    lines = root.findall(f"{SVG}polyline")
    assert [len(line.get("points", "").split()) for line in lines] == [2, 2]
    assert lines[0].findtext(f"{SVG}title") == "a <b>"


def test_a_long_name_is_cut_in_the_legend() -> None:
    """Legends stay apart; the whole name is there for who points at it."""
    drawing = Drawing(IN_PAGE)
    axis = Axis("", [0, 1])
    drawing.lines(axis, axis, [DrawnLine("x" * 300, "red", [(0, 0), (1, 1)])] * 3)
    root = ET.fromstring(drawing.text)  # noqa: S314 - our own text
    legend = root.findall(f"{SVG}text")
    assert all((own.text or "").endswith("…") for own in legend)
    assert all(own.findtext(f"{SVG}title") == "x" * 300 for own in legend)


def test_a_short_span_is_seen() -> None:
    """A stretch of no length is still a mark."""
    drawing = Drawing(IN_PAGE)
    drawing.spans(Axis("", [0, 1000]), [Span(5, 5, "red", "now")], 0, 10)
    root = ET.fromstring(drawing.text)  # noqa: S314 - our own text
    assert float(root.findall(f"{SVG}rect")[0].get("width", "0")) >= 1
