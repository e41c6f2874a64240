"""Roll-ups of many scrapes at once, for a page that is read later: scrapes are stacked as if units.

A roll-up over a few racks costs its calls, not its numbers, so that of a hundred scrapes costs
hardly more than that of one. What counters rose by goes on from stack to stack.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.reduction import Reduction
from twin.aggregator.rollup import KeptReduction, Rollups
from twin.aggregator.store import Store
from twin.aggregator.store_snapshot import StoreSnapshot
from twin.catalog import Level

__all__ = ["StackedRollups"]


class StackedRollups(Rollups):
    """All roll-ups of a store, of many scrapes.

    Values have an element for each group of each scrape, one scrape after the other.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._stack: Sequence[StoreSnapshot] = ()
        self._reductions: dict[int, Reduction] = {}

    def stack(self, snapshots: Sequence[StoreSnapshot]) -> None:
        """Go on to these scrapes, which follow those of the last call."""
        self._forget()
        self._stack = snapshots
        self._reductions.clear()
        for kept, *_ in self._kept.values():
            if kept.adds_up:  # what counters rose by is not lost where nobody asks for it
                self._reduced(kept)

    def _reduced(self, kept: KeptReduction) -> Reduction:
        found = self._reductions.get(id(kept))
        if found is None:
            values = np.stack([own.values[kept.device.name][kept.row] for own in self._stack])
            reporting = np.stack([own.reporting[kept.device.frame] for own in self._stack])
            found = self._reductions[id(kept)] = kept.reduction.stacked(values, reporting)
        return found

    def _reduction(self, name: str, level: Level) -> tuple[Reduction, NDArray[np.intp]]:
        kept, frame = self._sources[name]
        units = len(self._store.units[frame])
        scrapes = np.arange(len(self._stack))[:, None] * units
        return self._reduced(kept), (scrapes + self._first[frame, level]).reshape(-1)

    def _groups(self, level: Level) -> int:
        return super()._groups(level) * len(self._stack)

    def _forget_if_changed(self) -> None:
        """Keep what was computed until the next stack."""
