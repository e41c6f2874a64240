"""The report for a browser: one file, nothing loaded from anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from twin.rules.audit import RuleFinding
from twin.rules.report.drawing import alert_drawing, sweep_drawing
from twin.rules.result import Check, CheckStatus, ScenarioResult
from twin.rules.sweep import SweepRow
from twin.scenario import show_duration

__all__ = ["html_report"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --soft: #52606d; --line: #d9dee3;
  --paper: #ffffff; --panel: #f5f7fa; --good: #1a7f37; --bad: #c62828; --warn: #9a6700;
  --c0: #1f6feb; --c1: #8250df; --c2: #0a7f8c; --limit: #c62828;
  --fault: rgba(230, 140, 0, 0.18); --firing: #c62828; --pending: #d9a400; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #9aa5b1; --line: #3a434d;
  --paper: #14191f; --panel: #1c232b; --good: #56d364; --bad: #ff7b72; --warn: #e3b341;
  --c0: #6cb6ff; --c1: #c297ff; --c2: #56d4dd; --limit: #ff7b72;
  --fault: rgba(230, 160, 30, 0.22); --firing: #ff7b72; --pending: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.6rem 0;
  background: var(--panel); }
summary { cursor: pointer; padding: 0.6rem 0.9rem; font-weight: 600; }
.body { padding: 0 0.9rem 0.9rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 0.3rem 0.6rem 0.3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
code, .code { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
.passed { color: var(--good); } .failed { color: var(--bad); } .skipped { color: var(--soft); }
.soft { color: var(--soft); font-weight: 400; }
.wide { overflow-x: auto; }
svg { width: 100%; height: auto; display: block; margin: 0.4rem 0 1rem; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); }
.limit { stroke: var(--limit); stroke-dasharray: 5 4; } .grid { stroke: var(--line); }
.curve { fill: none; stroke-width: 1.6; } .fault { fill: var(--fault); }
.firing { fill: var(--firing); } .pending { fill: var(--pending); }
"""
_MARKS = {CheckStatus.PASSED: "✓", CheckStatus.FAILED: "✗", CheckStatus.SKIPPED: "-"}


def html_report(
    results: Sequence[ScenarioResult], findings: Sequence[RuleFinding], sweep: Sequence[SweepRow]
) -> str:
    """Return the whole page."""
    failed = sum(not result.passed for result in results)
    checks = [check for result in results for check in result.checks]
    passed = sum(check.status is CheckStatus.PASSED for check in checks)
    wrong = sum(check.status is CheckStatus.FAILED for check in checks)
    state = "failed" if failed else "passed"
    head = (
        f'<h1>Alert rules against physics: <span class="{state}">{state}</span></h1>'
        f"<p>{len(results)} scenarios, {passed} checks passed, {wrong} failed. Orange is the time "
        "of a fault; the bars below a chart are the alert pending (yellow) and firing (red).</p>"
    )
    body = [
        head,
        "<h2>Scenarios</h2>",
        *(_scenario(result) for result in results),
    ]
    if findings:
        body += ["<h2>Rules</h2>", _findings(findings)]
    if sweep:
        body += ["<h2>Other values of <code>for</code></h2>", *(_sweep(row) for row in sweep)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>twin rules test: {state}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def _scenario(result: ScenarioResult) -> str:
    state = CheckStatus.PASSED if result.passed else CheckStatus.FAILED
    opened = "" if result.passed else " open"
    faults = ", ".join(
        f"{escape(own.kind)} {escape(own.target)} from {show_duration(own.at)} "
        f"to {show_duration(own.ends)}"
        for own in result.struck
    )
    charts = "".join(alert_drawing(result, alert) for alert in _drawn(result))
    return (
        f'<details{opened}><summary><span class="{state}">{_MARKS[state]}</span> '
        f'{escape(result.name)} <span class="soft">{escape(result.title)}</span></summary>'
        f'<div class="body"><p class="soft">{show_duration(result.duration)} of simulated time'
        f"{'; ' + faults if faults else ', nothing is wrong'}</p>"
        f"{_checks(result.checks)}{charts}</div></details>"
    )


def _drawn(result: ScenarioResult) -> Iterable[str]:
    return dict.fromkeys(panel.alert for panel in result.panels)


def _checks(checks: Sequence[Check]) -> str:
    left_out = Counter(own.detail for own in checks if own.status is CheckStatus.SKIPPED)
    notes = "".join(
        f'<p class="soft">{count} left out: {escape(why)}.</p>' for why, count in left_out.items()
    )
    judged = [own for own in checks if own.status is not CheckStatus.SKIPPED]
    if not judged:
        return notes
    rows = "".join(
        f'<tr><td class="{check.status}">{_MARKS[check.status]}</td>'
        f"<td>{escape(check.text)}</td><td>{escape(check.detail)}"
        + "".join(f'<br><span class="code soft">{escape(own)}</span>' for own in check.reasons)
        + f"</td><td>{_when(check.fired)}</td><td>{_when(check.cleared)}</td>"
        f'<td class="code soft">{escape(Path(check.place).name)}</td></tr>'
        for check in judged
    )
    return (
        '<div class="wide"><table><tr><th></th><th>expected</th><th>seen</th><th>fired</th>'
        f"<th>cleared</th><th>where</th></tr>{rows}</table></div>{notes}"
    )


def _when(second: float | None) -> str:
    return "" if second is None else show_duration(second)


def _findings(findings: Sequence[RuleFinding]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(own.rule.name)}</code></td>"
        f'<td class="{"passed" if own.good else "failed" if own.noisy else "soft"}">'
        f'{escape(own.verdict)}</td><td class="code soft">{escape(own.rule.file.name)}:'
        f"{own.rule.line}</td></tr>"
        for own in findings
        if own.told
    )
    rest = [own.rule.name for own in findings if not own.told]
    untold = (
        f"<p>{len(rest)} rules that no scenario exercised: {escape(', '.join(rest))}.</p>"
        if rest
        else ""
    )
    return (
        '<div class="wide"><table><tr><th>alert</th><th>finding</th><th>where</th></tr>'
        f"{rows}</table></div>{untold}"
    )


def _sweep(row: SweepRow) -> str:
    cells = "".join(
        f"<tr><td>{show_duration(cell.lasts)}</td>"
        f"<td>{'-' if cell.delay is None else show_duration(cell.delay)}</td>"
        f"<td>{cell.missed}</td><td>{cell.false_alarms}</td></tr>"
        for cell in row.points
    )
    return (
        f"<details><summary>{escape(row.rule.name)} "
        f'<span class="soft">for is {show_duration(row.rule.lasts)}</span></summary>'
        f'<div class="body">{sweep_drawing(row)}<table><tr><th>for</th><th>mean delay</th>'
        f"<th>missed</th><th>false alarms</th></tr>{cells}</table></div></details>"
    )
