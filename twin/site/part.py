"""Part of a site: some of its arrays, with or without its facility.

A part is a layout like any other: its units count from 0 and its arrays have rows for them
alone, so a process with a part needs memory for that part only. Names and labels are those
of the units on the whole site.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from twin.site.layout import Layout

__all__ = ["PartLayout"]


@dataclass(frozen=True)
class PartLayout(Layout):
    """The arithmetic of a part of a site.

    Attributes:
        whole: the whole site.
        numbers: the arrays of the part by their index on the site, rising.
        facility: whether it has all that belongs to no array: Megapacks, generators, grid,
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

    @property
    def entire(self) -> Layout:
        """The whole site, of which this is a part."""
        return self.whole

    @property
    def with_facility(self) -> bool:
        """Whether it has the units that belong to no array, and so the roll-ups above arrays."""
        return self.facility

    @property
    def array_numbers(self) -> tuple[int, ...]:
        """The arrays of the part by their index on the site, rising."""
        return self.numbers

    @cached_property
    def rack_numbers(self) -> tuple[int, ...]:
        """The racks of the part by their index on the site, rising."""
        return tuple(rack for array in self.numbers for rack in self.whole.racks_of(array))
