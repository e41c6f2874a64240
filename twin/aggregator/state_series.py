"""Series of a scheduler exporter: label values by metric, and how they are printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from twin.aggregator.text_format import MetricHead, SeriesColumn, head, label_block
from twin.catalog import Labels
from twin.catalog.schedulers import StateExporter

__all__ = ["StateSeries"]


@dataclass(slots=True)
class StateSeries:
    """The series of one exporter on one page.

    Attributes:
        exporter: whose they are.
        rest: labels after those of each metric: target and site.
        rows: label values and value of each series, by metric.
    """

    exporter: StateExporter
    rest: Labels
    rows: dict[str, dict[tuple[str, ...], float]] = field(default_factory=dict)

    def add(self, name: str, labels: Iterable[str], value: float = 1.0) -> None:
        """Add a series; the same labels again add up to one, as nothing may stand twice.

        Args:
            name: of the metric.
            labels: values of its labels, in their order.
            value: of the series.
        """
        self.rows.setdefault(name, {})[tuple(labels)] = value

    def one_of(self, name: str, labels: Sequence[str], words: Iterable[str], true: str) -> None:
        """Add a series for each word; that of the true one is 1."""
        for word in words:
            self.add(name, (*labels, word), float(word == true))

    def columns(self) -> list[tuple[MetricHead, SeriesColumn]]:
        """Return all metrics that have a series, as they are printed."""
        found = []
        for metric in self.exporter.metrics:
            rows = self.rows.get(metric.name)
            if rows:
                blocks = [
                    label_block((*zip(metric.labels, values, strict=True), *self.rest))
                    for values in rows
                ]
                numbers = np.array(list(rows.values()), np.float64)
                whole = bool((np.rint(numbers) == numbers).all())
                own = head(metric.name, metric.kind.value, metric.help)
                found.append((own, SeriesColumn(blocks, numbers, whole)))
        return found
