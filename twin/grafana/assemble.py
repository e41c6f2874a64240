"""Rows of panels into a dashboard, with the variables and marks that all dashboards have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from twin.grafana import queries
from twin.grafana.parts import DATASOURCE

__all__ = ["Row", "assemble"]

Row = tuple[str, Sequence[Builder[dashboard.Panel]]]
"""Title of a row, and its panels from left to right; 24 columns make a line."""

_FAULT_COLOR = "orange"


def assemble(title: str, uid: str, description: str, rows: Iterable[Row]) -> dashboard.Dashboard:
    """Return a dashboard of these rows.

    Args:
        title: title.
        uid: identifier in addresses; never changes.
        description: what it shows, in one sentence.
        rows: from top to bottom.
    """
    builder = (
        builders.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["datacenter-twin"])
        .timezone("browser")
        .time("now-15m", "now")
        .refresh("5s")
        .timepicker(builders.TimePicker().refresh_intervals(["5s", "10s", "30s", "1m", "5m"]))
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(
            builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
        .with_variable(_site())
        .annotation(_faults())
    )
    for heading, panels in rows:
        builder = builder.with_row(builders.Row(heading))
        for panel in panels:
            builder = builder.with_panel(panel)
    return _numbered(builder.build())


def _site() -> builders.QueryVariable:
    return (
        builders.QueryVariable("site")
        .label("Site")
        .datasource(DATASOURCE)
        .query(queries.SITES)
        .definition(queries.SITES)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )


def _faults() -> builders.AnnotationQuery:
    """Mark the time in which a fault is in force.

    Grafana asks for some 100 points whatever the range is, and joins those that are no
    further apart than ``step``; this step joins them for ranges up to an hour.
    """
    return (
        builders.AnnotationQuery()
        .name("Faults")
        .datasource(DATASOURCE)
        .enable(enable=True)
        .hide(hide=False)
        .icon_color(_FAULT_COLOR)
        .expr(queries.FAULTS)
        .step("30s")
        .title_format("{{fault}}")
        .text_format("{{target}}")
    )


def _numbered(built: dashboard.Dashboard) -> dashboard.Dashboard:
    """Give every panel and row the number that links to it use."""
    for number, panel in enumerate(built.panels or [], start=1):
        panel.id_val = number
    return built
