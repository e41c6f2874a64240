"""Panel builders that all dashboards share: one look, and nothing without unit or text.

Every builder takes the panel's title, one sentence that says how to read it, its
queries and its unit. Widths are grid columns (24 make a row), heights grid rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import heatmap, stat, table, timeseries
from grafana_foundation_sdk.models import common, dashboard, units
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from twin.grafana.parts import (
    DATASOURCE,
    Column,
    Query,
    Steps,
    by_threshold,
    cell_look,
    fixed_color,
    last_value,
    legend,
    line_look,
    setting,
    target,
    thresholds,
)

__all__ = ["cells", "density", "listing", "numbers", "timeline"]

_CALM: Steps = ((None, "text"),)
_REFERENCES = "ABCDEFGH"


def numbers(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    *,
    width: int,
    steps: Steps = _CALM,
    decimals: int | None = None,
    names_only: bool = False,
) -> stat.Panel:
    """Return a panel of single numbers, side by side.

    Args:
        title: title.
        description: how to read it.
        queries: one a number.
        unit: unit of the numbers.
        width: grid columns.
        steps: thresholds that colour the numbers.
        decimals: digits after the point, None for as many as are needed.
        names_only: show the series' name and not its value, for states.
    """
    several = len(queries) > 1
    mode = common.BigValueTextMode.VALUE_AND_NAME if several else common.BigValueTextMode.VALUE
    if names_only:
        mode = common.BigValueTextMode.NAME
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(width)
        .height(4)
        .unit(unit)
        .thresholds(thresholds(steps))
        .color_scheme(by_threshold())
        .text_mode(mode)
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .orientation(common.VizOrientation.VERTICAL)
        .reduce_options(last_value())
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    for reference, query in zip(_REFERENCES, queries, strict=False):
        panel = panel.with_target(target(reference, query).instant())
        if query.unit:
            panel = panel.override_by_name(query.legend, [setting("unit", query.unit)])
    return panel


def timeline(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    *,
    width: int,
    height: int = 8,
    least: float | None = None,
    most: float | None = None,
    stacked: bool = False,
    table: bool = False,
    colors: Mapping[str, str] | None = None,
    decimals: int | None = None,
    every: str | None = None,
) -> timeseries.Panel:
    """Return a panel of lines over time.

    Args:
        title: title.
        description: how to read it.
        queries: one or more lines each.
        unit: unit of the left axis.
        width: grid columns.
        height: grid rows.
        least: value that the left axis reaches down to at least.
        most: value that the left axis reaches up to at least.
        stacked: stack the lines as areas.
        table: show a legend on the right with the least, greatest and last values.
        colors: name of a series to its colour, where one query gives several.
        decimals: digits after the point, None for as many as are needed.
        every: finest step, where the data come faster than the data source says.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(width)
        .height(height)
        .unit(unit)
        .draw_style(common.GraphDrawStyle.LINE)
        .line_interpolation(
            common.LineInterpolation.STEP_AFTER if stacked else common.LineInterpolation.LINEAR
        )
        .line_width(0 if stacked else 1)
        .fill_opacity(70 if stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .legend(legend(table=table))
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel = panel.stacking(
            common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
        )
    if every is not None:
        panel = panel.interval(every)
    if least is not None:
        panel = panel.axis_soft_min(least)
    if most is not None:
        panel = panel.axis_soft_max(most)
    if decimals is not None:
        panel = panel.decimals(decimals)
    for reference, query in zip(_REFERENCES, queries, strict=False):
        panel = panel.with_target(target(reference, query))
        if look := line_look(query):
            panel = panel.override_by_query(reference, look)
    for name, color in (colors or {}).items():
        panel = panel.override_by_name(name, [fixed_color(color)])
    return panel


def cells(
    title: str,
    description: str,
    query: Query,
    unit: str,
    *,
    width: int,
    height: int,
    steps: Steps,
) -> stat.Panel:
    """Return a panel of one coloured cell a series, as it is now.

    Args:
        title: title.
        description: how to read it.
        query: the series.
        unit: unit of the values.
        width: grid columns.
        height: grid rows.
        steps: thresholds that colour the cells.
    """
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(width)
        .height(height)
        .unit(unit)
        .decimals(0)
        .thresholds(thresholds(steps))
        .color_scheme(by_threshold())
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(common.BigValueGraphMode.NONE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .text(common_builders.VizTextDisplayOptions().title_size(13).value_size(20))
        .reduce_options(last_value())
        .with_target(target("A", query).instant())
    )


def density(
    title: str,
    description: str,
    query: Query,
    unit: str,
    *,
    width: int,
    height: int = 8,
    bucket: float,
) -> heatmap.Panel:
    """Return a panel that counts series by value over time, readable for any number of them.

    Args:
        title: title.
        description: how to read it.
        query: the series.
        unit: unit of the values.
        width: grid columns.
        height: grid rows.
        bucket: height of a bucket, in ``unit``.
    """
    size = common.HeatmapCalculationMode.SIZE
    buckets = common_builders.HeatmapCalculationBucketConfig
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(width)
        .height(height)
        .unit(unit)
        .calculate(calculate=True)
        .calculation(
            common_builders.HeatmapCalculationOptions()
            .x_buckets(buckets().mode(size).value("15s"))
            .y_buckets(buckets().mode(size).value(str(bucket)))
        )
        .y_axis(heatmap.YAxisConfig().unit(unit).decimals(0))
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .steps(32)
            .exponent(0.5)
        )
        .cell_gap(1)
        .hide_legend()
        .with_target(target("A", query))
    )


def listing(
    title: str,
    description: str,
    queries: Sequence[Query],
    columns: Sequence[Column],
    *,
    width: int,
    height: int = 8,
    nothing: str,
    sort: str | None = None,
) -> table.Panel:
    """Return a table of what is true now, one row a series; queries are merged by their labels.

    Args:
        title: title.
        description: how to read it.
        queries: one or more.
        columns: columns from left to right; other fields are hidden.
        width: grid columns.
        height: grid rows.
        nothing: what to say when there is no row.
        sort: heading of the column that sorts the rows, None for Prometheus's order.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(width)
        .height(height)
        .unit(units.String)
        .no_value(nothing)
        .show_header(show_header=True)
        .cell_height(common.TableCellHeight.SM)
    )
    for reference, query in zip(_REFERENCES, queries, strict=False):
        asked = target(reference, query).instant().format(PromQueryFormat.TABLE)
        panel = panel.with_target(asked)
    if sort is not None:
        panel = panel.sort_by([common_builders.TableSortByFieldState().display_name(sort)])
    if len(queries) > 1:
        panel = panel.with_transformation(
            dashboard.DataTransformerConfig(id_val="merge", options={})
        )
    shown = [column.field for column in columns]
    panel = panel.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {
                    name: True for name in ("Time", "Value", "__name__") if name not in shown
                },
                "indexByName": {name: place for place, name in enumerate(shown)},
                "renameByName": {column.field: column.title for column in columns},
            },
        )
    )
    for column in columns:
        panel = panel.override_by_name(column.title, cell_look(column))
    return panel
