"""``twin rules`` and ``twin scenario`` as a user meets them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest
from typer.testing import CliRunner

from twin.cli import app
from twin.errors import CheckFailedError, ConfigError
from twin.rules.promtool import promtool

SCENARIO = """title: a pump fails
site: {racks: 1, servers_per_rack: 1, megapacks: {count: 1}, gensets: {count: 0}}
duration: 3m
faults:
  - {kind: pump-failure, target: r0001/pump1, at: 1m, for: 1m}
expect:
  fires:
    - {alert: PumpFailed, within: 20s}
"""
RULES = """groups:
  - name: test
    rules:
      - alert: PumpFailed
        expr: cdu_pump_state{state="failed"} == 1
        for: 10s
      - alert: Typo
        expr: cdu_pump_stat == 1
"""

runner = CliRunner()
PATIENCE_SECONDS = 60.0


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a rule file and a scenario."""
    rules, scenario = tmp_path / "own.rules.yml", tmp_path / "own.yaml"
    rules.write_text(RULES, encoding="utf-8")
    scenario.write_text(SCENARIO, encoding="utf-8")
    return rules, scenario


@pytest.mark.integration
def test_a_run_writes_every_report(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Terminal, JUnit and HTML tell the same, and a sweep adds its table."""
    rules, scenario = files
    junit, page = tmp_path / "rules.xml", tmp_path / "rules.html"
    done = runner.invoke(
        app,
        ["rules", "test", "-r", str(rules), "-s", str(scenario), "--junit", str(junit),
         "--report", str(page), "--sweep", "for=10s..2m", "--all"],
    )  # fmt: skip
    assert done.exception is None, done.output
    assert "PumpFailed fires within 20s: fired" in done.output
    assert "no known exporter has cdu_pump_stat (did you mean cdu_pump_state?)" in " ".join(
        done.output.split()
    )
    assert "1 scenarios: 1 checks passed, 0 failed" in done.output
    assert ET.parse(junit).getroot()[0].get("tests") == "1"  # noqa: S314 - our own file
    assert "PumpFailed" in page.read_text(encoding="utf-8")


@pytest.mark.integration
def test_json_is_for_scripts(files: tuple[Path, Path]) -> None:
    """With --json standard output is one document."""
    rules, scenario = files
    done = runner.invoke(app, ["rules", "test", "-r", str(rules), "-s", str(scenario), "--json"])
    report = orjson.loads(done.stdout)
    assert report["passed"] is True
    assert report["scenarios"][0]["checks"][0]["delay_seconds"] <= 20


@pytest.mark.integration
def test_a_run_that_is_killed_leaves_no_process(files: tuple[Path, Path]) -> None:
    """Whoever kills a run, as a CI does that gives it up, gets all its processes' memory back."""
    rules, scenario = files
    long = scenario.with_name("long.yaml")
    long.write_text(SCENARIO.replace("duration: 3m", "duration: 24h"), encoding="utf-8")
    command = [sys.executable, "-m", "twin", "rules", "test", "--no-cache", "--jobs", "2"]
    command += ["-r", str(rules), "-s", str(long), "-s", str(scenario)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        assert b"own" in run.stdout.readline()  # the short one is done, the long one not for long
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text(encoding="ascii")
        ends = [os.pidfd_open(int(pid)) for pid in children.split()]
        run.kill()
    assert len(ends) >= 2
    for end in ends:  # a file that can be read once its process has ended
        assert select.select([end], [], [], PATIENCE_SECONDS)[0] == [end]
        os.close(end)


@pytest.mark.integration
def test_the_cache_can_be_seen_spared_and_dropped(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run keeps two entries a scenario where TWIN_RULES_CACHE says, --no-cache none."""
    folder = tmp_path / "kept"
    monkeypatch.setenv("TWIN_RULES_CACHE", str(folder))
    rules, scenario = files
    command = ["rules", "test", "-r", str(rules), "-s", str(scenario), "--json"]

    def told(*options: str) -> object:
        found = orjson.loads(runner.invoke(app, [*command, *options]).stdout)
        for scenario in found["scenarios"]:
            del scenario["run_seconds"]
        return found

    plain = told("--no-cache")
    assert runner.invoke(app, ["rules", "cache"]).stdout == f"0 entries, 0.0 MB in {folder}\n"
    assert told() == plain
    assert told() == plain
    assert runner.invoke(app, ["rules", "cache"]).stdout.startswith("2 entries, ")
    assert runner.invoke(app, ["rules", "cache", "--clear"]).stdout.startswith("dropped 2 entries")
    assert list(folder.iterdir()) == []


@pytest.mark.integration
def test_watch_tells_what_a_save_changed(files: tuple[Path, Path]) -> None:
    """A saved rule is tested at once, a broken file is one sentence, and Ctrl-C ends it well."""
    rules, scenario = files
    command = [
        sys.executable,
        "-m",
        "twin",
        "rules",
        "watch",
        "-r",
        str(rules),
        "-s",
        str(scenario),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None

        def until(text: str) -> str:
            """Return what was printed up to a line that has the text."""
            lines = []
            for line in run.stdout or ():
                lines.append(line)
                if text in line:
                    return "".join(lines)
            raise AssertionError("".join(lines))

        try:
            until("1 passed, 0 failed")
            rules.write_text(RULES.replace('"failed"', '"broken"'), encoding="utf-8")
            assert "✗ own: PumpFailed" in until("0 passed, 1 failed")
            rules.write_text("groups: [", encoding="utf-8")
            until(f"twin: {rules}:")
            rules.write_text(RULES, encoding="utf-8")
            assert "✓ own: PumpFailed" in until("1 passed, 0 failed")
            run.send_signal(signal.SIGINT)
            assert run.wait(PATIENCE_SECONDS) == 0
        finally:
            run.kill()


@pytest.mark.integration
def test_a_missed_expectation_is_exit_status_1(files: tuple[Path, Path]) -> None:
    """A rule that stays silent fails the run, and the report says why."""
    rules, scenario = files
    rules.write_text(RULES.replace("failed", "broken"), encoding="utf-8")
    done = runner.invoke(app, ["rules", "test", "-r", str(rules), "-s", str(scenario)])
    assert isinstance(done.exception, CheckFailedError)
    assert done.exception.exit_status == 1
    assert 'cdu_pump_state{state="broken"} == 1: no series' in done.output


@pytest.mark.integration
def test_nothing_checked_is_not_green(files: tuple[Path, Path], tmp_path: Path) -> None:
    """A run whose scenarios expect nothing fails, says so, and its reports agree."""
    rules, scenario = files
    scenario.write_text(SCENARIO.partition("expect:")[0], encoding="utf-8")
    junit, page = tmp_path / "rules.xml", tmp_path / "rules.html"
    done = runner.invoke(
        app,
        ["rules", "test", "-r", str(rules), "-s", str(scenario), "--junit", str(junit),
         "--report", str(page)],
    )  # fmt: skip
    assert isinstance(done.exception, CheckFailedError)
    assert "nothing was checked" in done.output
    assert ET.parse(junit).getroot()[-1].get("failures") == "1"  # noqa: S314 - our own file
    assert "<title>twin rules test: nothing was checked</title>" in page.read_text("utf-8")


@pytest.mark.integration
@pytest.mark.parametrize("options", [[], ["--strict"]])
def test_a_label_that_no_series_has_is_told(files: tuple[Path, Path], options: list[str]) -> None:
    """A misspelt label is told with those that there are, and is an error under --strict."""
    rules, scenario = files
    rules.write_text(RULES.replace("cdu_pump_stat ==", 'up{job="dcgm"} =='), encoding="utf-8")
    done = runner.invoke(app, ["rules", "test", "-r", str(rules), "-s", str(scenario), *options])
    said = " ".join(done.output.split())
    assert 'no series of up has job="dcgm"; there is "dcgm-exporter",' in said
    assert isinstance(done.exception, CheckFailedError) is bool(options)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (
            {},
            ["--strict"],
            r"own\.rules\.yml:8: no known exporter has cdu_pump_stat; did you mean cdu_pump_state",
        ),
        ({"alert: PumpFailed, w": "alert: PumpFaild, w"}, [], r"own\.yaml:8: no rule makes"),
        ({}, ["--alertmanager", "/no/such.yml"], "there is no such file"),
        ({}, ["--sweep", "for=1m"], r"for=30s\.\.10m"),
        ({}, ["--junit", "/no/such/x.xml"], "/no/such/x.xml cannot be written: there is no folder"),
        ({}, ["--report", "/"], "/ is a folder"),
        ({"expect:": "shows: [cdu_pump_stat]\nexpect:"}, [], r"own\.yaml:6: site own has no"),
    ],
)
def test_a_mistake_is_exit_status_2(
    change: dict[str, str], options: list[str], said: str, files: tuple[Path, Path]
) -> None:
    """What is wrong with a file or an option is told before anything runs."""
    rules, scenario = files
    text = SCENARIO
    for old, new in change.items():
        text = text.replace(old, new)
    scenario.write_text(text, encoding="utf-8")
    done = runner.invoke(app, ["rules", "test", "-r", str(rules), "-s", str(scenario), *options])
    assert isinstance(done.exception, ConfigError)
    with pytest.raises(ConfigError, match=said):
        raise done.exception


@pytest.mark.integration
def test_an_exported_scenario_is_a_file_for_promtool(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    """Export names the rule files relative to the file that it writes."""
    rules, scenario = files
    out = tmp_path / "own.test.yml"
    done = runner.invoke(app, ["rules", "export", str(scenario), "-r", str(rules), "-o", str(out)])
    assert done.exception is None, done.output
    text = out.read_text(encoding="utf-8")
    assert "- own.rules.yml" in text
    assert not (tmp_path / "twin-rules").exists()
    assert promtool() not in text


@pytest.mark.integration
def test_export_leaves_the_users_rules_alone(files: tuple[Path, Path], tmp_path: Path) -> None:
    """The shipped rules come into a folder of their own, not into the user's."""
    own = tmp_path / "rules" / "gpu.yml"
    own.parent.mkdir()
    own.write_text("mine", encoding="utf-8")
    scenario = files[1]
    text = SCENARIO.replace("PumpFailed", "CoolantPumpFailed")
    scenario.write_text(text, encoding="utf-8")
    out = tmp_path / "own.test.yml"
    done = runner.invoke(app, ["rules", "export", str(scenario), "-o", str(out)])
    assert done.exception is None, done.output
    assert own.read_text(encoding="utf-8") == "mine"
    assert "- twin-rules/gpu.yml" in out.read_text(encoding="utf-8")


def test_the_shipped_scenarios_are_listed() -> None:
    """A list names every scenario, and `show` prints one as a start."""
    listed = runner.invoke(app, ["scenario", "list", "--json"])
    found = {own["name"]: own for own in orjson.loads(listed.stdout)}
    assert found["pump-failure"]["expects"] == ["CoolantPumpFailed"]
    shown = runner.invoke(app, ["scenario", "show", "pump-failure"])
    assert shown.stdout.startswith("title: ")
