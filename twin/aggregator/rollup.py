"""Roll-ups over racks, arrays, halls and the site.

They are taken over whole arrays at once. Each is computed when it is read, and kept until a
value changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.reduction import Distribution, Figures, Reduction
from twin.aggregator.store import Store
from twin.catalog import ROLLUPS, DeviceClass, Level, Operation, Rollup, Signal, UnitKind
from twin.site import Layout, site_rollups

__all__ = ["HallReduction", "KeptReduction", "Rollups", "first_units"]

_Values = NDArray[np.float64]


def first_units(layout: Layout, frame: UnitKind, level: Level) -> NDArray[np.intp]:
    """Return the first unit of every group that roll-ups at ``level`` are taken over.

    Args:
        layout: the site.
        frame: kind of the units, rack or array.
        level: what the groups are.
    """
    if level is Level.SITE:
        return np.zeros(1, np.intp)
    if level.value == frame.value:
        return np.arange(layout.units(frame))
    arrays = np.array(layout.hall_arrays if level is Level.HALL else range(layout.site.arrays))
    return arrays * layout.site.racks_per_array if frame is UnitKind.RACK else arrays


@dataclass(frozen=True, slots=True)
class HallReduction:
    """A signal that is rolled up, reduced hall by hall.

    Attributes:
        key: its device class and name.
        rollups: over it.
        devices: devices a unit.
        figures: one element a hall.
    """

    key: str
    rollups: list[Rollup]
    devices: int
    figures: Figures


class KeptReduction:
    """A reduction of a store's signal and how far it is up to date."""

    def __init__(
        self, store: Store, device: DeviceClass, signal: Signal, rollups: list[Rollup]
    ) -> None:
        self._store, self.device, self._signal = store, device, signal.name
        self.row = store.row(device, signal)
        self.adds_up = any(rollup.operation is Operation.TOTAL for rollup in rollups)
        self._units = store.units[device.frame]
        self.devices = store.layout.per_unit(device)
        self.reduction = Reduction(rollups, len(self._units), self.devices)
        self._version = -1

    def at(self, version: int) -> Reduction:
        """Return the reduction as of this version of the store."""
        if self._version != version:
            units = self._units.since(self._version)
            if units is not None:
                values = self._store.column(self.device, self._signal)[units]
                self.reduction.update(units, values, self._units.reporting[units])
            self._version = version
        return self.reduction


class Rollups:
    """All roll-ups of a store that its site has."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Classes that exclude each other may share a name, and each has its own scale.
        here = {rollup.name: rollup for rollup, *_ in site_rollups(store.layout)}
        self._by_name = {rollup.name: rollup for rollup in ROLLUPS} | here
        self._version = -1
        self._values: dict[tuple[str, Level], _Values] = {}
        self._distributions: dict[tuple[str, Level], Distribution] = {}

    @cached_property
    def _sources(self) -> Mapping[str, tuple[KeptReduction, UnitKind]]:
        """What each roll-up of the site starts from, by its name."""
        return {
            rollup.name: (kept, frame)
            for kept, frame, rollups in self._kept.values()
            for rollup in rollups
        }

    @cached_property
    def _kept(self) -> Mapping[str, tuple[KeptReduction, UnitKind, list[Rollup]]]:
        """Every signal that is rolled up, reduced, and its roll-ups, by device and name."""
        grouped: dict[tuple[str, str], list[Rollup]] = {}
        devices: dict[str, DeviceClass] = {}
        for rollup, device, signal in site_rollups(self._store.layout):
            grouped.setdefault((device.name, signal.name), []).append(rollup)
            devices[device.name] = device
        found: dict[str, tuple[KeptReduction, UnitKind, list[Rollup]]] = {}
        for (name, signal_name), rollups in grouped.items():
            device = devices[name]
            kept = KeptReduction(self._store, device, device[signal_name], rollups)
            found[f"{name}.{signal_name}"] = kept, device.frame, rollups
        return found

    @cached_property
    def _first(self) -> Mapping[tuple[UnitKind, Level], NDArray[np.intp]]:
        layout = self._store.layout
        groups = {
            (UnitKind.RACK, level): first_units(layout, UnitKind.RACK, level) for level in Level
        }
        for level in (Level.ARRAY, Level.HALL, Level.SITE):
            groups[UnitKind.ARRAY, level] = first_units(layout, UnitKind.ARRAY, level)
        return groups

    @property
    def store(self) -> Store:
        """What is rolled up."""
        return self._store

    def value(self, name: str, level: Level) -> _Values:
        """Return a roll-up other than a distribution: one element a rack, array or hall.

        NaN where no device reports, and everywhere on a site without such devices.

        Raises:
            KeyError: there is no such roll-up.
        """
        self._forget_if_changed()
        key = (name, level)
        if key not in self._values:
            rollup = self._by_name[name]
            if name in self._sources:
                reduction, first = self._reduction(name, level)
                self._values[key] = reduction.over(rollup, first)
            else:
                self._values[key] = np.full(self._groups(level), np.nan)
        return self._values[key]

    def distribution(self, name: str, level: Level) -> Distribution:
        """Return a distribution that the site has.

        Raises:
            KeyError: there is no such roll-up, or the site does not have it.
        """
        self._forget_if_changed()
        key = (name, level)
        if key not in self._distributions:
            reduction, first = self._reduction(name, level)
            self._distributions[key] = reduction.distribution(self._by_name[name], first)
        return self._distributions[key]

    def site(self, name: str) -> float:
        """Return one roll-up of the site, NaN when no device reports."""
        return float(self.value(name, Level.SITE)[0])

    def known(self, rollup: Rollup, level: Level) -> NDArray[np.bool_]:
        """Return which racks, arrays or halls have this roll-up at this moment."""
        if rollup.operation is Operation.DISTRIBUTION:
            return np.isfinite(self.distribution(rollup.name, level).total)
        return np.isfinite(self.value(rollup.name, level))

    def parts(self) -> Iterator[HallReduction]:
        """Yield every signal that is rolled up, with its figures hall by hall."""
        self._forget_if_changed()
        for key, (kept, frame, rollups) in self._kept.items():
            figures = kept.at(self._version).grouped(self._first[frame, Level.HALL])
            yield HallReduction(key, rollups, kept.devices, figures)

    def _reduction(self, name: str, level: Level) -> tuple[Reduction, NDArray[np.intp]]:
        kept, frame = self._sources[name]
        return kept.at(self._version), self._first[frame, level]

    def _groups(self, level: Level) -> int:
        """Return how many racks, arrays or halls there are."""
        return len(self._first[UnitKind.RACK, level])

    def _forget_if_changed(self) -> None:
        if self._version != self._store.version:
            self._version = self._store.version
            self._forget()

    def _forget(self) -> None:
        self._values.clear()
        self._distributions.clear()
