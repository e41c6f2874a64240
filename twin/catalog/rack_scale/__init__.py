"""Device classes of racks that are one machine, such as an NVL72."""

from __future__ import annotations

from twin.catalog.rack_scale.grace import GRACE
from twin.catalog.rack_scale.links import NVLINK
from twin.catalog.rack_scale.shelves import POWER_SHELF, SHELF_PSU
from twin.catalog.rack_scale.switches import SWITCH_TRAY
from twin.catalog.rack_scale.trays import HOT_SWAP, LEAK_DETECTOR

__all__ = [
    "GRACE",
    "HOT_SWAP",
    "LEAK_DETECTOR",
    "NVLINK",
    "POWER_SHELF",
    "SHELF_PSU",
    "SWITCH_TRAY",
]
