"""Metadata of a rack: the retained message of models, UUIDs and serials."""

from __future__ import annotations

from twin.catalog import UnitKind
from twin.site import SiteNames
from twin.wire.messages import RackMeta

__all__ = ["rack_meta"]


def rack_meta(names: SiteNames, rack: int) -> RackMeta:
    """Return the devices of a rack and their names, by the site file.

    Args:
        names: of the site.
        rack: its index on the whole site.
    """
    own = names.rack(rack)
    return RackMeta(
        rack=names.unit_name(UnitKind.RACK, rack),
        gpu_model=own.gpu_model,
        gpu_uuids=own.gpu_uuids,
        gpu_pci_addresses=own.gpu_pci_addresses,
        hostnames=own.hostnames,
        driver_version=own.driver_version,
        job=own.job,
    )
