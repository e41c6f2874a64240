"""Snapshots without bytes: what decoding a frame gives, for readers in the same process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import UnitKind
from twin.site import Layout
from twin.wire.schema import Outputs, Schema, Snapshot

__all__ = ["SnapshotTable"]


class SnapshotTable:
    """The values of all units of one kind, rounded as every codec rounds them.

    Args:
        layout: the site.
        kind: kind of the units.
    """

    def __init__(self, layout: Layout, kind: UnitKind) -> None:
        self._schema = Schema(layout, kind)
        self._groups: dict[str, NDArray[np.float64]] = {}

    def load(self, outputs: Outputs) -> None:
        """Take over the plant's outputs of one tick."""
        self._groups = {
            group.name: group.rounded(outputs[group.name]) for group in self._schema.groups
        }

    def snapshot(self, unit: int, ts: float, seq: int) -> Snapshot:
        """Return what decoding the frame of one unit gives."""
        groups = {name: values[:, unit] for name, values in self._groups.items()}
        return Snapshot(round(ts, 3), seq, groups)
