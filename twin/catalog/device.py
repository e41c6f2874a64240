"""Device classes: everything that one kind of device is to the twin, in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twin.catalog.derived import DerivedFamily, HostLevel
from twin.catalog.model import Detail, Signal
from twin.catalog.page import FloorValue, PageTable, TroubleSign
from twin.catalog.place import UNIT_HOST, Count, DeviceAddress, Hosts, UnitKind, one
from twin.catalog.rollup import Rollup

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["DeviceChart", "DeviceClass"]


@dataclass(frozen=True, slots=True)
class DeviceChart:
    """A panel of the dashboard of a rack: the values of one signal over time.

    Attributes:
        title: of the panel.
        help: what it shows, in a sentence or two.
        signal: name of the signal.
        legend: of a device, a template of Grafana such as ``Pump {{pump}}``.
        least: lower end of its axis, None for that of the values.
    """

    title: str
    help: str
    signal: str
    legend: str
    least: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """A class of devices and everything they say.

    Attributes:
        name: key of the group inside a frame.
        frame: the frame it travels in.
        title: what a person calls it.
        signals: all signals; the first that travels is the anchor: a device
            whose anchor is missing is not reporting.
        derived: families that follow from its signals.
        detail: the least detail of its array at which it is exposed; without effect outside
            arrays, where everything is always exposed.
        hosts: what its exporters are scraped on.
        per_host: how many devices a host has.
        accelerators: name under which a GPU model says that this class shows its chips;
            empty for a class that is there whatever the model.
        reporting: how many devices of an array with so many racks report, where that is
            not all of them.
        rollups: what the aggregator computes over it.
        conditions: what can be wrong with a device, by name, and how a healthy one reads;
            for classes that are added from outside.
        charts: its panels on the dashboard of a rack.
        table: what the live page shows of it in a rack, None for nothing.
        floor: what the live page can colour its racks by.
        signs: what it takes for trouble of its rack.
        address: how a fault names one of its devices, None where it is applied to the unit.
    """

    name: str
    frame: UnitKind
    title: str
    signals: tuple[Signal, ...]
    derived: tuple[DerivedFamily, ...] = ()
    detail: Detail = Detail.GPU
    hosts: Hosts = UNIT_HOST
    per_host: Count = one
    accelerators: str = ""
    reporting: Callable[[Site, int], int] | None = None
    rollups: tuple[Rollup, ...] = ()
    conditions: Mapping[str, float] = field(default_factory=dict)
    charts: tuple[DeviceChart, ...] = ()
    table: PageTable | None = None
    floor: tuple[FloorValue, ...] = ()
    signs: tuple[TroubleSign, ...] = ()
    address: DeviceAddress | None = None

    def __iter__(self) -> Iterator[Signal]:
        return iter(self.signals)

    def __getitem__(self, name: str) -> Signal:
        """Return the signal called ``name``.

        Raises:
            KeyError: there is no such signal.
        """
        for signal in self.signals:
            if signal.name == name:
                return signal
        raise KeyError(f"device class {self.name!r} has no signal {name!r}")

    @property
    def wire_signals(self) -> tuple[Signal, ...]:
        """The signals that travel in frames, in declared order."""
        return tuple(signal for signal in self.signals if signal.on_wire)

    def exposed(self, site: Site, level: HostLevel) -> tuple[DerivedFamily, ...]:
        """Return the derived families that a site shows at a level."""
        return tuple(
            family for family in self.derived if level in family.levels and family.shown(site)
        )

    def derived_series(self, site: Site, level: HostLevel) -> int:
        """Return how many series one device gives for these families."""
        return sum(family.group.series(site) for family in self.exposed(site, level))

    def count(self, site: Site) -> int:
        """Return how many devices one unit of a site has."""
        if self.accelerators not in ("", site.gpu.exporter):
            return 0
        return self.hosts.count(site) * self.per_host(site)
