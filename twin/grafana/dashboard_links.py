"""Links between dashboards that keep the chosen variables."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

from twin.grafana.pages import PAGES, DashboardPage

__all__ = ["PLACES", "drill_down", "drill_down_by_row", "navigation"]

PLACES = ("hall", "array", "rack", "host", "gpu")
"""The variables that say where the reader is, the outermost first; what is chosen by one is
chosen among what lies inside of the one before it."""
_ROW = "row."


def navigation() -> list[builders.DashboardLink]:
    """Return the links to all dashboards, which are at the top of each."""
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

    It carries every variable that says where the reader is, down to what is chosen by it: what
    lies inside of that is for the other dashboard to choose.

    Args:
        page: where it leads.
        variables: variable to what it becomes there: a label of the series, or a field
            of its row when it begins with ``row.``.
    """
    return builders.DashboardLink(f"Open {page.title.lower()}").url(
        f"/d/{page.uid}?{_query(variables)}"
    )


def drill_down_by_row(title: str, uid: str, **variables: str) -> builders.DashboardLink:
    """Return a link to the dashboard whose uid stands in a field of the row.

    Args:
        title: of the link.
        uid: the field.
        variables: as of :func:`drill_down`.
    """
    return builders.DashboardLink(title).url(f"/d/{_value(_ROW + uid)}?{_query(variables)}")


def _query(variables: Mapping[str, str]) -> str:
    innermost = max(PLACES.index(name) for name in variables)
    parts = ["${datasource:queryparam}", "${site:queryparam}", "${__url_time_range}"]
    for name in PLACES[: innermost + 1]:
        given = variables.get(name)
        if given:
            parts.append(f"var-{name}={_value(given)}")
        elif name == "hall" and "array" in variables:
            parts.append("var-hall=$__all")  # the array may be in another hall
        else:
            parts.append(f"${{{name}:queryparam}}")
    return "&".join(parts)


def _value(source: str) -> str:
    """Return what Grafana puts in: a label of the series or a field of the row."""
    if source.startswith(_ROW):
        return f'${{__data.fields["{source.removeprefix(_ROW)}"]}}'
    return f"${{__field.labels.{source}}}"
