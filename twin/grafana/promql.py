"""PromQL with units, so that a panel gets its unit from the query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from twin.grafana.units import CELSIUS, KELVIN, NUMBER, PER_SECOND, RATIO

__all__ = ["Expr"]

_WINDOW = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Expr:
    """One expression.

    Attributes:
        raw: PromQL, in the unit that the exporter has.
        unit: unit in Grafana.
        factor: from the exporter's unit to Grafana's.
        shown_by: kind of the fault that makes it answer; None when it always does.
        unless: why it may return no series on a healthy site; empty where it always returns some.
        states: values of the label ``state``, where a series stands for a state.
        codes: value to word, where the value itself says a state.
    """

    raw: str
    unit: str = NUMBER
    factor: float = 1.0
    shown_by: str | None = None
    unless: str = ""
    states: tuple[str, ...] = ()
    codes: tuple[tuple[int, str], ...] = ()

    @property
    def text(self) -> str:
        """PromQL in Grafana's unit."""
        return self.raw if self.factor == 1.0 else f"{self.factor:g} * {self.raw}"

    def __str__(self) -> str:
        """Return the PromQL, so that an expression can stand in another one's text."""
        return self.text

    def during(self, fault: str) -> Expr:
        """Return the same, declared empty until ``fault`` is in force."""
        return replace(self, shown_by=fault)

    def empty_when(self, reason: str) -> Expr:
        """Return the same, declared empty for a reason other than a fault."""
        return replace(self, unless=reason)

    def in_unit(self, unit: str, factor: float = 1.0) -> Expr:
        """Return the same under another unit, which is ``factor`` of its own one."""
        return replace(self, unit=unit, factor=self.factor * factor)

    def saying(self, codes: Mapping[int, str]) -> Expr:
        """Return the same, whose values have these words."""
        return replace(self, codes=tuple(codes.items()))

    def sum(self, *by: str) -> Expr:
        """Return the sum, over all or by these labels."""
        return replace(self._aggregate("sum", by), codes=())

    def mean(self, *by: str) -> Expr:
        """Return the mean, over all or by these labels."""
        return self._aggregate("avg", by)

    def max(self, *by: str) -> Expr:
        """Return the greatest, of all or by these labels."""
        return self._aggregate("max", by)

    def min(self, *by: str) -> Expr:
        """Return the least, of all or by these labels."""
        return self._aggregate("min", by)

    def count(self, *by: str) -> Expr:
        """Return the number of series, of all or by these labels."""
        return replace(self._aggregate("count", by), unit=NUMBER, factor=1.0, codes=())

    def rate(self, window: str = _WINDOW) -> Expr:
        """Return a counter's increase a second; that of seconds is a share of the time.

        Raises:
            KeyError: its unit has no rate in :data:`twin.grafana.units.PER_SECOND`.
        """
        return replace(
            self, raw=f"rate({self.raw}[{window}])", unit=PER_SECOND[self.unit], codes=()
        )

    def increase(self, window: str) -> Expr:
        """Return a counter's increase within ``window``."""
        return replace(self, raw=f"increase({self.raw}[{window}])")

    def top(self, number: int) -> Expr:
        """Return the greatest ``number``."""
        return replace(self, raw=f"topk({number}, {self.raw})")

    def bottom(self, number: int) -> Expr:
        """Return the least ``number``."""
        return replace(self, raw=f"bottomk({number}, {self.raw})")

    def equals(self, value: float) -> Expr:
        """Return only the series that have this value."""
        return replace(self, raw=f"{self.text} == {value:g}", factor=1.0)

    def per(self, other: Expr, unit: str = RATIO) -> Expr:
        """Return the quotient; by default a ratio."""
        return Expr(f"{_operand(self)} / {_operand(other)}", unit, shown_by=self.shown_by)

    def minus(self, other: Expr) -> Expr:
        """Return the difference; that of two temperatures is in kelvin."""
        unit = KELVIN if self.unit == CELSIUS else self.unit
        return replace(self, raw=f"{_operand(self)} - {_operand(other)}", factor=1.0, unit=unit)

    def kept_by(self, other: Expr) -> Expr:
        """Return only the series whose labels ``other`` has too."""
        return replace(self, raw=f"{_operand(self)} and {_operand(other)}", factor=1.0)

    def by_host(self) -> Expr:
        """Return the same, whose label ``instance`` is the host without the exporter's port."""
        return replace(
            self, raw=f'label_replace({self.raw}, "instance", "$1", "instance", "(.+):[0-9]+")'
        )

    def _aggregate(self, name: str, by: tuple[str, ...]) -> Expr:
        grouping = f" by ({', '.join(by)}) " if by else ""
        return replace(self, raw=f"{name}{grouping}({self.raw})")


def _operand(expr: Expr) -> str:
    """Return an operand in brackets unless it is one word."""
    text = expr.text
    return f"({text})" if " " in text else text
