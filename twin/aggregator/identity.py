"""Identity of hosts and GPUs: announced by retained metadata, else taken from the site file.

Labels of place (site, hall, array, rack) are never announced, so metadata of a rack can only
rename the devices of that rack.
"""

from __future__ import annotations

from twin.aggregator.job_book import JobBook
from twin.catalog import GPU, DeviceHolder, GpuInstance, RackIdentity, UnitKind
from twin.errors import FrameError
from twin.parameters import Site
from twin.site import Layout
from twin.wire import RackMeta, rack_meta

__all__ = ["SETTLE_SECONDS", "Identities"]

SETTLE_SECONDS = 300.0
"""Between two changes of a rack's identity: each change begins all its series anew, so this
bounds the series that a rack can add to a Prometheus, at twelve times its own an hour."""


class Identities:
    """Names of the hosts and GPUs of a site; racks have their index on the whole site.

    Only what differs from the site file is kept. A change that comes too soon, or that claims
    a name which another rack has, waits; the last one of each rack is applied by
    :meth:`settle` when it may be.

    Args:
        layout: the site, or a part of it.

    Attributes:
        jobs: the scheduler's, and which GPUs they have.
    """

    def __init__(self, layout: Layout) -> None:
        self._whole = layout.entire
        self.jobs = JobBook(layout)
        self._announced: dict[int, RackMeta] = {}
        self._owners: dict[str, int] = {}
        self._changed: dict[int, float] = {}
        self._waiting: dict[int, RackMeta | None] = {}

    # -- announcements --------------------------------------------------------

    def announce(self, name: str, meta: RackMeta | None, at: float) -> int | None:
        """Take over the metadata of a rack and return the rack if its identity changed.

        Args:
            name: of the rack, by the topic.
            meta: its metadata, None where the retained message was deleted.
            at: seconds of a clock that never runs backwards.

        Raises:
            FrameError: with the reason ``foreign``, ``shape`` or ``value``: another rack's, of
                other counts, or with a name that stands twice or belongs to another rack.
        """
        rack = self._whole.unit_index(UnitKind.RACK, name)
        if rack is None:
            raise FrameError("foreign", f"the site has no rack {name!r}")
        if meta is not None:
            self._check(name, meta)
            own = rack_meta(self._whole.names, rack)
            if not meta.gpu_pci_addresses:
                meta = meta.model_copy(update={"gpu_pci_addresses": own.gpu_pci_addresses})
            if meta == own:
                meta = None
        if meta == self._announced.get(rack):
            self._waiting.pop(rack, None)
            return None
        self._waiting[rack] = meta
        self._refuse_claimed(rack, meta)
        return rack if self._apply(rack, at) else None

    def confirms(self, name: str, payload: bytes) -> bool:
        """Whether metadata says of a rack what the site file does, and nothing else was said.

        Args:
            name: of the rack, by the topic.
            payload: the message, which need not be decoded then.
        """
        rack = self._whole.unit_index(UnitKind.RACK, name)
        if rack is None or rack in self._announced or rack in self._waiting:
            return False
        return payload == rack_meta(self._whole.names, rack).encode()

    def settle(self, at: float) -> list[int]:
        """Apply the changes that waited and return their racks; call it about once a second."""
        return [rack for rack in list(self._waiting) if self._apply(rack, at)]

    def _check(self, name: str, meta: RackMeta) -> None:
        if meta.rack != name:
            raise FrameError("foreign", f"metadata of rack {meta.rack!r} on the topic of {name!r}")
        gpus, servers = self._whole.per_unit(GPU), self._whole.site.servers_per_rack
        for what, values, counts in (
            ("gpu_uuids", meta.gpu_uuids, (gpus,)),
            ("hostnames", meta.hostnames, (servers,)),
            ("gpu_pci_addresses", meta.gpu_pci_addresses, (0, gpus)),
        ):
            if len(values) not in counts:
                raise FrameError("shape", f"rack {name} has {counts[-1]} {what}, not {len(values)}")
        for what, values in (("gpu_uuids", meta.gpu_uuids), ("hostnames", meta.hostnames)):
            if len(set(values)) < len(values):
                raise FrameError("value", f"two of the {what} of rack {name} are the same")

    def _refuse_claimed(self, rack: int, meta: RackMeta | None) -> None:
        claimed = self._claimed(rack, meta)
        if claimed is not None:
            raise FrameError("value", f"{claimed!r} belongs to another rack")

    def _claimed(self, rack: int, meta: RackMeta | None) -> str | None:
        """Return a name that another rack has, None where all are free."""
        if meta is None:
            names: tuple[str, ...] = self._whole.names.rack(rack).hostnames
        else:
            names = (*meta.hostnames, *meta.gpu_uuids)
        for name in names:
            owner = self._owners.get(name)
            if owner is None and meta is not None:
                owner = self._of_site_file(name)
            if owner is not None and owner != rack:
                return name
        return None

    def _of_site_file(self, hostname: str) -> int | None:
        """Return the rack that has a host name by the site file, and no other identity."""
        prefix, dash, number = hostname.rpartition("-n")
        rack = self._whole.unit_index(UnitKind.RACK, prefix) if dash else None
        if rack is None or not number.isdecimal() or rack in self._announced:
            return None
        return rack if int(number) <= self._whole.site.servers_per_rack else None

    def _apply(self, rack: int, at: float) -> bool:
        meta = self._waiting[rack]
        changed = self._changed.get(rack)
        if changed is not None and at - changed < SETTLE_SECONDS:
            return False
        if self._claimed(rack, meta) is not None:
            return False
        del self._waiting[rack]
        self._changed[rack] = at
        old = self._announced.pop(rack, None)
        if old is not None:
            for name in (*old.hostnames, *old.gpu_uuids):
                self._owners.pop(name, None)
        if meta is not None:
            self._announced[rack] = meta
            self._owners.update(dict.fromkeys((*meta.hostnames, *meta.gpu_uuids), rack))
        return True

    # -- names ----------------------------------------------------------------

    @property
    def site(self) -> Site:
        """The site."""
        return self._whole.site

    def unit_name(self, frame: UnitKind, unit: int) -> str:
        """Return the name of a unit."""
        return self._whole.unit_name(frame, unit)

    def instances(self, rack: int) -> tuple[GpuInstance, ...]:
        """Return the instances that each GPU of a rack is partitioned into."""
        return self._whole.names.instances(rack)

    def holders(self, rack: int, gpu: int) -> tuple[DeviceHolder, ...]:
        """Return the scheduler's jobs that have a GPU of a rack."""
        return self.jobs.holders(rack, gpu)

    def source(self, rack: int) -> str:
        """Return whether the values of a rack are ``simulated`` or ``measured``."""
        announced = self._announced.get(rack)
        return "simulated" if announced is None else announced.source

    def rack(self, rack: int) -> RackIdentity:
        """Return the identity of a rack."""
        return self._announced.get(rack) or self._whole.names.rack(rack)
