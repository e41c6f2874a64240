"""The report on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from twin.rules.audit import RuleFinding
from twin.rules.mutation import Mutant
from twin.rules.result import Check, CheckStatus, ScenarioResult
from twin.rules.sweep import SweepRow
from twin.scenario import show_duration

__all__ = [
    "print_findings",
    "print_result",
    "print_summary",
    "print_survivors",
    "print_sweep",
]

_MARKS = {
    CheckStatus.PASSED: "[green]✓[/green]",
    CheckStatus.FAILED: "[red]✗[/red]",
    CheckStatus.SKIPPED: "[dim]-[/dim]",
}


def print_result(console: Console, result: ScenarioResult, *, every: bool, head: str = "") -> None:
    """Print a scenario: a line after ``head``, and its checks if one failed or all are wanted."""
    mark = _MARKS[CheckStatus.PASSED if result.passed else CheckStatus.FAILED]
    counted = [check for check in result.checks if check.status is not CheckStatus.SKIPPED]
    console.print(
        f"{head}{mark} [bold]{result.name}[/bold]  {escape(result.title)}  "
        f"[dim]{len(counted)} checks, {show_duration(result.duration)} in "
        f"{result.seconds:.1f} s[/dim]",
        soft_wrap=True,
    )
    for check in result.checks:
        if every or check.status is CheckStatus.FAILED:
            _print_check(console, check)


def _print_check(console: Console, check: Check) -> None:
    line = f"    {_MARKS[check.status]} {escape(check.text)}: {escape(check.detail)}"
    if check.status is CheckStatus.FAILED:
        line += f"  [dim]{escape(check.place)}[/dim]"
    console.print(line, soft_wrap=True)
    for reason in check.reasons:
        console.print(f"        {escape(reason)}", style="dim", soft_wrap=True)


def print_findings(console: Console, findings: Sequence[RuleFinding]) -> None:
    """Print what is known of every rule; those that no scenario exercised in one line."""
    table = _table()
    table.add_column("rule", no_wrap=True)
    table.add_column("finding", overflow="fold")
    for finding in findings:
        if finding.told:
            where = f"{finding.rule.name}  [dim]{finding.rule.file.name}:{finding.rule.line}[/dim]"
            table.add_row(where, escape(finding.verdict), style=_style(finding))
    console.print(table)
    rest = [finding.rule.name for finding in findings if not finding.told]
    if rest:
        console.print(
            f"[yellow]{len(rest)} rules that no scenario exercised:[/yellow] {', '.join(rest)}"
        )


def _table() -> Table:
    return Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))


def _style(finding: RuleFinding) -> str:
    if finding.noisy:
        return "red"
    return "" if finding.good else "yellow"


def print_sweep(console: Console, rows: Sequence[SweepRow]) -> None:
    """Print detection delay against false alarms."""
    if not rows:
        console.print("No expression was ever true: there is nothing to sweep.")
        return
    values = [point.lasts for point in rows[0].points]
    table = _table()
    table.add_column("detection delay/false alarms", no_wrap=True)
    for lasts in values:
        table.add_column(f"for {show_duration(lasts)}", justify="right", no_wrap=True)
    for row in rows:
        cells = [
            f"{'missed' if p.delay is None else show_duration(p.delay)}/{p.false_alarms}"
            if row.expected
            else f"-/{p.false_alarms}"
            for p in row.points
        ]
        table.add_row(row.rule.name, *cells)
    # A log has no width to fit into, and a figure cut short says nothing.
    wide = console.measure(table, options=console.options.update(width=10_000)).maximum
    console.width = max(wide, console.width)
    console.print(table)


_BROKEN = {
    "deaf": "a limit out of reach",
    "loose": "a limit that everything reaches",
    "for": "a `for` a day longer",
    "selector": "selectors that find nothing",
}


def print_survivors(console: Console, left: Sequence[Mutant], total: int) -> None:
    """Print the mutants that no scenario noticed, rule by rule."""
    console.print(f"{total - len(left)} of {total} broken rules were noticed by a scenario")
    by_rule: dict[str, list[Mutant]] = {}
    for mutant in left:
        by_rule.setdefault(mutant.rule.key, []).append(mutant)
    for own in by_rule.values():
        kinds = ", ".join(_BROKEN[mutant.kind] for mutant in own)
        rule = own[0].rule
        console.print(
            f"  {rule.name}  [dim]{rule.file.name}:{rule.line}[/dim]  {kinds}", soft_wrap=True
        )


def print_summary(console: Console, results: Sequence[ScenarioResult], seconds: float) -> None:
    """Print the last line."""
    checks = [check for result in results for check in result.checks]
    count = {status: sum(check.status is status for check in checks) for status in CheckStatus}
    failed = count[CheckStatus.FAILED]
    style = "red" if failed else "green"
    skipped = f", {count[CheckStatus.SKIPPED]} skipped" if count[CheckStatus.SKIPPED] else ""
    console.print(
        f"[{style}]{len(results)} scenarios: {count[CheckStatus.PASSED]} checks passed, "
        f"{failed} failed{skipped}[/{style}] in {seconds:.0f} s",
        soft_wrap=True,
    )
