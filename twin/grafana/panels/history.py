"""State timelines: each state and its duration."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders import statetimeline
from grafana_foundation_sdk.models import common

from twin.grafana.panel_parts import (
    Query,
    by_threshold,
    framed,
    legend,
    setting,
    state_words,
    target,
    thresholds,
)

__all__ = ["history"]


def history(
    title: str,
    description: str,
    query: Query,
    colors: Mapping[str, str],
    *,
    width: int,
    height: int = 8,
    nothing: str | None = None,
) -> statetimeline.Panel:
    """Return a panel with one lane a series, coloured while it is there.

    Args:
        title: title.
        description: how to read it.
        query: the series, which are there while what they name is so.
        colors: word in the name of a series to the colour of its lane.
        width: grid columns.
        height: grid rows.
        nothing: what to say when there is no series.
    """
    panel = (
        framed(statetimeline.Panel(), title, description, query.expr.unit, width, height)
        .thresholds(thresholds(((None, "transparent"), (1, "orange"))))
        .color_scheme(by_threshold())
        .merge_values(merge_values=True)
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.85)
        .fill_opacity(80)
        .line_width(0)
        .legend(legend().show_legend(show_legend=False))
        .with_target(target("A", query))
    )
    for text, color in colors.items():
        painted = thresholds(((None, "transparent"), (1, color))).build()
        look = [setting("thresholds", painted), *state_words(query, text)]
        panel = panel.override_by_regexp(rf"/(^| ){text}( |$)/", look)
    return panel.no_value(nothing) if nothing is not None else panel
