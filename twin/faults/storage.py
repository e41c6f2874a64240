"""Faults of the storage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.faults.base import Fault, Impact

__all__ = ["StorageSlow"]


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
        "Checkpoints take as much longer, in which all GPUs wait at about 157 W: the valleys of "
        "the site's power are longer, disks are busier, less is written a second, goodput falls."
    )

    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Throughput over the rating."""

    def strike(self, impact: Impact) -> None:
        """Slow the rack down."""
        impact.conditions.storage_speed[impact.target.unit] = self.ratio
