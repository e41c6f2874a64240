"""Fault targets: addresses of places on a site."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from twin.catalog import (
    DEVICES,
    SERVER,
    SERVERS,
    DeviceAddress,
    DeviceClass,
    Labels,
    UnitKind,
)
from twin.errors import TargetError
from twin.site.labels import place_labels
from twin.site.layout import Layout

__all__ = ["Target", "address_of", "find_target", "is_address", "labels_of_target"]

_NUMBER = r"(?:\d|[1-9]\d{1,3})"
_UNITS = {
    UnitKind.RACK: r"r\d{4,6}",
    UnitKind.ARRAY: r"a\d{3,5}",
    UnitKind.PLANE: r"p\d{2,3}",
    UnitKind.MEGAPACK: r"mp\d{3,5}",
    UnitKind.GENSET: r"g\d{2,4}",
    UnitKind.SERVICE: r"s\d{3,4}",
    UnitKind.GRID: r"grid",
}
"""Names of the units that addresses begin with."""
_PLACES = re.compile(
    "|".join(
        f"(?P<{kind}>{name})" for kind, name in _UNITS.items() if kind not in ("plane", "grid")
    )
    + r"|(?P<grid>grid)(?:/feed(?P<feed>\d))?|ch(?P<chiller>\d{2,3})"
    r"|(?P<facility>facility)|(?P<fabric>fabric)",
    re.ASCII,
)
"""Addresses of what is no device of a unit."""
_FORMS = (
    "write a rack (r0001), a part ({parts}), an array (a001), fabric, a service rack (s001), "
    "a Megapack (mp001), a generator (g01), a chiller (ch01), facility, {jobs}"
)

_NAMED_JOBS = 5
"""Jobs that the sentence about addresses names."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place of the site that a fault can strike.

    Attributes:
        text: as a person writes it, for example ``r0003/n2/gpu5``.
        kind: ``rack``, ``array``, ``fabric``, ``service``, ``megapack``, ``genset``,
            ``chiller``, ``facility``, ``grid``, ``job``, or the name of a device class that
            has addresses.
        unit: index of the unit (of the first rack, for an array).
        device: index of the device in its unit; 0 where there is only one. For the grid the
            number of the feed, 0 for all.
    """

    text: str
    kind: str
    unit: int
    device: int = 0

    def meets(self, other: Target) -> bool:
        """Whether the two places have something in common: all feeds of a grid and one do."""
        if (self.kind, self.unit) != (other.kind, other.unit):
            return False
        whole = self.kind == "grid" and 0 in (self.device, other.device)
        return whole or self.device == other.device


def is_address(text: str) -> bool:
    """Whether ``text`` has the form of an address, so that no job can be called so."""
    return _PLACES.fullmatch(text) is not None or _device_of(text) is not None


def find_target(layout: Layout, text: str) -> Target:
    """Return the place that ``text`` names, by its index on the whole site.

    Raises:
        TargetError: it is not an address, or the site has no such place.
    """
    layout = layout.entire
    job = layout.unit_index(UnitKind.JOB, text)
    if job is not None:
        return Target(text, "job", job)
    found = _device_of(text)
    if found is not None:
        device, address, parts = found
        return _device(_ParsedTarget(layout, text, parts), device, address)
    match = _PLACES.fullmatch(text)
    if match is None:
        raise TargetError(f"target {text!r} is not an address; {_forms(layout)}")
    place = _ParsedTarget(layout, text, {k: v for k, v in match.groupdict().items() if v})
    return next(find for part, find in _FINDERS.items() if part in place.parts)(place)


def address_of(layout: Layout, device: DeviceClass, unit: int, index: int) -> str:
    """Return the address of a device, as :func:`find_target` reads it; without one its unit's.

    Args:
        layout: the site, or a part of it.
        device: class of the device.
        unit: index of its unit there.
        index: of the device in its unit.
    """
    name, address = layout.unit_name(device.frame, unit), device.address
    if address is None:
        return name
    if not address.in_server:
        return f"{name}/{address.word}{index + address.first}"
    server, own = divmod(index, address.count(layout.entire.site))
    return f"{name}/n{server + 1}/{address.word}{own + address.first}"


def labels_of_target(layout: Layout, text: str) -> Labels:
    """Return hall, array, rack and host of a target, as far as it has them.

    A place that the site does not have, and one that belongs to no array, has none.
    """
    layout = layout.entire
    try:
        target = find_target(layout, text)
    except TargetError:
        return ()
    if target.kind == "array":
        return place_labels(layout, UnitKind.ARRAY, layout.array_of(target.unit))[1:]
    if target.kind == "rack":
        return place_labels(layout, UnitKind.RACK, target.unit)[1:]
    found = _device_of(text)
    if found is None:
        return ()
    device, _, _ = found
    place = place_labels(layout, device.frame, target.unit)[1:]
    if device.hosts is not SERVERS:
        return place
    server = target.device // device.per_host(layout.site)
    return (*place, ("host", layout.names.rack(target.unit).hostnames[server]))


def _forms(layout: Layout) -> str:
    """Return how the addresses of a site are written; of many jobs only the first are named."""
    parts = ", ".join(
        f"{device.frame.pattern.format(1)}/{'n3/' * address.in_server}{address.word}{address.first}"
        for device, address in _addressed()
    )
    names = layout.site.job_names
    more = ", …" if len(names) > _NAMED_JOBS else ""
    jobs = f"grid or a job ({', '.join(names[:_NAMED_JOBS])}{more})" if names else "or grid"
    return _FORMS.format(parts=parts, jobs=jobs)


def _addressed() -> list[tuple[DeviceClass, DeviceAddress]]:
    """Return the device classes that have addresses."""
    return [(device, device.address) for device in DEVICES if device.address is not None]


def _device_of(text: str) -> tuple[DeviceClass, DeviceAddress, dict[str, str]] | None:
    """Return whose address it is, and its parts; None where it has the form of none."""
    for device, address in _addressed():
        match = _form(device.frame, address).fullmatch(text)
        if match is not None:
            return device, address, match.groupdict()
    return None


@lru_cache
def _form(frame: UnitKind, address: DeviceAddress) -> re.Pattern[str]:
    server = rf"/n(?P<server>{_NUMBER})" if address.in_server else ""
    number = rf"/{re.escape(address.word)}(?P<number>{_NUMBER})"
    return re.compile(rf"(?P<{frame}>{_UNITS[frame]}){server}{number}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _ParsedTarget:
    """An address of the right form: is there such a place?"""

    layout: Layout
    text: str
    parts: dict[str, str]

    def unit(self, frame: UnitKind) -> int:
        """Return the index of the unit that the address begins with."""
        index = self.layout.unit_index(frame, self.parts[frame.value])
        if index is None:
            count = self.layout.units(frame)
            last = self.layout.unit_name(frame, count - 1) if count else "none"
            first = self.layout.unit_name(frame, 0) if count else ""
            begins_at_one = first in ("", frame.pattern.format(1))
            raise self.absent(f"{frame.value}s", last, "" if begins_at_one else first)
        return index

    def numbered(self, part: str, address: DeviceAddress) -> int:
        """Return the index of what has a number, in its unit or server."""
        count, index = address.count(self.layout.site), int(self.parts[part]) - address.first
        if not 0 <= index < count:
            word = address.word.rpartition("/")[2]
            last = f"{word}{address.first + count - 1}" if count else "none"
            raise self.absent(address.plural, last)
        return index

    def absent(self, what: str, last: str, first: str = "") -> TargetError:
        """Return the error of one who counts too far; ``first`` where that is not number 1."""
        there = (
            f"its {what} are {first} to {last}" if first else f"the last of its {what} is {last}"
        )
        return TargetError(
            f"target {self.text!r} does not exist on site {self.layout.site.name!r}; {there}"
        )


_FEED = DeviceAddress("feed", "feeds", lambda site: site.grid.feeds)


def _device(place: _ParsedTarget, device: DeviceClass, address: DeviceAddress) -> Target:
    unit, first = place.unit(device.frame), 0
    if address.in_server and SERVER.address is not None:
        first = place.numbered("server", SERVER.address) * address.count(place.layout.site)
    return Target(place.text, device.name, unit, first + place.numbered("number", address))


def _array(place: _ParsedTarget) -> Target:
    array = place.unit(UnitKind.ARRAY)
    return Target(place.text, "array", place.layout.racks_of(array).start)


def _chiller(place: _ParsedTarget) -> Target:
    count = place.layout.site.chillers
    index = int(place.parts["chiller"]) - 1
    if not 0 <= index < count or place.text != f"ch{index + 1:02d}":
        raise place.absent("chillers", f"ch{count:02d}")
    return Target(place.text, "chiller", 0, index)


def _grid(place: _ParsedTarget) -> Target:
    feed = 1 + place.numbered("feed", _FEED) if "feed" in place.parts else 0
    return Target(place.text, "grid", 0, feed)


def _unit(kind: UnitKind) -> Callable[[_ParsedTarget], Target]:
    return lambda place: Target(place.text, kind.value, place.unit(kind))


_FINDERS: dict[str, Callable[[_ParsedTarget], Target]] = {
    "array": _array,
    "chiller": _chiller,
    "grid": _grid,
    "facility": lambda place: Target(place.text, "facility", 0),
    "fabric": lambda place: Target(place.text, "fabric", 0),
    "rack": _unit(UnitKind.RACK),
    "megapack": _unit(UnitKind.MEGAPACK),
    "genset": _unit(UnitKind.GENSET),
    "service": _unit(UnitKind.SERVICE),
}
"""By the part of the address that tells its form."""
