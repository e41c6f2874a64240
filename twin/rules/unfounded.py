"""Unfounded firings: alerts that fire only because the twin lacks a metric or a long enough past.

``absent(up{job="kubelet"})`` is true on every site without kubelets, and a ratio to the last day
means nothing in a scenario of an hour. Such a firing shows neither that a rule is noisy nor that
it detects anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser

from twin.catalog.editions import editions_with
from twin.rules.expression import Selector, children, parsed, selector_of
from twin.rules.source import Rule, RuleSet
from twin.rules.unknown_references import Lacking
from twin.scenario import show_duration

__all__ = ["lacking_in_chain", "looks_back", "unfounded"]

_ABSENT = frozenset({"absent", "absent_over_time"})
_OF_TARGET = frozenset({"job", "service", "app", "component", "container"})
"""Labels that name a scrape target: targets of other programs are not part of the twin."""


def lacking_in_chain(rule: Rule, rules: RuleSet, lacking: Mapping[str, Lacking]) -> Lacking:
    """Return the metrics named by a rule or by the records it reads that the site lacks."""
    own = [lacking.get(part.key, Lacking()) for part in (rule, *rules.feeding([rule]))]
    return Lacking(
        {name: text for part in own for name, text in part.real.items()},
        {name: text for part in own for name, text in part.unknown.items()},
    )


def unfounded(
    rule: Rule,
    rules: RuleSet,
    lacking: Mapping[str, Lacking],
    unmatched: Mapping[str, Mapping[str, str]],
    duration: float,
) -> str:
    """Return why firings of an alert prove nothing; empty where they do.

    Args:
        rule: the alert.
        rules: with the records that it reads.
        lacking: metrics that a rule names and the site lacks, by the rule's key.
        unmatched: selectors of each rule that match no series, with a hint.
        duration: of the scenario, in seconds.
    """
    expr = rules.inlined(rule.expr, rule)
    try:
        tree = parsed(expr)
    except (ValueError, OverflowError):
        return ""
    missing = lacking_in_chain(rule, rules, lacking)
    hints = {
        text: hint
        for part in (rule, *rules.feeding([rule]))
        for text, hint in unmatched.get(part.key, {}).items()
    }
    for selector in _wanted_absent(tree):
        if why := _missing(selector, missing, hints):
            return f"it fires when series are missing, and {why}"
    return _baseline(tree, duration)


def looks_back(expr: str, longest: float) -> str:
    """Return that an expression looks back longer than any scenario lasts; empty if not."""
    try:
        found = max((_offset(own) for own in _nodes(parsed(expr))), default=0.0)
    except (ValueError, OverflowError):
        return ""
    if found < longest:
        return ""
    return f"it looks {show_duration(found)} back, and no scenario lasts longer than " + (
        show_duration(longest)
    )


def _offset(node: Any) -> float:
    offset = getattr(node, "offset", None)
    return 0.0 if offset is None else float(offset.total_seconds())


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for below in children(node):
        yield from _nodes(below)


def _selectors(node: Any) -> Iterator[Selector]:
    for own in _nodes(node):
        if isinstance(own, promql_parser.VectorSelector):
            yield selector_of(own)


def _wanted_absent(tree: Any) -> Iterator[Selector]:
    """Yield the selectors whose missing series would make the expression true."""
    for node in _nodes(tree):
        if isinstance(node, promql_parser.Call) and str(node.func.name) in _ABSENT:
            yield from _selectors(node)
        if isinstance(node, promql_parser.BinaryExpr) and str(node.op) == "unless":
            yield from _selectors(node.rhs)
        if isinstance(node, promql_parser.BinaryExpr) and str(node.op) == "or":
            # A constant that stands for what is missing, as in `x or vector(0)`.
            constant = not any(_selectors(node.rhs))
            yield from _selectors(node.lhs) if constant else ()


def _missing(selector: Selector, lacking: Lacking, hints: Mapping[str, str]) -> str:
    name = selector.name or ""
    if editions_with(name):
        # Where an edition lacks it, a real site with that edition lacks it too.
        return ""
    if name in lacking.real:
        return f"{lacking.real[name]} has {name}, the twin does not yet"
    if name in lacking.unknown:
        return f"no known exporter has {name}"
    of_target = any(label in _OF_TARGET for label, _, _ in selector.matchers)
    return hints.get(selector.text, "") if of_target else ""


def _baseline(tree: Any, duration: float) -> str:
    """Return why a comparison of a metric with its own past proves nothing yet."""
    ranges: dict[str, set[float]] = {}
    for node in _nodes(tree):
        if isinstance(node, promql_parser.MatrixSelector):
            name = node.vector_selector.name or ""
            ranges.setdefault(name, set()).add(node.range.total_seconds())
    for name, own in ranges.items():
        if len(own) > 1 and max(own) > duration:
            return (
                f"it compares {name} with the last {show_duration(max(own))}, but the scenario "
                f"lasts only {show_duration(duration)}"
            )
    return ""
