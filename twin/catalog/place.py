"""Places: the units that publish, the hosts in them, and the devices of a host.

An exporter is scraped on a **host**, and numbers the devices there: a server and
its GPUs, a coolant unit and its pumps, a leaf switch and its ports. The site's parameters
give the number of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from twin.catalog.mig import GpuInstance

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = [
    "CDU_HOST",
    "SERVERS",
    "UNIT_HOST",
    "DeviceAddress",
    "DeviceHolder",
    "Hosts",
    "Names",
    "Place",
    "RackIdentity",
    "UnitKind",
    "one",
]

Count: TypeAlias = "Callable[[Site], int]"


def one(_: Site) -> int:
    """Return 1, whatever the site."""
    return 1


class UnitKind(StrEnum):
    """Kind of a unit and of its frames, which is also the topic level they are published under."""

    units: Count
    """How many units of the kind a site has."""
    pattern: str
    """Name of a unit by its number; empty for jobs, which the site names."""
    first: Count
    """Number of the first unit."""

    def __new__(cls, value: str, pattern: str = "", units: Count = one, first: Count = one) -> Self:
        """Return the kind of that name."""
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.pattern, kind.units, kind.first = pattern, units, first
        return kind

    RACK = "rack", "r{:04d}", lambda site: site.racks, lambda site: site.numbers.racks
    ARRAY = "array", "a{:03d}", lambda site: site.arrays, lambda site: site.numbers.arrays
    PLANE = "plane", "p{:02d}", lambda site: site.fabric.planes, lambda site: site.numbers.planes
    SERVICE = (
        "service", "s{:03d}", lambda site: site.service_racks,
        lambda site: site.numbers.service_racks,
    )  # fmt: skip
    MEGAPACK = (
        "megapack", "mp{:03d}", lambda site: site.megapacks.count,
        lambda site: site.numbers.megapacks,
    )  # fmt: skip
    GENSET = (
        "genset", "g{:02d}", lambda site: site.gensets.count + site.turbines.count,
        lambda site: site.numbers.gensets,
    )  # fmt: skip
    GRID = "grid", "grid", one
    JOB = "job", "", lambda site: len(site.job_names)

    @property
    def in_array(self) -> bool:
        """Whether such a unit belongs to an array, on whose page its series are."""
        return self in (UnitKind.RACK, UnitKind.ARRAY)

    def unit_name(self, site: Site, unit: int) -> str:
        """Return the name of a unit, by its index on the whole site."""
        if not self.pattern:
            return site.job_names[unit]
        return self.pattern.format(unit + self.first(site))


class RackIdentity(Protocol):
    """Names of the devices in a rack."""

    @property
    def hostnames(self) -> Sequence[str]:
        """Host names of the servers."""

    @property
    def gpu_model(self) -> str:
        """Product name of the GPUs."""

    @property
    def gpu_uuids(self) -> Sequence[str]:
        """UUIDs of the GPUs, server by server."""

    @property
    def gpu_pci_addresses(self) -> Sequence[str]:
        """PCI addresses of the GPUs in their servers, in the same order."""

    @property
    def driver_version(self) -> str:
        """Version of the GPUs' driver."""

    @property
    def job(self) -> str | None:
        """Name of the job that holds the rack, None where it is idle."""


@dataclass(frozen=True, slots=True)
class DeviceHolder:
    """A job that has a device, as exporters and schedulers name it.

    Attributes:
        job: number of the job.
        app: kind of job, which its pods' label ``app`` says.
        account: Slurm's account, or Kubernetes' namespace.
        pod: its pod on the host; empty where jobs are no pods.
        uid: of that pod.
    """

    job: str
    app: str
    account: str
    pod: str = ""
    uid: str = ""


class Names(Protocol):
    """Names of the units and racks of a site."""

    @property
    def site(self) -> Site:
        """The site."""

    def unit_name(self, frame: UnitKind, unit: int) -> str:
        """Return the name of a unit."""

    def rack(self, rack: int) -> RackIdentity:
        """Return the identity of a rack."""

    def instances(self, rack: int) -> Sequence[GpuInstance]:
        """Return the instances that each GPU of a rack is partitioned into, if it is."""

    def holders(self, rack: int, gpu: int) -> Sequence[DeviceHolder]:
        """Return the scheduler's jobs that have a GPU of a rack, none where it is idle."""


@dataclass(slots=True)
class Place:
    """The place of one device. One is made for each label block, and a frozen one takes longer.

    Attributes:
        names: of units, hosts and GPUs.
        kind: kind of the unit.
        unit: its index on the site.
        host: index of the host in the unit.
        slot: index of the device on the host.
        index: index of the device in the unit.
    """

    names: Names
    kind: UnitKind
    unit: int
    host: int
    slot: int
    index: int

    @property
    def site(self) -> Site:
        """The site."""
        return self.names.site

    @property
    def unit_name(self) -> str:
        """Name of the unit."""
        return self.names.unit_name(self.kind, self.unit)

    @property
    def hostname(self) -> str:
        """Host name of the server."""
        return self.names.rack(self.unit).hostnames[self.host]

    @property
    def array_name(self) -> str:
        """Name of the array in which a rack stands."""
        return self.names.unit_name(UnitKind.ARRAY, self.unit // self.site.racks_per_array)


@dataclass(frozen=True, slots=True)
class Hosts:
    """What the exporters of a device class are scraped on.

    Attributes:
        count: how many hosts a unit has.
        name: of a host: the label ``instance`` without the port.
    """

    count: Count
    name: Callable[[Place], str]


@dataclass(frozen=True, slots=True)
class DeviceAddress:
    """The addresses of a device class: that of the unit, a word and the number of the device.

    Attributes:
        word: before the number: ``pump`` in ``r0001/pump1``.
        plural: what the devices are called.
        count: how many a unit has, or a server where they are numbered in their server.
        first: number of the first one.
        in_server: whether a server stands before the word, as in ``r0001/n3/gpu5``.
    """

    word: str
    plural: str
    count: Count
    first: int = 1
    in_server: bool = False


UNIT_HOST = Hosts(one, lambda place: place.unit_name)
"""The unit itself."""
SERVERS = Hosts(lambda site: site.servers_per_rack, lambda place: place.hostname)
"""The servers of a rack."""
CDU_HOST = Hosts(one, lambda place: f"{place.unit_name}-cdu")
"""The coolant unit of a rack."""
