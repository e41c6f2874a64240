"""The page of calibration and its pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from twin.docs import calibration
from twin.docs.chart import chart
from twin.docs.measurement import comparisons
from twin.drawing import Axis, DrawnLine

pytestmark = pytest.mark.xdist_group("calibration")

SVG = "{http://www.w3.org/2000/svg}"


def test_page_has_every_row_and_picture() -> None:
    """Each comparison is a row, each picture is shown and made."""
    pages = calibration.pages()
    page = pages["calibration.md"]
    for row in comparisons():
        assert f"| {row.quantity} |" in page
    for name in pages.keys() - {"calibration.md"}:
        assert f"]({name})" in page


def test_pages_are_deterministic() -> None:
    """The same code makes the same bytes."""
    assert calibration.pages() == calibration.pages()


def test_pictures_are_whole() -> None:
    """Every picture is valid XML with one line for the measurement and one for the twin."""
    for name, text in calibration.pages().items():
        if name.endswith(".svg"):
            root = ET.fromstring(text)  # noqa: S314 - our own text
            assert len(root.findall(f"{SVG}polyline")) == 2, name


def test_chart_places_points() -> None:
    """A line's ends lie in the corners of the axes, and beyond an axis it is held at its end."""
    text = chart(
        "Title",
        Axis("x", [0, 1, 2]),
        Axis("y", [0, 10]),
        [DrawnLine("a", "red", [(0, 0), (2, 99)])],
    )
    assert 'points="70.0,328.0 740.0,46.0"' in text


def test_chart_escapes_text() -> None:
    """A title with markup stays text."""
    text = chart("a < b & c", Axis("x", [0, 1]), Axis("y", [0, 1]), [])
    assert ET.fromstring(text).findtext(f"{SVG}title") == "a < b & c"  # noqa: S314 - our own text


@pytest.mark.parametrize(("value", "place"), [(0.0, 0.0), (5.0, 50.0), (10.0, 100.0), (11, 100.0)])
def test_axis(value: float, place: float) -> None:
    """An axis places values in proportion and holds what is outside."""
    assert Axis("x", [0, 10]).place(value, 0.0, 100.0) == place
