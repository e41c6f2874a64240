"""The real engine on small scenarios: what fires, when, and what it costs."""

from __future__ import annotations

import json
import pickle
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from twin.errors import ConfigError
from twin.rules.audit import audit_recordings
from twin.rules.bounds import Bounds
from twin.rules.conclusion import conclude
from twin.rules.engine import EngineOutcome, evaluate
from twin.rules.export import export
from twin.rules.jobs import Candidate
from twin.rules.prefilter import sieve
from twin.rules.promtool import PromtoolAnswer, PromtoolJob, RuleFailedError, promtool, run
from twin.rules.report import html_report, junit_report, print_recordings
from twin.rules.result import CheckStatus
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.scenario_run import Options, run_scenario
from twin.rules.source import load_rules
from twin.rules.suite import check_suite
from twin.scenario import parse_scenario
from twin.scenario.loader import LoadedScenario

pytestmark = pytest.mark.integration

NAN = np.nan


def outcome(rules: str, folder: Path, **families: dict[str, list[float]]) -> EngineOutcome:
    """Evaluate rules over series that are written down, a scrape and evaluation every 5 s."""
    path = folder / "rules.yml"
    path.write_text("groups:\n  - name: g\n    rules:\n" + rules, encoding="utf-8")
    own = load_rules([str(path)])
    length = max(len(values) for family in families.values() for values in family.values())
    samples = Samples(
        5.0,
        length,
        {
            name: MetricFamily([{"x": key} for key in family], np.array(list(family.values())))
            for name, family in families.items()
        },
    )
    return evaluate(samples, [Candidate(rule, rule.body) for rule in own.alerts], own, 5.0)


def spans(found: EngineOutcome) -> list[tuple[str, str, float, float | None, float | None]]:
    """Return alert, instance, pending, firing and end of every episode."""
    return [
        (own.labels["alertname"], own.labels.get("x", ""), own.pending, own.firing, own.ended)
        for own in found.episodes
    ]


def test_an_alert_is_pending_then_fires_then_ends(tmp_path: Path) -> None:
    """Times are those of the evaluations, the first sample being scraped at 5 s."""
    found = outcome(
        "      - {alert: A, expr: a > 1, for: 10s}\n",
        tmp_path,
        a={"1": [0, 2, 2, 2, 2, 0, 0], "2": [0, 0, 2, 2, 0, 0, 2]},
    )
    assert spans(found) == [
        ("A", "1", 10.0, 20.0, 30.0),
        ("A", "2", 15.0, None, 25.0),
        ("A", "2", 35.0, None, None),
    ]


def test_every_episode_of_an_instance_is_told(tmp_path: Path) -> None:
    """An alert that comes again is another episode."""
    found = outcome("      - {alert: A, expr: a > 1}\n", tmp_path, a={"1": [2, 0, 2, 2, 0]})
    assert spans(found) == [("A", "1", 5.0, 5.0, 10.0), ("A", "1", 15.0, 15.0, 25.0)]


def test_a_series_that_vanishes_ends_its_alert(tmp_path: Path) -> None:
    """What a scrape no longer has is stale at once, not after five minutes."""
    found = outcome("      - {alert: A, expr: a > 1}\n", tmp_path, a={"1": [2, 2, NAN, NAN]})
    assert spans(found) == [("A", "1", 5.0, 5.0, 15.0)]


def test_recording_rules_feed_alerts(tmp_path: Path) -> None:
    """An alert on what another rule records sees it in the same evaluation."""
    found = outcome(
        "      - {record: s, expr: sum(a)}\n      - {alert: A, expr: s > 3}\n",
        tmp_path,
        a={"1": [1, 2, 2], "2": [1, 2, 2]},
    )
    assert spans(found) == [("A", "", 10.0, 10.0, None)]


def test_alerts_on_alerts_are_evaluated_together(tmp_path: Path) -> None:
    """A rule that reads ALERTS sees the alerts of the others."""
    found = outcome(
        "      - {alert: A, expr: a > 1}\n"
        "      - {alert: B, expr: 'count(ALERTS{alertname=\"A\"}) > 0'}\n",
        tmp_path,
        a={"1": [0, 2, 2]},
    )
    assert [own[0] for own in spans(found)] == ["A", "B"]


def test_rules_of_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    """A warning and a critical alert of one name are two rules."""
    found = outcome(
        "      - {alert: A, expr: a > 1, labels: {severity: warning}}\n"
        "      - {alert: A, expr: a > 3, labels: {severity: critical}}\n",
        tmp_path,
        a={"1": [0, 2, 4]},
    )
    assert [(own.candidate, own.firing) for own in found.episodes] == [(0, 10.0), (1, 15.0)]


def test_what_the_engine_refuses_is_told_of_its_rule_alone(tmp_path: Path) -> None:
    """A rule that fails when it is evaluated does not spoil the others."""
    found = outcome(
        "      - {alert: Bad, expr: 'sum_over_time({__name__=~\"a|b\"}[1m]) > 0'}\n"
        "      - {alert: Good, expr: a > 1}\n",
        tmp_path,
        a={"1": [2]},
        b={"1": [2]},
    )
    assert "same labelset" in found.errors[0]
    assert [own.labels["alertname"] for own in found.episodes] == ["Good"]


READER = "      - {alert: Meta, expr: 'ALERTS{alertname=\"Good\"}'}\n"


@pytest.mark.parametrize("reader", ["", READER], ids=["alone", "read"])
def test_a_rule_whose_alerts_are_the_same_is_told_alone(tmp_path: Path, reader: str) -> None:
    """Labels that make two alerts one are an error of that rule, also where alerts are read."""
    found = outcome(
        "      - {alert: Same, expr: a > 1, labels: {x: all}}\n"
        "      - {alert: Good, expr: a > 1}\n" + reader,
        tmp_path,
        a={"1": [2], "2": [2]},
    )
    assert list(found.errors) == [0]
    assert "same labelset" in found.errors[0]
    assert {own.labels["alertname"] for own in found.episodes} == (
        {"Good", "Meta"} if reader else {"Good"}
    )


def test_a_recording_that_fails_takes_only_its_readers_along(tmp_path: Path) -> None:
    """It is told in the engine's words, with all that reads it, and the rest is judged."""
    found = outcome(
        "      - {record: r, expr: a, labels: {x: all}}\n"
        "      - {record: s, expr: min(r)}\n"
        "      - {record: q, expr: max(a)}\n"
        "      - {alert: A, expr: s < 1 or absent(s)}\n"
        "      - {alert: B, expr: q > 1}\n",
        tmp_path,
        a={"1": [2, 2], "2": [2, 2]},
    )
    first, second = found.failed.values()
    assert first.startswith("cannot be evaluated: ")
    assert "same labelset" in first
    assert second == f"reads r, which {first}"
    assert dict(found.errors) == {0: f"it reads s, which {second}"}
    assert [own.labels["alertname"] for own in found.episodes] == ["B"]
    assert list(found.recorded.values()) == [1]


def test_every_recording_is_told_by_its_series(
    loaded: LoadedScenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of recordings alone is evaluated: so many series, or nothing."""
    path = tmp_path / "records.yml"
    path.write_text(
        "groups:\n  - name: g\n    rules:\n"
        "      - {record: util, expr: DCGM_FI_DEV_GPU_UTIL}\n"
        "      - {record: none, expr: DCGM_FI_DEV_GPU_UTIL > 1000}\n",
        encoding="utf-8",
    )
    rules = load_rules([str(path)])
    result = run_scenario(loaded, rules, Options())
    recorded = audit_recordings(rules, [result])
    print_recordings(Console(width=200), recorded)
    assert capsys.readouterr().out.splitlines() == [
        "util  records.yml:4  records 8 series",
        "none  records.yml:5  records nothing",
    ]
    conclusion = conclude([result])
    page = html_report([result], [], [], conclusion, recorded)
    assert "records 8 series" in page
    assert "records nothing" in page
    suites = ET.fromstring(junit_report([result], conclusion, recorded))  # noqa: S314 - our own text
    own = next(suite for suite in suites if suite.get("name") == "recordings")
    util, none = own
    assert (util.get("name"), util.get("line"), util.findtext("system-out")) == (
        "util", "4", "records 8 series"
    )  # fmt: skip
    assert (own.get("failures"), own.get("skipped"), none[0].tag) == ("0", "1", "skipped")


def test_records_of_alerts_that_fail_do_not_end_the_run(tmp_path: Path) -> None:
    """What is recorded of ALERTS is evaluated with the alerts, and taken out when it fails."""
    found = outcome(
        "      - {record: r, expr: 'ALERTS', labels: {x: all}}\n"
        "      - {alert: A, expr: count(r) > 0}\n"
        "      - {alert: B, expr: a > 1}\n",
        tmp_path,
        a={"1": [2, 2], "2": [2, 2]},
    )
    assert list(found.errors) == [0]
    assert "it reads r, which cannot be evaluated: " in found.errors[0]
    assert {own.labels["alertname"] for own in found.episodes} == {"B"}


def test_a_failed_rule_is_told_whole_by_another_process() -> None:
    """The error that a process of the suite ends with is the one that is printed."""
    error = RuleFailedError("r", "reason")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "rule r: reason"  # noqa: S301 - ours


@pytest.mark.parametrize("lasts", ["0s", "5s"])
def test_nothing_is_absent_before_the_first_scrape(tmp_path: Path, lasts: str) -> None:
    """That nothing has been scraped yet fires no alert; that something never comes does."""
    found = outcome(
        f"      - {{alert: A, expr: absent(a), for: {lasts}}}\n"
        f"      - {{alert: B, expr: absent(b), for: {lasts}}}\n",
        tmp_path,
        a={"1": [2, 2, 2, 2]},
    )
    assert [own.labels["alertname"] for own in found.episodes] == ["B"]
    assert found.true == {1}


def test_more_samples_than_a_query_may_load_are_sliced(tmp_path: Path) -> None:
    """A thousand series over a hundred scrapes are ten times what one query may load."""
    values = [0.0] * 99 + [2.0]
    found = outcome(
        "      - {alert: A, expr: a > 1}\n", tmp_path, a={str(i): values for i in range(1000)}
    )
    assert len(found.episodes) == 1000


def test_labels_survive_whatever_they_hold(tmp_path: Path) -> None:
    """Braces, quotes, commas and letters of all languages come back as they went in."""
    odd = 'a"b\\c{d}, e="f", größe'
    found = outcome("      - {alert: A, expr: a > 1}\n", tmp_path, a={odd: [2]})
    assert found.episodes[0].labels["x"] == odd


def test_a_miss_says_which_part_was_false(loaded: LoadedScenario, tmp_path: Path) -> None:
    """The report names the part of the expression that did not hold, and the nearest value."""
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n  - name: g\n    rules:\n"
        "      - alert: PumpFailed\n"
        '        expr: cdu_pump_state{state="failed"} == 1 and on () cdu_pump_speed_ratio > 7\n'
        "      - {alert: GpuHot, expr: DCGM_FI_DEV_GPU_TEMP > 95}\n",
        encoding="utf-8",
    )
    result = run_scenario(loaded, load_rules([str(path)]), Options())
    missed = result.checks[0]
    assert missed.detail == "did not fire"
    assert missed.reasons[0] == 'cdu_pump_state{state="failed"} == 1: true from 1m5s to 2m'
    assert missed.reasons[1].startswith("and cdu_pump_speed_ratio > 7: false; the highest value")


def test_a_for_that_is_too_long_is_told(loaded: LoadedScenario, rule_file: Path) -> None:
    """A miss by `for` says how long the expression held."""
    text = rule_file.read_text(encoding="utf-8").replace("for: 10s", "for: 5m")
    rule_file.write_text(text, encoding="utf-8")
    result = run_scenario(loaded, load_rules([str(rule_file)]), Options())
    reason = "the expression was true for at most 1m: the fault lasts 1m, for is 5m"
    assert result.checks[0].reasons == [reason]


def test_a_division_by_zero_is_a_gap_in_its_drawing(loaded: LoadedScenario, tmp_path: Path) -> None:
    """What has no place on the paper, infinite or no number, is not drawn."""
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n  - name: g\n    rules:\n"
        "      - alert: PumpFailed\n"
        "        expr: 1 / (cdu_pump_state == 0) > -Inf and cdu_pump_state >= 0\n"
        "      - {alert: GpuHot, expr: DCGM_FI_DEV_GPU_TEMP > 95}\n",
        encoding="utf-8",
    )
    result = run_scenario(loaded, load_rules([str(path)]), Options(report=True))
    drawn = [panel for panel in result.panels if panel.alert == "PumpFailed"]
    assert [bool(panel.curves) for panel in drawn] == [False, True]
    assert "PumpFailed" in html_report([result], [], [], conclude([result]))


def test_an_exported_scenario_runs_without_the_twin(
    loaded: LoadedScenario, rule_file: Path, tmp_path: Path
) -> None:
    """Promtool passes the file, and fails it when the rule is changed."""
    test = tmp_path / "pump.test.yml"
    test.write_text(export(loaded, load_rules([str(rule_file)]), tmp_path), encoding="utf-8")

    def promtool_says() -> int:
        command = [promtool(), "test", "rules", str(test)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert promtool_says() == 0
    text = rule_file.read_text(encoding="utf-8").replace('"failed"', '"stopped"')
    rule_file.write_text(text, encoding="utf-8")
    assert promtool_says() == 1


def test_promtool_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without promtool the error says where it comes from."""
    monkeypatch.setattr("twin.rules.promtool._PATH", "/nowhere")
    monkeypatch.delenv("PROMTOOL", raising=False)
    promtool.cache_clear()
    try:
        with pytest.raises(ConfigError, match="apt install prometheus"):
            promtool()
    finally:
        promtool.cache_clear()


def test_nothing_asked_is_nothing_found() -> None:
    """A job without queries gives no samples."""
    assert run(PromtoolJob([("a", "1 2")], 5, 5, 10)).found == []


def test_many_alerts_are_all_told(tmp_path: Path) -> None:
    """What many rules say of many series at once is more than one query may hold, and told."""
    series = {f"{number}": [2.0] * 3 for number in range(600)}
    rules = "".join(f"      - {{alert: A{number}, expr: a > 1}}\n" for number in range(8))
    found = outcome(rules, tmp_path, a=series)
    assert len(found.episodes) == 8 * len(series)
    assert not found.errors


def test_more_alerts_than_the_engine_can_tell_are_an_error(tmp_path: Path) -> None:
    """A rule that fires on thousands of series at once is not taken for a silent one."""
    series = {f"{number}": [2.0] * 3 for number in range(3000)}
    found = outcome("      - {alert: A, expr: a > 1}\n", tmp_path, a=series)
    assert list(found.errors) == [0]
    assert "10,000 samples" in found.errors[0]


def test_a_rule_that_cannot_be_evaluated_fails_what_wants_it_silent(
    loaded: LoadedScenario, rule_file: Path
) -> None:
    """An alert that never fires because its expression is an error has not kept a promise."""
    many = "DCGM_FI_DEV_GPU_TEMP * on (site) DCGM_FI_DEV_POWER_USAGE > 95"
    text = rule_file.read_text(encoding="utf-8").replace("DCGM_FI_DEV_GPU_TEMP > 95", many)
    rule_file.write_text(text, encoding="utf-8")
    result = run_scenario(loaded, load_rules([str(rule_file)]), Options())
    (never,) = [check for check in result.checks if check.kind == "never"]
    assert never.status is CheckStatus.FAILED
    assert "could not be evaluated" in never.detail
    (told,) = [check for check in result.checks if check.kind == "evaluates"]
    assert told.status is CheckStatus.FAILED
    assert told.place == f"{rule_file}:8"


def test_a_groups_limit_is_the_engines(tmp_path: Path) -> None:
    """More alerts than a group allows are an error in its words, and no alert."""
    path = tmp_path / "limit.yml"
    path.write_text(
        "groups:\n  - name: g\n    limit: 2\n    rules:\n      - {alert: A, expr: a > 1}\n"
        "      - {alert: B, expr: a > 2}\n",
        encoding="utf-8",
    )
    own = load_rules([str(path)])
    samples = Samples(
        5.0, 3, {"a": MetricFamily([{"x": k} for k in "123"], np.array([[2, 2, 3.0]] * 3))}
    )
    found = evaluate(samples, [Candidate(rule, rule.body) for rule in own.alerts], own, 5.0)
    assert found.errors == dict.fromkeys((0, 1), "exceeded limit of 2 with 3 alerts")
    assert not found.episodes


def test_groups_are_evaluated_in_the_order_of_what_they_read(tmp_path: Path) -> None:
    """A recording comes before its readers in other groups, but in its own as the file has it."""
    path = tmp_path / "order.yml"
    path.write_text(
        "groups:\n"
        "  - {name: first, rules: [{alert: A, expr: r > 1}]}\n"
        "  - name: second\n    rules:\n"
        "      - {alert: B, expr: r > 1}\n      - {record: r, expr: max(a)}\n",
        encoding="utf-8",
    )
    own = load_rules([str(path)])
    samples = Samples(5.0, 4, {"a": MetricFamily([{}], np.array([[0.0, 2, 2, 2]]))})
    found = evaluate(samples, [Candidate(rule, rule.body) for rule in own.alerts], own, 5.0)
    assert [(e.labels["alertname"], e.pending) for e in found.episodes] == [("A", 10), ("B", 15)]


@pytest.mark.parametrize("name", ["Größe ist über 5 %", "a.b-c d", 'say "so"', "{x}", "λ, time: 5"])
def test_any_name_is_an_alerts(name: str, tmp_path: Path) -> None:
    """Alert names are any UTF-8 to Prometheus: they come back as they went in."""
    found = outcome(f"      - {{alert: {json.dumps(name)}, expr: a > 1}}\n", tmp_path, a={"1": [2]})
    assert [own.labels["alertname"] for own in found.episodes] == [name]


def test_a_scenario_expects_alerts_of_any_name(loaded: LoadedScenario, tmp_path: Path) -> None:
    """Spaces, umlauts, dashes and dots of an alert's name are read and judged in a scenario."""
    fires, silent = "Kühlung: Pumpe-1 v2.0 fällt aus", "GPU zu heiß (> 95 °C)"
    text = loaded.path.read_text(encoding="utf-8")
    for plain, odd in (("PumpFailed", fires), ("GpuHot", silent)):
        text = text.replace(plain, json.dumps(odd, ensure_ascii=False))
    own = parse_scenario(text, tmp_path / "odd.yaml")
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n  - name: g\n    rules:\n"
        f"      - alert: '{fires}'\n        expr: 'cdu_pump_state{{state=\"failed\"}} == 1'\n"
        f"        for: 10s\n      - alert: '{silent}'\n        expr: DCGM_FI_DEV_GPU_TEMP > 95\n",
        encoding="utf-8",
    )
    rules = load_rules([str(path)])
    check_suite([own], rules)
    result = run_scenario(own, rules, Options())
    assert [(c.kind, c.alert, c.status.value) for c in result.checks] == [
        ("fires", fires, "passed"),
        ("never", silent, "passed"),
        ("clears", fires, "passed"),
        ("exactly", "", "passed"),
    ]


@pytest.mark.full
def test_a_rule_that_is_true_all_the_time_is_judged_for_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked only where it may change ends as what is asked at every evaluation."""
    chance = np.random.default_rng(7)
    steady = np.where(chance.random((40, 1)) < 0.7, 3.0, 0.0) * np.ones(200)
    flapping = np.repeat(chance.integers(0, 4, (40, 20)), 10, axis=1).astype(float)
    late, gone = steady.copy(), steady.copy()
    late[:, :90], gone[::2, 150:] = np.nan, np.nan
    values = {"a": steady, "b": flapping, "c": late, "d": gone}
    families = {
        name: MetricFamily([{"x": str(i)} for i in range(40)], own) for name, own in values.items()
    }
    path = tmp_path / "rules.yml"
    more = ("", ", keep_firing_for: 40s", ", labels: {severity: warning, v: '{{ $value }}'}")
    path.write_text(
        "groups:\n  - name: g\n    rules:\n"
        + "".join(
            f"      - {{alert: {name}{index}{held}, expr: {name} > 1, for: {held}s{extra}}}\n"
            for name in values
            for index, extra in enumerate(more)
            for held in (0, 30)
        ),
        encoding="utf-8",
    )
    rules = load_rules([str(path)])
    samples = Samples(5.0, 200, families)
    candidates = [Candidate(rule, rule.body) for rule in rules.alerts]
    asked: list[int] = []
    original = run

    def counting(job: PromtoolJob, seconds: float | None = None) -> PromtoolAnswer:
        asked.append(sum(len(times) for _, times in job.queries))
        return original(job, seconds)

    monkeypatch.setattr("twin.rules.judging.run", counting)
    little = evaluate(samples, candidates, rules, 5.0)
    few = sum(asked)
    asked.clear()
    monkeypatch.setattr("twin.rules.engine._asked", lambda *_: list(range(201)))
    assert little == evaluate(samples, candidates, rules, 5.0)
    assert few < 0.9 * sum(asked)
    assert len(little.episodes) > 1000


@pytest.mark.parametrize("which", ["alert", "recording"])
def test_a_group_with_an_offset_is_judged_as_a_whole(which: str, tmp_path: Path) -> None:
    """What is evaluated as of an earlier moment is not left out by what the present says."""
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n  - name: r\n    rules: [{record: b, expr: a * 1}]\n"
        "  - name: g\n    rules: [{alert: A, expr: b > 5}]\n",
        encoding="utf-8",
    )
    plain = load_rules([str(path)])
    rules = replace(
        plain,
        rules=tuple(
            replace(own, home=replace(own.home, attributes={"query_offset": "1m"}))
            if own.alerting is (which == "alert") else own
            for own in plain.rules
        ),
    )  # fmt: skip
    samples = Samples(5.0, 10, {"a": MetricFamily([{"x": "1"}], np.ones((1, 10)))})
    for known, suspected in ((plain, set()), (rules, {0})):
        bounds = Bounds(samples, 5.0, {"b": "a * 1"})
        candidates = [Candidate(rule, rule.body) for rule in known.alerts]
        true, _ = sieve(samples, candidates, known, 5.0, 1, bounds)
        assert true == suspected
