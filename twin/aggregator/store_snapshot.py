"""Store snapshot: what a store holds at a scrape, for series that are computed later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.catalog import UnitKind

__all__ = ["StoreSnapshot", "stacked_values"]


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """A copy of what a store holds.

    Attributes:
        values: device class to (signals that travel, units, devices a unit).
        reporting: which units report, by kind.
        ts: simulated time of each unit's last frame, unix seconds, by kind.
    """

    values: Mapping[str, NDArray[np.float64]]
    reporting: Mapping[UnitKind, NDArray[np.bool_]]
    ts: Mapping[UnitKind, NDArray[np.float64]]


def stacked_values(
    snapshots: Sequence[StoreSnapshot], device: str, units: slice
) -> NDArray[np.float64]:
    """Return what some units said at many scrapes: (signals, scrapes, devices of all units)."""
    first = snapshots[0].values[device][:, units]
    stack = np.empty((first.shape[0], len(snapshots), first[0].size))
    by_unit = stack.reshape(*stack.shape[:2], *first.shape[1:])
    for place, own in enumerate(snapshots):
        by_unit[:, place] = own.values[device][:, units]
    return stack
