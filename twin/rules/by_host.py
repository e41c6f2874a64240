"""Expressions host by host: what reads too many series for promtool, written so that it does not.

promtool holds at most 10,000 samples a query, which a handful of hosts reach with their CPU
threads. Prometheus takes 50 million. An aggregation over what the hosts have each for themselves
gives the same when it is made for one host after the other:

    avg without (cpu) (rate(x[5m]))    avg without (cpu) (rate(x{instance="a"}[5m])) or ...
    sum (rate(x[5m]))                  sum (sum by (instance) (rate(x{instance="a"}[5m])) or ...)

Other expressions are left as they are.
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
"""Series that an expression may read and surely be evaluated as it stands: an operator holds both
sides and its result."""
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
"""Functions of each series by itself."""
_AGAIN = {"sum": "sum", "count": "sum", "min": "min", "max": "max", "group": "group"}
"""How an aggregation of each host's share is aggregated."""


def rules_by_host(rules: RuleSet, samples: Samples) -> RuleSet:
    """Return the rules with the expressions that read too much taken host by host."""
    return replace(rules, rules=tuple(_rule(own, samples) for own in rules.rules))


def candidate_by_host(own: Candidate, samples: Samples) -> Candidate:
    """Return an alert so, too; a variant of a rule stays one."""
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
    """Return an expression host by host, or itself where it reads little or cannot be so taken."""
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
    """Return a part of an expression with its aggregations host by host."""
    text = str(node)
    if isinstance(node, promql_parser.AggregateExpr) and _of_each(node.expr):
        return _shared_out(node, samples)
    for below in children(node):
        own = str(below)
        text = text.replace(own, _written(below, samples))
    return text


def _of_each(node: Any) -> bool:
    """Return whether a part gives for each host what the host's own series give."""
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
    """Return an aggregation of what each host gives."""
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
    """Return the grouping of an aggregation with that by host."""
    labels = [] if node.modifier is None else list(node.modifier.labels)
    if node.modifier is None or node.modifier.type == promql_parser.AggModifierType.By:
        return f" by ({', '.join([*labels, _HOST])})"
    return f" without ({', '.join(own for own in labels if own != _HOST)})"


def _of_host(text: str, node: Any, host: str) -> str:
    """Return the text of a part that reads one host only."""
    for own in dict.fromkeys(str(selector).partition("{")[0] for selector in _read(node)):
        text = re.sub(rf"(?<![\w:]){re.escape(own)}\{{", f'{own}{{{_HOST}="{host}",', text)
    return text
