"""Histogram of which many observations are the same: what is seen of a message's frames at once.

That of prometheus_client takes them one by one, each through all bounds and two locks.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from twin.catalog import OwnMetric

__all__ = ["BulkHistogram"]


class BulkHistogram(Collector):
    """A histogram without labels.

    Args:
        metric: its name and help.
        bounds: upper bounds of its buckets, rising, without infinity.
        registry: that exposes it.
    """

    def __init__(
        self, metric: OwnMetric, bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._metric = metric
        self._bounds = [*bounds, math.inf]
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        registry.register(self)

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value that was seen so many times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def collect(self) -> Iterator[Metric]:
        """Yield the metric, as registries want it."""
        names = [*map(str, map(float, self._bounds[:-1])), "+Inf"]
        counts = map(float, accumulate(self._counts))
        buckets = list(zip(names, counts, strict=True))
        yield HistogramMetricFamily(
            self._metric.name, self._metric.help, buckets=buckets, sum_value=self._sum
        )

    describe = collect
