"""The charts of alerts, asked of a Prometheus that saw them live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twin.clients.prometheus import Prometheus, QueryError
from twin.rules.charts import POINTS, Series, drawn, gathered
from twin.rules.result import Panel

__all__ = ["live_panels"]


def live_panels(
    prometheus: Prometheus, expressions: Mapping[str, str], start: float, duration: float
) -> list[Panel]:
    """Return the charts of alerts, in seconds since the start.

    Args:
        prometheus: who evaluates the rules.
        expressions: of the alerts, by their names.
        start: of the scenario, unix seconds.
        duration: of the scenario, in seconds.

    Raises:
        ServiceError: Prometheus does not answer.
    """
    step = max(1.0, duration / POINTS)

    def asked(query: str) -> list[Series]:
        try:
            found = prometheus.over_time(query, start, start + duration, step)
        except QueryError:
            # What it evaluates as a rule may be too much over the whole scenario.
            return []
        return gathered(
            (series["metric"], float(at) - start, float(value))
            for series in found
            for at, value in series.get("values", ())
        )

    def ask(queries: Sequence[str]) -> list[list[Series]]:
        return [asked(query) for query in queries]

    return drawn(list(expressions.items()), ask, duration)
