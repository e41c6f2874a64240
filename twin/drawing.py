"""Line charts and time bars as SVG: axes, lines, spans of time, a legend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

__all__ = ["IN_PAGE", "Axis", "Drawing", "DrawnLine", "Paper", "Span", "round_axis", "time_axis"]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MOMENTS = 10
"""Ticks along an axis of time, at most."""
_TIME_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 86_400)
_LETTER = 7.0
"""Width of a letter in the legend, est."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis.

    Attributes:
        title: what it shows, with its unit.
        ticks: values that are marked.
        logarithmic: whether equal ratios are equal distances; then all ticks are above 0.
        names: texts at the ticks, by default their values.
        ends: its first and last value, by default those of the ticks.
    """

    title: str
    ticks: Sequence[float]
    logarithmic: bool = False
    names: Sequence[str] = ()
    ends: tuple[float, float] | None = None

    @property
    def marks(self) -> Sequence[tuple[float, str]]:
        """The ticks with what stands there."""
        return list(
            zip(self.ticks, self.names or [f"{tick:g}" for tick in self.ticks], strict=True)
        )

    def place(self, value: float, start: float, end: float) -> float:
        """Return where between ``start`` and ``end`` a value lies; outside it is held at an end."""
        low, high = self.ends or (self.ticks[0], self.ticks[-1])
        value = min(max(value, low), high)
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low)
        return start + share * (end - start)


def round_axis(values: Iterable[float], title: str = "") -> Axis:
    """Return an axis of round ticks from below the lowest to above the highest value.

    What is always the same lies between 0 and a little more than itself; what is always 0
    lies at the end of an axis to 1.
    """
    known = list(values)
    low, high = min(known), max(known)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = (low * 1.2, 0.0) if low < 0 else (0.0, high * 1.2 or 1.0)
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * own for own in _STEPS if size * own >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [step * index for index in range(first, last + 1)]
    return Axis(title, ticks, names=[_short(tick) for tick in ticks])


def time_axis(duration: float, names: Iterable[str] | None = None) -> Axis:
    """Return an axis of time in seconds, with ticks at round moments."""
    step = next((own for own in _TIME_STEPS if duration / own <= _MOMENTS), _TIME_STEPS[-1])
    ticks = [float(at) for at in range(0, round(duration) + 1, step)]
    return Axis("", ticks, names=list(names or ()), ends=(0.0, duration))


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line of a chart.

    Attributes:
        name: in the legend.
        colour: as CSS writes it.
        points: x and y of its points.
        dashed: whether it is a limit rather than a signal.
        gap: distance along x beyond which two points are not joined.
    """

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    gap: float = math.inf


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the x axis that is marked.

    Attributes:
        start: where it begins.
        end: where it ends.
        colour: as CSS writes it.
        name: shown when one points at it.
    """

    start: float
    end: float
    colour: str
    name: str


@dataclass(frozen=True, slots=True)
class Paper:
    """Measures and colours of a drawing.

    Attributes:
        width: of the whole.
        height: of the whole.
        left: margin.
        right: margin.
        top: margin.
        bottom: margin.
        ink: colour of text.
        grid: colour of the lines at the ticks.
        ground: colour of the paper; empty for none.
    """

    width: float = 760
    height: float = 380
    left: float = 70
    right: float = 20
    top: float = 46
    bottom: float = 52
    ink: str = "#1f2933"
    grid: str = "#d9dee3"
    ground: str = "#ffffff"


IN_PAGE = Paper(900, 220, 64, 12, 34, 24, "var(--soft)", "var(--line)", "")
"""A chart within a page, in the colours that the page gives."""


class Drawing:
    """A drawing on a paper; later parts lie above earlier ones."""

    def __init__(self, paper: Paper, title: str = "") -> None:
        self.paper = paper
        size = (
            {} if not paper.ground else {"width": f"{paper.width:g}", "height": f"{paper.height:g}"}
        )
        self._root = Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {paper.width:g} {paper.height:g}",
                **size,
                "font-family": "sans-serif",
                "font-size": "13",
                "style": f"fill:{paper.ink}",
                "role": "img",
            },
        )
        if title:
            SubElement(self._root, "title").text = title
        if paper.ground:
            self._rect(0, 0, paper.width, paper.height, paper.ground)

    @property
    def text(self) -> str:
        """The SVG."""
        return tostring(self._root, encoding="unicode")

    def axes(self, x: Axis, y: Axis) -> None:
        """Draw the axes with a line of the grid at every tick."""
        paper = self.paper
        right, bottom = paper.width - paper.right, paper.height - paper.bottom
        for tick, name in x.marks:
            at = x.place(tick, paper.left, right)
            self._stroke(at, paper.top, at, bottom)
            self._text(at, bottom + 18, name, "middle")
        for tick, name in y.marks:
            at = y.place(tick, bottom, paper.top)
            self._stroke(paper.left, at, right, at)
            self._text(paper.left - 8, at + 4, name, "end")
        if x.title:
            self._text((paper.left + right) / 2, paper.height - 12, x.title, "middle")
        if y.title:
            middle = (paper.top + bottom) / 2
            turned = self._text(18, middle, y.title, "middle")
            turned.set("transform", f"rotate(-90 18 {middle:.1f})")

    def lines(self, x: Axis, y: Axis, lines: Sequence[DrawnLine]) -> None:
        """Draw lines and their legend, broken where there is nothing."""
        paper = self.paper
        at = paper.left
        for line in lines:
            for points in _unbroken(line):
                placed = " ".join(
                    f"{x.place(a, paper.left, paper.width - paper.right):.1f},"
                    f"{y.place(b, paper.height - paper.bottom, paper.top):.1f}"
                    for a, b in points
                )
                own = SubElement(self._root, "polyline", {"points": placed, **_drawn(line)})
                SubElement(own, "title").text = line.name
            SubElement(
                self._root,
                "line",
                {"x1": f"{at:g}", "y1": "22", "x2": f"{at + 26:g}", "y2": "22", **_drawn(line)},
            )
            room = (paper.width - paper.right - paper.left) / len(lines) - 40
            shown = _cut(line.name, room)
            SubElement(self._text(at + 34, 26, shown, "start"), "title").text = line.name
            at += room + 40

    def spans(self, x: Axis, spans: Iterable[Span], top: float, height: float) -> None:
        """Mark stretches of the x axis."""
        paper = self.paper
        for span in spans:
            start, end = (
                x.place(each, paper.left, paper.width - paper.right)
                for each in (span.start, span.end)
            )
            own = self._rect(start, top, max(1.5, end - start), height, span.colour)
            SubElement(own, "title").text = span.name

    def _rect(self, x: float, y: float, width: float, height: float, colour: str) -> Element:
        return SubElement(
            self._root,
            "rect",
            {
                "x": f"{x:.1f}",
                "y": f"{y:.1f}",
                "width": f"{width:.1f}",
                "height": f"{height:.1f}",
                "style": f"fill:{colour}",
            },
        )

    def _stroke(self, x1: float, y1: float, x2: float, y2: float) -> None:
        ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
        style = {"style": f"stroke:{self.paper.grid}", "stroke-width": "1"}
        SubElement(self._root, "line", {k: f"{v:.1f}" for k, v in ends.items()} | style)

    def _text(self, x: float, y: float, text: str, anchor: str) -> Element:
        own = SubElement(
            self._root, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
        )
        own.text = text
        return own


def _drawn(line: DrawnLine) -> dict[str, str]:
    dashes = {"stroke-dasharray": "5 4"} if line.dashed else {}
    style = f"stroke:{line.colour};fill:none"
    return {"style": style, "stroke-width": "2", "stroke-linejoin": "round", **dashes}


def _unbroken(line: DrawnLine) -> list[list[tuple[float, float]]]:
    """Return the points of a line in stretches without a gap."""
    stretches: list[list[tuple[float, float]]] = []
    for point in line.points:
        if not stretches or point[0] - stretches[-1][-1][0] > line.gap:
            stretches.append([])
        stretches[-1].append(point)
    # A single point would not be seen.
    return [own if len(own) > 1 else own * 2 for own in stretches]


def _cut(text: str, room: float) -> str:
    letters = int(room / _LETTER)
    return text if len(text) <= letters else f"{text[: max(1, letters - 1)]}…"
