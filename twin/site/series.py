"""Series count of a site, by arithmetic: the load on a Prometheus."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import cache, partial

from twin.catalog import JOB, Detail, HostLevel, Level, Signal, UnitKind
from twin.catalog.editions import Edition
from twin.catalog.job import OF_TOKENS
from twin.parameters import Site
from twin.site.detail import DetailPlan
from twin.site.jobs import job_places
from twin.site.layout import Layout
from twin.site.rollups import site_rollups

__all__ = [
    "BYTES_A_SERIES",
    "count_series",
    "plan_within",
    "series_by_detail",
    "series_by_host",
]

BYTES_A_SERIES = 3200
"""Memory of a Prometheus for one series, bytes (measured with 2.42)."""


def count_series(layout: Layout, plan: DetailPlan) -> int:
    """Return how many series a site exposes under a plan when everything reports.

    The aggregator's own, of which most are two a unit, are not among them.
    """
    host = layout.host_level(None)
    always = sum(
        layout.units(device.frame)
        * layout.per_unit(device)
        * (
            _series(layout.reported[device.name], layout.site)
            + device.derived_series(layout.site, host)
        )
        for device in layout.devices
        if not device.frame.in_array
    )
    always -= _without_tokens(layout)
    rollups = _rollups(layout)
    groups = rollups[Level.SITE] + layout.site.halls * rollups[Level.HALL]
    array_series = cache(partial(_array_series, layout, rollups))
    arrays = sum(
        array_series(
            detail,
            len(layout.racks_of(array)),
            layout.editions[array],
            layout.host_level(array),
            len(layout.partitions[array]),
        )
        for array, detail in enumerate(plan.levels)
    )
    return always + groups + arrays


def _without_tokens(layout: Layout) -> int:
    """Return the series of tokens that jobs lack whose models have none."""
    profiles = [place.profile for place in job_places(layout.site)]
    jobs = sum(profile is not None and not profile.has_tokens for profile in profiles)
    return jobs * sum(signal.name in OF_TOKENS for signal in layout.reported[JOB.name])


def series_by_detail(layout: Layout) -> dict[str, int]:
    """Return the series of the site when all arrays have one detail, by its name."""
    arrays = layout.site.arrays
    return {each.value: count_series(layout, DetailPlan.of(arrays, each)) for each in Detail}


def series_by_host(layout: Layout) -> dict[str, int]:
    """Return the series of the site in full detail when all hosts have one level, by its name."""
    site, plan = layout.site, DetailPlan.of(layout.site.arrays)
    by_level = {
        level: site.model_copy(
            update={"telemetry": site.telemetry.model_copy(update={"host": level.value})}
        )
        for level in HostLevel
    }
    return {level.value: count_series(Layout(own), plan) for level, own in by_level.items()}


def plan_within(layout: Layout, most: int) -> DetailPlan:
    """Return the site's own detail, lowered as far as so many series ask for.

    No array is more detailed than the site says. If the site's plan is too much, all arrays
    fall to ``rack``, or to ``site`` if that is still too much; then the first arrays are
    given back what they had, as many as fit.

    Args:
        layout: the site.
        most: how many series it may expose; fewer than those of ``site`` are not possible.
    """
    wanted = DetailPlan.of_site(layout.site)
    if count_series(layout, wanted) <= most:
        return wanted

    def partly(whole: int, below: Detail) -> DetailPlan:
        lowered = (level if below.covers(level) else below for level in wanted.levels[whole:])
        return wanted.with_levels((*wanted.levels[:whole], *lowered))

    below = Detail.RACK if count_series(layout, partly(0, Detail.RACK)) <= most else Detail.SITE
    # The first number of whole arrays that is too many; all of them are.
    counts = range(layout.site.arrays)
    over = bisect_right(counts, most, key=lambda whole: count_series(layout, partly(whole, below)))
    return partly(max(0, over - 1), below)


def _array_series(
    layout: Layout,
    rollups: Mapping[Level, int],
    detail: Detail,
    racks: int,
    edition: Edition,
    host: HostLevel,
    instances: int,
) -> int:
    """Return the series of an array of so many racks.

    Args:
        layout: the site.
        rollups: roll-up series of one group of each level.
        detail: of the array.
        racks: that it has.
        edition: of its dcgm-exporters.
        host: how much is exposed of its hosts.
        instances: that each GPU is partitioned into.
    """
    if not detail.covers(Detail.RACK):
        return 0
    series = rollups[Level.ARRAY] + racks * rollups[Level.RACK]
    for device in layout.devices:
        if device.frame.in_array and detail.covers(device.detail):
            count = layout.per_unit(device) * (racks if device.frame is UnitKind.RACK else 1)
            if device.reporting is not None:
                count = device.reporting(layout.site, racks)
            own = _series(layout.exposed[edition][device.name], layout.site, instances)
            series += count * (own + device.derived_series(layout.site, host))
    return series


def _series(signals: Iterable[Signal], site: Site, instances: int = 0) -> int:
    """Return the series of one device, of which so many instances may be shown."""
    return sum(signal.series_on(site) * signal.copies_on(instances) for signal in signals)


def _rollups(layout: Layout) -> dict[Level, int]:
    """Return the roll-up series of one rack, array, hall and site."""
    rollups = [rollup for rollup, _, _ in site_rollups(layout)]
    return {level: sum(own.series for own in rollups if level in own.levels) for level in Level}
