"""Events that dcgm-exporter counts itself, and the reasons for which clocks are lowered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

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
        label: that names the code or the reason.
        total: whether it counts since the exporter began, instead of within a window.
    """

    label: str
    total: bool = False
