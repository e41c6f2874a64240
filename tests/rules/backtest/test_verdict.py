"""Verdicts on a past: hits, misses, delay, false alarms a week, precision."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.conftest import episode
from twin.rules.backtest import (
    BacktestVerdict,
    PastIncident,
    PastOutcome,
    PastSettings,
    backtest_html,
    verdict,
)
from twin.rules.backtest.outcome import WEEK, Gap
from twin.rules.backtest.report import backtest_json, backtest_junit, backtest_text
from twin.rules.backtest.run import paces
from twin.rules.judging import Episode
from twin.rules.result import CheckStatus
from twin.rules.source import RuleSet, load_rules

START = 1_777_800_000.0
DAY = 86_400.0


@pytest.fixture
def rules(rule_file: Path) -> RuleSet:
    """Return PumpFailed and GpuHot."""
    return load_rules([str(rule_file)])


def incident(start: float, end: float, *alerts: str, **labels: str) -> PastIncident:
    """Return an incident, so many seconds after the start."""
    own = {"name": "own", "from": START + start, "to": START + end}
    return PastIncident.model_validate({**own, "alerts": alerts, "labels": labels})


def at(begins: float, ends: float, name: str = "PumpFailed", **labels: str) -> Episode:
    """Return a firing, so many seconds after the start."""
    return episode(name, START + begins, START + begins, START + ends, **labels)


def judged(
    rules: RuleSet,
    incidents: list[PastIncident] | None,
    *episodes: Episode,
    found: tuple[Episode, ...] = (),
    gaps: tuple[Gap, ...] = (),
) -> BacktestVerdict:
    """Return the verdict on two weeks in which PumpFailed fired so."""
    settings = PastSettings(START, START + 2 * WEEK, 15.0)
    return verdict(PastOutcome(settings, rules, episodes, {}, found, gaps=gaps), incidents)


def test_a_hit_has_its_delay(rules: RuleSet) -> None:
    """The first firing with the incident's labels counts, also one that began before it."""
    own = [incident(100, 900, "PumpFailed", rack="r1"), incident(5000, 6000, "PumpFailed")]
    found = judged(rules, own, at(120, 130, rack="r2"), at(160, 200, rack="r1"), at(4900, 5100))
    assert [(check.status, check.delay) for check in found.checks] == [
        (CheckStatus.PASSED, 60.0), (CheckStatus.PASSED, -100.0),
    ]  # fmt: skip
    assert found.complaints == []


def test_a_miss_says_what_fired_instead(rules: RuleSet) -> None:
    """A firing elsewhere, or too late, is none; the run fails and says why."""
    own = [incident(100, 900, "PumpFailed", "GpuHot", rack="r1")]
    found = judged(rules, own, at(120, 130, rack="r2"), at(901, 950, rack="r1"))
    first, second = found.checks
    assert first.detail == "PumpFailed fired 1 times meanwhile, but with other labels"
    assert second.detail == "did not fire"
    assert found.complaints == ["2 of 2 expected alerts did not fire"]


def test_false_alarms_are_counted_a_week(rules: RuleSet) -> None:
    """What overlaps no incident, or one with other labels, is false; weeks are those judged."""
    own = [incident(100, 900, "GpuHot", rack="r1")]
    firings = [at(120, 130, rack="r1"), at(120, 130), at(120, 130, rack="r2"), at(2000, 2100)]
    found = judged(rules, own, *firings)
    record = found.alerts[0]
    assert (record.a_week, record.false_a_week, record.precision) == (2.0, 1.0, 0.5)
    assert judged(rules, None, *firings).alerts[0].false_a_week is None
    half = judged(rules, own, *firings, gaps=(Gap(START + WEEK, START + 2 * WEEK),))
    assert half.alerts[0].false_a_week == 2.0


def test_what_cannot_be_judged_is_skipped(rules: RuleSet) -> None:
    """An incident in a gap, outside of the past, or without an expected alert fails nothing."""
    own = [
        incident(100, 900, "PumpFailed"),
        incident(-900, -100, "PumpFailed"),
        incident(5000, 6000),
    ]
    found = judged(rules, own, at(5500, 5600), gaps=(Gap(START, START + 1000),))
    assert [check.detail for check in found.checks] == [
        "is in a gap of the past", "is outside of the past that was read", "PumpFailed fired",
    ]  # fmt: skip
    assert {check.status for check in found.checks} == {CheckStatus.SKIPPED}
    assert found.complaints == []


def test_the_observer_stands_beside(rules: RuleSet) -> None:
    """Its findings have records of their own, and their delay stands beside the alert's."""
    own = [incident(100, 900, "PumpFailed", rack="r1")]
    seen = at(160, 900, "pump has lost head", rack="r1"), at(90_000, 90_100, "pump has lost head")
    found = judged(rules, own, at(700, 900, rack="r1"), found=seen)
    assert found.observer[0].name == "pump has lost head"
    assert (found.observer[0].false_a_week, found.checks[0].delay) == (0.5, 600.0)
    assert found.checks[0].observed == 60.0


def test_every_report_says_the_same(rules: RuleSet) -> None:
    """Text, JSON and JUnit have the miss."""
    found = judged(rules, [incident(100, 900, "PumpFailed")], at(2000, 2100, rack="r1"))
    told = backtest_json(found)
    assert told["passed"] is False
    assert told["incidents"][0]["status"] == "failed"
    assert told["rules"][0]["firings"][0]["false"] is True
    assert b'failures="1"' in backtest_junit(found)
    rows = [row for part in backtest_text(found, every=True) if isinstance(part, tuple)
            for row in part[1]]  # fmt: skip
    assert any("missed" in row for row in rows)
    assert any('rack="r1"' in row for row in rows)


def test_page_shows_everybody_on_one_line_of_time(rules: RuleSet) -> None:
    """Incidents, firings that they excuse, false alarms and findings are bars, and text is text."""
    hours = 3600.0
    own = [incident(0, WEEK, "PumpFailed", rack="r1")]
    found = judged(
        rules,
        own,
        at(hours, 2 * hours, rack="r1"),
        at(WEEK + 1, WEEK + 2, rack="<b>"),
        found=(at(0, 2 * WEEK, "cold plate"),),
        gaps=(Gap(START + WEEK, START + WEEK + 10),),
    )
    page = backtest_html(found)
    assert '<span class="bar incident" style="left:0.0%;width:50.0%"></span>' in page
    assert '<span class="bar excused" style="left:0.298%;width:0.298%"></span>' in page
    assert '<span class="bar false" style="left:50.0%;width:0.15%"></span>' in page
    assert page.index('class="soft">alert<') < page.index('class="soft">twin shadow<')
    assert "no samples" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_groups_are_evaluated_at_their_own_interval(tmp_path: Path) -> None:
    """A group's interval counts in whole steps; one without is evaluated at each."""
    path = tmp_path / "own.yml"
    path.write_text(
        """
groups:
  - {name: a, rules: [{alert: A, expr: up == 0}]}
  - {name: b, interval: 1m, rules: [{alert: B, expr: up == 0}]}
  - {name: c, interval: 20s, rules: [{alert: C, expr: up == 0}]}
  - {name: d, interval: 5s, rules: [{alert: D, expr: up == 0}]}
""",
        encoding="utf-8",
    )
    found = paces(load_rules([str(path)]), 15.0)
    told = {pace: [own.name for own in alerts] for pace, alerts in found.items()}
    assert told == {15.0: ["A", "D"], 60.0: ["B"], 30.0: ["C"]}
