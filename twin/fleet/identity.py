"""Identity of a real fleet: host names of the site file, GPUs of the series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from twin.catalog import DeviceHolder, GpuInstance, RackIdentity, UnitKind
from twin.catalog.editions import EDITIONS
from twin.parameters import Site
from twin.site import Layout
from twin.wire import RackMeta, rack_meta

__all__ = ["FleetNames"]

_MOST_LETTERS = 128
_DRIVERS = tuple(dict.fromkeys(name for own in EDITIONS["dcgm"] for name in own.drivers))


@dataclass(frozen=True, slots=True)
class _SeenGpu:
    """A GPU as the labels of its series name it."""

    uuid: str
    pci: str
    model: str
    driver: str


class FleetNames:
    """Names of the measured racks of a site.

    Args:
        layout: the whole site.

    Attributes:
        racks: index of each measured rack.
        changed: racks whose identity is not told yet.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._measured = {own.rack - 1: own for own in layout.site.measured}
        self.racks = tuple(sorted(self._measured))
        self._gpus: dict[int, dict[int, _SeenGpu]] = {rack: {} for rack in self.racks}
        self._metas = {rack: self._meta(rack) for rack in self.racks}
        self.changed = set(self.racks)

    @property
    def site(self) -> Site:
        """The site."""
        return self._layout.site

    @cached_property
    def hosts(self) -> frozenset[str]:
        """Host names of the site file."""
        return frozenset(host for own in self._measured.values() for host in own.hosts)

    @cached_property
    def padding(self) -> frozenset[str]:
        """Names of servers that the site has and the fleet has not."""
        names = (name for meta in self._metas.values() for name in meta.hostnames)
        return frozenset(names) - self.hosts

    @cached_property
    def _named(self) -> dict[str, int]:
        own = {self.unit_name(UnitKind.RACK, rack): rack for rack in self.racks}
        return own | {entry.name: rack for rack, entry in self._measured.items() if entry.name}

    def rack_named(self, name: str) -> int | None:
        """Return the rack of that name, by the fleet or by the site."""
        return self._named.get(name)

    @cached_property
    def stranger(self) -> FleetNames:
        """The same racks with other hosts and GPUs."""
        other = FleetNames(self._layout)
        for rack, meta in other._metas.items():
            other._metas[rack] = meta.model_copy(
                update={
                    "gpu_model": "?",
                    "gpu_uuids": tuple(f"?{uuid}" for uuid in meta.gpu_uuids),
                    "gpu_pci_addresses": tuple(f"?{pci}" for pci in meta.gpu_pci_addresses),
                    "hostnames": tuple(f"?{host}" for host in meta.hostnames),
                    "driver_version": "?",
                }
            )
        return other

    # -- what the catalogue asks ------------------------------------------------

    def unit_name(self, frame: UnitKind, unit: int) -> str:
        """Return the name of a unit."""
        return self._layout.unit_name(frame, unit)

    def instances(self, rack: int) -> Sequence[GpuInstance]:
        """Return the instances that each GPU of a rack is partitioned into."""
        return self._layout.names.instances(rack)

    def holders(self, rack: int, gpu: int) -> tuple[DeviceHolder, ...]:  # noqa: ARG002 - not told
        """Return the scheduler's jobs that have a GPU: none that is known here."""
        return ()

    def rack(self, rack: int) -> RackIdentity:
        """Return the identity of a rack."""
        return self._metas.get(rack) or self._metas[self.racks[0]]

    # -- what the series say ----------------------------------------------------

    def see(self, rack: int, gpu: int, labels: Mapping[str, str]) -> None:
        """Take over what a series says of a GPU."""
        own = self._gpus[rack]
        before = own.get(gpu, _SeenGpu("", "", "", ""))
        told = _SeenGpu(
            _short(labels.get("UUID")) or before.uuid,
            _short(labels.get("pci_bus_id")) or before.pci,
            _short(labels.get("modelName")) or before.model,
            next((_short(labels[name]) for name in _DRIVERS if labels.get(name)), before.driver),
        )
        if told == before:
            return
        if told.uuid:  # a GPU that was moved has left its old place
            for other, seen in own.items():
                if other != gpu and seen.uuid == told.uuid:
                    own[other] = replace(seen, uuid="")
        own[gpu] = told
        self.changed.add(rack)

    def announcements(self, *, every: bool = False) -> list[RackMeta]:
        """Return the metadata of the racks whose identity changed, or of all."""
        racks = self.racks if every else tuple(sorted(self.changed))
        for rack in self.changed:
            self._metas[rack] = self._meta(rack)
        self.changed.clear()
        return [self._metas[rack] for rack in racks]

    def _meta(self, rack: int) -> RackMeta:
        base, own = rack_meta(self._layout.names, rack), self._gpus[rack]
        hosts = self._measured[rack].hosts
        seen = [own.get(gpu) for gpu in range(len(base.gpu_uuids))]
        models = [gpu.model for gpu in seen if gpu and gpu.model]
        drivers = [gpu.driver for gpu in seen if gpu and gpu.driver]
        pairs = list(zip(seen, base.gpu_uuids, base.gpu_pci_addresses, strict=True))
        return base.model_copy(
            update={
                "hostnames": (*hosts, *base.hostnames[len(hosts) :]),
                "gpu_uuids": tuple((gpu and gpu.uuid) or uuid for gpu, uuid, _ in pairs),
                "gpu_pci_addresses": tuple((gpu and gpu.pci) or pci for gpu, _, pci in pairs),
                "gpu_model": models[0] if models else base.gpu_model,
                "driver_version": drivers[0] if drivers else base.driver_version,
                "source": "measured",
            }
        )


def _short(text: str | None) -> str:
    """Return a label value if it can be one of the metadata, else nothing."""
    return text if text and len(text) <= _MOST_LETTERS and text.isprintable() else ""
