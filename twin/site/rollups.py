"""Roll-ups of a site: those that it has, and the labels of their series."""

from __future__ import annotations

from twin.catalog import DeviceClass, Labels, Level, Rollup, Signal, UnitKind
from twin.site.labels import place_labels
from twin.site.layout import Layout

__all__ = ["rollup_labels", "site_rollups"]


def site_rollups(layout: Layout) -> tuple[tuple[Rollup, DeviceClass, Signal], ...]:
    """Return the roll-ups that a site has, and what each is taken over."""
    return tuple(
        (rollup, device, own[rollup.signal])
        for device in layout.devices
        for own in [{signal.name: signal for signal in layout.reported[device.name]}]
        for rollup in device.rollups
        if rollup.signal in own
    )


def rollup_labels(layout: Layout, level: Level, index: int) -> Labels:
    """Return the labels of a roll-up over a rack, an array, a hall or the site."""
    match level:
        case Level.SITE:
            return (("site", layout.site.name),)
        case Level.HALL:
            return place_labels(layout, UnitKind.ARRAY, layout.hall_arrays[index])[:2]
        case Level.ARRAY:
            return place_labels(layout, UnitKind.ARRAY, index)
        case Level.RACK:
            return place_labels(layout, UnitKind.RACK, index)
