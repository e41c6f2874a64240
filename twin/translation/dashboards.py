"""Dashboards of Grafana in another edition's words, or in those of both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from twin.translation.renaming import Renaming
from twin.translation.rewriting import Translation, rewritten

__all__ = ["DashboardQuery", "queries_of", "translated_dashboard"]

_LABEL_VALUES = re.compile(
    r"^\s*label_values\((?P<selector>.+),\s*(?P<label>\w+)\s*\)\s*$", re.DOTALL
)
_QUERY_RESULT = re.compile(r"^\s*query_result\((?P<expr>.+)\)\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DashboardQuery:
    """A query of a dashboard.

    Attributes:
        place: title of the panel, or name of the variable or annotation.
        kind: ``panel``, ``variable`` or ``annotation``.
        expr: PromQL, with variables of Grafana.
        named: labels of the result that something on the dashboard reads by their names.
    """

    place: str
    kind: str
    expr: str
    named: frozenset[str] = frozenset()


def queries_of(dashboard: Mapping[str, Any], way: Renaming) -> Iterator[DashboardQuery]:
    """Yield the queries of a dashboard: variables, annotations, panels."""
    for variable in _variables(dashboard):
        expr, label = _asked(variable)
        if expr:
            named = frozenset({label} & way.labels.keys())
            yield DashboardQuery(str(variable.get("name", "")), "variable", expr, named)
    for mark in _listed(dashboard, "annotations"):
        if isinstance(mark.get("expr"), str):
            named = _named(mark, way)
            yield DashboardQuery(str(mark.get("name", "")), "annotation", mark["expr"], named)
    for panel in _panels(dashboard):
        for target in panel.get("targets") or ():
            if isinstance(target, dict) and isinstance(target.get("expr"), str):
                title, named = str(panel.get("title", "")), _named(panel, way)
                yield DashboardQuery(title, "panel", target["expr"], named)


def translated_dashboard(
    dashboard: Mapping[str, Any], way: Renaming, *, both: bool = False
) -> dict[str, Any]:
    """Return a dashboard as another edition needs it, or as both do.

    With both editions, series have the labels of the old one, so that legends, links and tables
    stay as they are. Variables of labels that are called otherwise are then taken from a query.

    Args:
        dashboard: its JSON.
        way: from one edition to the other.
        both: whether series of both are read.
    """
    found: dict[str, Any] = deepcopy(dict(dashboard))
    for variable in _variables(found):
        _variable(variable, way, both)
    for part in (*_listed(found, "annotations"), *_panels(found)):
        named = _named(part, way)
        for target in (part, *(part.get("targets") or ())):
            if isinstance(target, dict) and isinstance(target.get("expr"), str):
                target["expr"] = rewritten(target["expr"], way, both=both, named=named).text
        if not both:
            _rename(part, way)
    return found


def _panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the panels, those of collapsed rows and of old dashboards' rows among them."""
    waiting = list(dashboard.get("panels") or ())
    waiting += [own for row in dashboard.get("rows") or () for own in row.get("panels") or ()]
    for panel in waiting:
        if isinstance(panel, dict):
            yield panel
            yield from _panels({"panels": panel.get("panels")})


def _variables(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [own for own in _listed(dashboard, "templating") if own.get("type") == "query"]


def _listed(dashboard: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    section = dashboard.get(key)
    listed = section.get("list") if isinstance(section, dict) else None
    return [own for own in listed or () if isinstance(own, dict)]


def _text(variable: Mapping[str, Any]) -> str:
    query = variable.get("query")
    text = query.get("query") if isinstance(query, dict) else query
    return text if isinstance(text, str) else ""


def _asked(variable: Mapping[str, Any]) -> tuple[str, str]:
    """Return the expression that a variable asks, and the label that it takes; empty for none."""
    if match := _LABEL_VALUES.match(_text(variable)):
        return match["selector"], match["label"]
    match = _QUERY_RESULT.match(_text(variable))
    return (match["expr"], "") if match else ("", "")


def _named(part: Mapping[str, Any], way: Renaming) -> frozenset[str]:
    """Return the labels that a panel or an annotation reads by their old names."""
    rest = {key: value for key, value in part.items() if key not in ("expr", "panels")}
    rest["targets"] = [
        {key: value for key, value in own.items() if key != "expr"}
        for own in part.get("targets") or ()
        if isinstance(own, dict)
    ]
    text = json.dumps(rest)
    return frozenset(label for label in way.labels if re.search(rf"\b{label}\b", text))


def _variable(variable: dict[str, Any], way: Renaming, both: bool) -> None:
    """Rewrite a variable's query where it stands."""
    expr, label = _asked(variable)
    if not expr:
        return
    named = frozenset({label} & way.labels.keys())
    found = rewritten(expr, way, both=both, named=named)
    if not label:
        text = f"query_result({found.text})"
    elif not both:
        text = f"label_values({found.text}, {way.labels.get(label, label)})"
    elif found.text == expr:
        text = f"label_values({expr}, {label})"
    elif (names := _either(expr, found)) and not named:
        text = f"label_values({names}, {label})"
    else:
        text = f"query_result(group by ({label}) ({found.text}))"
        variable["regex"] = f'/{label}="([^"]*)"/'
    if isinstance(variable["query"], dict):
        variable["query"]["query"] = text
    else:
        variable["query"] = text
    if "definition" in variable:
        variable["definition"] = text


def _either(expr: str, found: Translation) -> str:
    """Return a selector of the old and the new name, where nothing else changes."""
    if len(found.metrics) != 1 or found.labels:
        return ""
    (own,) = found.metrics
    name, braces, matchers = expr.partition("{")
    if name.strip() != own.old:
        return ""
    inside = f", {matchers.removesuffix('}').strip()}" if braces else ""
    return f'{{__name__=~"{own.old}|{own.new}"{inside}}}'


def _rename(part: Any, way: Renaming) -> None:
    """Rename labels in legends, links and tables of a panel; its queries are rewritten already."""
    if isinstance(part, list):
        for index, value in enumerate(part):
            part[index] = _renamed(value, way) if isinstance(value, str) else value
            _rename(value, way)
    elif isinstance(part, dict):
        for key in list(part):
            if key == "expr":
                continue
            value = part[key]
            if isinstance(value, str):
                part[key] = _renamed(value, way)
            else:
                _rename(value, way)
            if key in way.labels:
                part[way.labels[key]] = part.pop(key)


def _renamed(text: str, way: Renaming) -> str:
    for old, new in way.labels.items():
        if text == old:
            return new
        text = re.sub(rf"(\{{\{{\s*){old}(\s*\}}\}})", rf"\g<1>{new}\g<2>", text)
        text = re.sub(rf"\b(labels|fields)\.{old}\b", rf"\g<1>.{new}", text)
        text = re.sub(rf'\b(labels|fields)\["{old}"\]', rf'\g<1>["{new}"]', text)
    return text
