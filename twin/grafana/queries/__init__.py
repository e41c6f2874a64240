"""PromQL of the dashboards, by subject; needs no Grafana and no SDK.

A query that answers nothing on a healthy site says which fault makes it answer
(:meth:`twin.grafana.promql.Expr.during`), so that a check knows when to expect what.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from twin.grafana.promql import Expr

__all__ = ["quiet_queries", "quiet_until", "reason_to_be_empty"]


@cache
def quiet_queries() -> dict[str, str]:
    """Return the text of every query that needs a fault to answer, and the kind of fault."""
    return {one.text: one.shown_by for one in _all() if one.shown_by is not None}


@cache
def _all() -> tuple[Expr, ...]:
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    return tuple(one for module in modules for one in _within(tuple(vars(module).values())))


def _within(value: object) -> Iterator[Expr]:
    """Yield every query in a value, which may be a collection of them."""
    if isinstance(value, Expr):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _within(one)
    elif isinstance(value, dict):
        yield from _within(tuple(value.values()))


@cache
def _reasons() -> dict[str, str]:
    return {one.text: one.unless for one in _all() if one.unless}


def reason_to_be_empty(text: str) -> str:
    """Return why a query may be empty without a fault; an empty text if it may not."""
    return _reasons().get(text, "")


def quiet_until(text: str) -> str | None:
    """Return the kind of fault that makes a query answer; None when it always does."""
    return quiet_queries().get(text)
