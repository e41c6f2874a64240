"""The floor: one number a rack, by which the live page colours its cells."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.page.trouble import Troubles
from twin.aggregator.store import Store
from twin.catalog import CDU, GPU, NIC, SERVER, DeviceClass, Unit, UnitKind
from twin.catalog.nic import LINE_SHARE
from twin.site import Layout

__all__ = ["Floor", "FloorSignal", "floor_signals"]

_Values = NDArray[np.float64]

_COLDEST_CELSIUS = 30.0
"""Lower end of the temperature scale: about the coolant's temperature to the servers."""
_RETURN_CELSIUS = (25.0, 60.0)
_FLOW_RATIO = 1.2
"""Upper end of the flow's scale, over the flow that the coolant unit holds."""
_POWER_RATIO = 1.2
"""Upper end of the power's scale, over the plateau of a training step."""
_GIGABITS = 8e-9


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
    site = layout.site
    if layout.per_unit(GPU):
        temperature = FloorSignal(
            "temperature", "Temperature", "hottest GPU", Unit.CELSIUS, 0, _COLDEST_CELSIUS,
            round(site.gpu.temperature_slowdown_celsius),
        )  # fmt: skip
    else:
        temperature = FloorSignal(
            "temperature", "Temperature", "coolant from the servers", Unit.CELSIUS, 1,
            *_RETURN_CELSIUS,
        )  # fmt: skip
    plateau = max(site.rack_power_watts(layout.gpu_model(rack)) for rack in _one_a_model(layout))
    line = LINE_SHARE * _GIGABITS * site.network.bytes_per_second * layout.per_unit(NIC)
    flow = site.cooling.flow_liters_per_minute
    return (
        temperature,
        FloorSignal("power", "Power", "servers, at their inlets", "kW", 1, 0.0,
                    _nice(_POWER_RATIO * plateau / 1e3)),
        FloorSignal("flow", "Flow", "coolant through the rack", Unit.LITERS_PER_MINUTE, 1, 0.0,
                    _nice(_FLOW_RATIO * flow)),
        FloorSignal("network", "Network", "sent by all NIC ports", "Gb/s", 0, 0.0, _nice(line)),
        FloorSignal("trouble", "Trouble", "what its own sensors complain of", "", 0, 0.0, 2.0,
                    steps=("none", "degraded", "serious")),
    )  # fmt: skip


class Floor:
    """The numbers of all racks; whoever asks again before anything changed gets the same."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._throughput = _Throughput(store)
        self._sources: dict[str, Callable[[], _Values]] = {
            "temperature": self._temperature,
            "power": lambda: _total(store, SERVER, "power") / 1e3,
            "flow": lambda: store.column(CDU, "flow")[:, 0],
            "network": self._throughput.read,
            "trouble": Troubles(store).levels,
        }
        self._kept: dict[str, tuple[int, _Values]] = {}
        self.signals = {signal.key: signal for signal in floor_signals(store.layout)}
        """What can be asked for, by its key."""

    def values(self, key: str) -> _Values:
        """Return one number a rack, NaN where nothing is reported.

        Raises:
            KeyError: there is no such signal.
        """
        version, values = self._kept.get(key, (-1, np.empty(0)))
        if version != self._store.version:
            values = np.round(self._sources[key](), self.signals[key].decimals)
            self._kept[key] = (self._store.version, values)
        return values

    def _temperature(self) -> _Values:
        if not self._store.layout.per_unit(GPU):
            values: _Values = self._store.column(CDU, "return_temperature")[:, 0]
            return values
        temperatures = self._store.column(GPU, "gpu_temp")
        highest = np.where(np.isfinite(temperatures), temperatures, -np.inf).max(axis=1)
        return np.where(np.isfinite(highest), highest, np.nan)


class _Throughput:
    """What each rack sends, from the counters of two frames; NaN until the second one."""

    def __init__(self, store: Store) -> None:
        racks = store.layout.units(UnitKind.RACK)
        self._store = store
        self._ts = np.full(racks, np.nan)
        self._bytes = np.full(racks, np.nan)
        self._rate = np.full(racks, np.nan)

    def read(self) -> _Values:
        units = self._store.units[UnitKind.RACK]
        total = _total(self._store, NIC, "tx_bytes")
        elapsed = units.ts - self._ts
        # A counter that fell began anew, and so does a clock.
        known = (elapsed > 0) & (total >= self._bytes)
        new = units.ts != self._ts
        rate = np.divide(total - self._bytes, elapsed, where=known, out=np.full(len(total), np.nan))
        self._rate[new] = _GIGABITS * rate[new]
        self._ts[new], self._bytes[new] = units.ts[new], total[new]
        return np.where(units.reporting, self._rate, np.nan)


def _total(store: Store, device: DeviceClass, signal: str) -> _Values:
    """Return the sum over each rack's devices, NaN where none reports."""
    values = store.column(device, signal)
    finite = np.isfinite(values)
    total: _Values = np.where(finite, values, 0.0).sum(axis=1)
    return np.where(finite.any(axis=1), total, np.nan)


def _one_a_model(layout: Layout) -> list[int]:
    """Return one rack of each GPU model of the site."""
    models = {layout.gpu_model(rack).name: rack for rack in range(layout.units(UnitKind.RACK))}
    return list(models.values())


def _nice(value: float) -> float:
    """Return the next number that a scale can end with: 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times 10ⁿ."""
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
    return next(step * power for step in steps if value <= step * power * (1 + 1e-9))
