"""Scrapes of a past: raw samples as the rule tests take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.clients.gridding import LATE, ScrapeGrid, interval_of, on_grid
from twin.clients.ranges import RawSeries
from twin.rules.sampling import MetricFamily, Samples

__all__ = ["gridded"]

Values = NDArray[np.float64]

_NAME = "__name__"


def gridded(series: Sequence[RawSeries], grid: ScrapeGrid) -> tuple[Samples, Counter[float]]:
    """Return the series as scrapes, and how many were scraped less often, by their interval."""
    labels: dict[str, list[dict[str, str]]] = {}
    values: dict[str, list[Values]] = {}
    slower: Counter[float] = Counter()
    for own in series:
        interval = interval_of(own, grid.step)
        if interval > LATE * grid.step:
            slower[float(round(interval))] += 1
        row = on_grid(own, grid)
        if np.isfinite(row).any():
            name = own.labels.get(_NAME, "")
            labels.setdefault(name, []).append({k: v for k, v in own.labels.items() if k != _NAME})
            values.setdefault(name, []).append(row)
    families = {name: MetricFamily(own, np.array(values[name])) for name, own in labels.items()}
    return Samples(grid.step, grid.scrapes, families), slower
