"""PromQL of the dashboards, by subject; needs no Grafana and no SDK.

A query that answers nothing on a healthy site says which fault makes it answer
(:meth:`twin.grafana.promql.Expr.during`), so that a check knows when to expect what.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from twin.grafana.promql import Expr

__all__ = ["quiet_queries", "quiet_until"]


@cache
def quiet_queries() -> dict[str, str]:
    """Return the text of every query that needs a fault to answer, and the kind of fault."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    return {
        value.text: value.shown_by
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Expr) and value.shown_by is not None
    }


def quiet_until(text: str) -> str | None:
    """Return the kind of fault that makes a query answer; None when it always does."""
    return quiet_queries().get(text)
