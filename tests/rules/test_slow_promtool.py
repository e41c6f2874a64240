"""A promtool that does not come to an end costs its rule, not the run."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.test_engine import outcome
from twin.rules.promtool import call, promtool
from twin.rules.result import CheckStatus
from twin.rules.scenario_run import Options, run_scenario
from twin.rules.source import load_rules
from twin.scenario.loader import LoadedScenario

pytestmark = pytest.mark.integration

_FAKE = """#!/bin/sh
if [ "$1" = test ] && grep -q SLOW rules.yml "$3" 2>/dev/null; then {does}; fi
exec {promtool} "$@"
"""
"""promtool, but for jobs that name SLOW."""
HANGS, KILLED = "exec sleep 300", "kill -9 $$"


@pytest.fixture
def _slow(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a promtool that hangs, or is killed for want of memory, whenever SLOW is in its job."""
    does = getattr(request, "param", KILLED)
    monkeypatch.delenv("PROMTOOL", raising=False)
    promtool.cache_clear()
    fake = tmp_path / "promtool"
    fake.write_text(_FAKE.format(does=does, promtool=promtool()), encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setattr("twin.rules.promtool.promtool", lambda: str(fake))
    if does == HANGS:
        monkeypatch.setattr("twin.rules.promtool._MOST_SECONDS", 3.0)


A = {"1": [0.0, 2, 2, 2]}


@pytest.mark.parametrize("_slow", [HANGS, KILLED], indirect=True, ids=["hangs", "killed"])
@pytest.mark.usefixtures("_slow")
def test_a_rule_that_takes_too_long_is_told_alone(tmp_path: Path) -> None:
    """The other alerts are judged, whether it hangs or takes all memory."""
    found = outcome(
        "      - {alert: Before, expr: a > 1}\n"
        "      - {alert: Slow, expr: 'a > 1 unless on () SLOW'}\n"
        "      - {alert: After, expr: a > 1.5}\n",
        tmp_path,
        a=A,
    )
    assert list(found.errors) == [1]
    assert "promtool " in found.errors[1]
    assert {own.labels["alertname"] for own in found.episodes} == {"Before", "After"}


@pytest.mark.usefixtures("_slow")
def test_alerts_are_judged_without_their_reader(tmp_path: Path) -> None:
    """What reads the alerts of a rule that takes too long is told with it."""
    found = outcome(
        "      - {alert: Slow, expr: 'a > 1 unless on () SLOW'}\n"
        "      - {alert: Good, expr: a > 1}\n"
        "      - {alert: Meta, expr: 'ALERTS{alertname=\"Good\"}'}\n",
        tmp_path,
        a=A,
    )
    assert sorted(found.errors) == [0, 2]
    assert {own.labels["alertname"] for own in found.episodes} == {"Good"}


@pytest.mark.usefixtures("_slow")
def test_a_recording_that_takes_too_long_takes_its_readers_along(tmp_path: Path) -> None:
    """It is told with what reads it; the other recordings and alerts are judged."""
    found = outcome(
        "      - {record: reads, expr: slow + 1}\n"
        "      - {record: slow, expr: a + on () group_left () SLOW}\n"
        "      - {record: fed, expr: max(a)}\n"
        "      - {record: top, expr: fed + 1}\n"
        "      - {alert: Slow, expr: reads > 1}\n"
        "      - {alert: Good, expr: top > 1}\n",
        tmp_path,
        a=A,
    )
    assert sorted(key.rpartition(":")[2] for key in found.failed) == ["reads", "slow"]
    assert sorted(key.rpartition(":")[2] for key in found.recorded) == ["fed", "top"]
    assert list(found.errors) == [0]
    assert {own.labels["alertname"] for own in found.episodes} == {"Good"}


@pytest.mark.usefixtures("_slow")
def test_a_rule_that_takes_too_long_has_file_and_line(
    loaded: LoadedScenario, rule_file: Path
) -> None:
    """The report names the rule with its place, and the scenario's other checks are made."""
    slow = "      - {alert: Slow, expr: 'DCGM_FI_DEV_GPU_TEMP > 1 unless on () SLOW'}\n"
    rule_file.write_text(rule_file.read_text(encoding="utf-8") + slow, encoding="utf-8")
    result = run_scenario(loaded, load_rules([str(rule_file)]), Options(report=True))
    (told,) = [check for check in result.checks if check.kind == "evaluates"]
    assert (told.status, told.place) == (CheckStatus.FAILED, f"{rule_file}:10")
    assert "promtool" in told.detail
    assert [c.status for c in result.checks if c.kind == "fires"] == [CheckStatus.PASSED]


def test_a_killed_caller_leaves_no_promtool(tmp_path: Path) -> None:
    """A promtool whose caller is killed outright ends with it."""
    fake = tmp_path / "promtool"
    fake.write_text("#!/bin/sh\necho $$ > running\nexec sleep 300\n", encoding="utf-8")
    fake.chmod(0o755)
    os.mkfifo(tmp_path / "running")
    program = f"from twin.rules.promtool import call; call(['x'], {str(tmp_path)!r})"
    environment = {**os.environ, "PROMTOOL": str(fake)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment) as caller:
        number = int((tmp_path / "running").read_text(encoding="ascii"))
        watched = os.pidfd_open(number)
        caller.send_signal(signal.SIGKILL)
        caller.wait()
    try:
        ended, _, _ = select.select([watched], [], [], 60)  # readable when it has ended
        assert ended
    finally:
        os.close(watched)


@pytest.mark.parametrize(("own", "told"), [(None, "400"), ("50", "50")])
def test_go_collects_less_often_unless_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: str | None, told: str
) -> None:
    """Promtool's heap may grow further than Go's default, but what the user sets goes first."""
    fake = tmp_path / "promtool"
    fake.write_text('#!/bin/sh\necho "$GOGC"\n', encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setattr("twin.rules.promtool.promtool", lambda: str(fake))
    monkeypatch.delenv("GOGC", raising=False)
    if own is not None:
        monkeypatch.setenv("GOGC", own)
    assert call([], str(tmp_path)).stdout.strip() == told
