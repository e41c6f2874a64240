"""The alert rules: complete, proven, and accepted by the real tools."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from twin.alerts import ALERTS, PROOFS, Domain, Severity
from twin.scenario import find_scenarios

PROVEN = {alert for proof in PROOFS for alert in proof.fires}
"""What a fault of the plant fires; see test_physics."""


def run(*command: str, cwd: Path) -> str:
    """Run a tool, fail with what it says, and return its output."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_alert_says_how_bad_what_and_whose(rules: list[dict[str, Any]]) -> None:
    """Severity and domain route an alert; its summary names the culprit by a label."""
    for rule in rules:
        assert rule["labels"]["severity"] in set(Severity), rule["alert"]
        assert rule["labels"]["domain"] == rule["domain"], rule["alert"]
        assert "$labels." in rule["annotations"]["summary"], rule["alert"]
        assert len(rule["annotations"]["description"]) > 20, rule["alert"]


def test_files_are_the_domains(rules: list[dict[str, Any]]) -> None:
    """There is one file of rules a domain, and a name stands for one alert."""
    assert {rule["domain"] for rule in rules} == set(Domain)
    assert len({rule["alert"] for rule in rules}) == len(rules)


def test_annotations_name_labels_that_the_alert_has(
    rules: list[dict[str, Any]], result_labels: Callable[[str], set[str]]
) -> None:
    """A label in a summary or description is one that the expression's result carries."""
    for rule in rules:
        text = rule["annotations"]["summary"] + rule["annotations"]["description"]
        named = set(re.findall(r"\$labels\.(\w+)", text))
        assert named <= result_labels(rule["expr"]), rule["alert"]


def test_every_alert_has_a_runbook(rules: list[dict[str, Any]], root: Path) -> None:
    """The runbook of an alert is a page that is there."""
    for rule in rules:
        page = root / rule["annotations"]["runbook_url"]
        assert page.read_text(encoding="utf-8").count(f"# {rule['alert']}\n") == 1


def test_every_alert_is_tested(root: Path) -> None:
    """What no fault or scenario fires has tests by hand that it keeps silent and that it fires."""
    shown = {own.alert for found in find_scenarios([]) for own in found.scenario.expect.fires}
    silent: set[str] = set()
    firing: set[str] = set()
    for path in (root / "deploy/prometheus/tests").glob("*.yml"):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test["alert_rule_test"]:
                expected: list[Any] = case.get("exp_alerts", [])
                (firing if expected else silent).add(case["alertname"])
                assert all("summary" in alert["exp_annotations"] for alert in expected)
    assert set(ALERTS) - PROVEN - shown <= silent & firing
    assert silent | firing <= set(ALERTS)


@pytest.mark.integration
def test_promtool_accepts_the_configuration(root: Path) -> None:
    """Prometheus's own checker finds no fault in the configurations and the rules."""
    folder = root / "deploy/prometheus"
    # Syntax only, because the passwords that it names exist in the containers alone.
    for name in ("prometheus.yml", "scale.yml"):
        out = run("promtool", "check", "config", "--syntax-only", name, cwd=folder)
        assert "SUCCESS" in out
    rules = sorted(f"rules/{path.name}" for path in (folder / "rules").glob("*.yml"))
    assert run("promtool", "check", "rules", *rules, cwd=folder).count("SUCCESS") == len(rules)


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
        (("severity=critical", "domain=gpu"), "on-call"),
        (("severity=critical", "domain=network"), "on-call"),
        (("severity=critical", "domain=cooling"), "facility"),
        (("severity=critical", "domain=power"), "facility"),
        (("severity=critical", "domain=grid"), "facility"),
        (("severity=warning", "domain=job"), "training"),
        (("severity=critical", "domain=telemetry"), "monitoring"),
        (("severity=info", "domain=gpu"), "log"),
    ],
)
def test_alerts_reach_their_people(root: Path, labels: tuple[str, ...], receiver: str) -> None:
    """Severity and domain decide who is told."""
    command = ("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", *labels)
    assert run(*command, cwd=root / "deploy/alertmanager").strip() == receiver


def test_inhibition_names_alerts_that_exist(root: Path) -> None:
    """An alert that inhibits another, or is inhibited by it, is one of the rules."""
    config = yaml.safe_load((root / "deploy/alertmanager/alertmanager.yml").read_text("utf-8"))
    known = {"alertname": set(ALERTS), "domain": {each.value for each in Domain}}
    for inhibition in config["inhibit_rules"]:
        for matcher in inhibition["source_matchers"] + inhibition["target_matchers"]:
            label, value = re.fullmatch(r'(\w+)(?:=~|!~|!=|=)"(.*)"', matcher).groups()  # type: ignore[union-attr]
            if label in known:
                assert set(value.split("|")) <= known[label]


def test_inhibition_compares_labels_that_both_have(
    rules: list[dict[str, Any]], result_labels: Callable[[str], set[str]], root: Path
) -> None:
    """What is compared is a label of the alert that explains: an empty one would match all."""
    config = yaml.safe_load((root / "deploy/alertmanager/alertmanager.yml").read_text("utf-8"))
    labels = {rule["alert"]: result_labels(rule["expr"]) for rule in rules}
    for inhibition in config["inhibit_rules"]:
        for source in re.findall(r"[A-Z]\w+", inhibition["source_matchers"][0]):
            assert set(inhibition["equal"]) <= labels[source], source
