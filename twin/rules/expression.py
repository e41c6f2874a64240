"""Structure of an expression: its selectors and its parts.

Expressions are only taken apart here, never evaluated: that is promtool's business.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import promql_parser

__all__ = [
    "LOOKBACK",
    "ExpressionPart",
    "Selector",
    "children",
    "nested_too_deeply",
    "parsed",
    "parts",
    "reach",
    "selector_of",
    "selectors",
    "sievable",
]

_NAME = "__name__"
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_EMPTY = re.compile(r"(?<=[\w:])\{\}")
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_SETS = frozenset({"and", "or", "unless"})
_CHILDREN = ("expr", "lhs", "rhs", "param", "vector_selector")

_STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`', re.DOTALL)
_NESTS = re.compile(r"[-+*/%^<>=!(\[{]|\b(?:and|or|unless|atan2)\b")
_HUGE = re.compile(r"(?<![.\d])\d{16,}|(?:[\[:]|\boffset\b)\s*[-+]?\s*[\d._]+e", re.IGNORECASE)
"""Numbers that make the parser panic: of many digits, or a duration with an exponent."""
_MOST_NESTS = 400
"""The longest rule that ships has 25; Python's own stack ends at some 900 levels."""
_MOST_KEPT = 8192
"""Expressions whose reads are kept: a run asks for those of the same rules in each scenario."""
_MOST_LEVELS = 100
_MOST_OPERATORS = 1000
"""What promtool takes to evaluate grows with the square of either: 5,000 take it minutes."""
LOOKBACK = 300.0
"""How old a sample may be that stands for the present, in seconds: Prometheus's own default."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector of an expression.

    Attributes:
        name: metric name; None when it stands in the matchers, or nowhere.
        matchers: label, operator, value; all of them hold for a series that is read.
        seconds: length of the longest range that it is read over, 0 for the present.
    """

    name: str | None
    matchers: tuple[tuple[str, str, str], ...] = ()
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """It as PromQL writes it, without its range."""
        inside = ", ".join(
            f'{label}{operator}"{value}"' for label, operator, value in self.matchers
        )
        return f"{self.name or ''}{{{inside}}}" if inside else self.name or "{}"

    def names(self, known: Collection[str]) -> set[str]:
        """Return which of these metric names it reads."""
        if self.name is not None:
            return {self.name} & set(known)
        own = [matcher for matcher in self.matchers if matcher[0] == _NAME]
        return {name for name in known if all(_holds(matcher, name) for matcher in own)}

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Return whether a series of its metric has the labels that it wants."""
        return all(
            _holds(matcher, labels.get(matcher[0], ""))
            for matcher in self.matchers
            if matcher[0] != _NAME
        )


def _holds(matcher: tuple[str, str, str], value: str) -> bool:
    _, operator, wanted = matcher
    if operator in ("=", "!="):
        return (value == wanted) is (operator == "=")
    try:
        match = re.fullmatch(wanted, value, re.DOTALL) is not None
    except re.error:
        return True  # RE2 knows it and Python does not: rather read too much than too little
    return match is (operator == "=~")


def nested_too_deeply(expr: str) -> str:
    """Return why promtool could evaluate an expression only for hours; empty when it can."""
    bare = _STRING.sub("", expr)
    level = deepest = 0
    for bracket in re.findall(r"[()\[\]{}]", bare):
        level += 1 if bracket in "([{" else -1
        deepest = max(deepest, level)
    if deepest > _MOST_LEVELS:
        return f"{deepest} brackets inside each other, and more than {_MOST_LEVELS} are not read"
    if (operators := sum(1 for _ in _NESTS.finditer(bare))) > _MOST_OPERATORS:
        return f"{operators} operators and brackets, and more than {_MOST_OPERATORS} are not read"
    return ""


def parsed(expr: str) -> Any:
    """Return the tree of an expression.

    Raises:
        ValueError: it is no PromQL that the parser knows, nested beyond any rule, or with a
            number beyond any duration. The parser is native code: the one would overflow its
            stack and take the process along, the other is an error that is no Exception.
    """
    bare = _STRING.sub("", expr)
    if sum(1 for _ in _NESTS.finditer(bare)) > _MOST_NESTS:
        raise ValueError(f"more than {_MOST_NESTS} operators and brackets")
    if _HUGE.search(bare):
        raise ValueError("a number is beyond any duration")
    return promql_parser.parse(expr)


@lru_cache(_MOST_KEPT)
def selectors(expr: str) -> tuple[Selector, ...]:
    """Return everything an expression reads.

    An expression that this parser does not know, although promtool took it, is taken to
    read every word in it.
    """
    try:
        # The parser makes a range only when it is looked at: one beyond all time is no range.
        return tuple(_walk(parsed(expr), 0.0))
    except (ValueError, OverflowError):
        return tuple(Selector(word) for word in dict.fromkeys(_WORD.findall(expr)))


def _walk(node: Any, seconds: float) -> Iterator[Selector]:
    if isinstance(node, promql_parser.VectorSelector):
        yield selector_of(node, seconds)
        return
    length = getattr(node, "range", None)
    if length is not None:
        seconds += length.total_seconds()
    for child in children(node):
        yield from _walk(child, seconds)


@lru_cache(_MOST_KEPT)
def reach(expr: str) -> float:
    """Return the age of the oldest sample that an evaluation may read, in seconds.

    It is infinite for an expression that looks at a fixed time or ahead, or that this parser
    does not know.
    """
    try:
        return _reach(parsed(expr))
    except (ValueError, OverflowError):
        return math.inf


def _reach(node: Any) -> float:
    if isinstance(node, promql_parser.MatrixSelector):
        return _seconds(node.range) + _shift(node.vector_selector)
    if isinstance(node, promql_parser.VectorSelector):
        return LOOKBACK + _shift(node)
    below = 0.0
    for child in children(node):  # one call a level, which Python's own stack allows
        below = max(below, _reach(child))
    if isinstance(node, promql_parser.SubqueryExpr):
        # It begins at the multiple of its step before the range.
        step = _seconds(node.step) or LOOKBACK
        return below + _seconds(node.range) + step + _shift(node)
    return below


def _shift(node: Any) -> float:
    """Return by how much a selector looks back; infinity when at something else."""
    if node.at is not None:
        return math.inf
    seconds = _seconds(node.offset)
    return math.inf if seconds < 0 else seconds


def _seconds(span: timedelta | None) -> float:
    return 0.0 if span is None else span.total_seconds()


def children(node: Any) -> Iterator[Any]:
    """Yield the expressions right below a node, the arguments of a call in their order."""
    for child in _CHILDREN:
        below = getattr(node, child, None)
        if below is not None and not isinstance(below, str):
            yield below
    yield from getattr(node, "args", None) or ()


_OPERATORS = (
    (promql_parser.MatchOp.Equal, "="),
    (promql_parser.MatchOp.NotEqual, "!="),
    (promql_parser.MatchOp.Re, "=~"),
    (promql_parser.MatchOp.NotRe, "!~"),
)


def selector_of(node: Any, seconds: float = 0.0) -> Selector:
    """Return what a vector selector of the parser's tree reads."""
    matchers = tuple((m.name, _operator(m.op), m.value) for m in node.matchers.matchers)
    if node.matchers.or_matchers:
        matchers = ()  # any of several: rather read too much than too little
    name = node.name
    for label, operator, value in matchers:
        if label == _NAME and operator == "=":
            name = value
    return Selector(name, matchers, seconds)


def _operator(op: Any) -> str:
    return next(text for own, text in _OPERATORS if own == op)


def sievable(expr: str) -> bool:
    """Return whether a subquery over the expression sees what a rule would see."""
    return not re.search(r"@\s*(start|end)\s*\(", expr)


@dataclass(frozen=True, slots=True)
class ExpressionPart:
    """A part of an expression.

    Attributes:
        text: the part itself.
        join: how the whole joins it to the part before: ``and``, ``unless``, ``or``, or empty.
        value: what is compared, when the part is a comparison; else the part.
        comparison: the rest of a comparison, such as ``> 85``; empty for none.
        limit: what it is compared with; empty for none.
        scalar: whether the limit is one number and no vector.
    """

    text: str
    join: str
    value: str
    comparison: str = ""
    limit: str = ""
    scalar: bool = False


def parts(expr: str) -> tuple[ExpressionPart, ...]:
    """Return the parts that a set operator joins at the top, each with its comparison."""
    try:
        tree = parsed(expr)
    except ValueError:
        return (ExpressionPart(expr, "", expr),)
    return tuple(_parts(tree, ""))


def _parts(node: Any, join: str) -> Iterator[ExpressionPart]:
    while isinstance(node, promql_parser.ParenExpr):
        node = node.expr
    if isinstance(node, promql_parser.BinaryExpr):
        operator = str(node.op)
        if operator in _SETS:
            yield from _parts(node.lhs, join)
            yield from _parts(node.rhs, operator)
            return
        if operator in _COMPARISONS and not _is_bool(node):
            value, limit = node.lhs, node.rhs
            if _is_scalar(value):
                value, limit, operator = limit, value, _MIRRORED.get(operator, operator)
            text = _text(limit)
            constant = _is_scalar(limit)
            yield ExpressionPart(
                _text(node), join, _text(value), f"{operator} {text}", text, constant
            )
            return
    yield ExpressionPart(_text(node), join, _text(node))


_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_SCALARS = frozenset({"pi", "scalar", "time"})
"""Functions whose value is a number and no vector."""


def _is_scalar(node: Any) -> bool:
    """Return whether a part of an expression is one number and no vector."""
    if isinstance(node, promql_parser.NumberLiteral):
        return True
    if isinstance(node, promql_parser.Call):
        return str(node.func.name) in _SCALARS
    if isinstance(node, promql_parser.BinaryExpr):
        return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    if isinstance(node, promql_parser.ParenExpr | promql_parser.UnaryExpr):
        return _is_scalar(node.expr)
    return False


def _is_bool(node: Any) -> bool:
    return bool(node.modifier is not None and node.modifier.return_bool)


def _text(node: Any) -> str:
    # The parser writes empty braces after a metric without matchers.
    return _EMPTY.sub("", " ".join(str(node).split()))
