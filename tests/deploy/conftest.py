"""What the deployment files say, and what the catalogue and the aggregator know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from twin.aggregator.telemetry import OWN_METRICS
from twin.catalog import DEVICES, ROLLUPS, Level

ROOT = Path(__file__).parents[2]
_PLACE = frozenset({"site", "hall", "array", "rack", "job", "instance"})
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
def rules() -> list[dict[str, Any]]:
    """Return all alert rules as they are written, with the ``domain`` of their file."""
    return [
        {**rule, "domain": path.stem}
        for path in sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


@pytest.fixture(scope="session")
def known_labels() -> dict[str, set[str]]:
    """Return the labels of every metric that the twin exposes, by metric name."""
    known: dict[str, set[str]] = {}
    for device in DEVICES:
        for signal in device:
            labels = known.setdefault(signal.metric, set(_PLACE))
            labels |= set(signal.family.labels) | {name for name, _ in signal.labels}
            labels |= {name for value in signal.value_labels.values() for name, _ in value}
            labels |= {"state"} if signal.states else set()
    for rollup in ROLLUPS:
        known |= {rollup.metric(level): set(_PLACE) for level in Level}
    for own in OWN_METRICS:
        labels = {*_PLACE, *own.labels}
        if own.kind == "histogram":
            known[f"{own.name}_bucket"] = labels | {"le"}
            known |= {f"{own.name}_{suffix}": set(labels) for suffix in ("count", "sum")}
        else:
            known[own.name] = set(labels)
    return known


@pytest.fixture(scope="session")
def known_states() -> dict[str, set[str]]:
    """Return the states of every metric that has one series a state, by metric name."""
    return {
        signal.metric: set(signal.states.values())
        for device in DEVICES
        for signal in device
        if signal.states
    }


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
