"""Series count of a site, by arithmetic: the load on a Prometheus."""

from __future__ import annotations

from bisect import bisect_right

from twin.catalog import PORT, Detail, DeviceClass, Level, UnitKind
from twin.site.detail import DetailPlan
from twin.site.layout import Layout

__all__ = ["BYTES_A_SERIES", "count_series", "plan_within", "series_by_detail"]

BYTES_A_SERIES = 3200
"""Memory of a Prometheus for one series, bytes (measured with 2.42)."""


def count_series(layout: Layout, plan: DetailPlan) -> int:
    """Return how many series a site exposes under a plan when everything reports.

    The aggregator's own, of which most are two a unit, are not among them.
    """
    always = sum(
        layout.units(device.frame) * layout.per_unit(device) * _signals(layout, device)
        for device in layout.devices
        if device.frame not in (UnitKind.RACK, UnitKind.ARRAY)
    )
    groups = _rollups(layout, Level.SITE) + layout.site.halls * _rollups(layout, Level.HALL)
    of_arrays = {detail: _array_series(layout, detail) for detail in Detail}
    arrays = sum(
        own + a_rack * len(layout.racks_of(array))
        for array, detail in enumerate(plan.levels)
        for own, a_rack in (of_arrays[detail],)
    )
    return always + groups + arrays


def series_by_detail(layout: Layout) -> dict[str, int]:
    """Return the series of the site when all arrays have one detail, by its name."""
    arrays = layout.site.arrays
    return {each.value: count_series(layout, DetailPlan.of(arrays, each)) for each in Detail}


def plan_within(layout: Layout, most: int) -> DetailPlan:
    """Return the site's own detail, lowered as far as so many series ask for.

    No array is more detailed than the site says. If the site's plan is too much, all arrays
    fall to ``rack``, or to ``site`` if that is still too much; then the first arrays are
    given back what they had, as many as fit.

    Args:
        layout: the site.
        most: how many series it may expose; fewer than those of ``site`` are not possible.
    """
    wanted = layout.detail
    if count_series(layout, wanted) <= most:
        return wanted

    def partly(whole: int, below: Detail) -> DetailPlan:
        lowered = (level if below.covers(level) else below for level in wanted.levels[whole:])
        return DetailPlan((*wanted.levels[:whole], *lowered))

    below = Detail.RACK if count_series(layout, partly(0, Detail.RACK)) <= most else Detail.SITE
    # The first number of whole arrays that is too many; all of them are.
    counts = range(layout.site.arrays)
    over = bisect_right(counts, most, key=lambda whole: count_series(layout, partly(whole, below)))
    return partly(max(0, over - 1), below)


def _array_series(layout: Layout, detail: Detail) -> tuple[int, int]:
    """Return the series of an array at this detail: its own, and those of each of its racks."""
    if not detail.covers(Detail.RACK):
        return 0, 0
    own, a_rack = _rollups(layout, Level.ARRAY), _rollups(layout, Level.RACK)
    for device in layout.devices:
        if not detail.covers(device.detail):
            continue
        if device.frame is UnitKind.RACK:
            a_rack += layout.per_unit(device) * _signals(layout, device)
        elif device is PORT:
            # Ports to racks that a short last array does not have report nothing.
            rails, uplinks = layout.fabric.rails, layout.fabric.uplinks
            own += rails * uplinks * _signals(layout, device)
            a_rack += rails * layout.site.servers_per_rack * _signals(layout, device)
        elif device.frame is UnitKind.ARRAY:
            own += layout.per_unit(device) * _signals(layout, device)
    return own, a_rack


def _signals(layout: Layout, device: DeviceClass) -> int:
    """Return the series of one device."""
    return sum(signal.series for signal in layout.reported[device.name])


def _rollups(layout: Layout, level: Level) -> int:
    """Return the roll-up series of one rack, array, hall or site."""
    return sum(rollup.series for rollup, _, _ in layout.rollups if level in rollup.levels)
