"""Planned maintenance: a calendar that a seed decides, of works that the site can bear."""

from __future__ import annotations

import pytest

from twin.catalog import UnitKind
from twin.faults import FAULTS, FaultSchedule
from twin.faults.maintenance import WORKS, MaintenanceCalendar, PlannedWork, work_of
from twin.site import Layout, load_site

START = 1_772_323_200
"""2026-03-01 00:00 UTC, a Sunday."""
DAY = 86_400
LAYOUT = Layout(load_site("demo"))


def works(days: int = 28, seed: int = 0, layout: Layout = LAYOUT) -> list[PlannedWork]:
    """Return the works of some days."""
    return MaintenanceCalendar(layout, seed).between(START, START + days * DAY)


def test_seed_decides_the_calendar() -> None:
    """The same seed gives the same works however the time is cut, another seed others."""
    whole, calendar = works(), MaintenanceCalendar(LAYOUT, 0)
    hours = [calendar.between(START + own * 3600, START + (own + 1) * 3600) for own in range(672)]
    assert [work for own in hours for work in own] == whole
    assert works(seed=1) != whole


def test_every_kind_comes_in_its_time() -> None:
    """In four weeks there are all kinds that the site has units for, racks each week, by day."""
    found = works()
    racks = [work.target for work in found if work.kind == "both-pumps-failure"]
    assert len(racks) == len(set(racks)) == 4
    assert {work.work for work in found} == {
        kind.key for kind in WORKS if kind.unit != "genset" or LAYOUT.units(UnitKind.GENSET)
    }
    for work in found:
        local = (work.start + LAYOUT.site.water.utc_offset_hours * 3600) % DAY / 3600
        assert 9.0 <= local <= 18.0
        assert (work.start // DAY + 3) % 7 < 5


def test_every_rack_has_its_turn() -> None:
    """Within a quarter the nodes of every rack have had their firmware."""
    found = {work.target for work in works(17 * 7) if work.work == "node-firmware"}
    assert len(found) == LAYOUT.site.servers


@pytest.mark.parametrize("site", ["demo", "colossus-1m", "nvl72-pod"])
def test_site_takes_all_works(site: str) -> None:
    """Every work is one that the site can have, and fewer than half of all faults are at once."""
    layout = Layout(load_site(site))
    schedule = FaultSchedule(layout, FAULTS)
    for work in works(28, layout=layout):
        schedule.expire(work.start)
        schedule.inject(work.identifier, work.kind, work.target, work.start, work.seconds)
        assert work_of(work.identifier) == work.work
    assert work_of("natural-server-down-7") is None
