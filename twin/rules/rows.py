"""Rows of an expression: the labels by which it can be divided into parts that do not mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import promql_parser

from twin.rules.expression import children, parsed

__all__ = ["divides"]

_WRITING = frozenset({"label_replace", "label_join"})
_WHOLE = frozenset({"absent", "absent_over_time", "scalar", "vector"})
"""Functions whose result does not have the labels of what they read."""
_CLOCK = frozenset({"time", "pi"})


def divides(expr: str, label: str, recorded: Mapping[str, Sequence[str]]) -> bool:
    """Return whether what an expression gives with a value of a label reads that value alone.

    Then its result for some values is the same when the series with other values are not there.

    Args:
        expr: the expression.
        label: that every series which it reads has.
        recorded: expressions by the name that they are recorded under.
    """
    try:
        return _divides(parsed(expr), label, recorded, frozenset())
    except ValueError:
        return False


def _divides(
    node: Any, label: str, recorded: Mapping[str, Sequence[str]], opened: frozenset[str]
) -> bool:
    if isinstance(node, promql_parser.VectorSelector):
        if node.name is None or node.name.startswith("ALERTS") or node.name in opened:
            return False
        opened |= {node.name}
        own = recorded.get(node.name, ())
        return all(_divides(parsed(expr), label, recorded, opened) for expr in own)
    if isinstance(node, promql_parser.NumberLiteral | promql_parser.StringLiteral):
        return True
    below = list(children(node))
    return _keeps(node, label, below) and all(
        _divides(own, label, recorded, opened) for own in below
    )


def _keeps(node: Any, label: str, below: list[Any]) -> bool:
    """Return whether a node by itself mixes no two values of a label."""
    if isinstance(node, promql_parser.Call):
        name = str(node.func.name)
        writes = name in _WRITING and str(getattr(below[1], "val", label)) == label
        return not writes and name not in _WHOLE and (bool(below) or name in _CLOCK)
    modifier = getattr(node, "modifier", None)
    if isinstance(node, promql_parser.AggregateExpr):
        if str(getattr(node.param, "val", "")) == label or modifier is None:
            return False
        by = modifier.type == promql_parser.AggModifierType.By
        return (label in modifier.labels) is by
    if isinstance(node, promql_parser.BinaryExpr) and modifier is not None:
        matching = modifier.matching
        if matching is None:
            return True
        on = matching.type == promql_parser.LabelModifierType.Include
        return (label in matching.labels) is on
    return True
