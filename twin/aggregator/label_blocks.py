"""Label blocks of a page's series: made at the first scrape, and then reused.

Only the blocks of GPUs whose jobs have changed are rebuilt. A GPU that several jobs have
gives each of its series once a job, so there may be more series than devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.text_format import label_block
from twin.catalog import DeviceClass, Labels, Names, Signal, UnitKind
from twin.site import Layout, series_copies

__all__ = ["LabelBlocks"]

_UNKNOWN_ERROR = "Unknown Error"
"""Text of dcgm-exporter for an XID that it has no text for."""

_Split = tuple[Labels, Labels]
_Order = NDArray[np.intp]


@dataclass(slots=True)
class _Cached:
    """The blocks of the series of a device class that have the same labels.

    Attributes:
        device: the class.
        make: gives the blocks of one device.
        places: the blocks of each device, None where they never change.
        blocks: those of all devices.
    """

    device: DeviceClass
    make: Callable[[int], tuple[bytes, ...]]
    places: list[tuple[bytes, ...]] | None
    blocks: tuple[bytes, ...]


class LabelBlocks:
    """The label blocks of a page.

    Args:
        layout: of the page's store.
        names: of hosts, GPUs and their jobs.
        units: that the page covers, of each kind.
    """

    def __init__(self, layout: Layout, names: Names, units: Mapping[UnitKind, slice]) -> None:
        self._layout, self._names, self._units = layout, names, units
        racks = units.get(UnitKind.RACK, slice(0, 0))
        self._partitioned = any(
            layout.partitions[layout.array_of(rack)] for rack in range(racks.start, racks.stop)
        )
        self._cached: dict[tuple[object, ...], _Cached] = {}
        self._orders: dict[tuple[str, str], _Order | None] = {}

    # -- blocks -------------------------------------------------------------------

    def plain(self, device: DeviceClass, signal: Signal) -> tuple[bytes, ...]:
        """Return a block a series."""
        # Signals of one family differ by their fixed labels at most, so they share blocks.
        key = (device.name, signal.family.key, signal.labels)
        return self._of(key, device, signal, lambda own, rest: (label_block((*own, *rest)),))

    def per_state(self, device: DeviceClass, signal: Signal) -> tuple[bytes, ...]:
        """Return a block for each state of each series."""
        return self._of(
            (device.name, signal.name),
            device,
            signal,
            lambda own, rest: tuple(
                label_block((*own, ("state", state), *rest)) for state in signal.states.values()
            ),
        )

    def by_value(
        self, device: DeviceClass, signal: Signal, values: NDArray[np.float64]
    ) -> list[bytes]:
        """Return blocks that say the values of the series: nearly all are the usual one."""
        usual = next(iter(signal.value_labels))
        extra = signal.value_labels[usual]
        key = (device.name, signal.name)
        blocks = list(
            self._of(key, device, signal, lambda own, rest: (label_block((*own, *extra, *rest)),))
        )
        order = self.order(device, signal)
        for series in np.nonzero(np.isfinite(values) & (np.rint(values) != usual))[0].tolist():
            place = series if order is None else int(order[series])
            copy = 0 if order is None else series - int(np.searchsorted(order, place))
            own, rest = self._splits(device, signal, place)[copy]
            labels = _value_labels(signal, int(np.rint(values[series])))
            blocks[series] = label_block((*own, *labels, *rest))
        return blocks

    def with_more(
        self, device: DeviceClass, signal: Signal, place: int, more: Labels
    ) -> list[bytes]:
        """Return the blocks of a device's series with further labels of the exporter."""
        return [
            label_block((*own, *more, *rest)) for own, rest in self._splits(device, signal, place)
        ]

    def order(self, device: DeviceClass, signal: Signal) -> NDArray[np.intp] | None:
        """Return the device of each series, None where each device has one."""
        if not self.changes(signal):
            return None
        key = (device.name, signal.family.key)
        if key not in self._orders:
            self.plain(device, signal)
            cached = self._cached[device.name, signal.family.key, signal.labels]
            counts = [len(blocks) for blocks in cached.places or ()]
            single = all(count == 1 for count in counts)
            self._orders[key] = None if single else np.repeat(np.arange(len(counts)), counts)
        return self._orders[key]

    # -- changes --------------------------------------------------------------------

    def renew(self, kind: UnitKind, unit: int, indices: Iterable[int]) -> None:
        """Rebuild the blocks of some devices of a unit that have other jobs.

        Args:
            kind: of the unit.
            unit: its index in the store.
            indices: of the devices in the unit.
        """
        wanted = list(indices)
        row = unit - self._units[kind].start
        for cached in self._cached.values():
            if cached.places is None or cached.device.frame is not kind:
                continue
            size = self._layout.per_unit(cached.device)
            for place in (row * size + index for index in wanted if index < size):
                cached.places[place] = cached.make(place)
            cached.blocks = _flat(cached.places)
        self._orders.clear()

    def changes(self, signal: Signal) -> bool:
        """Return whether the blocks of a signal are not the same for good."""
        several = self._partitioned or self._layout.site.scheduled
        return signal.family.copies is not None and several

    def _of(
        self,
        key: tuple[object, ...],
        device: DeviceClass,
        signal: Signal,
        write: Callable[[Labels, Labels], tuple[bytes, ...]],
    ) -> tuple[bytes, ...]:
        cached = self._cached.get(key)
        if cached is None:

            def make(place: int) -> tuple[bytes, ...]:
                return tuple(
                    block
                    for own, rest in self._splits(device, signal, place)
                    for block in write(own, rest)
                )

            units, size = self._units[device.frame], self._layout.per_unit(device)
            places = [make(place) for place in range((units.stop - units.start) * size)]
            kept = places if self.changes(signal) else None
            cached = self._cached[key] = _Cached(device, make, kept, _flat(places))
        return cached.blocks

    def _splits(self, device: DeviceClass, signal: Signal, place: int) -> list[_Split]:
        """Return the exporter's own labels of the ``place``-th device's series, and the others."""
        unit, index = divmod(place, self._layout.per_unit(device))
        first = self._units[device.frame].start
        copies = series_copies(self._layout, signal, device, first + unit, index, self._names)
        split = [next(i for i, (name, _) in enumerate(own) if name == "job") for own in copies]
        return [(own[:at], own[at:]) for own, at in zip(copies, split, strict=True)]


def _flat(places: Sequence[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    return tuple(block for blocks in places for block in blocks)


def _value_labels(signal: Signal, code: int) -> Labels:
    known = signal.value_labels.get(code)
    return known or (("err_code", str(code)), ("err_msg", _UNKNOWN_ERROR))
