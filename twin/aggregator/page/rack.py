"""Rack view of the live page: GPUs, NIC ports, pumps and power of one rack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.page.floor import Floor
from twin.aggregator.page.trouble import Troubles
from twin.aggregator.store import Store
from twin.catalog import DeviceClass, DeviceColumn, UnitKind
from twin.site import Layout

__all__ = ["DeviceTable", "Racks", "groups_of"]


@dataclass(frozen=True, slots=True)
class DeviceTable:
    """All devices of one class in a rack.

    Attributes:
        key: name of the device class.
        title: its name for people, in the plural.
        device: the device class.
        rows: devices are shown in so many rows, one a server; 0 for a table.
        columns: what is shown of each.
    """

    key: str
    title: str
    device: DeviceClass
    rows: int
    columns: tuple[DeviceColumn, ...]


def groups_of(layout: Layout) -> tuple[DeviceTable, ...]:
    """Return the groups of devices that the racks of a site have."""
    return tuple(
        DeviceTable(
            device.name,
            device.table.title,
            device,
            layout.site.servers_per_rack if device.table.by_server else 0,
            tuple(_reported(layout, device, device.table.columns)),
        )
        for device in layout.devices_of(UnitKind.RACK)
        if device.table is not None
    )


def _reported(
    layout: Layout, device: DeviceClass, columns: Iterable[DeviceColumn]
) -> Iterator[DeviceColumn]:
    """Yield the columns of signals that the site reports."""
    signals = {signal.name: signal for signal in layout.reported[device.name] if signal.on_wire}
    for column in columns:
        if column.signal in signals:
            states = column.states or tuple(signals[column.signal].states.values())
            yield replace(column.of(layout.site), states=states)


class Racks:
    """What can be said of a rack."""

    def __init__(self, store: Store, floor: Floor) -> None:
        self._store = store
        self._floor = floor
        self._troubles = Troubles(store)
        self.groups = groups_of(store.layout)
        """The groups of devices, in the order in which they are shown."""

    def describe(self, rack: int) -> dict[str, Any]:
        """Return everything of one rack, as JSON takes it; None for what is not reported."""
        store, layout = self._store, self._store.layout
        units = store.units[UnitKind.RACK]
        reporting = bool(units.reporting[rack])
        array = layout.array_of(rack)
        return {
            "rack": layout.unit_name(UnitKind.RACK, rack),
            "array": layout.unit_name(UnitKind.ARRAY, array),
            "hall": layout.hall_name(array),
            "gpu_model": store.names.rack(layout.number(UnitKind.RACK, rack)).gpu_model,
            "source": store.names.source(layout.number(UnitKind.RACK, rack)),
            "reporting": reporting,
            "missing": None if reporting else dict(units.missing())[rack].value,
            "time": _one(units.ts[rack]),
            "figures": {key: _one(self._floor.values(key)[rack]) for key in self._floor.signals},
            "troubles": self._troubles.words(rack),
            "devices": {group.key: self._columns(group, rack) for group in self.groups},
        }

    def _columns(self, group: DeviceTable, rack: int) -> dict[str, list[float | None]]:
        return {
            column.key: _many(
                np.round(
                    self._store.column(group.device, column.signal)[rack] * column.scale,
                    column.decimals,
                )
            )
            for column in group.columns
        }


def _one(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _many(values: NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
