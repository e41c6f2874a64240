"""How many series a site exposes, by arithmetic: what a Prometheus has to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.catalog import PORT, Detail, DeviceClass, Frame, Level
from twin.site.detail import DetailPlan

if TYPE_CHECKING:
    from twin.site.layout import Layout

__all__ = ["BYTES_A_SERIES", "count_series"]

BYTES_A_SERIES = 3200
"""Memory of a Prometheus for one series, bytes (measured with 2.42)."""


def count_series(layout: Layout, plan: DetailPlan) -> int:
    """Return how many series a site exposes under a plan when everything reports."""
    always = sum(
        layout.units(device.frame) * layout.per_unit(device) * _signals(layout, device)
        for device in layout.devices
        if device.frame not in (Frame.RACK, Frame.ARRAY)
    )
    groups = _rollups(layout, Level.SITE) + layout.site.halls * _rollups(layout, Level.HALL)
    of_arrays = {detail: _array_series(layout, detail) for detail in Detail}
    arrays = sum(
        own + a_rack * len(layout.racks_of(array))
        for array, detail in enumerate(plan.levels)
        for own, a_rack in (of_arrays[detail],)
    )
    return always + groups + arrays


def _array_series(layout: Layout, detail: Detail) -> tuple[int, int]:
    """Return the series of an array at this detail: its own, and those of each of its racks."""
    if not detail.covers(Detail.RACK):
        return 0, 0
    own, a_rack = _rollups(layout, Level.ARRAY), _rollups(layout, Level.RACK)
    for device in layout.devices:
        if not detail.covers(device.detail):
            continue
        if device.frame is Frame.RACK:
            a_rack += layout.per_unit(device) * _signals(layout, device)
        elif device is PORT:
            # Ports to racks that a short last array does not have report nothing.
            rails, uplinks = layout.fabric.rails, layout.fabric.uplinks
            own += rails * uplinks * _signals(layout, device)
            a_rack += rails * layout.site.servers_per_rack * _signals(layout, device)
        elif device.frame is Frame.ARRAY:
            own += layout.per_unit(device) * _signals(layout, device)
    return own, a_rack


def _signals(layout: Layout, device: DeviceClass) -> int:
    """Return the series of one device."""
    return sum(signal.series for signal in layout.reported[device.name])


def _rollups(layout: Layout, level: Level) -> int:
    """Return the roll-up series of one rack, array, hall or site."""
    return sum(rollup.series for rollup, _, _ in layout.rollups if level in rollup.levels)
