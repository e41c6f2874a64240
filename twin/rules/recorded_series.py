"""Recorded series: what recording rules give at each evaluation, as promtool evaluates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from twin.rules.jobs import recording_job
from twin.rules.promtool import run
from twin.rules.promtool_series import series_name
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import Rule, RuleSet

__all__ = ["recorded_series"]


def recorded_series(
    samples: Samples, rules: RuleSet, wanted: Sequence[Rule], interval: float, first: int
) -> dict[str, MetricFamily]:
    """Return the series that recording rules give, by name.

    Of a series only its changes are asked for: most stay the same for hours. What would be more
    than promtool's 10,000 samples a query is left out.

    Args:
        samples: what was scraped.
        rules: where they come from; those that cannot be evaluated are not among them.
        wanted: the recording rules whose series are returned.
        interval: seconds between two evaluations.
        first: number of the first evaluation that is returned; the last is that of the end.

    Raises:
        RuleFailedError: the engine cannot evaluate a rule.
        UnfinishedError: promtool takes too long.
        ConfigError: it is not there.
    """
    if not wanted:
        return {}
    feeding = {rule.key for rule in (*wanted, *rules.feeding(wanted))}
    job = recording_job(
        samples, [own for own in rules.recordings if own.key in feeding], rules, interval
    )
    last = round(job.end / interval)
    places: dict[int, str] = {}
    for rule in wanted:
        now = series_name("", {"__name__": rule.name, **rule.labels})
        later = [step * interval for step in range(first + 1, last + 1)]
        places[job.ask(now, [first * interval])] = rule.name
        if later:
            places[job.ask(_change(now, interval), later)] = rule.name
    changes: dict[str, dict[tuple[tuple[str, str], ...], dict[int, float]]] = {}
    for found in run(job).found:
        labels = tuple(sorted((k, v) for k, v in found.labels.items() if k != "__name__"))
        series = changes.setdefault(places[found.query], {})
        series.setdefault(labels, {})[round(found.at / interval) - first] = found.value
    return {
        name: MetricFamily(
            [dict(labels) for labels in own],
            np.array([_filled(values, last - first + 1) for values in own.values()]),
        )
        for name, own in changes.items()
    }


def _change(now: str, interval: float) -> str:
    """Return a query for what is new or other than at the last evaluation, and NaN for the gone."""
    before = f"{now} offset {round(interval)}s"
    return f"({now} unless ({now} == {before})) or (({before} unless {now}) * NaN)"


def _filled(changes: Mapping[int, float], count: int) -> list[float]:
    value, values = float("nan"), []
    for step in range(count):
        value = changes.get(step, value)
        values.append(value)
    return values
