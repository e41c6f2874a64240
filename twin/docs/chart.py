"""Charts of the reference pages, as SVG files of their own."""

from __future__ import annotations

from collections.abc import Sequence

from twin.drawing import Axis, Drawing, DrawnLine, Paper

__all__ = ["chart"]


def chart(title: str, x: Axis, y: Axis, lines: Sequence[DrawnLine]) -> str:
    """Return a chart as the text of an SVG file."""
    drawing = Drawing(Paper(), title)
    drawing.axes(x, y)
    drawing.lines(x, y, lines)
    return f"{drawing.text}\n"
