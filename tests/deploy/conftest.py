"""What the deployment files say, and what the catalogue and the aggregator know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from twin.catalog import DEVICES, OWN_METRICS, ROLLUPS, Level, MetricType
from twin.catalog.schedulers import STATE_EXPORTERS
from twin.site import Layout, derived_labels, load_site

ROOT = Path(__file__).parents[2]
_PLACE = frozenset({"site", "hall", "array", "rack", "job", "instance"})
_PLACES = {
    Level.SITE: {"site"},
    Level.HALL: {"site", "hall"},
    Level.ARRAY: {"site", "hall", "array"},
    Level.RACK: {"site", "hall", "array", "rack"},
}
_VARIABLE = re.compile(r"\$__\w+")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the repository."""
    return ROOT


@pytest.fixture(scope="session")
def compose() -> Any:
    """Return the compose file."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def all_rules() -> list[dict[str, Any]]:
    """Return all rules as they are written, with the ``domain`` of their file."""
    return [
        {**rule, "domain": path.stem}
        for path in sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


@pytest.fixture(scope="session")
def rules(all_rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the alert rules."""
    return [rule for rule in all_rules if "alert" in rule]


def _of_exporters() -> dict[str, set[str]]:
    """Return the labels of every metric of a real exporter, by name."""
    known: dict[str, set[str]] = {}
    for device in DEVICES:
        for signal in device:
            labels = known.setdefault(signal.metric, set(_PLACE))
            labels |= set(signal.family.labels) | {name for name, _ in signal.labels}
            labels |= {name for value in signal.value_labels.values() for name, _ in value}
            labels |= {"state"} if signal.states else set()
        for family in device.derived:
            known.setdefault(family.metric, set(_PLACE)).update(family.group.names)
    for exporter in STATE_EXPORTERS:
        for metric in exporter.metrics:
            known[metric.name] = {"site", "job", "instance", *metric.labels}
    return known


@pytest.fixture(scope="session")
def known_labels(all_rules: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return the labels of every metric that the twin exposes or a rule records, by name."""
    known = _of_exporters()
    for rollup in ROLLUPS:
        for level in rollup.levels:
            place = {"job", "instance", *_PLACES[level]}
            if rollup.kind is MetricType.GAUGE_HISTOGRAM:
                known[f"{rollup.metric(level)}_bucket"] = {*place, "le"}
                known |= {f"{rollup.metric(level)}_{s}": set(place) for s in ("gcount", "gsum")}
            else:
                known[rollup.metric(level)] = set(place)
    for own in OWN_METRICS:
        labels = {*_PLACE, *own.labels}
        if own.kind == "histogram":
            known[f"{own.name}_bucket"] = labels | {"le"}
            known |= {f"{own.name}_{suffix}": set(labels) for suffix in ("count", "sum")}
        else:
            known[own.name] = set(labels)
    for rule in all_rules:
        if "record" in rule:
            known[rule["record"]] = _labels(promql_parser.parse(rule["expr"]), known) or set()
    return known


@pytest.fixture(scope="session")
def known_states() -> dict[str, set[str]]:
    """Return the states of every metric that has one series a state, by metric name."""
    layout = Layout(load_site("demo"))
    states = {
        signal.metric: set(signal.states.values())
        for device in DEVICES
        for signal in device
        if signal.states
    }
    for device in layout.devices:
        for family in device.derived:
            if "state" in family.group.names:
                series = derived_labels(layout, family.group, device, 0, 0)
                states[family.metric] = {dict(own)["state"] for own in series}
    return states


@pytest.fixture(scope="session")
def result_labels(known_labels: dict[str, set[str]]) -> Callable[[str], set[str]]:
    """Return a function that gives the labels that the result of an expression has."""

    def find(expr: str) -> set[str]:
        found = _labels(promql_parser.parse(expr), known_labels)
        assert found is not None, expr
        return found

    return find


@pytest.fixture(scope="session")
def selectors() -> Callable[[str], list[Any]]:
    """Return a function that gives the vector selectors of a PromQL expression."""

    def find(expr: str) -> list[Any]:
        plain = _VARIABLE.sub("1m", expr).replace("$site", "demo")
        return [node for node in _walk(promql_parser.parse(plain)) if hasattr(node, "matchers")]

    return find


def _walk(node: Any) -> Iterator[Any]:
    yield node
    for name in ("lhs", "rhs", "expr", "param", "vector_selector", "args"):
        child = getattr(node, name, None)
        for each in child if isinstance(child, list) else [child]:
            if each is not None:
                yield from _walk(each)


def _labels(node: Any, known: dict[str, set[str]]) -> set[str] | None:
    """Return the labels of an expression's result, None for what is no vector or not known."""
    match type(node).__name__:
        case "VectorSelector":
            return known.get(node.name)
        case "AggregateExpr":
            return set(node.modifier.labels) if node.modifier else set()
        case "Call":
            of = next(
                (x for x in (_labels(each, known) for each in node.args) if x is not None), None
            )
            if of is not None and node.func.name == "label_replace":
                return of | {node.args[1].val}
            return of
        case "BinaryExpr":
            return _binary(node, _labels(node.lhs, known), _labels(node.rhs, known))
        case _:
            inner = getattr(node, "vector_selector", None) or getattr(node, "expr", None)
            return None if inner is None else _labels(inner, known)


def _binary(node: Any, left: set[str] | None, right: set[str] | None) -> set[str] | None:
    """Return the labels of an operation between two results."""
    if left is None or right is None or node.modifier is None:
        return right if left is None else left
    matching, card = node.modifier.matching, str(node.modifier.card)
    if str(node.op) == "or":
        return left & right
    if card.endswith(("ManyToMany", "ManyToOne")):
        return left
    if matching is None:
        return left & right
    named = set(matching.labels)
    return named if str(matching.type).endswith("Include") else left - named
