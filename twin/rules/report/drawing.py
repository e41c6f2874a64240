"""Charts of the HTML report: the signals behind an alert, and when it was pending and firing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from twin.drawing import IN_PAGE, Axis, Drawing, DrawnLine, Span, round_axis, time_axis
from twin.rules.engine import Episode
from twin.rules.result import Curve, Panel, ScenarioResult
from twin.rules.sweep import SweepRow
from twin.scenario import show_duration

__all__ = ["bars_drawing", "instances", "panel_drawing", "sweep_drawing"]

_COLOURS = ("var(--c0)", "var(--c1)", "var(--c2)")
_LIMIT, _FAULT, _FIRING, _PENDING = (
    f"var(--{name})" for name in ("limit", "fault", "firing", "pending")
)
_BAR, _ROW = 9.0, 14.0
_BARS = 6
"""Instances whose bars are drawn."""


def panel_drawing(panel: Panel, result: ScenarioResult) -> str:
    """Return the chart of one part of an expression; empty where there is nothing to draw."""
    values = [value for own in (*panel.curves, *panel.limits) for _, value in own.points]
    if not any(own.points for own in panel.curves):
        return ""
    x, y = _time(result), round_axis(values)
    drawing = Drawing(IN_PAGE)
    height = IN_PAGE.height - IN_PAGE.top - IN_PAGE.bottom
    drawing.spans(x, _faults(result), IN_PAGE.top, height)
    drawing.axes(x, y)
    gap = 3 * max(result.evaluate, result.duration / 240)
    drawing.lines(x, y, [*_lines(panel.curves, gap), *_limits(panel.limits)])
    return drawing.text


def _lines(curves: Sequence[Curve], gap: float) -> list[DrawnLine]:
    return [
        DrawnLine(own.name, colour, own.points, gap=gap)
        for own, colour in zip(curves, _COLOURS, strict=False)
    ]


def _limits(limits: Sequence[Curve]) -> list[DrawnLine]:
    return [DrawnLine(f"limit {own.name}", _LIMIT, own.points, dashed=True) for own in limits]


def _time(result: ScenarioResult) -> Axis:
    axis = time_axis(result.duration)
    return replace(axis, names=[show_duration(tick) for tick in axis.ticks])


def _faults(result: ScenarioResult) -> list[Span]:
    return [Span(own.at, own.ends, _FAULT, f"{own.kind} {own.target}") for own in result.struck]


def bars_drawing(result: ScenarioResult, alert: str) -> str:
    """Return one bar for each instance of an alert: pending, then firing; empty for none."""
    rows = instances(result, alert)
    names = list(rows)[:_BARS]
    if not names:
        return ""
    height = 4 + len(names) * _ROW
    x = _time(result)
    drawing = Drawing(replace(IN_PAGE, height=height))
    drawing.spans(x, _faults(result), 0.0, height)
    for index, name in enumerate(names):
        spans = [span for own in rows[name] for span in _spans(name, own, result.duration)]
        drawing.spans(x, spans, 2 + index * _ROW, _BAR)
    return drawing.text


def instances(result: ScenarioResult, alert: str) -> Mapping[str, Sequence[Episode]]:
    """Return the episodes of each instance of an alert, by its labels."""
    found: dict[str, list[Episode]] = {}
    for listed in result.episodes.values():
        for own in listed:
            if own.labels["alertname"] == alert:
                found.setdefault(_name(own.labels), []).append(own)
    return found


def _spans(name: str, own: Episode, duration: float) -> list[Span]:
    end = duration if own.ended is None else own.ended
    stretches = [("pending", own.pending, end if own.firing is None else own.firing, _PENDING)]
    if own.firing is not None:
        stretches.append(("firing", own.firing, end, _FIRING))
    return [
        Span(a, b, colour, f"{name}: {kind} from {show_duration(a)} to {show_duration(b)}")
        for kind, a, b, colour in stretches
        if b > a
    ]


def _name(labels: Mapping[str, str]) -> str:
    own = (f"{k}={v}" for k, v in labels.items() if k != "alertname")
    return ", ".join(own) or "one instance"


def sweep_drawing(row: SweepRow) -> str:
    """Return detection delay and false alarms over ``for``, each from 0 to its highest value."""
    delays = [(float(i), c.delay) for i, c in enumerate(row.points) if c.delay is not None]
    false = [(float(i), float(c.false_alarms)) for i, c in enumerate(row.points)]
    ticks = [float(i) for i in range(len(row.points))]
    names = [show_duration(cell.lasts) for cell in row.points]
    x = Axis("", ticks, names=names, ends=(0.0, max(1.0, len(ticks) - 1.0)))
    drawing = Drawing(replace(IN_PAGE, right=64))
    y = round_axis([0.0, *(value for _, value in delays or false)])
    drawing.axes(x, y)
    most = max(value for _, value in false)
    lines = [DrawnLine("mean detection delay, s", _COLOURS[0], delays)] if delays else []
    scale = y.ticks[-1] / most if delays and most else 1.0
    name = f"false alarms, at most {most:g}"
    scaled = [(at, value * scale) for at, value in false]
    drawing.lines(x, y, [*lines, DrawnLine(name, _LIMIT, scaled, dashed=True)])
    return drawing.text
