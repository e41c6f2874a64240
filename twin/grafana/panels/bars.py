"""Horizontal bars, one a series, as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import bargauge
from grafana_foundation_sdk.models import common

from twin.grafana.colors import BLUE, Steps
from twin.grafana.panel_parts import (
    REFERENCES,
    Query,
    by_threshold,
    fixed_color,
    framed,
    last_value,
    setting,
    shown_name,
    target,
    thresholds,
    unit_of,
)

__all__ = ["bars"]


def bars(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    width: int,
    height: int = 8,
    steps: Steps = ((None, BLUE),),
    upright: bool = False,
    decimals: int | None = None,
    colors: Mapping[str, str] | None = None,
    nothing: str | None = None,
) -> bargauge.Panel:
    """Return a panel of bars.

    Args:
        title: title.
        description: how to read it.
        queries: one or more bars each.
        width: grid columns.
        height: grid rows.
        steps: thresholds that colour the bars.
        upright: let the bars stand, for a spectrum.
        decimals: digits after the point, None for as many as are needed.
        colors: word at the end of a bar's name to its colour.
        nothing: what to say when there is no bar.
    """
    turned = common.VizOrientation.VERTICAL if upright else common.VizOrientation.HORIZONTAL
    panel = (
        framed(bargauge.Panel(), title, description, unit_of(queries, None), width, height)
        .min(0)
        .thresholds(thresholds(steps))
        .color_scheme(by_threshold())
        .orientation(turned)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .value_mode(common.BarGaugeValueMode.TEXT)
        .show_unfilled(show_unfilled=True)
        .reduce_options(last_value())
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    if nothing is not None:
        panel = panel.no_value(nothing)
    for reference, query in zip(REFERENCES, queries, strict=False):
        panel = panel.with_target(target(reference, query).instant())
        # Grafana leaves out the name of an only bar, unless a name is set.
        panel = panel.override_by_query(
            reference, [setting("displayName", shown_name(query.legend))]
        )
    for word, color in (colors or {}).items():
        panel = panel.override_by_regexp(rf"/ {word}$/", [fixed_color(color)])
    return panel
