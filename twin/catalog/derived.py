"""Derived families: series that follow from what a device sends and do not travel themselves.

A host has thousands of series and few dozen states: a thread's seconds in each mode follow from
those of all threads, a disk's from those of its array, and most others never change. So frames
carry the states, and each family computes its series from them, for all devices at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from twin.catalog.arrays import Values, np
from twin.catalog.model import Exporter, Labels, MetricType, Unit
from twin.catalog.place import Count, Place, one

if TYPE_CHECKING:
    from twin.parameters import Site

__all__ = ["DerivedFamily", "DeviceValues", "Formula", "HostLevel", "SeriesGroup"]


class HostLevel(StrEnum):
    """How much of a host's operating system is exposed."""

    OFF = "off"
    """Nothing beside the signals that travel at every level."""
    AGGREGATE = "aggregate"
    """Everything but the families with a series a thread, of which few stay."""
    FULL = "full"
    """Everything that node_exporter shows by default."""

    def covers(self, other: HostLevel) -> bool:
        """Whether what is exposed from ``other`` on is exposed at this level."""
        return _LEVELS.index(self) >= _LEVELS.index(other)


_LEVELS = tuple(HostLevel)
_SHOWN = (HostLevel.AGGREGATE, HostLevel.FULL)


@dataclass(frozen=True, slots=True)
class DeviceValues:
    """What some devices of one class sent last.

    Attributes:
        site: their site.
        ts: simulated time of each device's frame, unix seconds, (devices,).
        columns: signal to its values, (devices,), NaN for a device that does not report.
    """

    site: Site
    ts: Values
    columns: Mapping[str, Values]

    def __getitem__(self, signal: str) -> Values:
        return self.columns[signal]

    def each(self, signal: str) -> Values:
        """Return a signal as a column, (devices, 1), to be spread over the series of a device."""
        return self.columns[signal][:, None]


Formula = Callable[[DeviceValues], "Values | float"]


def _alone(_: Place) -> Sequence[Labels]:
    return ((),)


@dataclass(frozen=True, slots=True)
class SeriesGroup:
    """Which series a device gives for each family of a group, and by which labels.

    Attributes:
        key: names the group; families of one group share their label blocks.
        exporter: whose scrape target it is.
        names: label names, for the reference page.
        count: how many series one device gives.
        labels: of each of these series, in the exporter's order.
        shown: how many of them are there at a time, where a label says a state; None for all.
    """

    key: str
    exporter: Exporter
    names: tuple[str, ...] = ()
    count: Count = one
    labels: Callable[[Place], Sequence[Labels]] = _alone
    shown: int | None = None

    def series(self, site: Site) -> int:
        """Return how many series of a family a device that reports shows."""
        return self.count(site) if self.shown is None else self.shown


@dataclass(frozen=True, slots=True)
class DerivedFamily:
    """A metric of which a device gives some series that follow from its signals.

    Attributes:
        metric: metric name.
        kind: Prometheus type.
        unit: unit as exposed.
        help: help text as exposed.
        group: which series.
        values: returns them as (devices, series), or what broadcasts to it; a family that never
            changes returns numbers that depend on the site alone.
        known: the signal without which the device does not show the family.
        steady: the values depend on the site alone, so they are computed and printed once.
        decimals: digits that are printed; 0 makes whole numbers.
        levels: levels at which it is exposed.
        shown: the sites that have it.
    """

    metric: str
    kind: MetricType
    unit: Unit
    help: str
    group: SeriesGroup
    values: Formula
    known: str
    steady: bool = False
    decimals: int = 0
    levels: tuple[HostLevel, ...] = _SHOWN
    shown: Callable[[Site], bool] = field(default=lambda _: True)

    def table(self, values: DeviceValues) -> Values:
        """Return the series of all devices, (devices, series), NaN where one does not report."""
        count = self.group.count(values.site)
        known = np.isfinite(values[self.known])
        if not known.size:  # as where a shard has no array yet
            return np.empty((0, count))
        found = np.asarray(self.values(values), dtype=np.float64)
        if found.ndim == 1 and count == 1 and found.size == known.size:
            found = found[:, None]
        table: Values = np.broadcast_to(found, (known.size, count))
        if not known.all():
            table = np.where(known[:, None], table, np.nan)
        return np.round(table, self.decimals) if self.decimals else table
