"""The report on a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from textwrap import wrap

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from twin.rules.audit import RecordingFinding, RuleFinding
from twin.rules.conclusion import Conclusion
from twin.rules.mutation import Mutant
from twin.rules.result import Check, CheckStatus, ScenarioResult
from twin.rules.sweep import SweepRow
from twin.scenario import show_duration

__all__ = [
    "print_findings",
    "print_recordings",
    "print_result",
    "print_summary",
    "print_survivors",
    "print_sweep",
]

_NAME_WIDTH = 40
"""A name and its place that are longer stand above the finding."""
_LEAST_ROOM = 30
"""Columns that a finding gets on the narrowest screen."""
_NO_WIDTH = 1_000_000
_MARKS = {
    CheckStatus.PASSED: "[green]✓[/green]",
    CheckStatus.FAILED: "[red]✗[/red]",
    CheckStatus.SKIPPED: "[dim]-[/dim]",
}


def print_result(console: Console, result: ScenarioResult, *, every: bool, head: str = "") -> None:
    """Print a scenario: a line after ``head``, and its checks if one failed or all are wanted."""
    mark = _MARKS[result.mark]
    counted = [check for check in result.checks if check.status is not CheckStatus.SKIPPED]
    console.print(
        f"{head}{mark} [bold]{escape(result.name)}[/bold]  {escape(result.title)}  "
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


def print_recordings(console: Console, recorded: Sequence[RecordingFinding]) -> None:
    """Print of every recording rule how many series it gives, or why none."""
    for own in recorded:
        style = "red" if own.error else "green" if own.most else "yellow"
        console.print(_named(own).append("  ").append(own.verdict, style=style), soft_wrap=True)


def print_findings(console: Console, findings: Sequence[RuleFinding]) -> None:
    """Print the verdict on every rule; those that no scenario exercised in one line.

    The finding stands beside the rule's name, or below it where the name is long. A pipe has
    no width: there a finding is one line, so that it can be searched.
    """
    told = [(own, _named(own)) for own in findings if own.told]
    short = [name.cell_len for _, name in told if name.cell_len <= _NAME_WIDTH]
    column = max(short, default=len("rule"))
    for finding, name in told:
        beside = name.cell_len <= column
        if not beside:
            console.print(name, soft_wrap=True)
        room = console.width - column - 2 if _has_width(console) else _NO_WIDTH
        lines = wrap(finding.verdict, max(room, _LEAST_ROOM)) or [""]
        for index, line in enumerate(lines):
            head = name if beside and index == 0 else Text()
            head.pad_right(column + 2 - head.cell_len)
            console.print(head.append(line, style=_style(finding)), soft_wrap=True)
    rest = [finding.rule.name for finding in findings if not finding.told]
    if rest:
        console.print(
            f"[yellow]{len(rest)} rules that no scenario exercised:[/yellow] "
            f"{escape(', '.join(rest))}"
        )


def _named(finding: RuleFinding | RecordingFinding) -> Text:
    """Return the name of a rule and its place."""
    place = f"  {finding.rule.file.name}:{finding.rule.line}"
    return Text(finding.rule.name).append(place, style="dim")


def _has_width(console: Console) -> bool:
    """Return whether lines are read on a screen, or by something that gave a width."""
    return console.is_terminal or "COLUMNS" in os.environ


def _table() -> Table:
    return Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))


def _style(finding: RuleFinding) -> str:
    if finding.noisy:
        return "red"
    return "" if finding.good else "yellow"


def print_sweep(console: Console, rows: Sequence[SweepRow]) -> None:
    """Print detection delay against false alarms."""
    if not rows:
        console.print("No expression was ever true, so there is nothing to sweep.")
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
        table.add_row(escape(row.rule.name), *cells)
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
        where = f"[dim]{rule.file.name}:{rule.line}[/dim]"
        console.print(f"  {escape(rule.name)}  {where}  {kinds}", soft_wrap=True)


def print_summary(
    own: Conclusion, scenarios: int, seconds: float, console: Console | None = None
) -> None:
    """Print the last line."""
    style = "green" if own.good else "red"
    checked = f"{own.passed} checks passed, {own.failed} failed"
    text = checked if own.passed or own.failed else own.word
    skipped = f", {own.skipped} skipped" if own.skipped else ""
    (console or Console(highlight=False)).print(
        f"[{style}]{scenarios} scenarios: {text}{skipped}[/{style}] in {seconds:.0f} s",
        soft_wrap=True,
    )
