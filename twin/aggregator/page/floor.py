"""The floor: one number a rack, by which the live page colours its cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.page.trouble import Troubles
from twin.aggregator.store import Store
from twin.catalog import DeviceClass, FloorValue, Operation, UnitKind
from twin.site import Layout

__all__ = ["Floor", "FloorSignal", "floor_signals"]

_Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FloorSignal:
    """What the floor can be coloured by.

    Attributes:
        key: its name in addresses.
        title: its name for people.
        help: what the number of a rack is.
        unit: unit of the numbers.
        decimals: decimals that are sent.
        low: lower end of the colour scale.
        high: upper end of it; what lies beyond has the last colour.
        steps: names of the numbers 0, 1, … of a signal that is no quantity.
    """

    key: str
    title: str
    help: str
    unit: str
    decimals: int
    low: float
    high: float
    steps: tuple[str, ...] = ()


def floor_signals(layout: Layout) -> tuple[FloorSignal, ...]:
    """Return what the floor of a site can be coloured by."""
    site = layout.entire.site
    declared = (
        FloorSignal(each.key, each.title, each.help, each.unit, each.decimals, *each.ends(site))
        for _, each in _declared(layout)
    )
    return (
        *declared,
        FloorSignal("surprise", "Surprise", "largest deviation from what the observer expects, of "
                    "any device; twin shadow", "sigmas", 1, 0.0, 6.0),
        FloorSignal("trouble", "Trouble", "what its own sensors complain of", "", 0, 0.0, 2.0,
                    steps=("none", "degraded", "serious")),
    )  # fmt: skip


def _declared(layout: Layout) -> list[tuple[DeviceClass, FloorValue]]:
    """Return what the classes of a site's racks declare for the floor, each key once."""
    found: dict[str, tuple[DeviceClass, FloorValue]] = {}
    for device in layout.devices_of(UnitKind.RACK):
        for value in device.floor:
            if device[value.signal] in layout.reported[device.name]:
                found.setdefault(value.key, (device, value))
    return sorted(found.values(), key=lambda each: each[1].rank)


class Floor:
    """The numbers of all racks, kept until a value changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sources: dict[str, Callable[[], _Values]] = {
            value.key: (_Rate if value.counter else _Value)(store, device, value).read
            for device, value in _declared(store.layout)
        } | {"surprise": store.shadow.surprise, "trouble": Troubles(store).levels}
        self._kept: dict[str, tuple[int, _Values]] = {}
        self.signals = {signal.key: signal for signal in floor_signals(store.layout)}
        """What can be asked for, by its key."""

    def values(self, key: str) -> _Values:
        """Return one number a rack, NaN where no value is reported.

        Raises:
            KeyError: there is no such signal.
        """
        version, values = self._kept.get(key, (-1, np.empty(0)))
        if version != self._store.version:
            values = np.round(self._sources[key](), self.signals[key].decimals)
            self._kept[key] = (self._store.version, values)
        return values


class _Value:
    """One number over each rack's devices, NaN where none reports."""

    def __init__(self, store: Store, device: DeviceClass, value: FloorValue) -> None:
        self._store, self._device, self._value = store, device, value

    def read(self) -> _Values:
        """Return the numbers in the floor's unit."""
        return self._value.factor * self._over_devices()

    def _over_devices(self) -> _Values:
        values = self._store.column(self._device, self._value.signal)
        finite = np.isfinite(values)
        if self._value.operation is Operation.MAX:
            result: _Values = np.where(finite, values, -np.inf).max(axis=1)
        else:
            result = np.where(finite, values, 0.0).sum(axis=1)
        return np.where(finite.any(axis=1), result, np.nan)


class _Rate(_Value):
    """What each rack's counters rise by in a second, from two frames; NaN until the second one."""

    def __init__(self, store: Store, device: DeviceClass, value: FloorValue) -> None:
        super().__init__(store, device, value)
        racks = store.layout.units(UnitKind.RACK)
        self._ts = np.full(racks, np.nan)
        self._total = np.full(racks, np.nan)
        self._rate = np.full(racks, np.nan)

    def read(self) -> _Values:
        """Return the rates in the floor's unit."""
        units, total = self._store.units[UnitKind.RACK], self._over_devices()
        elapsed = units.ts - self._ts
        # A counter that fell has restarted, and so has a clock.
        known = (elapsed > 0) & (total >= self._total)
        new = units.ts != self._ts
        rate = np.divide(total - self._total, elapsed, where=known, out=np.full(len(total), np.nan))
        self._rate[new] = self._value.factor * rate[new]
        self._ts[new], self._total[new] = units.ts[new], total[new]
        return np.where(units.reporting, self._rate, np.nan)
