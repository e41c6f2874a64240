"""Effects of a scenario's faults on the series that rules read."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from twin.rules.sampling import Samples
from twin.rules.source import RuleSet

__all__ = ["affected", "rules_affected"]

_MARGIN = 0.5
"""How far beyond its range before the fault a series must go, in parts of that range."""
_FEWEST = 2
"""Scrapes before a fault that tell how a series was."""

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


def rules_affected(
    samples: Samples, rules: RuleSet, shows: Collection[str], began: float
) -> frozenset[str]:
    """Return the keys of the alerts that read a series which a fault changed.

    Args:
        samples: what was scraped.
        rules: where the alerts come from.
        shows: metrics on which the faults can be seen directly.
        began: when the first fault began, in seconds.
    """
    first = int(began // samples.interval)
    shown = {
        selector: bool(affected(samples.families[name].chosen([selector]).values, first).any())
        for rule in rules.rules
        for selector in rule.selectors
        if (name := selector.name or "") in shows and name in samples.families
    }
    return frozenset(
        rule.key
        for rule in rules.alerts
        for part in (rule, *rules.feeding([rule]))
        if any(shown.get(selector) for selector in part.selectors)
    )


def affected(values: Values, first: int) -> Flags:
    """Return which series are not what they were before a fault.

    Args:
        values: (series, scrapes), NaN where a scrape had no such series.
        first: index of the first scrape after the fault began.
    """
    before, after = values[:, :first], values[:, first:]
    if first < _FEWEST or not after.size:
        return np.ones(len(values), dtype=np.bool_)
    absent, gone = np.isnan(before), np.isnan(after)
    came = np.logical_and(absent.all(axis=1), ~gone.all(axis=1))
    went = np.logical_and(~absent.any(axis=1), gone.any(axis=1))
    rates = np.diff(values, axis=1)
    left = np.where(_counting(rates[:, : first - 1]), _left(rates, first - 1), _left(values, first))
    return np.asarray(came | went | left, np.bool_)


def _counting(rates: Values) -> Flags:
    """Return which series were counters at work: they rose and never fell."""
    known = np.nan_to_num(rates)
    return np.asarray((known > 0.0).any(axis=1) & ~(known < 0.0).any(axis=1), np.bool_)


def _left(values: Values, first: int) -> Flags:
    """Return which series left the range that they had before, with some margin."""
    low, high = _range(values[:, :first])
    least, most = _range(values[:, first:])
    known = np.isfinite(low)
    margin = np.where(known, _MARGIN * (high - low), 0.0)
    return np.asarray(known & ((most > high + margin) | (least < low - margin)), np.bool_)


def _range(values: Values) -> tuple[Values, Values]:
    """Return the least and the largest value of each series; infinities where there is none."""
    gone = np.isnan(values)
    low: Values = np.where(gone, np.inf, values).min(axis=1, initial=np.inf)
    high: Values = np.where(gone, -np.inf, values).max(axis=1, initial=-np.inf)
    return low, high
