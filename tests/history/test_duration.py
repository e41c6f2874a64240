"""The duration of a past is told from the steps that it will take, and from what follows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from twin.history import PastPlan, duration, expected_seconds, target_of
from twin.history.duration import fine_steps
from twin.history.past import SimulatedPast
from twin.site import DetailPlan, Layout
from twin.site.loader import site_of

START = 1_772_323_200
LAYOUT = Layout(site_of({"name": "tiny", "racks": 2, "racks_per_array": 2}, "tiny"))


def plan(days: int = 2, failures: str = "natural:1000") -> PastPlan:
    """Return a plan of two hours a day."""
    detail = DetailPlan.of_site(LAYOUT.site).changed(["rack"])
    return PastPlan(LAYOUT, detail, START, days, 60, 1, failures=failures, day=7200)


@pytest.mark.parametrize("failures", ["none", "natural:1000"])
def test_fine_steps_are_known_before(failures: str) -> None:
    """The steps that the plant takes finely are those after failures and at a day's beginning."""
    own = plan(failures=failures)
    lived, fine = SimulatedPast(own), 0
    for _ in range(own.days * own.scrapes):
        lived.pass_by()
        fine += lived.longest == own.longest
    told = fine_steps(own, own.each_day)
    assert told == pytest.approx(fine, abs=4)
    assert (failures == "none") == (told == 30)


def test_more_takes_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the days take twice as long, rules and other formats longer; what is there nothing."""
    trial = duration.Trial(0.01, 0.005, 0.02)
    monkeypatch.setattr(duration, "tried", lambda _plan: trial)
    own, target = plan(10, "none"), target_of(f"parquet:{tmp_path}")
    one = expected_seconds(own, target, 1)
    assert one == pytest.approx(2.0 + 10 * (120 * 0.01 + 15 * 0.02), rel=0.05)
    assert expected_seconds(replace(own, days=20), target, 1) == pytest.approx(2 * one, rel=0.1)
    assert expected_seconds(replace(own, rules=True), target, 1) > one
    assert expected_seconds(own, target_of(f"openmetrics:{tmp_path}"), 1) > one
    assert expected_seconds(own, target, 2) < one
    for day in own.each_day:
        (tmp_path / f"day={target.name_of(day)}").mkdir()
    assert expected_seconds(own, target, 1) == 0.0
