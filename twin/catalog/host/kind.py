"""Kinds of hosts: what hardware a GPU, a storage or a CPU server has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, ClassVar

from twin.catalog.model import Exporter
from twin.catalog.place import Count, Place

if TYPE_CHECKING:
    from twin.parameters import Site

__all__ = [
    "HOT_THREADS",
    "NODE",
    "Disk",
    "HostKind",
    "Mount",
    "hosts_shown",
    "mac_address",
    "serial",
]

HOT_THREADS = 24
"""Threads on which the ranks of a GPU server spin: three for each of eight."""

NODE = Exporter(
    key="node_host",
    job="node-exporter",
    port=9100,
    labels=(),
    source="prometheus/node_exporter 1.12",
)
"""A host as node_exporter's scrape target."""


def hosts_shown(site: Site) -> bool:
    """Return whether anything of the hosts' operating systems is shown on a site."""
    return site.telemetry.shows_hosts


@dataclass(frozen=True, slots=True)
class Disk:
    """A block device.

    Attributes:
        device: its name.
        array: the array that it is, or that it is a member of: ``os`` or ``data``.
        members: disks of the array where it is the array itself, 0 for a member.
        bytes: its size in B.
    """

    device: str
    array: str
    members: int
    bytes: float


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system.

    Attributes:
        device: block device or ``tmpfs``.
        mountpoint: where it is mounted.
        fstype: its type.
        bytes: its size in B.
        minor: minor number of the device.
    """

    device: str
    mountpoint: str
    fstype: str
    bytes: float
    minor: str


@dataclass(frozen=True, slots=True)
class HostKind:
    """What one kind of host is.

    Attributes:
        threads: CPU threads.
        memory: of a host of a site in B.
        data_disks: NVMe disks of the data array, 0 for none.
        data_device: the md device that they make.
        data_mount: where it is mounted.
        data_fstype: its file system.
        data_bytes: size of the data file system in B.
        vendor: of the machine.
        product: name of the machine.
        cpu: model name of its CPUs.
        in_array: whether it stands on the page of an array, by itself: pages of a site
            also have the metrics of the aggregator's own process.
        hostname: of the host on which a device is.
    """

    threads: Count
    memory: Callable[[Site], float]
    data_disks: int
    data_device: str
    data_mount: str
    data_fstype: str
    data_bytes: Callable[[Site], float]
    vendor: str
    product: str
    cpu: str
    in_array: bool
    hostname: Callable[[Place], str]

    OS_DISKS: ClassVar[int] = 2
    """Disks that mirror the system."""
    OS_BYTES: ClassVar[float] = 1.92e12
    """Size of each in B: 1.92 TB, as in a DGX H100."""
    SOCKETS: ClassVar[int] = 2
    """CPU packages."""

    def disks(self, site: Site) -> tuple[Disk, ...]:
        """Return the block devices but the data array, in the order of their names."""
        return tuple(self._disks(site))

    def _disks(self, site: Site) -> Iterator[Disk]:
        yield Disk(self.os_device, "os", self.OS_DISKS, self.OS_BYTES)
        for number in range(self.OS_DISKS):
            yield Disk(f"nvme{number}n1", "os", 0, self.OS_BYTES)
        for number in range(self.data_disks):
            size = self.data_bytes(site) / self.data_disks
            yield Disk(f"nvme{number + self.OS_DISKS}n1", "data", 0, size)

    @property
    def os_device(self) -> str:
        """The md device of the system's disks."""
        return "md127" if self.data_device == "md0" else "md0"

    @property
    def nvmes(self) -> int:
        """NVMe disks of a host."""
        return self.OS_DISKS + self.data_disks

    def mounts(self, site: Site) -> tuple[Mount, ...]:
        """Return the file systems but the data array's: the root and those in memory."""
        memory = self.memory(site)
        return (
            Mount(f"/dev/{self.os_device}", "/", "ext4", 0.96 * self.OS_BYTES, "127"),
            Mount("/dev/nvme0n1p1", "/boot/efi", "vfat", 5.35e8, "2"),
            Mount("tmpfs", "/run", "tmpfs", 0.1 * memory, "25"),
            Mount("tmpfs", "/run/lock", "tmpfs", 5_242_880.0, "28"),
        )


def serial(place: Place, what: str, length: int = 12) -> str:
    """Return a serial number that is the same for the same thing of the same host."""
    text = f"{place.site.name}/{place.kind}/{place.unit}/{place.host}/{what}"
    return blake2b(text.encode(), digest_size=16).hexdigest()[:length].upper()


def mac_address(place: Place, slot: int) -> str:
    """Return the MAC address of a port of a host."""
    digits = serial(place, f"mac{slot}", 6).lower()
    return f"a0:88:c2:{digits[:2]}:{digits[2:4]}:{digits[4:6]}"
