"""The signals behind alerts, asked of a Prometheus that saw them live."""

from __future__ import annotations

from collections.abc import Mapping

from twin.clients.prometheus import Prometheus, QueryError
from twin.rules.explain import POINTS, curves, limit_of, panel, signal_of
from twin.rules.expression import parts
from twin.rules.result import Curve, Panel

__all__ = ["live_panels"]


def live_panels(
    prometheus: Prometheus, expressions: Mapping[str, str], start: float, duration: float
) -> list[Panel]:
    """Return the signals behind alerts, in seconds since the start.

    Args:
        prometheus: who evaluates the rules.
        expressions: of the alerts, by their names.
        start: of the scenario, unix seconds.
        duration: of the scenario, in seconds.

    Raises:
        ServiceError: Prometheus does not answer.
    """
    step = max(1.0, duration / POINTS)

    def ask(query: str | None) -> list[Curve]:
        if query is None:
            return []
        try:
            found = prometheus.over_time(query, start, start + duration, step)
        except QueryError:
            # What it evaluates as a rule may be too much over the whole scenario.
            return []
        return curves(
            (series["metric"], float(at) - start, float(value))
            for series in found
            for at, value in series.get("values", ())
        )

    return [
        panel(alert, part, ask(signal_of(part)), ask(limit_of(part)), duration)
        for alert, expr in expressions.items()
        for part in parts(expr)
    ]
