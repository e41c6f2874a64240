"""Histograms of devices in OpenMetrics, which wants all series of a device together.

The text format wants all series of a name together, which is what a page has at hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin.aggregator.text_format import ExpositionWriter, MetricHead, SeriesColumn, numbers

__all__ = ["HistogramWriter"]

_LAST = "_sum"


class HistogramWriter:
    """The histograms of a page: the buckets, counts and sums of each are joined by device.

    Args:
        text: to which they are appended.
    """

    def __init__(self, text: ExpositionWriter) -> None:
        self._text = text
        self._parts: list[tuple[MetricHead, Sequence[SeriesColumn]]] = []

    def add(self, own: MetricHead, columns: Sequence[SeriesColumn]) -> None:
        """Take buckets, counts or sums; the sums come last, and the histogram is appended."""
        self._parts.append((own, columns))
        if not own.name.endswith(_LAST):
            return
        family, parts = self._parts[0][0], self._parts
        self._parts = []
        names = [part.name for part, found in parts for _ in found]
        series = [column for _, found in parts for column in found]
        known = np.nonzero(np.all([np.isfinite(column.values) for column in series], axis=0))[0]
        if not known.size:
            return
        labels = [column.labels[place] for place in known.tolist() for column in series]
        printed = [numbers(column.values[known], whole=column.whole) for column in series]
        values = [number for device in zip(*printed, strict=True) for number in device]
        self._text.add_family(family, names * known.size, labels, values)
