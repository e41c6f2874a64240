"""Scrapes kept as arrays: the values of a column, as long as its series stay the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["ScrapeRun", "keep_scrape"]


@dataclass(slots=True)
class ScrapeRun:
    """Scrapes over which the label blocks of a column stayed the same.

    Attributes:
        labels: label block of each series.
        at: which scrapes: their numbers or their times.
        values: of each scrape, (series,).
    """

    labels: Sequence[bytes]
    at: list[int] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)


def keep_scrape(
    runs: list[ScrapeRun], labels: Sequence[bytes], at: int, values: NDArray[np.float64]
) -> None:
    """Add a scrape to the last run, or begin another where the series have changed.

    The values are kept as they are: a view of what changes must be copied before.
    """
    if not runs or (runs[-1].labels is not labels and runs[-1].labels != labels):
        runs.append(ScrapeRun(labels))
    runs[-1].at.append(at)
    runs[-1].values.append(values)
