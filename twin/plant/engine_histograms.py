"""Histograms of inference engines: observations counted by bucket, engine by engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import ENGINE_HISTOGRAMS
from twin.plant.units import Floats

__all__ = ["EngineHistograms"]


class EngineHistograms:
    """The histograms of all engines since each of them started.

    Args:
        engines: how many there are.
    """

    def __init__(self, engines: int) -> None:
        self._engines = engines
        self._counts = {
            name: np.zeros((engines, len(own.bounds) + 1))
            for name, own in ENGINE_HISTOGRAMS.items()
        }
        self._sums = {name: np.zeros(engines) for name in ENGINE_HISTOGRAMS}

    def observe(
        self,
        name: str,
        engines: NDArray[np.intp],
        values: Floats,
        weights: NDArray[np.int64] | None = None,
    ) -> None:
        """Count observations.

        Args:
            name: of the histogram.
            engines: engine of each observation.
            values: what was observed.
            weights: how often each was observed, once if None.
        """
        counts, sums = self._counts[name], self._sums[name]
        size = counts.shape[1]
        places = engines * size + np.searchsorted(ENGINE_HISTOGRAMS[name].bounds, values)
        counts += np.bincount(places, weights, counts.size).reshape(counts.shape)
        sums += np.bincount(engines, values if weights is None else values * weights, sums.size)

    def add(self, others: EngineHistograms, engines: NDArray[np.intp]) -> None:
        """Count what others have counted, which are of these engines."""
        theirs = vars(others)
        for name, counts in self._counts.items():
            counts[engines] += theirs["_counts"][name]
            self._sums[name][engines] += theirs["_sums"][name]

    def clear(self, engines: NDArray[np.bool_]) -> None:
        """Forget what was counted by some engines: their process has ended."""
        for counts, sums in zip(self._counts.values(), self._sums.values(), strict=True):
            counts[engines] = 0.0
            sums[engines] = 0.0

    def outputs(self) -> dict[str, Floats]:
        """Return the values of the signals of all histograms, one an engine each."""
        values: dict[str, Floats] = {}
        for name, own in ENGINE_HISTOGRAMS.items():
            below = np.cumsum(self._counts[name], axis=1)
            values |= dict(zip((*own.buckets, f"{name}_count"), below.T, strict=True))
            values[f"{name}_sum"] = self._sums[name]
        return values
