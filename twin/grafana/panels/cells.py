"""Coloured cells, one a series, as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models import common, dashboard

from twin.grafana.colors import Steps
from twin.grafana.panel_parts import (
    REFERENCES,
    Query,
    by_threshold,
    framed,
    last_value,
    no_value,
    setting,
    target,
    thresholds,
    words_of,
)

__all__ = ["cells", "rack_map"]

Words = Mapping[int, tuple[str, str]]
"""Value to its word and the colour of its cell."""
_NOW = "15s"
"""The time that cells look back over: what has vanished is not to be shown."""


def cells(
    title: str,
    description: str,
    query: Query,
    *,
    width: int,
    height: int,
    steps: Steps,
    link: dashboard_builders.DashboardLink | None = None,
    decimals: int = 0,
    words: Words = MappingProxyType({}),
    nothing: str | None = None,
) -> stat.Panel:
    """Return a panel of one cell a series with its name and value.

    Args:
        title: title.
        description: how to read it.
        query: the series.
        width: grid columns.
        height: grid rows.
        steps: thresholds that colour the cells.
        link: where a click on a cell leads.
        decimals: digits after the point.
        words: values that stand for something, to its word and colour.
        nothing: what to say when there is no cell.
    """
    panel = _cells(title, description, query.expr.unit, width, height)
    panel = (
        panel.decimals(decimals)
        .thresholds(thresholds(steps))
        .text(common_builders.VizTextDisplayOptions().title_size(13).value_size(20))
        .with_target(target("A", query))
    )
    if query.expr.codes or words:
        panel = panel.mappings([*words_of(query.expr), *_mapped(words), no_value()])
    if link is not None:
        panel = panel.data_links([link])
    return panel.no_value(nothing) if nothing is not None else panel


def rack_map(
    title: str,
    description: str,
    choices: Sequence[tuple[Query, Steps]],
    words: Words,
    *,
    width: int,
    height: int,
    link: dashboard_builders.DashboardLink,
) -> stat.Panel:
    """Return a panel with a cell for every rack of a site, however many they are.

    Args:
        title: title.
        description: how to read it.
        choices: queries, only one of which has a result, each with its own thresholds.
        words: values that stand for something, to its word and colour.
        width: grid columns.
        height: grid rows.
        link: where a click on a cell leads.
    """
    unit = choices[0][0].expr.unit
    panel = _cells(title, description, unit, width, height).data_links([link])
    for reference, (query, steps) in zip(REFERENCES, choices, strict=False):
        panel = panel.with_target(target(reference, query)).override_by_query(
            reference,
            [
                setting("unit", query.expr.unit),
                setting("thresholds", thresholds(steps).build()),
            ],
        )
    return panel.mappings([*_mapped(words), no_value()])


def _mapped(words: Words) -> list[dashboard.ValueMap]:
    options = {
        str(value): dashboard.ValueMappingResult(color=color, text=text, index=index)
        for index, (value, (text, color)) in enumerate(words.items())
    }
    return [dashboard.ValueMap(options=options)] if options else []


def _cells(title: str, description: str, unit: str, width: int, height: int) -> stat.Panel:
    return (
        framed(stat.Panel(), title, description, unit, width, height)
        .mappings([no_value()])
        .color_scheme(by_threshold())
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(common.BigValueGraphMode.NONE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .reduce_options(last_value())
        # Series over time come sorted by their labels, those of one moment in any order.
        .time_from(_NOW)
        .hide_time_override(hide_time_override=True)
    )
