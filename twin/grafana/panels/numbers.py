"""Single numbers, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models import common, dashboard

from twin.grafana.colors import CALM, STATES, Steps
from twin.grafana.panel_parts import (
    REFERENCES,
    Query,
    by_threshold,
    fixed_color,
    framed,
    last_value,
    no_value,
    setting,
    state_words,
    target,
    thresholds,
    unit_of,
    words_of,
)

__all__ = ["numbers"]


def numbers(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    width: int,
    height: int = 4,
    unit: str | None = None,
    steps: Steps = CALM,
    decimals: int | None = None,
    names_only: bool = False,
    nothing: str | None = None,
) -> stat.Panel:
    """Return a panel of single numbers.

    Args:
        title: title.
        description: how to read it.
        queries: one a number.
        width: grid columns.
        height: grid rows.
        unit: unit of the numbers.
        steps: thresholds that colour the numbers.
        decimals: digits after the point, None for as many as are needed.
        names_only: show the series' name and not its value, for states.
        nothing: text when there is no number.
    """
    several = len(queries) > 1 or "{{" in queries[0].legend
    mode = common.BigValueTextMode.VALUE_AND_NAME if several else common.BigValueTextMode.VALUE
    if names_only:
        mode = common.BigValueTextMode.NAME
    shown = unit_of(queries, unit)
    panel = (
        framed(stat.Panel(), title, description, shown, width, height)
        .thresholds(thresholds(steps))
        .mappings([no_value()])
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
    if nothing is not None:
        panel = panel.no_value(nothing)
    for reference, query in zip(REFERENCES, queries, strict=False):
        panel = panel.with_target(target(reference, query).instant())
        properties = _look(query, shown if unit is None else query.expr.unit)
        if properties:
            panel = panel.override_by_query(reference, properties)
        for state in query.expr.states if names_only else ():
            look = [fixed_color(STATES[state]), *state_words(query, state)]
            panel = panel.override_by_regexp(rf"/(^| ){state}$/", look)
    return panel


def _look(query: Query, shown: str) -> list[dashboard.DynamicConfigValue]:
    """Return how the number of a query differs from those of its panel."""
    properties = []
    if query.expr.unit != shown:
        properties.append(setting("unit", query.expr.unit))
    if query.steps is not None:
        properties.append(setting("thresholds", thresholds(query.steps).build()))
    if words := words_of(query.expr):
        properties.append(setting("mappings", words))
    return properties
