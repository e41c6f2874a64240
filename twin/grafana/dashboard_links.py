"""Links between dashboards that keep the chosen variables."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

from twin.grafana.pages import PAGES, DashboardPage

__all__ = ["drill_down", "navigation"]

_ROW = "row."


def navigation() -> list[builders.DashboardLink]:
    """Return the links to all dashboards, which stand on top of each."""
    return [
        builders.DashboardLink(page.title)
        .type(dashboard.DashboardLinkType.LINK)
        .url(f"/d/{page.uid}")
        .tooltip(page.description)
        .icon("dashboard")
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
        for page in PAGES
    ]


def drill_down(page: DashboardPage, **variables: str) -> builders.DashboardLink:
    """Return a link from one value of a panel to the dashboard of what it belongs to.

    Args:
        page: where it leads.
        variables: variable to what it becomes there: a label of the series, or a field
            of its row when it begins with ``row.``.
    """
    chosen = "&".join(f"var-{name}={_value(source)}" for name, source in variables.items())
    kept = "${datasource:queryparam}&${site:queryparam}&${__url_time_range}"
    return builders.DashboardLink(f"Open {page.title.lower()}").url(
        f"/d/{page.uid}?{kept}&{chosen}"
    )


def _value(source: str) -> str:
    """Return what Grafana puts in: a label of the series or a field of the row."""
    if source.startswith(_ROW):
        return f'${{__data.fields["{source.removeprefix(_ROW)}"]}}'
    return f"${{__field.labels.{source}}}"
