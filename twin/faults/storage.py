"""Faults of the storage and the CPU servers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.faults.base import Fault, FaultContext

__all__ = ["ServiceRackDown", "StorageFilling", "StorageSlow"]


class StorageSlow(Fault):
    """A service rack serves its disks slowly, and all files are striped over it."""

    kind = "storage-slow"
    system = "storage"
    title = "the storage is slow"
    target = "service"
    default_target = "s001"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "Checkpoints take correspondingly longer, and meanwhile all GPUs wait at about 157 W: the "
        "dips in the site's power are longer, disks are busier, write throughput and goodput fall."
    )

    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Throughput as a fraction of the rating."""

    def apply(self, context: FaultContext) -> None:
        """Slow the rack down."""
        context.conditions.storage_speed[context.target.unit] = self.ratio


class StorageFilling(Fault):
    """The disks of a service rack fill up with files that are never deleted."""

    kind = "storage-filling"
    system = "storage"
    title = "the shared storage fills up"
    target = "service"
    default_target = "s001"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "`node_filesystem_avail_bytes` of the rack's storage servers falls in a straight line, "
        "although no more is written than before. Files are striped over all servers: once the "
        "fullest has no space left, the job crashes as it begins its next checkpoint, and again at "
        "the first one after its restart. The space is free again when the fault ends."
    )

    ratio: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Share of the rack's capacity that is filled per hour."""

    def apply(self, context: FaultContext) -> None:
        """Take space."""
        context.conditions.storage_filling[context.target.unit] = self.ratio


class ServiceRackDown(Fault):
    """A service rack has no power: its storage and CPU servers are off."""

    kind = "service-rack-down"
    system = "storage"
    title = "a service rack goes dark"
    target = "service"
    default_target = "s001"
    default_seconds = 900.0
    severity = "critical"
    shows = (
        "`up` of the rack's storage and CPU servers is 0 and their other series vanish. Files are "
        "striped over all racks, so nothing can be read or written: the job trains on from its "
        "loaders' buffers until its next checkpoint, which ends only when the rack is back; a job "
        "that has to load a checkpoint waits just as long. All GPUs then show 100 % at about 157 W."
    )

    def apply(self, context: FaultContext) -> None:
        """Cut the rack's power."""
        context.conditions.service_available[context.target.unit] = False
