"""What panels are made of: queries, columns, thresholds, colours, legends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models import common, dashboard, units

__all__ = [
    "DATASOURCE",
    "Column",
    "Query",
    "Steps",
    "by_threshold",
    "cell_look",
    "fixed_color",
    "last_value",
    "legend",
    "line_look",
    "setting",
    "target",
    "thresholds",
]

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The data source that the dashboard's variable names."""

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from this value on (None: from the least) this colour."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Attributes:
        expr: PromQL.
        legend: name of its series; may hold ``{{label}}``.
        color: colour of its series, None for one of the palette.
        unit: unit of its series where it differs from the panel's; drawn on the right.
        dashed: draw a dashed line, for limits and the like.
        bold: draw a thick line, for the one that the panel is about.
    """

    expr: str
    legend: str
    color: str | None = None
    unit: str | None = None
    dashed: bool = False
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        field: the field as Prometheus names it: a label, or ``Value #A`` for a query.
        title: heading.
        unit: unit of its values.
        steps: thresholds that colour its cells, None for plain cells.
        width: in pixels, None for what is left.
        colors: text to the colour of its cell.
    """

    field: str
    title: str
    unit: str = units.String
    steps: Steps | None = None
    width: int | None = None
    colors: Mapping[str, str] | None = None


def cell_look(column: Column) -> list[dashboard.DynamicConfigValue]:
    """Return how the cells of a column look."""
    # The panel's text for "no rows" would otherwise stand in every empty cell.
    properties = [setting("unit", column.unit), setting("noValue", "")]
    if column.width is not None:
        properties.append(setting("custom.width", column.width))
    if column.steps is not None:
        properties += [
            setting("thresholds", thresholds(column.steps).build()),
            setting("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
        ]
    if column.colors:
        options = {
            text: dashboard.ValueMappingResult(color=color, text=text)
            for text, color in column.colors.items()
        }
        properties += [
            setting("mappings", [dashboard.ValueMap(options=options)]),
            setting("custom.cellOptions", {"type": "color-text"}),
        ]
    return properties


def line_look(query: Query) -> list[dashboard.DynamicConfigValue]:
    """Return how the lines of a query differ from those of its panel."""
    properties = []
    if query.color:
        properties.append(fixed_color(query.color))
    if query.unit:
        properties += [
            setting("unit", query.unit),
            setting("custom.axisPlacement", "right"),
        ]
    if query.bold:
        properties.append(setting("custom.lineWidth", 3))
    if query.dashed:
        properties += [
            setting("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
            setting("custom.fillOpacity", 0),
        ]
    return properties


def target(reference: str, query: Query) -> prometheus.Dataquery:
    """Return a query over time as the SDK wants it, known in its panel by one letter."""
    return (
        prometheus.Dataquery()
        .datasource(DATASOURCE)
        .ref_id(reference)
        .expr(query.expr)
        .legend_format(query.legend)
        .range()
    )


def setting(name: str, value: object) -> dashboard.DynamicConfigValue:
    """Return one field option by its path, for an override."""
    return dashboard.DynamicConfigValue(id_val=name, value=value)


def thresholds(steps: Steps) -> dashboard_builders.ThresholdsConfig:
    """Return thresholds in absolute values."""
    return (
        dashboard_builders.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=value, color=color) for value, color in steps])
    )


def by_threshold() -> dashboard_builders.FieldColor:
    """Return the colour mode in which thresholds give the colour."""
    return dashboard_builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS)


def last_value() -> common_builders.ReduceDataOptions:
    """Return the reduction of a series to its last value."""
    return common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)


def fixed_color(color: str) -> dashboard.DynamicConfigValue:
    """Return the field option that sets one colour."""
    return setting("color", {"mode": "fixed", "fixedColor": color})


def legend(*, table: bool) -> common_builders.VizLegendOptions:
    """Return a legend: names in a line below, or a table with values on the right."""
    mode, place = common.LegendDisplayMode.LIST, common.LegendPlacement.BOTTOM
    if table:
        mode, place = common.LegendDisplayMode.TABLE, common.LegendPlacement.RIGHT
    return (
        common_builders.VizLegendOptions()
        .display_mode(mode)
        .placement(place)
        .show_legend(show_legend=True)
        .calcs(["min", "max", "lastNotNull"] if table else [])
    )
