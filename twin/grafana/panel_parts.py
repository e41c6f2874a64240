"""Parts of panels: queries, columns, thresholds, colours, legends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.models import common, dashboard

from twin.grafana.colors import GREY, STATES, Steps
from twin.grafana.promql import Expr
from twin.grafana.units import COUNT, FLOW, NUMBER, PERCENT, RATIO, SCALED, TEXT

__all__ = [
    "DATASOURCE",
    "FEW_COUNTED",
    "REFERENCES",
    "Query",
    "TableColumn",
    "by_threshold",
    "entries",
    "fixed_color",
    "framed",
    "last_value",
    "legend",
    "line_look",
    "named_colors",
    "no_value",
    "setting",
    "shown_name",
    "state_words",
    "target",
    "thresholds",
    "unit_of",
    "words_of",
]

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The data source that the dashboard's variable names."""

_VALUES = {"state": 8, "severity": 3, "cause": 8, "kind": 8, "band": 4, "feed": 2, "phase": 3,
           "pump": 2, "psu": 2, "training_job": 3, "job": 2, "gpu": 8, "endpoint": 6,
           "finished_reason": 3, "model_name": 2}  # fmt: skip
"""How many values a label has as a rule; of others there may be any number."""
_ANY_NUMBER = 99
_LEAST_WIDTH = 60
"""Of a column that shares what is left, in pixels; Grafana's own is 150, and more is cut off."""
_IN_OTHER_WORDS = {"idle": "takes no steps"}
"""A job that serves requests takes no steps, and works all the same."""
_LABEL = re.compile(r"\{\{(\w+)\}\}")

REFERENCES = "ABCDEFGHIJKLMNOP"
"""The letters by which a panel knows its queries."""

FEW_COUNTED = 4
"""Top of the axis of a count that stays 0: Grafana's own choice would be 100."""

Frame = TypeVar(
    "Frame",
    bargauge.Panel,
    heatmap.Panel,
    stat.Panel,
    statetimeline.Panel,
    table.Panel,
    timeseries.Panel,
)


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Attributes:
        expr: the query.
        legend: name of its series; may hold ``{{label}}``.
        color: colour of its series, None for one of the palette.
        dashed: draw a dashed line, for limits and the like.
        bold: draw a thick line, for the one that the panel is about.
        right: draw it on the right axis, with its own unit.
        steps: thresholds of its own that colour its number, None for those of the panel.
    """

    expr: Expr
    legend: str = ""
    color: str | None = None
    dashed: bool = False
    bold: bool = False
    right: bool = False
    steps: Steps | None = None


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column of a table.

    Attributes:
        field: the field as Prometheus names it: a label, or ``Value #A`` for a query.
        title: heading.
        unit: unit of its values; None for that of its query.
        steps: thresholds that colour its cells, None for plain cells.
        width: in pixels, None for what is left.
        colors: text to the colour of its cell.
        decimals: digits after the point, None for as many as are needed.
        link: where a click on a cell leads.
        hidden: not shown, for what only a link needs.
    """

    field: str
    title: str
    unit: str | None = None
    steps: Steps | None = None
    width: int | None = None
    colors: Mapping[str, str] | None = None
    decimals: int | None = None
    link: dashboard_builders.DashboardLink | None = None
    hidden: bool = False


def framed(panel: Frame, title: str, description: str, unit: str, width: int, height: int) -> Frame:
    """Return a panel with what every panel has.

    Args:
        panel: of any kind.
        title: title.
        description: how to read it, one sentence or two.
        unit: unit of its values.
        width: grid columns, of which 24 make a row.
        height: grid rows, of some 38 pixels.
    """
    return (
        panel.title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .span(width)
        .height(height)
    )


def unit_of(queries: Sequence[Query], given: str | None) -> str:
    """Return the unit of a panel: the one given, or that of its first query."""
    return queries[0].expr.unit if given is None else given


def line_look(query: Query, panel_unit: str) -> list[dashboard.DynamicConfigValue]:
    """Return how the lines of a query differ from those of its panel."""
    properties = []
    if query.color:
        properties.append(fixed_color(query.color))
    if query.right:
        properties.append(setting("custom.axisPlacement", "right"))
        if query.expr.unit in SCALED or query.expr.unit == FLOW:
            properties.append(setting("custom.axisSoftMin", 0))
        elif query.expr.unit == RATIO:
            # A share that stands still gets an axis up to 10,000 % otherwise.
            properties += [setting("custom.axisSoftMin", 0), setting("custom.axisSoftMax", 1)]
        elif query.expr.unit == PERCENT:
            properties += [setting("custom.axisSoftMin", 0), setting("custom.axisSoftMax", 100)]
        elif query.expr.unit in (COUNT, NUMBER):
            # And a count of nothing one up to 100.
            properties += [
                setting("custom.axisSoftMin", 0),
                setting("custom.axisSoftMax", FEW_COUNTED),
            ]
    if query.right or query.expr.unit != panel_unit:
        properties.append(setting("unit", query.expr.unit))
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
        .expr(query.expr.text)
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


def named_colors(colors: Mapping[str, str]) -> dashboard.ValueMap:
    """Return the mapping that gives texts their colours."""
    return dashboard.ValueMap(
        options={
            text: dashboard.ValueMappingResult(color=color, text=text, index=index)
            for index, (text, color) in enumerate(colors.items())
        }
    )


def words_of(expr: Expr) -> list[dashboard.ValueMap]:
    """Return the mapping of an expression's values to words with colours, none without any."""
    if not expr.codes:
        return []
    options = {
        str(code): dashboard.ValueMappingResult(color=STATES[word], text=word, index=index)
        for index, (code, word) in enumerate(expr.codes)
    }
    return [dashboard.ValueMap(options=options)]


def no_value() -> dashboard.SpecialValueMap:
    """Return the mapping that makes what has no value grey, not the colour of its least value."""
    return dashboard.SpecialValueMap(
        options=dashboard.DashboardSpecialValueMapOptions(
            match=dashboard.SpecialValueMatch.NULL,
            result=dashboard.ValueMappingResult(color=GREY, index=99),
        )
    )


def shown_name(legend: str) -> str:
    """Return a legend as Grafana wants the name of a field, with its labels."""
    return _LABEL.sub(r"${__field.labels.\1}", legend)


def state_words(query: Query, state: str) -> list[dashboard.DynamicConfigValue]:
    """Return the field option that says a state in other words than its metric, if there are any.

    Args:
        query: whose series are called by their state.
        state: as the metric has it.
    """
    word = _IN_OTHER_WORDS.get(state)
    if word is None or "{{state}}" not in query.legend:
        return []
    return [setting("displayName", shown_name(query.legend.replace("{{state}}", word)))]


def last_value() -> common_builders.ReduceDataOptions:
    """Return the reduction of a series to its last value."""
    return common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)


def fixed_color(color: str) -> dashboard.DynamicConfigValue:
    """Return the field option that sets one colour."""
    return setting("color", {"mode": "fixed", "fixedColor": color})


def entries(legends: Iterable[str]) -> int:
    """Return how many entries the legend of a panel has on a site as they ship, at most."""
    return sum(
        prod(_VALUES.get(label, _ANY_NUMBER) for label in _LABEL.findall(legend))
        for legend in legends
    )


def legend(calculated: Sequence[str] | None = None) -> common_builders.VizLegendOptions:
    """Return a legend: names in lines below, or a table on the right with what is calculated."""
    mode, place = common.LegendDisplayMode.LIST, common.LegendPlacement.BOTTOM
    if calculated is not None:
        mode, place = common.LegendDisplayMode.TABLE, common.LegendPlacement.RIGHT
    return (
        common_builders.VizLegendOptions()
        .display_mode(mode)
        .placement(place)
        .show_legend(show_legend=True)
        .calcs(list(calculated or ()))
    )


def cell_look(column: TableColumn, query: Query | None) -> list[dashboard.DynamicConfigValue]:
    """Return how the cells of a column look, those of a label or of a query's values."""
    unit = column.unit or (query.expr.unit if query else TEXT)
    # The panel's text for "no rows" would otherwise stand in every empty cell.
    properties = [setting("unit", unit), setting("noValue", "")]
    if column.hidden:
        return [*properties, setting("custom.hidden", value=True)]
    if column.width is None:
        properties.append(setting("custom.minWidth", _LEAST_WIDTH))
    else:
        properties.append(setting("custom.width", column.width))
    if column.decimals is not None:
        properties.append(setting("decimals", column.decimals))
    if column.steps is not None:
        properties += [
            setting("thresholds", thresholds(column.steps).build()),
            setting("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
        ]
    words = words_of(query.expr) if query else []
    if column.colors:
        words = [named_colors(column.colors)]
    if words:
        properties += [
            setting("mappings", words),
            setting("custom.cellOptions", {"type": "color-text"}),
        ]
    if column.link is not None:
        properties.append(setting("links", [column.link.build()]))
    return properties
