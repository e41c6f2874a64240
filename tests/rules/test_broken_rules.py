"""The shipped suite would notice any broken rule and any inhibition that is removed."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from tests.rules.conftest import SUITE_SECONDS, firing
from twin.rules.alertmanager import told_by
from twin.rules.mutation import mutants, survivors
from twin.rules.result import CheckStatus, ScenarioResult
from twin.rules.source import RuleSet
from twin.rules.verdict import judge
from twin.scenario import load_scenario

pytestmark = [
    pytest.mark.integration,
    pytest.mark.full,
    pytest.mark.xdist_group("suite"),
    pytest.mark.timeout(SUITE_SECONDS),
]

EQUIVALENT = {
    (name, "loose")
    for name in ("GpuXid", "GpuXidContained", "GpuXidApplication", "PodCrashLooping")
}
"""Mutants that do as the rule does: these select by the XID's or the reason's label, and a series
has it only while it is so: `> 0` says what the label says already. Their other mutants must be
noticed."""


OF_PARTS = ('part!=""', 'part="facility"', 'alertname="AggregatorDisconnected"')
"""Matchers of inhibitions that only a site in shards needs, which no scenario has:
tests/integration/test_alertmanager.py tries these."""


def test_a_broken_rule_turns_the_suite_red(
    shipped: RuleSet, results: list[ScenarioResult], expected_alerts: set[str]
) -> None:
    """With its limit, its `for` or its selectors broken, every rule is noticed."""
    left = [
        f"{own.rule.name} {own.kind}"
        for own in survivors(shipped, results)
        if own.rule.name in expected_alerts and (own.rule.name, own.kind) not in EQUIVALENT
    ]
    assert left == []
    assert len(mutants(shipped)) > 3 * len(shipped.alerts)


def test_a_removed_inhibition_turns_the_suite_red(
    shipped: RuleSet, results: list[ScenarioResult], alertmanager_config: Path, tmp_path: Path
) -> None:
    """Each inhibition of the shipped configuration is needed by a scenario."""
    config = yaml.safe_load(alertmanager_config.read_text(encoding="utf-8"))
    names = [rule.name for rule in shipped.alerts]
    unnoticed = []
    for index, rule in enumerate(config["inhibit_rules"]):
        if not set(OF_PARTS).isdisjoint(rule["source_matchers"]):
            continue
        without = copy.deepcopy(config)
        del without["inhibit_rules"][index]
        path = tmp_path / f"without-{index}.yml"
        path.write_text(yaml.safe_dump(without), encoding="utf-8")
        if not any(noticed(result, path, names) for result in results if concerns(rule, result)):
            unnoticed.append(rule)
    assert unnoticed == []


def concerns(rule: dict[str, list[str]], result: ScenarioResult) -> bool:
    """Return whether a scenario expects an inhibition at all while the source fires."""
    text = " ".join(rule["source_matchers"])
    fired = {own.labels["alertname"] for own in firing([result])}
    return any(check.kind == "inhibited" for check in result.checks) and any(
        name in text for name in fired
    )


def noticed(result: ScenarioResult, config: Path, names: list[str]) -> bool:
    """Return whether a check fails with another configuration."""
    episodes = [own for listed in result.episodes.values() for own in listed]
    told = told_by(config, episodes, result.duration)
    checks = judge(load_scenario(result.name), episodes, names, told)
    return any(check.status is CheckStatus.FAILED for check in checks)
