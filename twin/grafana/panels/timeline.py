"""Lines and stacked areas over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models import common

from twin.grafana.colors import RED, STATES
from twin.grafana.panel_parts import (
    FEW_COUNTED,
    REFERENCES,
    Query,
    entries,
    fixed_color,
    framed,
    legend,
    line_look,
    target,
    thresholds,
    unit_of,
)
from twin.grafana.units import COUNT, NUMBER, SCALED

__all__ = ["states", "timeline"]

_FEW = 2
_MOST_NAMES = 8
"""Of a legend in lines: what lies beyond is cut off, so more names are a table."""
_LAST = "Last *"
"""What Grafana calls the last value in a legend."""
_FILLED = 8
"""Per cent; areas under more than a few lines only hide each other."""


def timeline(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    width: int,
    height: int = 8,
    unit: str | None = None,
    least: float | None = None,
    most: float | None = None,
    table: bool = False,
    worst_first: bool = False,
    whole: bool = False,
    every: str | None = None,
    colors: Mapping[str, str] | None = None,
    limit: float | None = None,
    nothing: str | None = None,
) -> timeseries.Panel:
    """Return a panel of lines over time.

    Args:
        title: title.
        description: how to read it.
        queries: one or more lines each.
        width: grid columns.
        height: grid rows.
        unit: unit of the left axis.
        least: value that the left axis reaches down to at least.
        most: value that the left axis reaches up to at least.
        table: show a legend on the right with the least, greatest and last values.
        worst_first: sort that legend by the last value, the greatest first.
        whole: values are whole numbers: no fractions on the axis.
        every: finest step, where the data come faster than the data source says.
        colors: name of a series to its colour.
        limit: limit of an alert rule, drawn as a dashed line.
        nothing: what to say when there is no line.
    """
    shown = unit_of(queries, unit)
    several = any("{{" in query.legend for query in queries)
    panel = (
        framed(timeseries.Panel(), title, description, shown, width, height)
        .draw_style(common.GraphDrawStyle.LINE)
        .line_interpolation(common.LineInterpolation.LINEAR)
        .line_width(1)
        .fill_opacity(_FILLED if len(queries) <= _FEW and not several else 0)
        .show_points(common.VisibilityMode.NEVER)
        .legend(_legend(queries, table=table, worst_first=worst_first))
        .tooltip(_tooltip())
    )
    if every is not None:
        panel = panel.interval(every)
    least = 0 if least is None and shown in SCALED else least
    if most is None and least == 0 and shown in (COUNT, NUMBER):
        most = FEW_COUNTED
    panel = _with_axis(panel, least, most, whole=whole)
    if nothing is not None:
        panel = panel.no_value(nothing)
    if limit is not None:
        panel = _limited(panel, limit)
    for reference, query in zip(REFERENCES, queries, strict=False):
        panel = panel.with_target(target(reference, query))
        if look := line_look(query, shown if unit is None else query.expr.unit):
            panel = panel.override_by_query(reference, look)
    for name, color in (colors or {}).items():
        panel = panel.override_by_name(name, [fixed_color(color)])
    return panel


def states(
    title: str,
    description: str,
    query: Query,
    *,
    width: int,
    height: int = 8,
) -> timeseries.Panel:
    """Return a panel that stacks how many devices are in which state.

    Args:
        title: title.
        description: how to read it.
        query: one series a state, named by the state.
        width: grid columns.
        height: grid rows.
    """
    panel = (
        framed(timeseries.Panel(), title, description, query.expr.unit, width, height)
        .draw_style(common.GraphDrawStyle.LINE)
        .line_interpolation(common.LineInterpolation.STEP_AFTER)
        .line_width(0)
        .fill_opacity(70)
        .show_points(common.VisibilityMode.NEVER)
        .stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
        .legend(legend())
        .tooltip(_tooltip())
        .axis_soft_min(0)
        .decimals(0)
        .with_target(target("A", query))
    )
    for name in query.expr.states:
        panel = panel.override_by_name(name, [fixed_color(STATES[name])])
    return panel


def _tooltip() -> common_builders.VizTooltipOptions:
    return (
        common_builders.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.DESCENDING)
    )


def _legend(
    queries: Sequence[Query], *, table: bool, worst_first: bool
) -> common_builders.VizLegendOptions:
    """Return a legend with all names: beyond a few of them a table."""
    if table:
        shown = legend(["min", "max", "lastNotNull"])
    else:
        several = entries(query.legend for query in queries) > _MOST_NAMES
        shown = legend(["lastNotNull"] if several else None)
    return shown.sort_by(_LAST).sort_desc(sort_desc=True) if worst_first else shown


def _with_axis(
    panel: timeseries.Panel, least: float | None, most: float | None, *, whole: bool
) -> timeseries.Panel:
    if least is not None:
        panel = panel.axis_soft_min(least)
    if most is not None:
        panel = panel.axis_soft_max(most)
    return panel.decimals(0) if whole else panel


def _limited(panel: timeseries.Panel, limit: float) -> timeseries.Panel:
    """Draw a rule's limit; the axis reaches it only when the values come near."""
    dashed = common_builders.GraphThresholdsStyleConfig().mode(
        common.GraphThresholdsStyleMode.DASHED
    )
    return panel.thresholds(thresholds(((None, "transparent"), (limit, RED)))).thresholds_style(
        dashed
    )
