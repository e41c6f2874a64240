"""Rules that no scenario fires: the tests written by hand notice whatever is done to one."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from twin.alerts import ALERTS, RULES
from twin.rules.jobs import grouped
from twin.rules.mutation import mutants
from twin.rules.rule_yaml import Value, groups_yaml
from twin.rules.source import Rule, load_rules
from twin.scenario import find_scenarios

pytestmark = [pytest.mark.integration, pytest.mark.full]

FOLDER = Path("deploy/prometheus")
DOMAINS = {alert.name: rules.domain for rules in RULES for alert in rules.alerts}


def by_hand() -> list[str]:
    """Return the alerts that no shipped scenario expects to fire."""
    expected: set[str] = set()
    for loaded in find_scenarios([]):
        expect = loaded.scenario.expect
        expected |= {own.alert for own in expect.fires} | set(expect.exactly or ())
    return sorted(set(ALERTS) - expected)


def passes(rule: Rule, body: Mapping[str, Value], root: Path, folder: Path) -> bool:
    """Return whether promtool's tests of an alert alone pass when it has this body."""
    file = rule.file
    rules = load_rules([str(file)])
    needed = {rule.key, *(own.key for own in rules.feeding([rule]))}
    own = [
        (other, body if other.key == rule.key else other.body)
        for other in rules.rules
        if other.key in needed
    ]
    (folder / file.name).write_text(groups_yaml(grouped(own, rules)), encoding="utf-8")
    tests = yaml.safe_load((root / FOLDER / "tests" / file.name).read_text(encoding="utf-8"))
    cases = []
    for test in tests["tests"]:
        told = [case for case in test["alert_rule_test"] if case["alertname"] == rule.name]
        if told:
            cases.append({**test, "alert_rule_test": told})
    path = folder / f"test-{file.name}"
    document = {**tests, "rule_files": [file.name], "tests": cases}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", path.name],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == ("FAILED" not in said), said
    assert "exp:" in said or "SUCCESS" in said, said
    return done.returncode == 0


@pytest.mark.parametrize("alert", by_hand())
def test_a_broken_rule_turns_its_tests_red(alert: str, root: Path, tmp_path: Path) -> None:
    """With its limit, its `for` or its selectors broken, the rule's own test fails."""
    rules = load_rules([str(root / FOLDER / "rules" / f"{DOMAINS[alert]}.yml")])
    own = [mutant for mutant in mutants(rules) if mutant.rule.name == alert]
    assert len(own) >= 3
    assert passes(own[0].rule, own[0].rule.body, root, tmp_path)
    unnoticed = [each for each in own if passes(each.rule, each.candidate.body, root, tmp_path)]
    assert [mutant.kind for mutant in unnoticed] == []
