"""Columns of derived families: series that are computed from what devices sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.series_lines import PrintedLines, SeriesColumn, worth_keeping
from twin.aggregator.split_blocks import SplitBlocks
from twin.aggregator.store import Store
from twin.aggregator.store_snapshot import StoreSnapshot
from twin.aggregator.text_format import MetricHead, labels_text
from twin.catalog import DerivedFamily, DeviceClass, DeviceValues, Labels, UnitKind
from twin.site import derived_split

__all__ = ["DerivedColumns"]


@lru_cache(maxsize=512)
def _end(target: Labels) -> bytes:
    """Return how the blocks of a target's series end."""
    return f"{labels_text(target)}}} ".encode()


@dataclass(frozen=True, slots=True)
class _SteadyColumn:
    """A column that stays as it is while the same devices report.

    Attributes:
        known: which devices report, as bytes.
        column: the column.
    """

    known: bytes
    column: SeriesColumn


class DerivedColumns:
    """The derived families of some units.

    What a scrape needs of a device class is looked up once, columns that never change are kept
    with their printed lines, and families with the same labels share their label blocks.
    """

    def __init__(
        self,
        store: Store,
        units: Mapping[UnitKind, slice],
        families: Sequence[tuple[MetricHead, DeviceClass, DerivedFamily]],
    ) -> None:
        self._store = store
        self._units = units
        self.families = families
        """Every family, with what stands before its series."""
        self._values: dict[str, DeviceValues] = {}
        self._steady: dict[tuple[str, int], _SteadyColumn] = {}
        self._blocks: dict[tuple[str, str], SplitBlocks] = {}

    def begin(self) -> None:
        """Begin a scrape: take over the values of the store."""
        self._values.clear()

    def column(self, device: DeviceClass, family: DerivedFamily) -> SeriesColumn:
        """Return the series of a family."""
        values = self._of(device)
        if not family.steady:
            return self._computed(device, family, values)
        known = np.isfinite(values[family.known]).tobytes()
        key = (device.name, id(family))
        kept = self._steady.get(key)
        if kept is None or kept.known != known:
            made = self._computed(device, family, values)
            printed = PrintedLines() if worth_keeping(made) else None
            column = SeriesColumn(made.labels, made.values, made.whole, printed)
            kept = self._steady[key] = _SteadyColumn(known, column)
        return kept.column

    def _computed(
        self, device: DeviceClass, family: DerivedFamily, values: DeviceValues
    ) -> SeriesColumn:
        table = family.table(values).reshape(-1)
        return SeriesColumn(self.labels(device, family), table, whole=not family.decimals)

    def stacked(
        self,
        snapshots: Sequence[StoreSnapshot],
        read: Callable[[DeviceClass, str], NDArray[np.float64]],
        wants: Callable[[str], bool],
    ) -> Iterator[tuple[MetricHead, DeviceClass, SeriesColumn]]:
        """Yield the families of many scrapes, with values of (scrapes, series).

        Args:
            snapshots: of the scrapes.
            read: gives what the devices of a class said of a signal, (scrapes, devices).
            wants: tells by its name whether a metric is kept.
        """
        together: dict[str, DeviceValues] = {}
        for head, device, family in self.families:
            if not wants(head.name):
                continue
            if device.name not in together:
                together[device.name] = self._together(device, snapshots, read)
            values = family.table(together[device.name]).reshape(len(snapshots), -1)
            labels = self.labels(device, family)
            yield head, device, SeriesColumn(labels, values, whole=not family.decimals)

    def _together(
        self,
        device: DeviceClass,
        snapshots: Sequence[StoreSnapshot],
        read: Callable[[DeviceClass, str], NDArray[np.float64]],
    ) -> DeviceValues:
        """Return the devices of all scrapes as if they were so many devices of one."""
        layout, part = self._store.layout, self._units[device.frame]
        columns = {
            signal.name: read(device, signal.name).reshape(-1)
            for signal in layout.reported[device.name]
            if signal.on_wire
        }
        moments = np.array([own.ts[device.frame][part] for own in snapshots])
        return DeviceValues(
            layout.site, np.repeat(moments.reshape(-1), layout.per_unit(device)), columns
        )

    def _of(self, device: DeviceClass) -> DeviceValues:
        found = self._values.get(device.name)
        if found is None:
            store, part = self._store, self._units[device.frame]
            count = store.layout.per_unit(device)
            columns: dict[str, NDArray[np.float64]] = {
                signal.name: store.column(device, signal.name, part).reshape(-1)
                for signal in store.layout.reported[device.name]
                if signal.on_wire
            }
            ts = np.repeat(store.units[device.frame].ts[part], count)
            found = self._values[device.name] = DeviceValues(store.layout.site, ts, columns)
        return found

    def labels(self, device: DeviceClass, family: DerivedFamily) -> SplitBlocks:
        """Return the label blocks of a family, device by device."""
        key = (device.name, family.group.key)
        if key not in self._blocks:
            layout, part = self._store.layout, self._units[device.frame]
            splits = (
                derived_split(layout, family.group, device, unit, index, self._store.names)
                for unit in range(part.start, part.stop)
                for index in range(layout.per_unit(device))
            )
            # Most first labels are those of many devices: of each host's threads and disks.
            firsts = _Firsts()
            self._blocks[key] = SplitBlocks(
                ([firsts[labels] for labels in own], _end(target)) for own, target in splits
            )
        return self._blocks[key]


class _Firsts(dict[Labels, bytes]):
    """How the block of a series begins, before the labels of its target, by its own labels."""

    def __missing__(self, labels: Labels) -> bytes:
        made = (f"{{{labels_text(labels)}," if labels else "{").encode()
        return self.setdefault(labels, made)
