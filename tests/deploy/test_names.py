"""Rules and dashboards name only what the twin exposes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twin.grafana.queries.servers import NAMES
from twin.grafana.substitute import free_choices

Selectors = Callable[[str], list[Any]]

_OF_SERVERS = NAMES | {"ALERTS", "ALERTS_FOR_STATE"}
"""What Prometheus and Alertmanager make themselves; their labels are not ours to check."""


def dashboard_expressions(path: Path) -> list[str]:
    """Return the PromQL of all panels and annotations of a dashboard.

    A variable with choices of its own stands for all of them.
    """
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    found += [note["expr"] for note in dashboard["annotations"]["list"] if "expr" in note]
    for name, choices in free_choices(dashboard).items():
        found = [expr.replace(f"${name}", "|".join(choices)) for expr in found]
    return found


@pytest.fixture(scope="module")
def expressions(root: Path, all_rules: list[dict[str, Any]]) -> list[str]:
    """Return the PromQL of all rules and dashboards."""
    found = [rule["expr"] for rule in all_rules]
    for path in (root / "dashboards").glob("*.json"):
        found += dashboard_expressions(path)
    return found


def names_of(selector: Any) -> list[str]:
    """Return the metrics that a selector names: before its braces, or inside them."""
    if selector.name:
        return [str(selector.name)]
    named = [own.value for own in selector.matchers.matchers if own.name == "__name__"]
    return [name for value in named for name in value.split("|")]


def test_there_is_something_to_check(expressions: list[str], selectors: Selectors) -> None:
    """The walk over the expressions finds what the tests below look at."""
    assert len(expressions) > 60
    assert [s.name for s in selectors("topk(3, rate(a[$__rate_interval])) and on (x) b > 0")] == [
        "a",
        "b",
    ]


def test_metrics_exist(
    expressions: list[str], selectors: Selectors, known_labels: dict[str, set[str]]
) -> None:
    """Every metric that is queried is one that the twin, Prometheus or Alertmanager makes."""
    named = {
        name for expr in expressions for selector in selectors(expr) for name in names_of(selector)
    }
    assert named - known_labels.keys() <= _OF_SERVERS


def test_matched_labels_exist(
    expressions: list[str], selectors: Selectors, known_labels: dict[str, set[str]]
) -> None:
    """Every label that a query matches on is one that the metric carries."""
    wrong = [
        (name, matcher.name)
        for expr in expressions
        for selector in selectors(expr)
        for name in names_of(selector)
        if name not in _OF_SERVERS
        for matcher in selector.matchers.matchers
        if matcher.name not in known_labels[name] | {"__name__"}
    ]
    assert wrong == []


def test_matched_states_exist(
    expressions: list[str], selectors: Selectors, known_states: dict[str, set[str]]
) -> None:
    """Every state that a query asks for is one that the device can be in."""
    wrong = [
        (selector.name, state)
        for expr in expressions
        for selector in selectors(expr)
        for matcher in selector.matchers.matchers
        if matcher.name == "state"
        for state in matcher.value.split("|")
        if state not in known_states[selector.name]
    ]
    assert wrong == []


def test_variable_of_the_site_asks_for_a_known_metric(
    root: Path, known_labels: dict[str, set[str]]
) -> None:
    """The list of sites comes from a metric that the twin exposes."""
    dashboard = json.loads((root / "dashboards/site.json").read_text(encoding="utf-8"))
    (variable,) = [v for v in dashboard["templating"]["list"] if v["name"] == "site"]
    match = re.fullmatch(r"label_values\((\w+), site\)", variable["query"])
    assert match is not None
    assert match[1] in known_labels
