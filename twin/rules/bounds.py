"""Bounds of an expression, to leave out what cannot be true.

This evaluates nothing. It walks an expression with an interval for every evaluation,
from the least and the greatest value of the series that were scraped, and says at which
evaluations the expression *could* have a result. Where it knows no better, anything is
possible. So most rules on a healthy site need not be asked at all, and every rule that
might be true anywhere is left to the engine of Prometheus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import promql_parser
from numpy.typing import NDArray

from twin.rules.expression import parsed, selector_of
from twin.rules.history import SeriesHistory, recent
from twin.rules.interval import Interval, arithmetic, compared, widened
from twin.rules.sampling import Samples

__all__ = ["Bounds"]

Flags = NDArray[np.bool_]

_SETS = frozenset({"and", "or", "unless"})
_SCALARS = frozenset({"time", "scalar", "pi"})
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_ARITHMETIC = frozenset({"+", "-", "*", "/"})
_SAME = frozenset(
    {"avg_over_time", "min_over_time", "max_over_time", "last_over_time", "quantile_over_time"}
)
_RATES = frozenset({"rate", "irate", "increase"})
_SLOPES = frozenset({"delta", "idelta", "deriv"})
_KEEPING = frozenset({"label_replace", "label_join", "sort", "sort_desc"})
_AMONG = frozenset({"min", "max", "avg", "topk", "bottomk", "quantile"})
_MANY = 200
"""Series that a recording is assumed to give where the number is unknown."""
_EXTRAPOLATION = 3.2
"""Two samples are extended by at most 1.1 intervals at either end, to 3.2 times their distance."""


class Bounds:
    """What expressions can be, over the evaluations of one scenario.

    Args:
        samples: what was scraped.
        interval: seconds between two evaluations.
        recorded: expression by the name that it is recorded under.
    """

    def __init__(self, samples: Samples, interval: float, recorded: Mapping[str, str]) -> None:
        self._samples = samples
        self._steps = round(samples.interval * samples.scrapes / interval) + 1
        self._at: NDArray[np.float64] = np.arange(self._steps, dtype=np.float64) * interval
        self._recorded = dict(recorded)
        self._open: set[str] = set()
        self._histories: dict[Any, SeriesHistory] = {}
        self._unknown = Interval.unknown(self._steps)

    def possible(self, expr: str) -> Flags:
        """Return for every evaluation whether the expression can have a result there."""
        try:
            tree = parsed(expr)
        except ValueError:
            return self._unknown.possible
        with np.errstate(all="ignore"):
            return self._of(tree).possible

    def recorded_series(self, name: str) -> int:
        """Return about how many series are recorded under a name, 0 for none."""
        if name not in self._recorded:
            return 0
        with np.errstate(all="ignore"):
            count = self._recording(name).count
        return round(count) if math.isfinite(count) else _MANY

    def _of(self, node: Any) -> Interval:
        for kind, follow in self._followers:
            if isinstance(node, kind):
                return follow(self, node)
        return self._unknown

    def _constant(self, value: float) -> Interval:
        return Interval(np.full(self._steps, value), np.full(self._steps, value), 1.0)

    def _number(self, node: Any) -> Interval:
        return self._constant(float(node.val))

    def _inside(self, node: Any) -> Interval:
        return self._of(node.expr)

    def _negative(self, node: Any) -> Interval:
        inner = self._of(node.expr)
        return replace(inner, low=-inner.high, high=-inner.low)

    # -- series ---------------------------------------------------------------

    def _history(self, node: Any) -> SeriesHistory | None:
        """Return the series of a selector; None when it is not known which they are."""
        selector = selector_of(node)
        name = selector.name
        if name is None or name in self._recorded or node.at is not None:
            return None
        if name.startswith("ALERTS"):
            return None
        if selector not in self._histories:
            family = self._samples.families.get(name)
            values = None if family is None else family.chosen([selector]).values
            self._histories[selector] = SeriesHistory.of(values, self._samples)
        return self._histories[selector]

    def _instant(self, node: Any) -> Interval:
        if node.name in self._recorded and node.at is None and node.offset is None:
            return self._recording(node.name)
        history = self._history(node)
        if history is None:
            return self._unknown
        if node.offset is not None:
            return history.anywhen(self._steps)
        return history.at(self._at)

    def _recording(self, name: str) -> Interval:
        """Return what a recorded series can be: what its rule can, unless it reads itself."""
        if name in self._open:
            return self._unknown
        self._open.add(name)
        try:
            return self._of(parsed(self._recorded[name]))
        except ValueError:
            return self._unknown
        finally:
            self._open.discard(name)

    # -- functions ------------------------------------------------------------

    def _call(self, node: Any) -> Interval:
        name, arguments = node.func.name, list(node.args)
        if name == "abs":
            return self._of(arguments[0]).magnitude()
        if name in _KEEPING:
            return self._of(arguments[0])
        ranges = [own for own in arguments if isinstance(own, promql_parser.MatrixSelector)]
        if len(ranges) != 1 or ranges[0].vector_selector.offset is not None:
            return self._unknown
        history = self._history(ranges[0].vector_selector)
        if history is None:
            return self._unknown
        return self._over_time(name, arguments, history, ranges[0].range.total_seconds())

    def _over_time(
        self, name: str, arguments: list[Any], history: SeriesHistory, seconds: float
    ) -> Interval:
        window = recent(history, self._at, seconds)
        none, most = np.zeros(self._steps), np.full(self._steps, window.samples)
        if name in _SAME and (name != "quantile_over_time" or _share(arguments[0])):
            return widened(window.interval)
        bounds = {
            "count_over_time": (none + 1.0, most),
            "changes": (window.fewest_changes, most),
            "resets": (none, np.where(window.greatest_rise > 0, most, 0.0)),
        }
        if name in _RATES:
            # The instant rate looks at two samples, which may hold all of the rise.
            per = {"rate": seconds, "irate": self._samples.interval, "increase": 1.0}[name]
            bounds[name] = (none, window.greatest_rise * _EXTRAPOLATION / per)
        elif name in _SLOPES:
            wide = np.where(window.any_change, np.inf, 0.0)
            bounds[name] = (-wide, wide)
        if name not in bounds:
            return self._unknown
        low, high = bounds[name]
        return widened(Interval.where(window.present, low, high, window.count))

    # -- operators ------------------------------------------------------------

    def _aggregate(self, node: Any) -> Interval:
        inner, name = self._of(node.expr), str(node.op)
        if name == "group":
            return inner.valued(1.0, 1.0)
        if name == "count":
            return inner.valued(1.0, inner.count)
        if name == "sum":
            return widened(
                replace(
                    inner,
                    low=np.minimum(inner.low, inner.low * inner.count),
                    high=np.maximum(inner.high, inner.high * inner.count),
                ).kept(inner.possible)
            )
        if name in _AMONG and (name != "quantile" or _share(node.param)):
            return widened(inner) if name in ("avg", "quantile") else inner
        return self._unknown.kept(inner.possible)

    def _binary(self, node: Any) -> Interval:
        left, right, operator = self._of(node.lhs), self._of(node.rhs), str(node.op)
        if operator in _SETS:
            return {
                "and": left.kept(right.possible),
                "or": left.united(right),
                "unless": left,
            }[operator]
        both = left.possible & right.possible
        if operator in _ARITHMETIC:
            return widened(arithmetic(operator, left, right).kept(both))
        if operator not in _COMPARISONS:
            return self._unknown.kept(both)
        if node.modifier is not None and node.modifier.return_bool:
            steps = np.zeros(self._steps)
            return Interval.where(both, steps, steps + 1.0, max(left.count, right.count))
        return compared(operator, left, right, swapped=_is_scalar(node.lhs)).kept(both)

    _followers: tuple[tuple[Any, Callable[[Bounds, Any], Interval]], ...] = (
        (promql_parser.NumberLiteral, _number),
        (promql_parser.ParenExpr, _inside),
        (promql_parser.UnaryExpr, _negative),
        (promql_parser.VectorSelector, _instant),
        (promql_parser.Call, _call),
        (promql_parser.AggregateExpr, _aggregate),
        (promql_parser.BinaryExpr, _binary),
    )


def _share(node: Any) -> bool:
    """Return whether a node is a number from 0 to 1: a quantile beyond that is infinite."""
    return isinstance(node, promql_parser.NumberLiteral) and 0.0 <= float(node.val) <= 1.0


def _is_scalar(node: Any) -> bool:
    """Return whether a node is one number and no vector."""
    if isinstance(node, promql_parser.ParenExpr | promql_parser.UnaryExpr):
        return _is_scalar(node.expr)
    if isinstance(node, promql_parser.BinaryExpr):
        return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    if isinstance(node, promql_parser.Call):
        return node.func.name in _SCALARS
    return isinstance(node, promql_parser.NumberLiteral)
