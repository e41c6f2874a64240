"""Verdicts on a past: hits, misses, delay, false alarms a week, precision."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.conftest import episode
from twin.rules.backtest import BacktestVerdict, PastIncident, PastOutcome, PastSettings, verdict
from twin.rules.backtest.outcome import WEEK, Gap
from twin.rules.backtest.report import backtest_json, backtest_junit, backtest_text
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
