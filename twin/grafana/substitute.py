"""Substitution of dashboard variables in a query, as Grafana does it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twin.clients.prometheus import Prometheus

__all__ = ["chosen_values", "free_choices", "parse_label_values", "substitute"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::\w+)?\}|\$([A-Za-z_]\w*)")
_LABEL_VALUES = re.compile(r"^label_values\((?:(?P<selector>.+),\s*)?(?P<label>\w+)\)$")
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
        query = substitute(variable["query"], known)
        label, selector = parse_label_values(query)
        options = prometheus.label_values(label, selector, *window)
        if variable["name"] not in given:
            known[variable["name"]] = _first(variable, options)
        yield variable["name"], query, options, known[variable["name"]]


def _first(variable: Mapping[str, Any], options: Sequence[str]) -> str:
    """Return the default values of the variables."""
    if variable.get("current", {}).get("value") == _ALL:
        return str(variable.get("allValue") or "|".join(options))
    return options[0] if options else ""


def free_choices(dashboard: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the values of the variables whose choices stand in the dashboard itself."""
    return {
        variable["name"]: [option["value"] for option in variable["options"]]
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "custom"
    }
