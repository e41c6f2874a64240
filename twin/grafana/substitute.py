"""Substitution of dashboard variables in a query, as Grafana does it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twin.clients.prometheus import Prometheus

__all__ = ["chosen_values", "free_choices", "options_of", "parse_label_values", "substitute"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::\w+)?\}|\$([A-Za-z_]\w*)")
_LABEL_VALUES = re.compile(r"^label_values\((?:(?P<selector>.+),\s*)?(?P<label>\w+)\)$")
_METRICS = re.compile(r"^metrics\((?P<pattern>.*)\)$", re.DOTALL)
_QUERY_RESULT = re.compile(r"^query_result\((?P<expr>.+)\)$", re.DOTALL)
_ALL = "$__all"


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Return ``text`` with a value for every variable.

    Raises:
        KeyError: a variable has no value.
    """
    return _VARIABLE.sub(lambda match: values[match[1] or match[2]], text)


def parse_label_values(query: str) -> tuple[str, str]:
    """Return label and selector of a variable's query.

    Raises:
        ValueError: it is of another kind.
    """
    match = _LABEL_VALUES.match(query)
    if match is None or match["selector"] is None:
        raise ValueError(f"{query!r} is not a label_values(selector, label)")
    return match["label"], match["selector"]


def options_of(query: str, prometheus: Prometheus, window: tuple[float, float]) -> list[str]:
    """Return what the query of a variable gives to choose from, as Grafana's Prometheus does.

    Args:
        query: with values put in: ``label_values``, ``metrics``, ``query_result``, or an
            expression, which is as the last.
        prometheus: who knows the values.
        window: start and end of the time shown, unix seconds.
    """
    query = query.strip()
    if match := _LABEL_VALUES.match(query):
        selector = match["selector"] or '{__name__=~".+"}'
        return prometheus.label_values(match["label"], selector.strip(), *window)
    if match := _METRICS.match(query):
        names = prometheus.label_values("__name__", '{__name__=~".+"}', *window)
        return [name for name in names if re.search(match["pattern"].strip(), name)]
    result = _QUERY_RESULT.match(query)
    expr = result["expr"] if result else query
    found = [_result_text(own) for own in prometheus.instant(expr, window[1])]
    # Prometheus orders what is asked to be sorted, and nothing else.
    return found if expr.lstrip().startswith("sort") else sorted(found)


def _result_text(series: Mapping[str, Any]) -> str:
    """Return a series as Grafana shows it to the regex of a variable."""
    labels = dict(series["metric"])
    name = labels.pop("__name__", "")
    inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
    at, value = series["value"]
    return f"{name}{{{inside}}} {value} {round(float(at) * 1000)}"


def _matched(options: Sequence[str], pattern: str) -> list[str]:
    """Return the options as the regex of a variable leaves them."""
    if not pattern:
        return list(options)
    body = pattern[1 : pattern.rfind("/")] if pattern.startswith("/") else pattern
    # Grafana's groups are those of JavaScript.
    found = (re.search(re.sub(r"\(\?<(?![=!])", "(?P<", body), own) for own in options)
    taken = (match.groupdict().get("value") or (match.groups() or (match[0],))[0]
             for match in found if match)  # fmt: skip
    return list(dict.fromkeys(own for own in taken if own is not None))


def chosen_values(
    dashboard: Mapping[str, Any],
    prometheus: Prometheus,
    window: tuple[float, float],
    given: Mapping[str, str],
) -> Iterator[tuple[str, str, list[str], str]]:
    """Yield every query variable with what a fresh visitor would have chosen.

    Args:
        dashboard: its JSON.
        prometheus: who knows the values.
        window: start and end of the time shown, unix seconds.
        given: values of Grafana's own variables, and of those that the visitor chose.

    Yields:
        Name, query with values put in, the values to choose from, and the one chosen:
        the first, or the expression for all.
    """
    known = dict(given)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        asked = variable["query"]
        # An export of Grafana has it in an object.
        query = substitute(asked["query"] if isinstance(asked, dict) else asked, known)
        options = _matched(options_of(query, prometheus, window), variable.get("regex") or "")
        if variable["name"] not in given:
            known[variable["name"]] = _first(variable, options)
        yield variable["name"], query, options, known[variable["name"]]


def _first(variable: Mapping[str, Any], options: Sequence[str]) -> str:
    """Return the default values of the variables."""
    if variable.get("current", {}).get("value") == _ALL:
        return str(variable.get("allValue") or "|".join(options))
    return options[0] if options else ""


def free_choices(dashboard: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the values of the variables whose choices are in the dashboard itself."""
    return {
        variable["name"]: [option["value"] for option in variable["options"]]
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "custom"
    }
