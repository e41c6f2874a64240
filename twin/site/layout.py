"""Index arithmetic of a site: units, devices, their names and their labels.

A **unit** is what publishes one kind of frame: a rack, a Megapack, a generator, the
grid feed, a job. A device is the ``j``-th of its class in the ``i``-th unit. All
arrays of the twin have the shape ``(units, devices a unit)``; within a rack, GPUs and
NICs are ordered server by server.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from twin.catalog import DEVICES, UP, DeviceClass, Labels, Level, Rollup, Signal, UnitKind
from twin.parameters import GpuModel, Site
from twin.parameters.fabric import FabricShape
from twin.site.detail import DetailPlan
from twin.site.jobs import JobPlace, places_of

__all__ = ["Labels", "Layout"]

_PCI_BUSES = ("18", "2A", "3A", "5D", "9A", "AB", "BA", "DB")
"""PCI buses of the eight GPUs of an HGX H100 host (nvidia-smi)."""

_NAMESPACE = uuid.UUID("6f1d6f5e-6a53-4a52-9a54-b7a3cb1f0d0e")
_NVLINK = "nvlink_"
"""What the names of signals of NVLinks begin with."""


@dataclass(frozen=True)
class Layout:
    """The arithmetic of one site."""

    site: Site

    # -- counts ---------------------------------------------------------------

    def units(self, frame: UnitKind) -> int:
        """Return how many units publish ``frame``."""
        return frame.units(self.site)

    def per_unit(self, device: DeviceClass) -> int:
        """Return how many devices of the class one unit has."""
        return device.count(self.site)

    @property
    def entire(self) -> Layout:
        """The whole site, of which this may be a part."""
        return self

    def number(self, frame: UnitKind, unit: int) -> int:  # noqa: ARG002 - parts differ by kind
        """Return the index that a unit has on the whole site."""
        return unit

    @property
    def fabric(self) -> FabricShape:
        """Counts of the site's switches and their ports."""
        return self.site.fabric

    def shape(self, device: DeviceClass) -> tuple[int, int]:
        """Return the shape of every array of the class: units, devices a unit."""
        return self.units(device.frame), self.per_unit(device)

    @property
    def accelerators(self) -> tuple[int, int]:
        """Racks and accelerators a rack, whatever exporter tells of them."""
        return self.site.racks, self.site.gpus_per_rack

    @cached_property
    def devices(self) -> tuple[DeviceClass, ...]:
        """The device classes that the units of this site have."""
        return tuple(device for device in DEVICES if self.per_unit(device) > 0)

    def devices_of(self, frame: UnitKind) -> tuple[DeviceClass, ...]:
        """Return the device classes that travel in ``frame`` on this site."""
        return tuple(device for device in self.devices if device.frame is frame)

    @cached_property
    def reported(self) -> dict[str, tuple[Signal, ...]]:
        """Signals that this site reports, by device class.

        An exporter's ``up`` is reported where the site has devices that it shows.
        """
        extra = self.site.telemetry.extra_signals
        linked = self.site.has_nvlink
        jobs = {
            signal.family.job for device in self.devices for signal in device if signal.metric != UP
        }
        return {
            device.name: tuple(
                signal
                for signal in device
                if (extra or not signal.extra)
                and (signal.metric != UP or signal.family.job in jobs)
                and (linked or not signal.name.startswith(_NVLINK))
            )
            for device in DEVICES
        }

    @cached_property
    def rollups(self) -> tuple[tuple[Rollup, DeviceClass, Signal], ...]:
        """The roll-ups that this site has, and what each is taken over."""
        return tuple(
            (rollup, device, device[rollup.signal])
            for device in self.devices
            for rollup in device.rollups
            if device[rollup.signal] in self.reported[device.name]
        )

    def gpu_model(self, rack: int) -> GpuModel:
        """Return the GPU model of a rack."""
        return self.site.gpu_model(rack)

    @cached_property
    def jobs(self) -> tuple[JobPlace, ...]:
        """The jobs of the site, in order of their racks."""
        return places_of(self.site)

    def job_of(self, rack: int) -> str | None:
        """Return the name of the job that holds a rack, None where the rack is idle."""
        return next((job.name for job in self.jobs if rack in job.racks), None)

    # -- names ----------------------------------------------------------------

    def unit_name(self, frame: UnitKind, unit: int) -> str:
        """Return the name of a unit, as it stands in topics and labels."""
        if frame is UnitKind.JOB:
            return self.jobs[unit].name
        return frame.pattern.format(unit + 1)

    def unit_index(self, frame: UnitKind, name: str) -> int | None:
        """Return the index of the unit called ``name``, or None."""
        return self._unit_names[frame].get(name)

    @cached_property
    def _unit_names(self) -> dict[UnitKind, dict[str, int]]:
        return {
            frame: {self.unit_name(frame, i): i for i in range(self.units(frame))}
            for frame in UnitKind
        }

    @property
    def array_numbers(self) -> Sequence[int]:
        """The arrays by their index on the whole site; parts of a site have some of them."""
        return range(self.site.arrays)

    def array_of(self, rack: int) -> int:
        """Return the array that a rack belongs to."""
        return rack // self.site.racks_per_array

    def array_name(self, array: int) -> str:
        """Return the name of an array."""
        return self.unit_name(UnitKind.ARRAY, array)

    def racks_of(self, array: int) -> range:
        """Return the racks of an array."""
        first = array * self.site.racks_per_array
        return range(first, min(first + self.site.racks_per_array, self.site.racks))

    def hall_name(self, array: int) -> str:
        """Return the hall of an array; halls take arrays in order, as evenly as they can."""
        return f"h{array * self.site.halls // self.site.arrays + 1}"

    @cached_property
    def hall_arrays(self) -> tuple[int, ...]:
        """First array of every hall."""
        halls, arrays = self.site.halls, self.site.arrays
        return tuple(-(-hall * arrays // halls) for hall in range(halls))

    def hostname(self, rack: int, server: int) -> str:
        """Return the host name of a server."""
        return f"{self.unit_name(UnitKind.RACK, rack)}-n{server + 1}"

    def gpu_uuid(self, rack: int, gpu: int) -> str:
        """Return a GPU's UUID: the same for the same place of the same site."""
        return f"GPU-{uuid.uuid5(_NAMESPACE, f'{self.site.name}/{rack}/{gpu}')}"

    def gpu_model_name(self, rack: int) -> str:
        """Return the product name of a rack's GPUs."""
        return self.gpu_model(rack).name

    def gpu_pci_address(self, rack: int, gpu: int) -> str:  # noqa: ARG002 - racks are built alike
        """Return the PCI address of a GPU in its server."""
        domain, slot = divmod(gpu % self.site.server.gpus, len(_PCI_BUSES))
        return f"{domain:08d}:{_PCI_BUSES[slot]}:00.0"

    def driver_version(self, rack: int) -> str:  # noqa: ARG002 - racks are built alike
        """Return the version of NVIDIA's driver in a rack."""
        return self.site.server.driver_version

    def place(self, frame: UnitKind, unit: int) -> Labels:
        """Return the labels that say where a unit stands."""
        site = ("site", self.site.name)
        if not frame.in_array:
            return (site,)
        array = unit if frame is UnitKind.ARRAY else self.array_of(unit)
        hall = (site, ("hall", self.hall_name(array)), ("array", self.array_name(array)))
        return hall if frame is UnitKind.ARRAY else (*hall, ("rack", self.unit_name(frame, unit)))

    # -- roll-ups and detail --------------------------------------------------

    @property
    def summed(self) -> Layout | None:
        """What the roll-ups of halls and the site are taken over, None where others take them."""
        return self

    def rollup_labels(self, level: Level, index: int) -> Labels:
        """Return the labels of a roll-up over a rack, an array, a hall or the site."""
        match level:
            case Level.SITE:
                return (("site", self.site.name),)
            case Level.HALL:
                return self.place(UnitKind.ARRAY, self.hall_arrays[index])[:2]
            case Level.ARRAY:
                return self.place(UnitKind.ARRAY, index)
            case Level.RACK:
                return self.place(UnitKind.RACK, index)

    @cached_property
    def detail(self) -> DetailPlan:
        """What the site exposes of each array, unless it is told otherwise."""
        return DetailPlan.of(self.site.arrays).changed([self.site.telemetry.detail])
