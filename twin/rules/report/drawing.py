"""The charts of the HTML report, as SVG inside the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from twin.rules.result import Curve, Panel, ScenarioResult
from twin.rules.sweep import SweepRow
from twin.scenario import show_duration

__all__ = ["alert_drawing", "sweep_drawing"]

_WIDTH, _HEIGHT, _BAR = 900.0, 190.0, 9.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 12.0, 12.0, 24.0
_MOMENTS = 10
_BARS = 6
"""Instances whose bars are drawn."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to places on the paper."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def alert_drawing(result: ScenarioResult, alert: str) -> str:
    """Return the charts of one alert: a panel a part of its expression, and its bars."""
    panels = [panel for panel in result.panels if panel.alert == alert]
    charts = "".join(_panel(panel, result) for panel in panels)
    return f"<h3>{escape(alert)}</h3>{charts}{_bars(result, alert)}"


def _panel(panel: Panel, result: ScenarioResult) -> str:
    time = _Scale(0.0, result.duration, _LEFT, _WIDTH - _RIGHT)
    values = [value for own in (*panel.curves, *panel.limits) for _, value in own.points]
    title = f'<p class="code">{escape(panel.title)}</p>'
    if not values:
        return f'{title}<p class="soft">No series: the site exposes nothing that this selects.</p>'
    ticks = _ticks(min(values), max(values))
    height = _Scale(ticks[0], ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    parts = [_faults(result, time, _TOP, _HEIGHT - _BOTTOM)]
    parts += [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{height.at(tick):.1f}" '
        f'y2="{height.at(tick):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{height.at(tick) + 4:.1f}" text-anchor="end">'
        f"{_short(tick)}</text>"
        for tick in ticks
    ]
    parts += [
        f'<text x="{time.at(tick):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{show_duration(tick)}</text>"
        for tick in _moments(result.duration)
    ]
    parts += [
        _line(own, f"c{index}", time, height, result) for index, own in enumerate(panel.curves)
    ]
    parts += [_line(own, "limit", time, height, result) for own in panel.limits]
    return f"{title}{_svg(_HEIGHT, parts)}"


def _line(own: Curve, style: str, time: _Scale, height: _Scale, result: ScenarioResult) -> str:
    """Return a curve, broken where the series was gone."""
    gap = 3 * max(result.evaluate, result.duration / 240)
    path: list[str] = []
    last = -math.inf
    for at, value in own.points:
        move = "M" if (at - last > gap and style != "limit") or not path else "L"
        path.append(f"{move}{time.at(at):.1f} {height.at(value):.1f}")
        last = at
    return (
        f'<path class="curve {style}" d="{"".join(path)}"><title>{escape(own.name)}</title></path>'
    )


def _faults(result: ScenarioResult, time: _Scale, top: float, bottom: float) -> str:
    return "".join(
        f'<rect class="fault" x="{time.at(own.at):.1f}" y="{top}" '
        f'width="{max(1.0, time.at(own.ends) - time.at(own.at)):.1f}" height="{bottom - top}">'
        f"<title>{escape(own.kind)} {escape(own.target)}</title></rect>"
        for own in result.struck
    )


def _bars(result: ScenarioResult, alert: str) -> str:
    """Return one bar an instance: pending, then firing."""
    episodes = [
        own
        for listed in result.episodes.values()
        for own in listed
        if own.labels["alertname"] == alert
    ]
    if not episodes:
        return '<p class="soft">Never pending, never fired.</p>'
    time = _Scale(0.0, result.duration, _LEFT, _WIDTH - _RIGHT)
    names = list(dict.fromkeys(_name(own.labels) for own in episodes))
    rows = {name: 2 + index * (_BAR + 5) for index, name in enumerate(names[:_BARS])}
    height = 4 + len(rows) * (_BAR + 5)
    parts = [_faults(result, time, 0.0, height)]
    for own in episodes:
        y = rows.get(_name(own.labels))
        if y is None:
            continue
        end = result.duration if own.ended is None else own.ended
        spans = [("pending", own.pending, end if own.firing is None else own.firing)]
        spans += [] if own.firing is None else [("firing", own.firing, end)]
        parts += [
            f'<rect class="{kind}" x="{time.at(a):.1f}" y="{y}" height="{_BAR}" '
            f'width="{max(1.5, time.at(b) - time.at(a)):.1f}"><title>{escape(_name(own.labels))}: '
            f"{kind} from {show_duration(a)} to {show_duration(b)}</title></rect>"
            for kind, a, b in spans
            if b > a
        ]
    more = len(names) - len(rows)
    rest = f'<p class="soft">and {more} more instances</p>' if more > 0 else ""
    return _svg(height, parts) + rest


def _name(labels: object) -> str:
    own = dict(labels)  # type: ignore[call-overload]  # a mapping of labels
    return ", ".join(f"{k}={v}" for k, v in own.items() if k != "alertname") or "one instance"


def sweep_drawing(row: SweepRow) -> str:
    """Return detection delay (blue) and false alarms (red) over ``for``."""
    delays = [(i, c.delay) for i, c in enumerate(row.points) if c.delay is not None]
    false = [(i, float(c.false_alarms)) for i, c in enumerate(row.points)]
    across = _Scale(0.0, max(1.0, len(row.points) - 1.0), _LEFT, _WIDTH - _LEFT)
    parts = [
        f'<text x="{across.at(i):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{show_duration(cell.lasts)}</text>"
        for i, cell in enumerate(row.points)
    ]
    for points, style, anchor, x in (
        (delays, "c0", "end", _LEFT - 6),
        (false, "limit", "start", _WIDTH - _LEFT + 6),
    ):
        if not points:
            continue
        ticks = _ticks(0.0, max(value for _, value in points))
        height = _Scale(ticks[0], ticks[-1], _HEIGHT - _BOTTOM, _TOP)
        parts += [
            f'<text x="{x}" y="{height.at(tick) + 4:.1f}" text-anchor="{anchor}">'
            f"{f'{tick:g} s' if style == 'c0' else f'{tick:g}'}</text>"
            for tick in ticks
        ]
        path = "".join(
            f"{'L' if n else 'M'}{across.at(i):.1f} {height.at(value):.1f}"
            for n, (i, value) in enumerate(points)
        )
        parts.append(f'<path class="curve {style}" d="{path}"/>')
    return (
        '<p class="soft">Left, line: mean detection delay. Right, dashed: false alarms.</p>'
        + _svg(_HEIGHT, parts)
    )


def _svg(height: float, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH:g} {height:g}" role="img">{"".join(parts)}</svg>'


def _ticks(low: float, high: float) -> list[float]:
    """Return round values from below the lowest to above the highest."""
    if high - low < 1e-9 * max(1.0, abs(high)):
        pad = abs(high) * 0.1 or 1.0
        low, high = low - pad, high + pad
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * own for own in _STEPS if size * own >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * index for index in range(first, last + 1)]


def _moments(duration: float) -> list[float]:
    """Return round times along the axis."""
    steps = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 86_400)
    step = next((own for own in steps if duration / own <= _MOMENTS), 86_400)
    return [float(at) for at in range(0, round(duration) + 1, step)]


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"
