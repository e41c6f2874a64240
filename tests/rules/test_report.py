"""The reports: JUnit, HTML, JSON, and what is said of a rule."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from twin.errors import ConfigError
from twin.rules.audit import audit
from twin.rules.conclusion import conclude
from twin.rules.engine import Episode
from twin.rules.expression import selectors
from twin.rules.report import (
    html_report,
    json_report,
    junit_report,
    print_findings,
    print_summary,
    print_sweep,
)
from twin.rules.result import (
    Check,
    CheckStatus,
    Curve,
    Panel,
    ScenarioResult,
    Struck,
    SweepPoint,
)
from twin.rules.source import Rule, RuleSet
from twin.rules.sweep import parse_sweep, sweep_rows
from twin.rules.unknown_references import Lacking

FILE = Path("rules.yml")
FAULT = Struck("pump-failure", "r0001/pump1", 60.0, 120.0)


def rule(name: str = "A", expr: str = "a > 1", lasts: float = 30.0) -> Rule:
    """Return an alerting rule."""
    return Rule(name, True, expr, lasts, {}, "g", FILE, 3, 4, {}, selectors(expr))


def result(name: str, episodes: list[Episode], own: Rule, **changed: Any) -> ScenarioResult:
    """Return a result with these episodes of one rule."""
    values: dict[str, Any] = {
        "name": name,
        "title": "a <title>",
        "file": f"{name}.yaml",
        "duration": 300.0,
        "evaluate": 5.0,
        "struck": [FAULT],
        "shows": ["a"],
        "affected": frozenset({own.key}),
        "checks": [],
        "episodes": {own.key: episodes},
        "true": frozenset({own.key} if episodes else ()),
        "errors": {},
    }
    return ScenarioResult(**{**values, **changed})


def fired(pending: float, firing: float | None, ended: float | None) -> Episode:
    """Return an episode of the alert A."""
    return Episode(0, {"alertname": "A", "x": "<1>"}, pending, firing, ended)


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([("s", [fired(65, 95, 130)], {})], "detects s after 35s"),
        ([("s", [fired(65, 95, 130)], {}), ("t", [], {})],
         "detects s after 35s; silent in t (never true)"),
        ([("s", [fired(65, 95, 130)], {}), ("t", [fired(65, None, 80)], {})],
         "detects s after 35s; silent in t (true for at most 15s, for is 30s)"),
        ([("s", [], {})], "never true; misses s"),
        ([("s", [], {"affected": frozenset()})], "never true"),
        ([("s", [fired(65, None, 80)], {})],
         "never fires: true for at most 15s, for is 30s (s); misses s"),
        ([("s", [fired(10, 40, 130)], {})],
         "noisy: fires 1 times while nothing is wrong (s)"),
        ([("s", [fired(55, 85, 130)], {})],
         ("cannot be told: "
          "it was pending before the fault began, and may have fired without it")),
        ([("quiet", [fired(10, 40, 50), fired(60, 90, 95)], {"struck": []})],
         "noisy: fires 2 times while nothing is wrong (quiet)"),
        ([("quiet", [fired(5, 35, None)], {"struck": []})], "fires all the time"),
        ([("quiet", [fired(5, 35, 60)], {"struck": [], "cut": frozenset({"rules.yml:3:A"})})],
         "noisy: fires at least 1 times while nothing is wrong (quiet)"),
        ([("quiet", [fired(5, 35, None)], {"struck": [], "cut": frozenset({"rules.yml:3:A"})})],
         "fires all the time"),
        ([("s", [], {"lacking": {"rules.yml:3:A":
                                 Lacking({}, {"b": "did you mean a?", "c": ""})}})],
         "never evaluates to anything: no known exporter has b (did you mean a?), c"),
        ([("s", [], {"lacking": {"rules.yml:3:A": Lacking({"n": "node-exporter"}, {})}})] * 2,
         "never evaluates to anything: node-exporter has n, the twin does not yet"),
        ([("s", [], {"lacking": {"rules.yml:3:A":
                                 Lacking({"hardware_ecc_events_total": "neuron-monitor"}, {})}})],
         ("never evaluates to anything: "
          "no site of these has hardware_ecc_events_total of neuron-monitor")),
        ([("s", [], {"lacking": {"rules.yml:3:A":
                                 Lacking({"DCGM_FI_DEV_FB_TOTAL": "dcgm-exporter"}, {})}})],
         ("never evaluates to anything: dcgm-exporter has DCGM_FI_DEV_FB_TOTAL off by default: "
          "list it in a counters file, and give that with --counters")),
        ([("s", [], {"lacking": {"rules.yml:3:A": Lacking({"n": "node-exporter"}, {})},
                     "affected": frozenset()}), ("t", [], {"affected": frozenset()})],
         "never true"),
        ([("s", [], {"errors": {"rules.yml:3:A": "too much"}})], "cannot be evaluated: too much"),
        ([("s", [], {"unmatched": {"rules.yml:3:A": {"a{}": "no a{}"}}})] * 2,
         "never evaluates to anything: no a{}"),
        ([("s", [], {"unmatched": {"rules.yml:3:A": {"a{}": "no a{}"}}, "affected": frozenset()}),
          ("t", [], {"affected": frozenset()})], "never true"),
    ],
)  # fmt: skip
def test_a_rule_is_judged_by_all_scenarios(
    results: list[tuple[str, list[Episode], dict[str, Any]]], verdict: str
) -> None:
    """What a rule did in all scenarios is one sentence."""
    own = rule()
    found = [result(name, episodes, own, **changed) for name, episodes, changed in results]
    assert audit(RuleSet((FILE,), (own,)), found)[0].verdict == verdict


def test_what_an_exporter_has_off_is_told() -> None:
    """A rule on a field that dcgm-exporter does not export as it comes says so."""
    own = rule(expr="rate(DCGM_FI_DEV_THERMAL_VIOLATION[2m]) > 0 and DCGM_FI_DEV_GPU_TEMP > 80")
    found = audit(RuleSet((FILE,), (own,)), [result("s", [fired(65, 95, 130)], own)])[0]
    assert found.verdict == (
        "detects s after 35s; dcgm-exporter has DCGM_FI_DEV_THERMAL_VIOLATION off by default"
    )


def checks() -> list[Check]:
    """Return a check of each kind of end."""
    return [
        Check("fires", "A fires", CheckStatus.PASSED, "fired", "s.yaml:5", "A", 95.0, 130.0, 35.0),
        Check("never", "B <never>", CheckStatus.FAILED, "fired & so on", "s.yaml:6", "B",
              reasons=["b > 1: true"]),
        Check("notified", "C", CheckStatus.SKIPPED, "not asked", "s.yaml:7", "C"),
    ]  # fmt: skip


def test_junit_has_a_case_an_expectation() -> None:
    """A CI server sees suites, cases, failures, skips, and where each expectation stands."""
    found = [result("s", [], rule(), checks=checks())]
    report = junit_report(found, conclude(found))
    suite = ET.fromstring(report)[0]  # noqa: S314 - our own text
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    failure = suite[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "fired & so on"
    assert "b > 1: true" in (failure.text or "")
    assert (suite[1].get("file"), suite[1].get("line")) == ("s.yaml", "6")


def test_the_page_stands_alone() -> None:
    """The HTML report loads nothing, escapes everything, and draws signals and firing."""
    own = rule()
    panel = Panel("A", "a > 1", [Curve("x=<1>", [(5.0, 0.0), (10.0, 2.0)])],
                  [Curve("1", [(0.0, 1.0), (300.0, 1.0)])])  # fmt: skip
    found = result("s", [fired(65, 95, 130)], own, checks=checks(), panels=[panel],
                   sweep=[SweepPoint(own.key, 30.0, 35.0, 0)])  # fmt: skip
    rules = RuleSet((FILE,), (own,))
    page = html_report(
        [found], audit(rules, [found]), sweep_rows(rules, [found]), conclude([found])
    )
    assert "a &lt;title&gt;" in page
    assert "<1>" not in page
    assert not re.search(r"(?:src|href)=|url\(|https?://(?!www\.w3)", page)
    assert page.count("fill:var(--firing)") == 1
    assert page.count("fill:var(--pending)") == 1
    assert "stroke:var(--limit)" in page
    assert "prefers-color-scheme: dark" in page
    assert "1 left out: not asked." in page


def test_json_has_what_a_script_needs() -> None:
    """Verdicts, delays and firings are values, not text."""
    own = rule()
    found = result("s", [fired(65, 95, 130)], own, checks=checks())
    findings = audit(RuleSet((FILE,), (own,)), [found])
    report = json_report([found], findings, [], conclude([found]))
    assert report["passed"] is False
    assert report["scenarios"][0]["checks"][0]["delay_seconds"] == 35.0
    assert report["scenarios"][0]["firings"][0]["firing_at"] == 95
    assert report["rules"][0]["detects"] == {"s": 35}


def test_a_sweep_doubles_up_to_its_end() -> None:
    """A sweep has its two ends and what lies between them by doubling."""
    assert parse_sweep("for=30s..10m") == (30.0, 60.0, 120.0, 240.0, 480.0, 600.0)
    for wrong in ("for=10m..30s", "for=1x..2x", "until=1m..2m", "for=0s..5m"):
        with pytest.raises(ConfigError, match=r"for=30s\.\.10m"):
            parse_sweep(wrong)


def test_a_longer_for_trades_delay_for_silence() -> None:
    """A sweep tells the mean delay, what is missed, and the false alarms of each value."""
    own = rule()
    found = [
        result("s", [], own, sweep=[SweepPoint(own.key, 30.0, 35.0, 0),
                                    SweepPoint(own.key, 60.0, None, 0)]),
        result("quiet", [], own, struck=[], sweep=[SweepPoint(own.key, 30.0, None, 4),
                                                   SweepPoint(own.key, 60.0, None, 1)]),
    ]  # fmt: skip
    rows = sweep_rows(RuleSet((FILE,), (own,)), found)
    cells = rows[0].points
    assert [(c.lasts, c.delay, c.false_alarms, c.missed) for c in cells] == [
        (30.0, 35, 4, 0),
        (60.0, None, 1, 1),
    ]
    narrow = Console(width=20, file=StringIO())
    print_sweep(narrow, rows)
    assert "35s/4" in narrow.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "missed/1" in narrow.file.getvalue()  # type: ignore[attr-defined]  # as above


LONG = "OneOrMoreGraphicsProcessorsOfThisServerHaveFallenOffTheBusOrDoNotAnswer"


def printed(width: int, *names: str, terminal: bool) -> str:
    """Return the findings on rules of these names as a console of that width shows them."""
    rules = [rule(name) for name in names]
    found = [result("s", [Episode(0, {"alertname": own.name}, 65, 95, 130)], own) for own in rules]
    file = StringIO()
    console = Console(width=width, file=file, force_terminal=terminal, color_system=None)
    for own, only in zip(rules, found, strict=True):
        print_findings(console, audit(RuleSet((FILE,), (own,)), [only]))
    return file.getvalue()


def test_a_long_name_leaves_room_for_the_finding() -> None:
    """In 80 columns the finding stands below a long name, whole, and beside a short one."""
    text = printed(80, LONG, "Short", terminal=True)
    assert LONG in text
    assert text.count("detects s after 35s") == 2
    assert re.search(r"Short  rules\.yml:3\s+detects s after 35s", text)
    assert max(len(line) for line in text.splitlines()) <= 90


def test_a_pipe_gets_a_finding_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is piped into grep is not wrapped, however narrow the default of a pipe is."""
    monkeypatch.delenv("COLUMNS", raising=False)
    own = rule("A")
    found = [result(f"scenario-{n:02}", [fired(65, 95, 130)], own) for n in range(9)]
    console = Console(width=80, file=StringIO())
    print_findings(console, audit(RuleSet((FILE,), (own,)), found))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert len(lines) == 1
    assert lines[0].endswith("and 5 more")


def test_names_are_no_markup() -> None:
    """A rule may have any name, brackets too."""
    assert "[red]A[/red]" in printed(80, "[red]A[/red]", terminal=False)


def skipped() -> list[Check]:
    """Return a check that could not be judged."""
    return [Check("fires", "B fires", CheckStatus.SKIPPED, "no rule makes this alert", "s.yaml:5")]


@pytest.mark.parametrize(
    ("own_checks", "strict", "word"),
    [
        (checks()[:1], False, "passed"),
        (checks(), False, "failed"),
        (skipped(), False, "nothing was checked"),
        ([], True, "nothing was checked"),
        (checks()[:1], True, "failed"),
    ],
)
def test_all_reports_agree(own_checks: list[Check], word: str, *, strict: bool) -> None:
    """Page, JUnit, JSON, the last line and the exit status say the same of a run."""
    own = rule()
    found = [result("s", [], own, checks=own_checks, unmatched={own.key: {"a{}": "no a{}"}})]
    findings = audit(RuleSet((FILE,), (own,)), found)
    conclusion = conclude(found, findings, strict=strict)
    assert conclusion.word == word
    good = word == "passed"
    assert conclusion.good is good
    page = html_report(found, findings, [], conclusion)
    assert f"<title>twin rules test: {word}</title>" in page
    suites = ET.fromstring(junit_report(found, conclusion))  # noqa: S314 - our own text
    failures = sum(int(suite.get("failures", "0")) for suite in suites)
    assert (failures == 0) is good
    report = json_report(found, findings, [], conclusion)
    assert (report["passed"], report["conclusion"]) == (good, word)
    console = Console(width=200, file=StringIO())
    print_summary(conclusion, 1, 1.0, console)
    assert ("nothing was checked" in console.file.getvalue()) is (  # type: ignore[attr-defined]  # a StringIO
        word == "nothing was checked"
    )
