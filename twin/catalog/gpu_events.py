"""Families that dcgm-exporter makes itself: XIDs, clock events and their reasons, health, peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["CLOCK_EVENTS", "WINDOW_SECONDS", "ExporterEvent"]

WINDOW_SECONDS = 300.0
"""Length of the windows, by default."""

CLOCK_EVENTS: Mapping[int, str] = MappingProxyType(
    {
        0x1: "gpu_idle",
        0x2: "clocks_setting",
        0x4: "power_cap",
        0x8: "hw_slowdown",
        0x10: "sync_boost",
        0x20: "sw_thermal",
        0x40: "hw_thermal",
        0x80: "hw_power_brake",
        0x100: "display_clocks",
    }
)
"""Bits of ``DCGM_FI_DEV_CLOCKS_EVENT_REASONS`` (NVIDIA/DCGM 4.6.0, ``dcgm_fields.h``)."""


@dataclass(frozen=True, slots=True)
class ExporterEvent:
    """A family that the exporter counts, with a series for each code or reason seen.

    Attributes:
        label: that names the code, the reason, the watch or the peer.
        total: whether it counts since the exporter began, instead of within a window.
        count: returns how many series a GPU has, where it always has as many.
    """

    label: str
    total: bool = False
    count: Callable[[Site], int] = lambda _: 1
