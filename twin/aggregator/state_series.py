"""Series of a scheduler exporter: label values by metric, and how they are printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from twin.aggregator.text_format import MetricHead, SeriesColumn, head, label_block
from twin.catalog import Labels
from twin.catalog.schedulers import DURATION_BUCKETS, StateExporter

__all__ = ["StateFamily", "StateSeries"]


@dataclass(slots=True)
class StateFamily:
    """A metric whose samples have several names, as they are printed.

    Attributes:
        head: what stands before them.
        names: one a sample.
        labels: label blocks.
        values: as printed.
    """

    head: MetricHead
    names: list[str]
    labels: list[bytes]
    values: list[bytes]

    def extend(self, other: StateFamily) -> None:
        """Append the samples of the same metric with other labels."""
        self.names += other.names
        self.labels += other.labels
        self.values += other.values


@dataclass(slots=True)
class StateSeries:
    """The series of one exporter on one page.

    Attributes:
        exporter: whose they are.
        rest: labels after those of each metric: target and site.
        rows: label values and value of each series, by metric.
        families: histograms, one for each set of labels.
    """

    exporter: StateExporter
    rest: Labels
    rows: dict[str, dict[tuple[str, ...], float]] = field(default_factory=dict)
    families: list[StateFamily] = field(default_factory=list)

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

    def add_durations(
        self, name: str, labels: Sequence[str], counts: Sequence[int], total: float
    ) -> None:
        """Add a histogram of durations.

        Args:
            name: of the metric.
            labels: values of its labels, in their order.
            counts: by bucket.
            total: of all that was counted.
        """
        metric = self.exporter[name]
        own = (*zip(metric.labels, labels, strict=True), *self.rest)
        bounds = [*(str(float(bound)) for bound in DURATION_BUCKETS), "+Inf"]
        plain = label_block(own)
        blocks = [*(label_block((*own, ("le", bound))) for bound in bounds), plain, plain]
        below = list(accumulate(counts))
        names = [*[f"{name}_bucket"] * len(bounds), f"{name}_sum", f"{name}_count"]
        values = [*map(str, below), f"{total:.3f}", str(below[-1])]
        own_head = head(name, metric.kind.value, metric.help)
        self.families.append(StateFamily(own_head, names, blocks, [v.encode() for v in values]))

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
