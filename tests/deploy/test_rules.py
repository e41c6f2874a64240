"""The alert rules: complete, tested, and accepted by the real tools."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DOMAINS = {"gpu", "nic", "cooling", "power", "telemetry"}


def run(*command: str, cwd: Path) -> str:
    """Run a tool, fail with what it says, and return its output."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_alert_says_how_bad_what_and_whose(rules: list[dict[str, Any]]) -> None:
    """Severity and domain route an alert; its summary names the culprit by a label."""
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert rule["labels"]["domain"] == rule["domain"], rule["alert"]
        assert "$labels." in rule["annotations"]["summary"], rule["alert"]
        assert len(rule["annotations"]["description"]) > 40, rule["alert"]


def test_files_are_the_domains(rules: list[dict[str, Any]]) -> None:
    """There is one file of rules a domain, and a name stands for one alert."""
    assert {rule["domain"] for rule in rules} == DOMAINS
    assert len({rule["alert"] for rule in rules}) == len(rules)


def test_every_alert_is_tested_silent_and_firing(rules: list[dict[str, Any]], root: Path) -> None:
    """Each alert has a test that it keeps silent and one that it fires, with its text."""
    silent: set[str] = set()
    firing: set[str] = set()
    for path in (root / "deploy/prometheus/tests").glob("*.yml"):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test["alert_rule_test"]:
                expected: list[Any] = case.get("exp_alerts", [])
                (firing if expected else silent).add(case["alertname"])
                assert all("summary" in alert["exp_annotations"] for alert in expected)
    names = {rule["alert"] for rule in rules}
    assert silent == names
    assert firing == names


@pytest.mark.integration
def test_promtool_accepts_the_configuration(root: Path) -> None:
    """Prometheus's own checker finds no fault in the configuration and the rules."""
    out = run("promtool", "check", "config", "prometheus.yml", cwd=root / "deploy/prometheus")
    assert "SUCCESS" in out


@pytest.mark.integration
def test_promtool_runs_the_rule_tests(root: Path) -> None:
    """Every rule is silent before, fires after, and says what its test expects."""
    folder = root / "deploy/prometheus/tests"
    files = sorted(path.name for path in folder.glob("*.yml"))
    assert run("promtool", "test", "rules", *files, cwd=folder).count("SUCCESS") == len(files)


@pytest.mark.integration
def test_amtool_accepts_the_configuration(root: Path) -> None:
    """Alertmanager's own checker finds no fault in the configuration."""
    out = run("amtool", "check-config", "alertmanager.yml", cwd=root / "deploy/alertmanager")
    assert "SUCCESS" in out


@pytest.mark.integration
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("severity=warning", "domain=cooling"), "operations"),
        (("severity=critical", "domain=cooling"), "on-call"),
        (("severity=critical", "domain=power"), "power"),
        (("severity=critical", "domain=telemetry"), "monitoring"),
    ],
)
def test_alerts_reach_their_people(root: Path, labels: tuple[str, ...], receiver: str) -> None:
    """Severity and domain decide who is told."""
    command = ("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", *labels)
    assert run(*command, cwd=root / "deploy/alertmanager").strip() == receiver


def test_inhibition_names_alerts_that_exist(rules: list[dict[str, Any]], root: Path) -> None:
    """An alert that inhibits another, or is inhibited by it, is one of the rules."""
    config = yaml.safe_load((root / "deploy/alertmanager/alertmanager.yml").read_text("utf-8"))
    names = {rule["alert"] for rule in rules}
    for inhibition in config["inhibit_rules"]:
        for matcher in inhibition["source_matchers"] + inhibition["target_matchers"]:
            label, _, value = matcher.replace("=~", "=").partition("=")
            allowed = names if label == "alertname" else DOMAINS
            assert set(value.strip('"').split("|")) <= allowed
