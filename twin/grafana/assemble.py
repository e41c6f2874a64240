"""Rows of panels into a dashboard, with the variables, links and marks that all have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from twin.grafana.colors import GREY, ORANGE, PURPLE, RED
from twin.grafana.dashboard_links import navigation
from twin.grafana.optional_metrics import optional_of
from twin.grafana.pages import TAG, DashboardPage
from twin.grafana.panel_parts import DATASOURCE
from twin.grafana.promql import Expr
from twin.grafana.queries import chart_annotations
from twin.grafana.variables import variables_of

__all__ = ["Row", "assemble"]

_WITH_AXES = ("timeseries", "heatmap")
_NO_WORDS = dashboard.DashboardFieldConfigSourceOverrides(
    matcher=dashboard.MatcherConfig(id_val="byType", options="number"),
    properties=[dashboard.DynamicConfigValue(id_val="noValue", value="-")],
)
"""What a panel says when it is empty is for the panel: its axes would print it beside ticks.

No number, and not empty: Grafana would draw a gap as that number, and an empty text as 0.
"""

Row = tuple[str, Sequence[Builder[dashboard.Panel]]]
"""Title of a row, and its panels from left to right; 24 columns make a line."""


def assemble(page: DashboardPage, rows: Iterable[Row]) -> dashboard.Dashboard:
    """Return the dashboard of a page.

    Args:
        page: which one.
        rows: from top to bottom.
    """
    builder = (
        builders.Dashboard(page.title)
        .uid(page.uid)
        .description(page.description)
        .tags([TAG])
        .timezone("browser")
        .time("now-15m", "now")
        .refresh("15s")
        .timepicker(builders.TimePicker().refresh_intervals(["15s", "30s", "1m", "5m"]))
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .annotations(_marks(page))
    )
    for link in navigation():
        builder = builder.link(link)
    for variable in variables_of(page):
        builder = builder.with_variable(variable)
    for heading, panels in rows:
        builder = builder.with_row(builders.Row(heading))
        for panel in panels:
            builder = builder.with_panel(panel)
    built = builder.build()
    for number, own in enumerate(built.panels or [], start=1):
        own.id_val = number
        if isinstance(own, dashboard.Panel):
            _explain_nothing(own)
    return built


def _marks(page: DashboardPage) -> list[Builder[dashboard.AnnotationQuery]]:
    began, ended = chart_annotations.FAULTS[page.scope], chart_annotations.FAULTS_ENDED[page.scope]
    return [
        _mark("Faults", began, ORANGE, "{{fault}} begins", "{{target}}"),
        _mark("Ends of faults", ended, GREY, "{{fault}} ends", "{{target}}", shown=False),
        _mark("Job", chart_annotations.INTERRUPTIONS, RED, "Job stops", "{{training_job}}"),
        _mark(
            "Checkpoints",
            chart_annotations.CHECKPOINTS,
            PURPLE,
            "Checkpoint",
            "{{training_job}}",
            shown=False,
        ),
    ]


def _mark(
    name: str, expr: Expr, color: str, title: str, text: str, *, shown: bool = True
) -> builders.AnnotationQuery:
    """Mark the moments at which a query answers, each by a thin line.

    Grafana asks for some 100 points whatever the range is, but for none closer than ``step``.
    """
    return (
        builders.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(enable=shown)
        .hide(hide=False)
        .icon_color(color)
        .expr(expr.text)
        .step("5s")
        .title_format(title)
        .text_format(text)
    )


def _explain_nothing(panel: dashboard.Panel) -> None:
    """Let a panel say why it may be empty, if its metrics need not be exported."""
    queries = [str(target.expr) for target in panel.targets or [] if hasattr(target, "expr")]
    kinds = {optional_of(query) for query in queries}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is not None and panel.field_config is not None:
        defaults = panel.field_config.defaults
        defaults.no_value = defaults.no_value or kind.nothing
    if panel.type_val in _WITH_AXES and panel.field_config and panel.field_config.defaults.no_value:
        panel.field_config.overrides = [*(panel.field_config.overrides or []), _NO_WORDS]
