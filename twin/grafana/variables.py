"""The variables, one set for all dashboards.

Every dashboard has all of them and shows those that its reader chooses by: a rack that
was chosen on one dashboard is still chosen after a detour over another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from twin.grafana.pages import AMD, NVL72, SERVING, DashboardPage
from twin.grafana.panel_parts import DATASOURCE
from twin.grafana.queries import racks, shadow
from twin.grafana.queries import variables as q

__all__ = ["variables_of"]

Variable = Builder[dashboard.VariableModel]


def variables_of(page: DashboardPage) -> list[Variable]:
    """Return the variables of a dashboard, the outermost first."""
    made: list[Variable] = [_datasource(), _query("site", "Site", q.SITES, shown=True)]
    for name, (label, text) in _CHOICES.items():
        asked = _NARROWER.get((page.name, name), text)
        made.append(_query(name, label, asked, shown=name in page.variables))
    made += [make() for name, make in _SPECIAL.items() if name in page.variables]
    return made


def _datasource() -> Variable:
    return (
        builders.DatasourceVariable("datasource")
        .label("Data source")
        .type("prometheus")
        .hide(dashboard.VariableHide.HIDE_LABEL)
    )


def _query(name: str, label: str, text: str, *, shown: bool) -> builders.QueryVariable:
    hidden = dashboard.VariableHide.HIDE_VARIABLE
    variable = (
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(text)
        .definition(text)
        .hide(dashboard.VariableHide.DONT_HIDE if shown else hidden)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.NATURAL_ASC)
    )
    return _all(variable) if name in _SEVERAL else variable


def _all(variable: builders.QueryVariable) -> builders.QueryVariable:
    """Let several be chosen, all at first."""
    everything = dashboard.VariableOption(selected=True, text="All", value="$__all")
    return (
        variable.include_all(include_all=True).all_value(".*").multi(multi=True).current(everything)
    )


def _map() -> Variable:
    options = [
        dashboard.VariableOption(selected=not place, text=title, value=metric)
        for place, (title, metric) in enumerate(racks.CHOICES.items())
    ]
    return (
        builders.CustomVariable("map")
        .label("Map shows")
        .values(", ".join(f"{title} : {metric}" for title, metric in racks.CHOICES.items()))
        .options(options)
        .current(options[0])
    )


def _relation() -> Variable:
    # Grafana opens on the first choice, so the order is that of the query.
    relation = _query("relation", "Relation", shadow.RELATIONS, shown=True)
    return relation.regex(shadow.RELATION_LABEL).sort(dashboard.VariableSort.DISABLED)


_CHOICES: Mapping[str, tuple[str, str]] = {
    "hall": ("Hall", q.HALLS),
    "array": ("Array", q.ARRAYS),
    "rack": ("Rack", q.RACKS),
    "host": ("Server", q.HOSTS),
    "gpu": ("GPU", q.GPUS),
}
_NARROWER: Mapping[tuple[str, str], str] = {
    (SERVING.name, "array"): q.SERVING_ARRAYS,
    (NVL72.name, "array"): q.JOINED_ARRAYS,
    (AMD.name, "array"): q.AMD_ARRAYS,
}
"""Choices of a dashboard that shows only what some places have."""
_SEVERAL = ("hall", "gpu")
_SPECIAL: Mapping[str, Callable[[], Variable]] = {"map": _map, "relation": _relation}
