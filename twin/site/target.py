"""Fault targets: addresses of places on a site."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from twin.catalog import UnitKind
from twin.errors import TargetError
from twin.site.layout import Labels, Layout

__all__ = ["Target", "find_target", "is_address", "labels_of_target"]

_NUMBER = r"(?:\d|[1-9]\d{1,3})"
_ADDRESS = re.compile(
    r"(?P<rack>r\d{4,6})(?:"
    rf"/(?P<server>n(?:\d|[1-9]\d))(?:/(?P<part>gpu|nic|psu)(?P<index>\d|[1-9]\d))?"
    r"|/pump(?P<pump>\d)|/pdu(?P<pdu>\d)|/cdu/psu(?P<cdu_psu>\d))?"
    rf"|(?P<array>a\d{{3,5}})(?:/leaf(?P<leaf>{_NUMBER}))?"
    rf"|(?P<plane>p\d{{2,3}})/spine(?P<spine>{_NUMBER})"
    r"|(?P<megapack>mp\d{3,5})|(?P<genset>g\d{2,4})|(?P<service>s\d{3,4})"
    r"|(?P<grid>grid)(?:/feed(?P<feed>\d))?|ch(?P<chiller>\d{2,3})"
    r"|(?P<facility>facility)|(?P<fabric>fabric)",
    re.ASCII,
)
_FORMS = (
    "write a rack (r0001), a server (r0001/n3), a part (r0001/n3/gpu5, r0001/n3/nic0, "
    "r0001/n3/psu1, r0001/pump1, r0001/pdu1), an array (a001), a leaf switch (a001/leaf1), a spine "
    "switch (p01/spine1), fabric, a service rack (s001), a Megapack (mp001), a generator (g01), "
    "a chiller (ch01), facility, grid or a job ({jobs})"
)

_NAMED_JOBS = 5
"""Jobs that the sentence about addresses names."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place of the site that a fault can strike.

    Attributes:
        text: as a person writes it, for example ``r0003/n2/gpu5``.
        kind: ``rack``, ``server``, ``gpu``, ``nic``, ``psu``, ``pump``, ``pdu``, ``cdu_psu``,
            ``array``, ``leaf``, ``spine``, ``fabric``, ``service``, ``megapack``, ``genset``,
            ``chiller``, ``facility``, ``grid`` or ``job``.
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
    return _ADDRESS.fullmatch(text) is not None


def find_target(layout: Layout, text: str) -> Target:
    """Return the place that ``text`` names, by its index on the whole site.

    Raises:
        TargetError: it is no address, or the site has no such place.
    """
    layout = layout.entire
    job = layout.unit_index(UnitKind.JOB, text)
    if job is not None:
        return Target(text, "job", job)
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise TargetError(f"target {text!r} is no address; {_forms(layout)}")
    address = _ParsedTarget(layout, text, {k: v for k, v in match.groupdict().items() if v})
    return next(find for part, find in _FINDERS.items() if part in address.parts)(address)


def labels_of_target(layout: Layout, text: str) -> Labels:
    """Return hall, array, rack and host of a target, as far as it has them.

    A place that the site does not have, and one that stands in no array, has none.
    """
    layout = layout.entire
    try:
        target = find_target(layout, text)
    except TargetError:
        return ()
    match target.kind:
        case "leaf":
            return layout.place(UnitKind.ARRAY, target.unit)[1:]
        case "array":
            return layout.place(UnitKind.ARRAY, layout.array_of(target.unit))[1:]
        case "rack" | "pump" | "pdu" | "cdu_psu":
            return layout.place(UnitKind.RACK, target.unit)[1:]
        case "server" | "gpu" | "nic" | "psu":
            own = layout.site.server
            per_server = {"gpu": own.gpus, "nic": own.nics, "psu": own.psus}
            server = target.device // per_server.get(target.kind, 1)
            host = layout.hostname(target.unit, server)
            return (*layout.place(UnitKind.RACK, target.unit)[1:], ("host", host))
        case _:
            return ()


def _forms(layout: Layout) -> str:
    """Return how the addresses of a site are written; of many jobs only the first are named."""
    names = [job.name for job in layout.jobs]
    more = ", …" if len(names) > _NAMED_JOBS else ""
    return _FORMS.format(jobs=", ".join(names[:_NAMED_JOBS]) + more)


@dataclass(frozen=True, slots=True)
class _ParsedTarget:
    """An address of the right form: is there such a place?"""

    layout: Layout
    text: str
    parts: dict[str, str]

    def unit(self, frame: UnitKind) -> int:
        """Return the index of the unit that the address begins with."""
        name = self.parts[frame.value]
        index = self.layout.unit_index(frame, name)
        if index is None:
            count = self.layout.units(frame)
            last = self.layout.unit_name(frame, count - 1) if count else "none"
            raise self.absent(f"{frame.value}s", last, name)
        return index

    def numbered(self, part: str, count: int, what: str, name: str = "") -> int:
        """Return the index of a device whose numbers go from 1 to ``count``."""
        index = int(self.parts[part].lstrip("n")) - 1
        if not 0 <= index < count:
            raise self.absent(what, f"{name or part}{count}")
        return index

    def absent(self, what: str, last: str, text: str = "") -> TargetError:
        """Return the error of one who counts too far."""
        return TargetError(
            f"target {text or self.text!r} does not exist on site {self.layout.site.name!r}; "
            f"the last of its {what} is {last}"
        )


def _array(address: _ParsedTarget) -> Target:
    layout = address.layout
    array = layout.array_index(address.parts["array"])
    if array is None:
        raise address.absent("arrays", layout.array_name(layout.site.arrays - 1))
    if "leaf" in address.parts:
        leaf = address.numbered("leaf", layout.fabric.rails, "leaves")
        return Target(address.text, "leaf", array, leaf)
    return Target(address.text, "array", layout.racks_of(array).start)


def _spine(address: _ParsedTarget) -> Target:
    plane = address.unit(UnitKind.PLANE)
    spine = address.numbered("spine", address.layout.fabric.spines, "spines")
    return Target(address.text, "spine", plane, spine)


def _chiller(address: _ParsedTarget) -> Target:
    count = address.layout.site.chillers
    index = int(address.parts["chiller"]) - 1
    if not 0 <= index < count or address.text != f"ch{index + 1:02d}":
        raise address.absent("chillers", f"ch{count:02d}")
    return Target(address.text, "chiller", 0, index)


def _grid(address: _ParsedTarget) -> Target:
    feed = 0
    if "feed" in address.parts:
        feed = 1 + address.numbered("feed", address.layout.site.grid.feeds, "feeds")
    return Target(address.text, "grid", 0, feed)


def _rack(address: _ParsedTarget) -> Target:
    site, parts, text = address.layout.site, address.parts, address.text
    rack = address.unit(UnitKind.RACK)
    for kind, count, what, name in (
        ("pump", site.cooling.pumps, "pumps", "pump"),
        ("pdu", site.pdus_per_rack, "pdus", "pdu"),
        ("cdu_psu", site.cooling.psus, "supplies a coolant unit", "psu"),
    ):
        if kind in parts:
            return Target(text, kind, rack, address.numbered(kind, count, what, name))
    if "server" not in parts:
        return Target(text, "rack", rack)
    server = address.numbered("server", site.servers_per_rack, "servers a rack", "n")
    if "part" not in parts:
        return Target(text, "server", rack, server)
    part, index = parts["part"], int(parts["index"])
    first = 1 if part == "psu" else 0
    count = {"gpu": site.server.gpus, "nic": site.server.nics, "psu": site.server.psus}[part]
    if not first <= index < first + count:
        raise address.absent(f"{part}s a server", f"{part}{first + count - 1}")
    return Target(text, part, rack, server * count + index - first)


_FINDERS: dict[str, Callable[[_ParsedTarget], Target]] = {
    "rack": _rack,
    "array": _array,
    "spine": _spine,
    "chiller": _chiller,
    "grid": _grid,
    "facility": lambda address: Target(address.text, "facility", 0),
    "fabric": lambda address: Target(address.text, "fabric", 0),
    "megapack": lambda address: Target(address.text, "megapack", address.unit(UnitKind.MEGAPACK)),
    "genset": lambda address: Target(address.text, "genset", address.unit(UnitKind.GENSET)),
    "service": lambda address: Target(address.text, "service", address.unit(UnitKind.SERVICE)),
}
"""By the part of the address that tells its form."""
