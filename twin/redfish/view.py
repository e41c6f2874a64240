"""A BMC's view of the store: the last values of the devices that it manages, and their names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twin.aggregator import Store
from twin.catalog import DerivedFamily, DeviceClass, DeviceValues, Place, Signal, UnitKind

if TYPE_CHECKING:
    from twin.catalog import RackIdentity
    from twin.parameters import GpuModel, Site
    from twin.redfish.rows import Shown
from twin.redfish.table import BmcKind

__all__ = ["BmcView"]


@dataclass(frozen=True)
class BmcView:
    """What one BMC sees at this moment.

    Attributes:
        store: the last values.
        kind: of the BMC.
        rack: index of its rack.
        host: index of what it manages in the rack.
    """

    store: Store
    kind: BmcKind
    rack: int
    host: int

    @property
    def site(self) -> Site:
        """The site."""
        return self.store.layout.entire.site

    @property
    def identity(self) -> RackIdentity:
        """Names of the rack's devices, as its metadata gives them."""
        return self.store.names.rack(self.rack)

    @property
    def place(self) -> Place:
        """The place of what it manages."""
        return Place(self.store.names, UnitKind.RACK, self.rack, self.host, 0, self.host)

    @cached_property
    def managed(self) -> str:
        """Name of what it manages."""
        return self.kind.hosts.name(self.place)

    @property
    def gpu_model(self) -> GpuModel:
        """Model of the rack's GPUs, by the site file."""
        return self.site.gpu_model(self.rack)

    @property
    def reports(self) -> bool:
        """Whether anything of its rack is known at this moment."""
        return bool(self.store.units[UnitKind.RACK].reporting[self.rack])

    @property
    def answers(self) -> bool:
        """Whether it answers."""
        return self.reports and self.kind.answers(self)

    @property
    def ts(self) -> float:
        """Simulated time of its values, unix seconds."""
        return float(self.store.units[UnitKind.RACK].ts[self.rack])

    def slots(self, device: DeviceClass, shown: Shown | None = None) -> int:
        """Return how many devices of a class it manages, or series of one that a family gives."""
        if isinstance(shown, DerivedFamily):
            return shown.group.count(self.site)
        return device.per_host(self.site)

    def has(self, device: DeviceClass, shown: Shown) -> bool:
        """Whether the site reports a value at all."""
        layout = self.store.layout
        if not layout.per_unit(device):
            return False
        if isinstance(shown, DerivedFamily):
            return True
        return any(own is shown or own.name == shown.name for own in layout.reported[device.name])

    def value(self, device: DeviceClass, shown: Shown, slot: int = 0) -> float | None:
        """Return a value as it is exposed to Prometheus, None where none is reported.

        Args:
            device: class of the device.
            shown: what of it.
            slot: its number among those that this BMC manages, from 0.
        """
        if not self.has(device, shown):
            return None
        if isinstance(shown, DerivedFamily):
            found = float(self._derived(device, shown)[slot])
        elif shown.constant is not None:
            found = shown.constant
        else:
            found = float(
                self.store.column(device, shown.name)[self.rack, self._index(device, slot)]
            )
        return found if math.isfinite(found) else None

    def value_in_rack(self, device: DeviceClass, signal: Signal, index: int) -> float | None:
        """Return a value of a device by its index in the rack, None where none is reported."""
        if not self.has(device, signal):
            return None
        found = float(self.store.column(device, signal.name)[self.rack, index])
        return found if math.isfinite(found) else None

    def code(self, device: DeviceClass, shown: Shown, slot: int = 0) -> int | None:
        """Return the code of a state, None where none is reported."""
        found = self.value(device, shown, slot)
        return None if found is None else round(found)

    def values_of_rack(self, device: DeviceClass, signal: Signal) -> list[float]:
        """Return a signal of all devices of a class in the rack that report it."""
        if not self.has(device, signal):
            return []
        row = self.store.column(device, signal.name)[self.rack]
        return [float(value) for value in row if math.isfinite(value)]

    def _index(self, device: DeviceClass, slot: int) -> int:
        """Return the index that a device has in the rack."""
        return self.host * device.per_host(self.site) + slot

    def _derived(self, device: DeviceClass, family: DerivedFamily) -> NDArray[np.float64]:
        index = self._index(device, 0)
        columns = {
            signal.name: self.store.column(device, signal.name)[self.rack, index : index + 1]
            for signal in self.store.layout.reported[device.name]
            if signal.on_wire
        }
        table = family.table(DeviceValues(self.site, np.array([self.ts]), columns))
        first: NDArray[np.float64] = table[0]
        return first
