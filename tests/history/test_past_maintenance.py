"""Maintenance of a past: works of the calendar are faults of the plant and planned events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin.faults.maintenance import MaintenanceCalendar, PlannedWork
from twin.history import PastPlan, SimulatedPast
from twin.history.events import PastEvent
from twin.history.past import LONGEST, QUIET
from twin.site import DetailPlan, Layout
from twin.site.loader import site_of

START = 1_772_323_200
"""2026-03-01 00:00 UTC."""
LAYOUT = Layout(site_of({"name": "tiny", "racks": 1, "racks_per_array": 1}, "tiny"))
DETAIL = DetailPlan.of_site(LAYOUT.site).changed(["site"])


@pytest.fixture(scope="module")
def work() -> PlannedWork:
    """Return the first firmware of the site's rack."""
    coming = MaintenanceCalendar(LAYOUT, 1).between(START, START + 14 * 86_400)
    return next(own for own in coming if own.work == "node-firmware")


def plan_around(work: PlannedWork) -> PastPlan:
    """Return a plan that begins a minute before a work."""
    return PastPlan(LAYOUT, DETAIL, work.start - 60, 1, 60, 1, failures="none", day=7200,
                    maintenance=True)  # fmt: skip


def events_of(past: SimulatedPast) -> list[PastEvent]:
    """Return the events of the plan's time."""
    return past.events(START, START + 15 * 86_400)


def test_works_are_planned_events_of_the_plant(work: PlannedWork) -> None:
    """Every server of the rack is off for the time of the work, and the events say why."""
    past = SimulatedPast(plan_around(work), wanted=())
    past.pass_by()
    past.pass_by()
    found = events_of(past)
    assert len(found) == LAYOUT.site.servers_per_rack
    assert all(own.planned and own.work == "node-firmware" for own in found)
    assert {(own.start, own.end) for own in found} == {
        (work.start * 1000, (work.start + work.seconds) * 1000)
    }
    hosts = past.plant.servers.hosts
    assert hosts is not None
    assert not hosts.up.any()


def test_a_work_goes_on_after_a_pause(work: PlannedWork) -> None:
    """What begins in the midst of a work has its events once, with their true ends."""
    plan = plan_around(work)
    past = SimulatedPast(plan, wanted=())
    for _ in range(3):
        past.pass_by()
    later = SimulatedPast(plan, past.state(), wanted=())
    later.pass_by()
    assert events_of(later) == events_of(past)


def test_no_maintenance_leaves_it_out(work: PlannedWork) -> None:
    """Without maintenance nothing is planned, and it is another past."""
    plan = plan_around(work)
    without = replace(plan, maintenance=False)
    past = SimulatedPast(without, wanted=())
    past.pass_by()
    past.pass_by()
    assert events_of(past) == []
    assert plan.identity != without.identity


def test_what_a_step_costs_is_tried_where_steps_are_as_long_as_most() -> None:
    """The beginning of a day, whose steps are short, is over before the trial of the time."""
    past = SimulatedPast(PastPlan(LAYOUT, DETAIL, START, 1, 60, 1, failures="none"), wanted=())
    past.pass_by()
    assert past.longest == LONGEST
    past.settle()
    past.pass_by()
    assert past.longest == QUIET
