"""The rule files: made from the tables, with other limits and addresses if one wants."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from twin.alerts import RULES, THRESHOLDS, rule_file
from twin.alerts.__main__ import limits, main
from twin.alerts.render import duration
from twin.errors import ConfigError


def test_shipped_files_are_up_to_date() -> None:
    """What deploy/prometheus/rules has is what the tables make."""
    assert main(["--check"]) == 0


def test_a_changed_file_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that was edited by hand, or that is left over, fails the check by name."""
    assert main(["--out", str(tmp_path)]) == 0
    assert main(["--out", str(tmp_path), "--check"]) == 0
    (tmp_path / "gpu.yml").write_text("groups: []\n")
    (tmp_path / "old.yml").write_text("groups: []\n")
    assert main(["--out", str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().err.startswith("gpu.yml, old.yml: outdated")


def test_files_read_as_the_tables_say() -> None:
    """YAML gives back every field of an alert, and its description as one paragraph."""
    limits_ = {threshold.name: threshold.value for threshold in THRESHOLDS}
    for rules in RULES:
        (group,) = yaml.safe_load(rule_file(rules, limits_))["groups"]
        assert group["name"] == rules.domain
        found = {rule["alert"]: rule for rule in group["rules"] if "alert" in rule}
        assert list(found) == [alert.name for alert in rules.alerts]
        for alert in rules.alerts:
            notes = found[alert.name]["annotations"]
            assert notes["summary"] == alert.summary
            assert notes["description"] == alert.description
            assert found[alert.name].get("for", "0s") == duration(alert.hold)


def test_lines_are_short() -> None:
    """A person can read the files without scrolling sideways, one-line templates aside."""
    for path in (Path(__file__).parents[2] / "deploy/prometheus/rules").glob("*.yml"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert len(line) <= 140 or line.lstrip().startswith("summary:"), line


def test_other_limits_and_runbooks(tmp_path: Path) -> None:
    """A limit and the runbooks' address can be set when the files are made."""
    main(["--out", str(tmp_path), "--set", "gpu_hot=70", "--runbooks", "https://wiki.example/"])
    text = (tmp_path / "gpu.yml").read_text(encoding="utf-8")
    assert "DCGM_FI_DEV_GPU_TEMP >= 70" in text
    assert "runbook_url: https://wiki.example/GpuTooHot.md" in text


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("gpu_hott=70", "there is no threshold 'gpu_hott'"),
        ("gpu_hot=warm", "'warm' is not a number"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, reason: str) -> None:
    """What is wrong with a setting is said before a file is written."""
    with pytest.raises(ConfigError, match=reason):
        limits([setting])
    assert main(["--set", setting]) == ConfigError.exit_status


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (15, "15s"), (60, "1m"), (90, "90s"), (3600, "1h")]
)
def test_durations(seconds: int, text: str) -> None:
    """Seconds are written in the largest unit that fits."""
    assert duration(seconds) == text
