"""Metadata of a rack: the retained message of models, UUIDs and serials."""

from __future__ import annotations

from twin.catalog import GPU, UnitKind
from twin.site import Layout
from twin.wire.messages import RackMeta

__all__ = ["rack_meta"]


def rack_meta(layout: Layout, rack: int) -> RackMeta:
    """Return what stands in a rack and what it is called.

    Args:
        layout: of the site, or of the part that is published.
        rack: its index there.
    """
    site, gpus = layout.site, range(layout.per_unit(GPU))
    return RackMeta(
        rack=layout.unit_name(UnitKind.RACK, rack),
        gpu_model=layout.gpu_model_name(rack),
        gpu_uuids=tuple(layout.gpu_uuid(rack, gpu) for gpu in gpus),
        gpu_pci_addresses=tuple(layout.gpu_pci_address(rack, gpu) for gpu in gpus),
        hostnames=tuple(layout.hostname(rack, n) for n in range(site.servers_per_rack)),
        driver_version=layout.driver_version(rack),
        job=layout.job_of(rack),
    )
