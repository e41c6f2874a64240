"""Line charts as SVG, with the standard library: two or three lines, axes, a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Axis", "ChartLine", "chart"]

_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 46, 52
_INK, _GRID = "#1f2933", "#d9dee3"
_ROOT = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
    f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="13" '
    f'fill="{_INK}" role="img">'
)


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis.

    Attributes:
        title: what it shows, with its unit.
        ticks: values that are marked; the first and the last are its ends.
        logarithmic: whether equal ratios are equal distances; then all ticks are above 0.
        names: what stands at the ticks, by default their values.
    """

    title: str
    ticks: Sequence[float]
    logarithmic: bool = False
    names: Sequence[str] = ()

    @property
    def marks(self) -> Sequence[tuple[float, str]]:
        """The ticks with what stands there."""
        return list(
            zip(self.ticks, self.names or [f"{tick:g}" for tick in self.ticks], strict=True)
        )

    def place(self, value: float, start: float, end: float) -> float:
        """Return where between ``start`` and ``end`` a value lies; outside it is held at an end."""
        low, high = self.ticks[0], self.ticks[-1]
        value = min(max(value, low), high)
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low)
        return start + share * (end - start)


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A line of a chart.

    Attributes:
        name: in the legend.
        colour: as CSS writes it.
        points: x and y of its points.
    """

    name: str
    colour: str
    points: Sequence[tuple[float, float]]


def chart(title: str, x: Axis, y: Axis, lines: Sequence[ChartLine]) -> str:
    """Return a chart as the text of an SVG file."""
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [
        _ROOT,
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for tick, name in x.marks:
        at = x.place(tick, _LEFT, right)
        parts.append(_stroke(at, _TOP, at, bottom))
        parts.append(_text(at, bottom + 18, name, "middle"))
    for tick, name in y.marks:
        at = y.place(tick, bottom, _TOP)
        parts.append(_stroke(_LEFT, at, right, at))
        parts.append(_text(_LEFT - 8, at + 4, name, "end"))
    parts.append(_text((_LEFT + right) / 2, _HEIGHT - 12, x.title, "middle"))
    middle = (_TOP + bottom) / 2
    parts.append(
        f'<text x="18" y="{middle:.1f}" text-anchor="middle" '
        f'transform="rotate(-90 18 {middle:.1f})">{escape(y.title)}</text>'
    )
    for index, line in enumerate(lines):
        points = " ".join(
            f"{x.place(a, _LEFT, right):.1f},{y.place(b, bottom, _TOP):.1f}" for a, b in line.points
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="2" '
            'stroke-linejoin="round"/>'
        )
        at = _LEFT + 230 * index
        parts.append(
            f'<line x1="{at}" y1="22" x2="{at + 26}" y2="22" stroke="{line.colour}" '
            'stroke-width="4"/>'
        )
        parts.append(_text(at + 34, 26, line.name, "start"))
    return "\n".join([*parts, "</svg>", ""])


def _stroke(x1: float, y1: float, x2: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{_GRID}" stroke-width="1"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
