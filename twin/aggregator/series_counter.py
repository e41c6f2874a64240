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
        weights = self._weights(device)[:, units]
        counts: NDArray[np.int64] = sum(
            weight * np.isfinite(row[units]).sum(axis=1)
            for weight, row in zip(weights, values, strict=True)
        )
        return counts

    def _weights(self, device: DeviceClass) -> NDArray[np.int64]:
        """Return how many series each value of a unit is exposed as: (signals, units)."""
        layout, rows = self._store.layout, len(self._store.values[device.name])
        shape = (rows, layout.units(device.frame))
        if not device.frame.in_array:
            own = self._weights_of(device, layout.reported[device.name], layout.host_level(None))
            return np.broadcast_to(own[:, None], shape)
        arrays = range(len(layout.array_numbers))
        kinds = [(layout.editions[array], layout.host_level(array)) for array in arrays]
        by_kind = {
            (edition, host): self._weights_of(device, layout.exposed[edition][device.name], host)
            for edition, host in dict.fromkeys(kinds)
        }
        racks = device.frame is UnitKind.RACK
        units = [layout.array_of(unit) if racks else unit for unit in range(shape[1])]
        return np.stack([by_kind[kinds[array]] for array in units], axis=1)

    def _weights_of(
        self, device: DeviceClass, signals: Iterable[Signal], host: HostLevel
    ) -> NDArray[np.int64]:
        weights = np.zeros(len(self._store.values[device.name]), np.int64)
        for signal in signals:
            # What does not travel is exposed while the anchor, which is the first row, reports.
            weights[self._store.row(device, signal) if signal.on_wire else 0] += signal.series
        site = self._store.layout.site
        for family in device.exposed(site, host):
            known = self._store.row(device, device[family.known])
            weights[known] += family.group.series(site)
        return weights
