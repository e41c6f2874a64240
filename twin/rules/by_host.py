"""Expressions host by host: queries with too many series for promtool, split into smaller ones.

promtool holds at most 10,000 samples per query, which the CPU threads of a handful of hosts
exceed; Prometheus allows 50 million. An aggregation over per-host series gives the same result
when it is evaluated for one host at a time:

    avg without (cpu) (rate(x[5m]))    avg without (cpu) (rate(x{instance="a"}[5m])) or ...
    sum (rate(x[5m]))                  sum (sum by (instance) (rate(x{instance="a"}[5m])) or ...)

Other expressions are left unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import promql_parser

from twin.rules.expression import children, parsed, selector_of, selectors
from twin.rules.jobs import Candidate
from twin.rules.sampling import Samples
from twin.rules.source import Rule, RuleSet

__all__ = ["candidate_by_host", "expr_by_host", "rules_by_host"]

_MANY = 2500
"""Series that an expression may read and still be evaluated safely as it is: an operator holds
both sides and its result."""
_MOST_HOSTS = 256
_HOST = "instance"
_OF_EACH = frozenset(
    {
        "rate",
        "irate",
        "increase",
        "delta",
        "idelta",
        "deriv",
        "resets",
        "changes",
        "abs",
        "ceil",
        "floor",
        "round",
        "clamp",
        "clamp_min",
        "clamp_max",
        "exp",
        "ln",
        "log2",
        "log10",
        "sqrt",
        "sgn",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "sum_over_time",
        "count_over_time",
        "last_over_time",
        "present_over_time",
        "quantile_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "predict_linear",
    }
)
"""Functions that work on each series separately."""
_AGAIN = {"sum": "sum", "count": "sum", "min": "min", "max": "max", "group": "group"}
"""Operator that combines the hosts' results of each aggregation."""


def rules_by_host(rules: RuleSet, samples: Samples) -> RuleSet:
    """Return the rules with expressions that read too many series rewritten host by host."""
    return replace(rules, rules=tuple(_rule(own, samples) for own in rules.rules))


def candidate_by_host(own: Candidate, samples: Samples) -> Candidate:
    """Return a candidate rewritten host by host; a variant of a rule stays a variant."""
    expr = expr_by_host(own.expr, samples)
    if expr == own.expr:
        return own
    rule = _rule(own.rule, samples)
    return Candidate(rule, rule.body if own.as_it_is else {**own.body, "expr": expr})


def _rule(rule: Rule, samples: Samples) -> Rule:
    expr = expr_by_host(rule.expr, samples)
    if expr == rule.expr:
        return rule
    body = {**rule.body, "expr": expr}
    return replace(rule, expr=expr, body=body, selectors=selectors(expr))


def expr_by_host(expr: str, samples: Samples) -> str:
    """Return an expression host by host; unchanged if it reads few series or cannot be split."""
    if sum(len(_series(samples, own.name or "", own)) for own in selectors(expr)) <= _MANY:
        return expr
    try:
        tree = parsed(expr)
        if str(parsed(str(tree))) != str(tree):
            return expr
        written = _written(tree, samples)
        return expr if written == str(tree) else written
    except (ValueError, OverflowError):
        return expr


def _series(samples: Samples, name: str, selector: Any) -> Sequence[Mapping[str, str]]:
    family = samples.families.get(name)
    return [] if family is None else family.chosen([selector]).labels


def _written(node: Any, samples: Samples) -> str:
    """Return a part of an expression with its aggregations split by host."""
    text = str(node)
    if isinstance(node, promql_parser.AggregateExpr) and _of_each(node.expr):
        return _shared_out(node, samples)
    for below in children(node):
        own = str(below)
        text = text.replace(own, _written(below, samples))
    return text


def _of_each(node: Any) -> bool:
    """Return whether the result of a part for a host depends on that host's series alone."""
    if isinstance(node, promql_parser.VectorSelector | promql_parser.MatrixSelector):
        return True
    if isinstance(node, promql_parser.AggregateExpr):
        return _keeps_host(node) and _of_each(node.expr)
    if isinstance(node, promql_parser.Call):
        plain = [own for own in node.args if not isinstance(own, promql_parser.NumberLiteral)]
        return str(node.func.name) in _OF_EACH and all(map(_of_each, plain))
    if isinstance(node, promql_parser.BinaryExpr):
        sides = (node.lhs, node.rhs)
        vectors = [own for own in sides if not isinstance(own, promql_parser.NumberLiteral)]
        return len(vectors) == 1 and _of_each(vectors[0])
    if isinstance(node, promql_parser.ParenExpr | promql_parser.UnaryExpr):
        return _of_each(node.expr)
    return False


def _keeps_host(node: Any) -> bool:
    if node.modifier is None:
        return False
    named = _HOST in node.modifier.labels
    return named is (node.modifier.type == promql_parser.AggModifierType.By)


def _shared_out(node: Any, samples: Samples) -> str:
    operator, keeps = str(node.op), _keeps_host(node)
    hosts = sorted({host for own in _read(node) for host in _hosts(samples, own)})
    if not 1 < len(hosts) <= _MOST_HOSTS:
        return str(node)
    if keeps:
        return f"({_joined(str(node), node, hosts)})"
    if operator == "avg":
        return f"({_again('sum', node, hosts)} / {_again('count', node, hosts)})"
    return _again(operator, node, hosts) if operator in _AGAIN else str(node)


def _again(operator: str, node: Any, hosts: Sequence[str]) -> str:
    """Return an aggregation of the hosts' results."""
    share = f"{operator}{_with_host(node)} ({node.expr})"
    return f"{_AGAIN[operator]}{_modifier(node)} ({_joined(share, node, hosts)})"


def _joined(text: str, node: Any, hosts: Sequence[str]) -> str:
    return " or ".join(f"({_of_host(text, node, host)})" for host in hosts)


def _read(node: Any) -> Iterator[Any]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for below in children(node):
        yield from _read(below)


def _hosts(samples: Samples, node: Any) -> set[str]:
    selector = selector_of(node)
    return {labels.get(_HOST, "") for labels in _series(samples, selector.name or "", selector)}


def _modifier(node: Any) -> str:
    if node.modifier is None:
        return ""
    word = "by" if node.modifier.type == promql_parser.AggModifierType.By else "without"
    return f" {word} ({', '.join(node.modifier.labels)})"


def _with_host(node: Any) -> str:
    """Return the grouping of an aggregation, extended by the host."""
    labels = [] if node.modifier is None else list(node.modifier.labels)
    if node.modifier is None or node.modifier.type == promql_parser.AggModifierType.By:
        return f" by ({', '.join([*labels, _HOST])})"
    return f" without ({', '.join(own for own in labels if own != _HOST)})"


def _of_host(text: str, node: Any, host: str) -> str:
    """Return the text of a part, restricted to one host."""
    for own in dict.fromkeys(str(selector).partition("{")[0] for selector in _read(node)):
        text = re.sub(rf"(?<![\w:]){re.escape(own)}\{{", f'{own}{{{_HOST}="{host}",', text)
    return text
