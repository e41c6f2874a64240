"""Rules and dashboards name only what the twin exposes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Selectors = Callable[[str], list[Any]]

_MADE_BY_PROMETHEUS = {"ALERTS"}


def dashboard_expressions(path: Path) -> list[str]:
    """Return the PromQL of all panels and annotations of a dashboard."""
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    panels = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])
    ]
    return panels + [note["expr"] for note in dashboard["annotations"]["list"] if "expr" in note]


@pytest.fixture(scope="module")
def expressions(root: Path, all_rules: list[dict[str, Any]]) -> list[str]:
    """Return the PromQL of all rules and dashboards."""
    found = [rule["expr"] for rule in all_rules]
    for path in (root / "dashboards").glob("*.json"):
        found += dashboard_expressions(path)
    return found


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
    """Every metric that is queried is one that the twin or Prometheus itself makes."""
    named = {selector.name for expr in expressions for selector in selectors(expr)}
    assert named - known_labels.keys() <= _MADE_BY_PROMETHEUS


def test_matched_labels_exist(
    expressions: list[str], selectors: Selectors, known_labels: dict[str, set[str]]
) -> None:
    """Every label that a query matches on is one that the metric carries."""
    wrong = [
        (selector.name, matcher.name)
        for expr in expressions
        for selector in selectors(expr)
        if selector.name not in _MADE_BY_PROMETHEUS
        for matcher in selector.matchers.matchers
        if matcher.name not in known_labels[selector.name]
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
