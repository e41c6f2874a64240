"""Count of exposed series, kept up to date unit by unit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.store import Store
from twin.catalog import DeviceClass, HostLevel, Signal, UnitKind
from twin.site import DetailPlan

__all__ = ["SeriesCounter"]


class SeriesCounter:
    """Counts the series of every device class, unit by unit."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._series = {
            device.name: np.zeros(store.layout.units(device.frame), np.int64)
            for device in store.layout.devices
        }
        self._weights = {device.name: self._weights_by(device) for device in store.layout.devices}
        self._version = -1

    def exposed(self, plan: DetailPlan) -> int:
        """Return the series of devices that a plan exposes at this moment."""
        self._update()
        layout = self._store.layout
        return sum(
            int(self._series[device.name][self._shown(device, plan)].sum())
            for device in layout.devices
        )

    def _shown(self, device: DeviceClass, plan: DetailPlan) -> NDArray[np.bool_] | slice:
        if device.frame not in (UnitKind.RACK, UnitKind.ARRAY):
            return slice(None)
        arrays = np.array([detail.covers(device.detail) for detail in plan.levels])
        if device.frame is UnitKind.ARRAY:
            return arrays
        site = self._store.layout.site
        return arrays[np.arange(site.racks) // site.racks_per_array]

    def _update(self) -> None:
        if self._version == self._store.version:
            return
        for device in self._store.layout.devices:
            changed = self._store.units[device.frame].since(self._version)
            if changed is not None:
                self._series[device.name][changed] = self._count(device, changed)
        self._version = self._store.version

    def _count(self, device: DeviceClass, units: NDArray[np.intp] | slice) -> NDArray[np.int64]:
        """Return the series of some units; signal by signal, since together they are large."""
        values = self._store.values[device.name]
        kinds, table = self._weights[device.name]
        weights = table[:, kinds[units]]
        counts: NDArray[np.int64] = sum(
            weight * np.isfinite(row[units]).sum(axis=1)
            for weight, row in zip(weights, values, strict=True)
        )
        return counts

    def _weights_by(self, device: DeviceClass) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Return the kind of each unit, and how many series each value is exposed as there.

        Units are of one kind whose arrays have the same edition, show the same of their hosts and
        have GPUs of as many instances.

        Returns:
            (units,) and (signals, kinds).
        """
        layout, units = self._store.layout, self._store.layout.units(device.frame)
        if not device.frame.in_array:
            own = self._weights_of(device, layout.reported[device.name], layout.host_level(None))
            return np.zeros(units, np.intp), own[:, None]
        arrays = range(len(layout.array_numbers))
        kinds = [
            (layout.editions[array], layout.host_level(array), len(layout.partitions[array]))
            for array in arrays
        ]
        places = {kind: place for place, kind in enumerate(dict.fromkeys(kinds))}
        table = [
            self._weights_of(device, layout.exposed[edition][device.name], host, instances)
            for edition, host, instances in places
        ]
        of_array = np.array([places[kind] for kind in kinds], np.intp)
        racks = device.frame is UnitKind.RACK
        array_of = [layout.array_of(unit) if racks else unit for unit in range(units)]
        return of_array[array_of], np.stack(table, axis=1)

    def _weights_of(
        self,
        device: DeviceClass,
        signals: Iterable[Signal],
        host: HostLevel,
        instances: int = 0,
    ) -> NDArray[np.int64]:
        weights = np.zeros(len(self._store.values[device.name]), np.int64)
        site = self._store.layout.site
        for signal in signals:
            # What does not travel is exposed while the anchor, which is the first row, reports.
            row = self._store.row(device, signal) if signal.on_wire else 0
            weights[row] += signal.series_on(site) * signal.copies_on(instances)
        for family in device.exposed(site, host):
            known = self._store.row(device, device[family.known])
            weights[known] += family.group.series(site)
        return weights
