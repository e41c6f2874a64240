"""Series in the notation of promtool's unit tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from twin.catalog.selectors import labelled
from twin.rules.expression import Selector
from twin.rules.sampling import Samples

__all__ = ["input_series", "series_name", "values_text"]


def input_series(
    samples: Samples,
    wanted: Sequence[Selector],
    read: Mapping[Selector, NDArray[np.bool_]] | None = None,
) -> list[tuple[str, str]]:
    """Return the series that these selectors read: name with labels, and values.

    Args:
        samples: what was scraped.
        wanted: the selectors.
        read: the scrapes that a selector reads, where it does not read all.
    """
    scraped = [
        (series_name(name, labels), values_text(values))
        for name, labels, values in samples.series(wanted, read)
    ]
    recorded = [
        (series_name(name, labels), repr(float(values[0])))
        for name, family in samples.before.items()
        if any(selector.names((name,)) for selector in wanted)
        for labels, values in zip(family.labels, family.values, strict=True)
    ]
    return scraped + recorded


def series_name(name: str, labels: Mapping[str, str]) -> str:
    """Return a series as PromQL writes it."""
    inside = ",".join(labelled(label, value) for label, value in labels.items())
    return f"{name}{{{inside}}}"


def values_text(values: NDArray[np.float64]) -> str:
    """Return the values from time 0, before the first scrape.

    Equal neighbours are written once. A series that a scrape no longer has is marked
    stale there, as Prometheus does.
    """
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    starts = np.concatenate([[0], np.flatnonzero(~same) + 1])
    lengths = np.diff(np.concatenate([starts, [len(values)]]))
    words = ["_"]
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        value = float(values[start])
        if value != value:  # noqa: PLR0124 - only NaN differs from itself
            words.extend(_gap(length, known=start > 0))
        else:
            words.append(f"{value!r}" if length == 1 else f"{value!r}x{length - 1}")
    return " ".join(words)


def _gap(length: int, *, known: bool) -> list[str]:
    rest = length - known
    return ["stale"] * known + ([f"_x{rest}"] if rest else [])
