"""Axes of a device class: the dimensions of its arrays, and the names along them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.catalog import DEVICES, SERVERS, DeviceClass, Signal, UnitKind
from twin.errors import ConfigError, did_you_mean
from twin.site import Layout

__all__ = ["DeviceAxes", "axes_of", "device_of", "signal_of"]

Names = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class DeviceAxes:
    """The axes of one device class of a site.

    Attributes:
        dims: dimensions after time; none for what a site has once.
        shape: how long they are.
        names: what stands along each: names of units, and of devices as faults' targets have them.
        beside: further names, by their own name: the dimensions that they go along, and they.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    names: Mapping[str, Names]
    beside: Mapping[str, tuple[tuple[str, ...], Names]]


def device_of(layout: Layout, name: str) -> DeviceClass:
    """Return a device class of a site.

    Raises:
        ConfigError: there is none, or the site has no such device.
    """
    classes = {device.name: device for device in DEVICES}
    if name not in classes:
        known = did_you_mean(name, classes) or f"; there are {', '.join(classes)}"
        raise ConfigError(f"device class {name!r} does not exist{known}")
    if 0 in layout.shape(classes[name]) or not layout.reported[name]:
        raise ConfigError(f"site {layout.site.name} has no {classes[name].title}")
    return classes[name]


def signal_of(layout: Layout, device: DeviceClass, name: str) -> Signal:
    """Return a signal of a device class, by its name or by that of its metric.

    Raises:
        ConfigError: there is none, a site does not report it, or several share the metric.
    """
    signals = [signal for signal in layout.reported[device.name] if signal.event is None]
    named = [own for own in signals if own.name == name] or [
        own for own in signals if own.metric == name
    ]
    if len(named) == 1:
        return named[0]
    if named:
        several = ", ".join(own.name for own in named)
        raise ConfigError(f"{device.name}: {name} is of several signals; choose one: {several}")
    names = [own.name for own in signals]
    known = did_you_mean(name, [*names, *(own.metric for own in signals)])
    raise ConfigError(
        f"{device.name}: there is no signal {name!r} on site {layout.site.name}"
        f"{known or '; there are ' + ', '.join(names)}"
    )


def axes_of(layout: Layout, device: DeviceClass) -> DeviceAxes:
    """Return the axes of a device class of a site."""
    units, count = layout.shape(device)
    kind = device.frame
    names: dict[str, Names] = {}
    beside: dict[str, tuple[tuple[str, ...], Names]] = {}
    if kind is not UnitKind.GRID:
        names[kind.value] = _texts([layout.unit_name(kind, unit) for unit in range(units)])
    if kind is UnitKind.RACK:
        arrays = [layout.unit_name(UnitKind.ARRAY, layout.array_of(rack)) for rack in range(units)]
        beside["array"] = ((kind.value,), _texts(arrays))
    if count > 1:
        own = device.name if device.name != kind.value else f"{device.name}_number"
        if device.frame is UnitKind.GRID and device.name == UnitKind.GRID.value:
            own = "feed"
        names[own] = _texts(_addresses(layout, device, count))
        if device.hosts is SERVERS:
            beside["host"] = ((kind.value, own), _hosts(layout, device, units, count))
    dims = tuple(names)
    return DeviceAxes(dims, tuple(len(names[dim]) for dim in dims), names, beside)


def _addresses(layout: Layout, device: DeviceClass, count: int) -> list[str]:
    """Return how targets call the devices of a unit; plain numbers where they do not."""
    address, site = device.address, layout.site
    if address is None:
        return [str(number) for number in range(1, count + 1)]
    here = address.count(site)
    hosts = device.hosts.count(site) if address.in_server else 1
    if here * hosts != count:
        return [str(number) for number in range(1, count + 1)]
    return [
        f"n{host + 1}/{address.word}{slot + address.first}"
        if address.in_server
        else f"{address.word}{slot + address.first}"
        for host in range(hosts)
        for slot in range(here)
    ]


def _hosts(layout: Layout, device: DeviceClass, units: int, count: int) -> Names:
    """Return the host of each device."""
    each = count // device.hosts.count(layout.site)
    names = [_texts(layout.names.rack(rack).hostnames) for rack in range(units)]
    return np.repeat(np.array(names), each, axis=1)


def _texts(names: Sequence[str]) -> Names:
    return np.array(names, dtype=np.str_)
