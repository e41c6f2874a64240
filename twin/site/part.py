"""Part of a site: some of its arrays, with or without its facility.

A part is a layout like any other: its units count from 0 and its arrays have rows for them
alone, so a process with a part needs memory for that part only. Names and labels are those
of the units on the whole site.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from twin.catalog import DeviceClass, UnitKind
from twin.parameters import GpuModel
from twin.parameters.fabric import FabricShape
from twin.site.jobs import JobPlace
from twin.site.layout import Labels, Layout

__all__ = ["PartLayout"]

_IN_AN_ARRAY = (UnitKind.RACK, UnitKind.ARRAY)


@dataclass(frozen=True)
class PartLayout(Layout):
    """The arithmetic of a part of a site.

    Attributes:
        whole: the whole site.
        numbers: the arrays of the part by their index on the site, rising.
        facility: whether it has all that stands in no array: Megapacks, generators, grid,
            water, spines, service racks, jobs.
    """

    whole: Layout
    numbers: tuple[int, ...]
    facility: bool = False

    @classmethod
    def of(cls, whole: Layout, arrays: Iterable[int], *, facility: bool = False) -> PartLayout:
        """Return the part of ``whole`` that has these arrays."""
        numbers = tuple(sorted(arrays))
        racks = sum(len(whole.racks_of(array)) for array in numbers)
        halls = {whole.hall_name(array) for array in numbers}
        seen = {"racks": racks, "halls": len(halls), "blocks": (), "jobs": ()}
        return cls(whole.site.model_copy(update=seen), whole, numbers, facility)

    def __reduce__(self) -> tuple[type[PartLayout], tuple[object, ...]]:
        # Without what is kept for speed: it is told by the rest.
        return PartLayout, (self.site, self.whole, self.numbers, self.facility)

    @property
    def entire(self) -> Layout:
        """The whole site, of which this is a part."""
        return self.whole

    # -- counts ---------------------------------------------------------------

    @property
    def array_numbers(self) -> tuple[int, ...]:
        """The arrays of the part by their index on the site, rising."""
        return self.numbers

    @cached_property
    def rack_numbers(self) -> tuple[int, ...]:
        """The racks of the part by their index on the site, rising."""
        return tuple(rack for array in self.array_numbers for rack in self.whole.racks_of(array))

    def number(self, frame: UnitKind, unit: int) -> int:
        """Return the index that a unit of the part has on the site."""
        if frame is UnitKind.RACK:
            return self.rack_numbers[unit]
        return self.array_numbers[unit] if frame is UnitKind.ARRAY else unit

    def units(self, frame: UnitKind) -> int:
        """Return how many units of the part publish ``frame``."""
        if frame is UnitKind.RACK:
            return len(self.rack_numbers)
        if frame is UnitKind.ARRAY:
            return len(self.array_numbers)
        return self.whole.units(frame) if self.facility else 0

    def per_unit(self, device: DeviceClass) -> int:
        """Return how many devices of the class one unit has."""
        return self.whole.per_unit(device)

    @cached_property
    def fabric(self) -> FabricShape:
        """Counts of the site's switches, with the leaves of the part."""
        return replace(self.whole.fabric, arrays=len(self.array_numbers))

    def gpu_model(self, rack: int) -> GpuModel:
        """Return the GPU model of a rack."""
        return self.whole.gpu_model(self.rack_numbers[rack])

    @cached_property
    def jobs(self) -> tuple[JobPlace, ...]:
        """All jobs of the site, each with the racks of the part that it holds, perhaps none."""
        return tuple(
            replace(job, racks=self._rows(job.racks), site=job.site) for job in self.whole.jobs
        )

    def _rows(self, racks: range) -> range:
        """Return the racks of the part that are among these of the site."""
        below = sum(rack < racks.start for rack in self.rack_numbers)
        return range(below, below + sum(rack in racks for rack in self.rack_numbers))

    @property
    def summed(self) -> Layout | None:
        """What the roll-ups of halls and the site are taken over, None where others take them."""
        return self.whole if self.facility else None

    # -- names ----------------------------------------------------------------

    def unit_name(self, frame: UnitKind, unit: int) -> str:
        """Return the name of a unit, as it stands in topics and labels."""
        return self.whole.unit_name(frame, self.number(frame, unit))

    def job_of(self, rack: int) -> str | None:
        """Return the name of the job that holds a rack, None where the rack is idle."""
        return self.whole.job_of(self.rack_numbers[rack])

    def hall_name(self, array: int) -> str:
        """Return the hall of an array."""
        return self.whole.hall_name(self.array_numbers[array])

    @cached_property
    def hall_arrays(self) -> tuple[int, ...]:
        """First array of every hall in which the part has arrays."""
        names = [self.hall_name(array) for array in range(len(self.array_numbers))]
        return tuple(place for place, name in enumerate(names) if name not in names[:place])

    def gpu_uuid(self, rack: int, gpu: int) -> str:
        """Return a GPU's UUID: the same for the same place of the same site."""
        return self.whole.gpu_uuid(self.rack_numbers[rack], gpu)

    def place(self, frame: UnitKind, unit: int) -> Labels:
        """Return the labels that say where a unit stands."""
        return self.whole.place(frame, self.number(frame, unit))
