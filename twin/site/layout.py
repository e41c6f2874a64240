"""Index arithmetic of a site: counts of units and devices, and the names of units.

A **unit** is what publishes one kind of frame: a rack, a Megapack, a generator, the
grid feed, a job. A device is the ``j``-th of its class in the ``i``-th unit. All
arrays of the twin have the shape ``(units, devices a unit)``; within a rack, GPUs and
NICs are ordered server by server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from twin.catalog import DEVICES, DeviceClass, GpuInstance, HostLevel, Signal, UnitKind
from twin.catalog.editions import Edition
from twin.parameters import Site
from twin.site.detail import HostPlan
from twin.site.editions import editions_of
from twin.site.identity import SiteNames
from twin.site.mig import partitions_of

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """The arithmetic of one site, or of the part of it that a subclass describes."""

    site: Site

    @property
    def entire(self) -> Layout:
        """The whole site, of which this may be a part."""
        return self

    @property
    def with_facility(self) -> bool:
        """Whether it has the units that belong to no array, and so the roll-ups above arrays."""
        return True

    # -- counts ---------------------------------------------------------------

    @property
    def array_numbers(self) -> Sequence[int]:
        """The arrays by their index on the whole site, rising."""
        return range(self.site.arrays)

    @property
    def rack_numbers(self) -> Sequence[int]:
        """The racks by their index on the whole site, rising."""
        return range(self.site.racks)

    def number(self, frame: UnitKind, unit: int) -> int:
        """Return the index that a unit has on the whole site."""
        if frame is UnitKind.RACK:
            return self.rack_numbers[unit]
        return self.array_numbers[unit] if frame is UnitKind.ARRAY else unit

    def units(self, frame: UnitKind) -> int:
        """Return how many units publish ``frame``."""
        if frame is UnitKind.RACK:
            return len(self.rack_numbers)
        if frame is UnitKind.ARRAY:
            return len(self.array_numbers)
        return frame.units(self.entire.site) if self.with_facility else 0

    def per_unit(self, device: DeviceClass) -> int:
        """Return how many devices of the class one unit has."""
        return device.count(self.entire.site)

    def shape(self, device: DeviceClass) -> tuple[int, int]:
        """Return the shape of every array of the class: units, devices a unit."""
        return self.units(device.frame), self.per_unit(device)

    # -- what there is --------------------------------------------------------

    @cached_property
    def devices(self) -> tuple[DeviceClass, ...]:
        """The device classes that the units of this site have."""
        return tuple(device for device in DEVICES if self.per_unit(device) > 0)

    def devices_of(self, frame: UnitKind) -> tuple[DeviceClass, ...]:
        """Return the device classes that travel in ``frame`` on this site."""
        return tuple(device for device in self.devices if device.frame is frame)

    @cached_property
    def reported(self) -> dict[str, tuple[Signal, ...]]:
        """Signals that this site reports, by device class."""
        site = self.entire.site
        return {
            device.name: tuple(s for s in device if self._has(s) and s.needs(site))
            for device in DEVICES
        }

    def _has(self, signal: Signal) -> bool:
        """Return whether a signal is reported by default, or because an edition exposes it."""
        if not signal.extra and not signal.listed:
            return True
        extra = signal.extra and self.entire.site.telemetry.extra_signals
        return extra or any(own.exposes(signal) for own in dict.fromkeys(self.editions))

    @cached_property
    def editions(self) -> tuple[Edition, ...]:
        """The edition of dcgm-exporter of every array."""
        whole = editions_of(self.entire.site)
        return tuple(whole[array] for array in self.array_numbers)

    @cached_property
    def exposed(self) -> dict[Edition, dict[str, tuple[Signal, ...]]]:
        """Signals as each edition exposes them, by device class."""
        return {
            edition: {name: edition.shown(signals) for name, signals in self.reported.items()}
            for edition in dict.fromkeys(self.editions)
        }

    @cached_property
    def partitions(self) -> tuple[tuple[GpuInstance, ...], ...]:
        """The instances that each GPU of every array is partitioned into."""
        whole = partitions_of(self.entire.site)
        return tuple(whole[array] for array in self.array_numbers)

    @cached_property
    def host_plan(self) -> HostPlan:
        """What the site exposes of the hosts of each of its arrays."""
        return HostPlan.of_site(self.entire.site)

    def host_level(self, array: int | None) -> HostLevel:
        """Return how much is exposed of the hosts of an array, or of those in none."""
        return self.host_plan.most if array is None else self.host_plan[self.array_numbers[array]]

    # -- names ----------------------------------------------------------------

    @cached_property
    def names(self) -> SiteNames:
        """Names of units, hosts and GPUs of the whole site, by the site file."""
        return SiteNames(self.entire.site)

    def unit_name(self, frame: UnitKind, unit: int) -> str:
        """Return the name of a unit, as used in topics and labels."""
        return frame.unit_name(self.entire.site, self.number(frame, unit))

    def unit_index(self, frame: UnitKind, name: str) -> int | None:
        """Return the index of the unit called ``name``, or None."""
        return self._unit_names[frame].get(name)

    @cached_property
    def _unit_names(self) -> dict[UnitKind, dict[str, int]]:
        return {
            frame: {self.unit_name(frame, i): i for i in range(self.units(frame))}
            for frame in UnitKind
        }

    # -- racks, arrays, halls -------------------------------------------------

    def array_of(self, rack: int) -> int:
        """Return the array that a rack belongs to."""
        return rack // self.site.racks_per_array

    def racks_of(self, array: int) -> range:
        """Return the racks of an array."""
        first = array * self.site.racks_per_array
        return range(first, min(first + self.site.racks_per_array, self.site.racks))

    def hall_name(self, array: int) -> str:
        """Return the hall of an array; halls take arrays in order, as evenly as they can."""
        site, number = self.entire.site, self.array_numbers[array]
        return f"h{number * site.halls // site.arrays + site.numbers.halls}"

    @cached_property
    def hall_arrays(self) -> tuple[int, ...]:
        """First array of every hall."""
        names = [self.hall_name(array) for array in range(len(self.array_numbers))]
        return tuple(i for i, name in enumerate(names) if i == 0 or name != names[i - 1])
