"""Identity of hosts and GPUs by the site file: host names, UUIDs, PCI addresses, driver, job."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from functools import cached_property

from twin.catalog import GPU, DeviceHolder, GpuInstance, UnitKind
from twin.parameters import Site
from twin.site.jobs import job_of
from twin.site.mig import partitions_of

__all__ = ["SiteNames", "SiteRack"]

_PCI_BUSES = ("18", "2A", "3A", "5D", "9A", "AB", "BA", "DB")
"""PCI buses of the eight GPUs of an HGX H100 host (nvidia-smi)."""

_TRAY_DOMAINS = ("00000008", "00000009", "00000018", "00000019")
"""PCI domains of the four GPUs of a GB200 or GB300 tray (nvidia-smi)."""

_NAMESPACE = uuid.UUID("6f1d6f5e-6a53-4a52-9a54-b7a3cb1f0d0e")

_KEPT = 64
"""Racks whose names are kept: the most that an array has, as labels are made array by array."""


@dataclass(frozen=True)
class SiteRack:
    """Identity of one rack: the same for the same place of the same site.

    Attributes:
        site: the whole site.
        rack: index of the rack.
    """

    site: Site
    rack: int

    @cached_property
    def hostnames(self) -> tuple[str, ...]:
        """Host names of the servers."""
        name = UnitKind.RACK.unit_name(self.site, self.rack)
        return tuple(f"{name}-n{server + 1}" for server in range(self.site.servers_per_rack))

    @property
    def gpu_model(self) -> str:
        """Product name of the GPUs."""
        return self.site.gpu_model(self.rack).name

    @cached_property
    def gpu_uuids(self) -> tuple[str, ...]:
        """UUIDs of the GPUs."""
        rack = hashlib.sha1(_NAMESPACE.bytes, usedforsecurity=False)
        rack.update(f"{self.site.name}/{self.rack}/".encode())
        return tuple(f"GPU-{_uuid5(rack, str(gpu))}" for gpu in range(GPU.count(self.site)))

    @cached_property
    def gpu_pci_addresses(self) -> tuple[str, ...]:
        """PCI addresses of the GPUs in their servers."""
        if self.site.tray.cpus and self.site.server.gpus <= len(_TRAY_DOMAINS):
            # Bus 6 on a GB300 tray, 1 on a GB200 one.
            bus = "06" if "GB300" in self.gpu_model else "01"
            own = [f"{domain}:{bus}:00.0" for domain in _TRAY_DOMAINS[: self.site.server.gpus]]
            return tuple(own * self.site.servers_per_rack)
        places = (divmod(gpu, len(_PCI_BUSES)) for gpu in range(self.site.server.gpus))
        own = [f"{domain:08d}:{_PCI_BUSES[slot]}:00.0" for domain, slot in places]
        return tuple(own * self.site.servers_per_rack)

    @property
    def driver_version(self) -> str:
        """Version of the GPUs' driver."""
        return self.site.server.driver_version

    @cached_property
    def job(self) -> str | None:
        """Name of the job that holds the rack, None where it is idle."""
        return job_of(self.site, self.rack)


@dataclass(frozen=True)
class SiteNames:
    """Names of the units and racks of a whole site."""

    site: Site
    _racks: dict[int, SiteRack] = field(default_factory=dict, repr=False, compare=False)

    def unit_name(self, frame: UnitKind, unit: int) -> str:
        """Return the name of a unit."""
        return frame.unit_name(self.site, unit)

    @cached_property
    def _partitions(self) -> tuple[tuple[GpuInstance, ...], ...]:
        return partitions_of(self.site)

    def instances(self, rack: int) -> tuple[GpuInstance, ...]:
        """Return the instances that each GPU of a rack is partitioned into."""
        return self._partitions[rack // self.site.racks_per_array]

    def holders(self, rack: int, gpu: int) -> tuple[DeviceHolder, ...]:  # noqa: ARG002 - no file says it
        """Return the scheduler's jobs that have a GPU: none by the site file."""
        return ()

    def rack(self, rack: int) -> SiteRack:
        """Return the identity of a rack."""
        if rack not in self._racks:
            if len(self._racks) >= _KEPT:
                self._racks.clear()
            self._racks[rack] = SiteRack(self.site, rack)
        return self._racks[rack]


def _uuid5(begun: hashlib._Hash, name: str) -> str:
    """Return the UUID of a name as :func:`uuid.uuid5` has it, in a quarter of its time.

    Args:
        begun: hash of the namespace and what all names begin with.
        name: the rest of the name.
    """
    digest = begun.copy()
    digest.update(name.encode())
    text = digest.hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"
