"""The shipped suite is green; that it would notice a broken rule is for test_broken_rules.py.

Every run has a scenario of a few sites. A full one has all scenarios, and every fault on a smaller
site besides (tests/deploy/test_physics.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.conftest import SUITE_SECONDS, firing
from twin.rules.audit import audit
from twin.rules.result import CheckStatus, ScenarioResult
from twin.rules.scenario_run import Options
from twin.rules.source import RuleSet
from twin.rules.suite import is_foreign, run_suite
from twin.scenario import find_scenarios
from twin.scenario.loader import LoadedScenario

pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("suite"),
    pytest.mark.timeout(SUITE_SECONDS),
]

LONGEST = "quiet-day"
QUICK_SITES = 3
"""Sites of which every run has a scenario."""


@pytest.mark.full
def test_the_shipped_suite_is_green(results: list[ScenarioResult]) -> None:
    """Every fault fires its alerts in time and no others, and quiet hours fire none."""
    assert failed(results) == []


def test_scenarios_of_a_few_sites_are_green(shipped: RuleSet, alertmanager_config: Path) -> None:
    """The shortest faults, each on another site, fire their alerts in time and no others."""
    shortest: dict[str, LoadedScenario] = {}
    for loaded in find_scenarios([]):
        if loaded.scenario.faults:
            site = loaded.layout.site.name
            other = shortest.setdefault(site, loaded)
            shortest[site] = min(loaded, other, key=lambda own: own.scenario.duration)
    chosen = sorted(shortest.values(), key=lambda own: own.scenario.duration)[:QUICK_SITES]
    assert len(chosen) == QUICK_SITES
    assert failed(run_suite(chosen, shipped, Options(alertmanager=alertmanager_config))) == []


def failed(results: list[ScenarioResult]) -> list[str]:
    """Return the checks that did not pass."""
    return [
        f"{result.name}: {check.text}: {check.detail}"
        for result in results
        for check in result.checks
        if check.status is not CheckStatus.PASSED
    ]


@pytest.mark.full
def test_a_whole_day_is_green(results: list[ScenarioResult]) -> None:
    """A day of normal training is among the scenarios of a full run, and fires nothing."""
    (day,) = [result for result in results if result.name == LONGEST]
    assert day.duration == 86_400
    assert not list(firing([day]))


@pytest.mark.full
def test_no_rule_names_what_no_site_has(shipped: RuleSet, results: list[ScenarioResult]) -> None:
    """Every shipped rule can be evaluated, and on metrics that exist, if on another site."""
    findings = audit(shipped, results)
    assert [own.rule.name for own in findings if own.unknown or own.error] == []


@pytest.mark.full
def test_what_no_scenario_expects_does_not_fire(
    results: list[ScenarioResult], expected_alerts: set[str]
) -> None:
    """An alert that is left to tests written by hand has no scenario that could prove it."""
    fired = {own.labels["alertname"] for own in firing(results)}
    assert fired <= expected_alerts


def test_the_shipped_rules_are_the_scenarios_own(shipped: RuleSet) -> None:
    """With the shipped rules no expectation is left out."""
    assert not is_foreign(shipped)
