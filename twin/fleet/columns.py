"""Columns of a real fleet: the rack and signal of each series of a real exporter.

The inverse of the catalogue: a series is known by the metric name that an edition gives a signal,
by the host in its labels, and by the labels that tell the devices of a host apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from twin.catalog import GPU, UP, DeviceClass, Exporter, Place, Signal, UnitKind
from twin.catalog.editions import EDITIONS
from twin.fleet.hosts import HOST_LABELS, without_port
from twin.fleet.identity import FleetNames
from twin.site import Layout

__all__ = ["FleetColumns", "SeriesValue"]

_OWN_NUMBERS = frozenset({"id"})
"""Labels by which a board controller numbers its sensors as it likes; their names tell them."""
_MIG = "GPU_I_ID"
_MOST_HOSTS_TOLD = 1000


@dataclass(frozen=True, slots=True)
class SeriesValue:
    """What the values of a series are.

    Attributes:
        column: index of the value among those of all racks, -1 for none.
        factor: from the value of the series to the one on the wire.
        code: of a state that the series stands for, NaN where its value is the value.
        foreign: whether the name is of another edition than that of the site file.
        gpu: index of its GPU in the rack, -1 for none.
    """

    column: int
    factor: float = 1.0
    code: float = float("nan")
    foreign: bool = False
    gpu: int = -1


_NONE = SeriesValue(-1)


@dataclass(frozen=True, slots=True)
class _NamedSignal:
    """A signal under one of its names."""

    device: DeviceClass
    signal: Signal
    start: int
    factors: Mapping[str, float]
    """By the version of the edition; empty for an exporter that has none."""


class FleetColumns:
    """The values of the racks of a site, one after the other in one array.

    Args:
        layout: the whole site.
        names: of its measured hosts.

    Attributes:
        size: how many values there are.
        unknown: hosts with GPUs that the site file does not have.
    """

    def __init__(self, layout: Layout, names: FleetNames) -> None:
        self.layout = layout
        self.names = names
        self.unknown: set[str] = set()
        self._rows: dict[str, list[_NamedSignal]] = {}
        self._blocks: dict[str, dict[str, slice]] = {}
        self._slots: dict[tuple[str, str], dict[tuple[str, ...], int]] = {}
        self.size = 0
        for device in layout.devices_of(UnitKind.RACK):
            blocks = self._blocks.setdefault(device.name, {})
            count = int(np.prod(layout.shape(device)))
            for signal in layout.reported[device.name]:
                if signal.on_wire:
                    blocks[signal.name] = slice(self.size, self.size + count)
                    self._add(device, signal, self.size)
                    self.size += count

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that have a value, and so are asked for."""
        return tuple(self._rows)

    def metrics_of(self, readings: Collection[tuple[str, str]]) -> tuple[str, ...]:
        """Return the names of the metrics of some signals, each with its device class."""
        return tuple(
            metric
            for metric, rows in self._rows.items()
            if any((row.device.name, row.signal.name) in readings for row in rows)
        )

    def part(self, device: str, signal: str) -> slice:
        """Return where the values of a signal are; nowhere if the site does not report it."""
        return self._blocks.get(device, {}).get(signal, slice(0, 0))

    def expected(self, metric: str) -> int:
        """Return how many series of a metric are worth a value, at most."""
        return sum(int(np.prod(self.layout.shape(row.device))) for row in self._rows[metric])

    def outputs(self, values: NDArray[np.float64]) -> dict[str, dict[str, NDArray[np.float64]]]:
        """Return the values as an encoder takes them; they share memory."""
        return {
            device.name: {
                name: values[part].reshape(self.layout.shape(device))
                for name, part in self._blocks[device.name].items()
            }
            for device in self.layout.devices_of(UnitKind.RACK)
        }

    @cached_property
    def racks(self) -> NDArray[np.intp]:
        """The rack of each value."""
        return np.concatenate(
            [
                np.repeat(np.arange(units), each)
                for device in self.layout.devices_of(UnitKind.RACK)
                for units, each in [self.layout.shape(device)]
                for _ in self._blocks[device.name]
            ]
        )

    @cached_property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The least and the greatest that each value may be."""
        low, high = np.full(self.size, -np.inf), np.full(self.size, np.inf)
        for device in self.layout.devices_of(UnitKind.RACK):
            for signal in self.layout.reported[device.name]:
                if signal.on_wire:
                    part = self._blocks[device.name][signal.name]
                    low[part] = -np.inf if signal.low is None else signal.low
                    high[part] = np.inf if signal.high is None else signal.high
        return low, high

    # -- names ------------------------------------------------------------------

    def _add(self, device: DeviceClass, signal: Signal, start: int) -> None:
        for metric, factors in _names(signal).items():
            self._rows.setdefault(metric, []).append(_NamedSignal(device, signal, start, factors))

    # -- series -----------------------------------------------------------------

    def find(self, labels: Mapping[str, str]) -> SeriesValue:
        """Return what the values of a series are."""
        rows = self._rows.get(labels.get("__name__", ""), ())
        for row in rows:
            found = self._find(row, labels)
            if found.column >= 0:
                return found
        return _NONE

    def _find(self, row: _NamedSignal, labels: Mapping[str, str]) -> SeriesValue:
        device, signal = row.device, row.signal
        code = _code(signal, labels) if _is_of(signal, labels) else None
        place = None if code is None else self._host(device, labels)
        slot = None if place is None else self._slot(device, signal.family, labels)
        if code is None or place is None or slot is None:
            return _NONE
        rack, host = place
        index = host * device.per_host(self.layout.site) + slot
        if device is GPU:
            self.names.see(rack, index, labels)
        factor, foreign = self._factor(row, rack)
        column = row.start + rack * self.layout.per_unit(device) + index
        gpu = index if device is GPU else -1
        return SeriesValue(column, 1.0 / factor, code, foreign, gpu)

    def _factor(self, row: _NamedSignal, rack: int) -> tuple[float, bool]:
        """Return the factor to the exposed unit, and whether it is another edition's."""
        if not row.factors:
            return 1.0, False
        version = self.layout.editions[self.layout.array_of(rack)].version
        if version in row.factors:
            return row.factors[version], False
        return list(row.factors.values())[-1], True  # of the newest: fleets are upgraded

    def _host(self, device: DeviceClass, labels: Mapping[str, str]) -> tuple[int, int] | None:
        """Return rack and host of a series, None where the site file does not have it."""
        known = self._hosts[device.name]
        told = [name for label in HOST_LABELS if (name := labels.get(label, ""))]
        for name in told:
            place = known.get(name) or known.get(without_port(name))
            if place is not None:
                return place
        if device.hosts.count(self.layout.site) == 1 and device.per_host(self.layout.site):
            rack = self.names.rack_named(labels.get("rack", ""))
            return None if rack is None or not self._single(device) else (rack, 0)
        if device is GPU and told and len(self.unknown) < _MOST_HOSTS_TOLD:
            self.unknown.add(without_port(told[0])[:64])
        return None

    def _single(self, device: DeviceClass) -> bool:
        """Whether a rack is one host of a device class, and not by chance."""
        return all(name not in self.names.hosts for name in self._hosts[device.name])

    @cached_property
    def _hosts(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Rack and host by name, for each device class."""
        return {
            device.name: dict(self._hosts_of(device))
            for device in self.layout.devices_of(UnitKind.RACK)
        }

    def _hosts_of(self, device: DeviceClass) -> Iterator[tuple[str, tuple[int, int]]]:
        for rack in self.names.racks:
            for host in range(device.hosts.count(self.layout.site)):
                place = Place(self.names, UnitKind.RACK, rack, host, 0, 0)
                name = device.hosts.name(place)
                if name in self.names.hosts or name not in self.names.padding:
                    yield name, (rack, host)
                    yield name.partition(".")[0], (rack, host)

    def _slot(self, device: DeviceClass, family: Exporter, labels: Mapping[str, str]) -> int | None:
        """Return the number of a device on its host, None for one that the site has not."""
        key = device.name, family.key
        if key not in self._slots:
            self._slots[key] = self._slots_of(device, family)
        told = self._telling[key]
        return self._slots[key].get(tuple(labels.get(label, "") for label in told))

    def _slots_of(self, device: DeviceClass, family: Exporter) -> dict[tuple[str, ...], int]:
        """Return the number of a device by the labels that are the same on every host."""
        last = device.hosts.count(self.layout.site) - 1
        hosts = [
            [
                family.identify(Place(names, UnitKind.RACK, rack, host, slot, host * each + slot))
                for slot in range(each)
            ]
            for each in [device.per_host(self.layout.site)]
            for names, rack, host in ((self.names, self.names.racks[0], 0),
                                      (self.names.stranger, self.names.racks[0], last))
        ]  # fmt: skip
        told = [
            index
            for index, label in enumerate(family.labels)
            if label not in _OWN_NUMBERS
            and all(one[index] == two[index] for one, two in zip(*hosts, strict=True))
        ]
        self._telling[device.name, family.key] = tuple(family.labels[index] for index in told)
        return {tuple(one[index] for index in told): slot for slot, one in enumerate(hosts[0])}

    @cached_property
    def _telling(self) -> dict[tuple[str, str], tuple[str, ...]]:
        return {}


def _names(signal: Signal) -> dict[str, dict[str, float]]:
    """Return the names of a signal, each with its factors by the version of the edition."""
    if signal.hidden:
        return {}
    if signal.family.key not in EDITIONS:
        return {signal.metric: {}}
    found: dict[str, dict[str, float]] = {}
    for edition in EDITIONS[signal.family.key]:
        for metric, (name, change) in edition.fields.items():
            if name == signal.name:
                found.setdefault(metric, {})[edition.version] = change.factor
    return found


def _is_of(signal: Signal, labels: Mapping[str, str]) -> bool:
    """Whether a series of the signal's name is of the signal, and of a whole device."""
    if labels.get(_MIG) or any(labels.get(name) != value for name, value in signal.labels):
        return False
    return signal.metric != UP or _is_target(labels, signal.family)


def _is_target(labels: Mapping[str, str], family: Exporter) -> bool:
    """Whether a target is one of an exporter: by its job, or by its port."""
    port = labels.get("instance", "").rpartition(":")[2]
    return labels.get("job") == family.job or port == str(family.port)


def _code(signal: Signal, labels: Mapping[str, str]) -> float | None:
    """Return the code of a series of an enumeration, NaN for any other, None for no state."""
    if not signal.states:
        return float("nan")
    codes = (float(code) for code, own in signal.states.items() if own == labels.get("state"))
    return next(codes, None)
