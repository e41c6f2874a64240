"""Roll-ups over racks and over the site.

They are taken over whole arrays at once and kept until a value changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.store import Store
from twin.aggregator.text import Column, Text, header, label_block
from twin.catalog import ROLLUPS, Level, Operation, Rollup

__all__ = ["RollupPage", "Rollups", "roll_up"]

_Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Partial:
    """What both levels need, one element a rack."""

    count: _Values
    matching: _Values
    total: _Values
    highest: _Values

    @classmethod
    def of(cls, values: _Values, equals: float | None) -> _Partial:
        finite = np.isfinite(values)
        chosen = finite if equals is None else values == equals
        return cls(
            count=finite.sum(axis=1, dtype=np.float64),
            matching=chosen.sum(axis=1, dtype=np.float64),
            total=np.where(finite, values, 0.0).sum(axis=1),
            highest=np.where(finite, values, -np.inf).max(axis=1, initial=-np.inf),
        )

    def whole(self) -> _Partial:
        """Return the same over all racks, as arrays of one element."""
        return _Partial(
            count=self.count.sum(keepdims=True),
            matching=self.matching.sum(keepdims=True),
            total=self.total.sum(keepdims=True),
            highest=self.highest.max(keepdims=True),
        )

    def result(self, operation: Operation) -> _Values:
        """Return the roll-up, NaN where no device reports."""
        value = {
            Operation.SUM: self.total,
            Operation.MEAN: self.total / np.maximum(self.count, 1.0),
            Operation.MAX: self.highest,
            Operation.COUNT: self.matching,
        }[operation]
        return np.where(self.count > 0, value, np.nan)


def roll_up(rollup: Rollup, values: _Values) -> dict[Level, _Values]:
    """Return a roll-up at each level; missing devices are left out.

    Args:
        rollup: which.
        values: its signal, shape (racks, devices a rack), NaN where nothing is reported.

    Returns:
        One element a rack, and one for the site; NaN where no device reports.
    """
    racks = _Partial.of(values, rollup.equals)
    return {
        Level.RACK: racks.result(rollup.operation),
        Level.SITE: racks.whole().result(rollup.operation),
    }


class Rollups:
    """All roll-ups of a store, computed once a change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version = -1
        self._values: dict[str, dict[Level, _Values]] = {}

    def values(self) -> Mapping[str, Mapping[Level, _Values]]:
        """Return the roll-ups by name and level."""
        if self._version != self._store.version:
            layout, column = self._store.layout, self._store.column
            self._values = {
                rollup.name: roll_up(rollup, column(device, signal.name))
                for rollup in ROLLUPS
                for device, signal in (layout.rolled_up(rollup),)
            }
            self._version = self._store.version
        return self._values

    def site(self, name: str) -> float:
        """Return one roll-up of the site, NaN when no device reports."""
        return float(self.values()[name][Level.SITE][0])


class RollupPage:
    """The roll-ups of all levels as series."""

    def __init__(self, store: Store, rollups: Rollups) -> None:
        layout = store.layout
        self._rollups = rollups
        self._heads = [
            (rollup, level, header(rollup.metric(level), "gauge", rollup.help_text(level)))
            for level in (Level.SITE, Level.RACK)
            for rollup in ROLLUPS
        ]
        self._labels = {
            Level.SITE: [label_block(layout.rollup_labels(Level.SITE, 0))],
            Level.RACK: [
                label_block(layout.rollup_labels(Level.RACK, rack))
                for rack in range(layout.site.racks)
            ],
        }

    def write(self, text: Text) -> None:
        """Append every roll-up of every level that reports."""
        values = self._rollups.values()
        for rollup, level, head in self._heads:
            whole = rollup.operation is Operation.COUNT
            column = Column(self._labels[level], values[rollup.name][level], whole)
            text.add(rollup.metric(level), head, [column])
