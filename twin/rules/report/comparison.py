"""The comparison of rules on two editions: on a terminal, as JSON, as JUnit XML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from rich.console import Console
from rich.markup import escape

from twin.catalog.editions import Edition
from twin.rules.comparison import EditionVerdict, RuleComparison
from twin.rules.report.junit import junit_bytes

__all__ = [
    "comparison_complaints",
    "comparison_json",
    "comparison_junit",
    "print_comparison",
]

Editions = tuple[Edition, Edition]


def comparison_complaints(found: Sequence[RuleComparison], editions: Editions) -> list[str]:
    """Return the faults of the rules as they are, in sentences; empty if there are none."""
    new = editions[1].title
    lost = [own.rule.name for own in found if own.lost]
    cries = [own.rule.name for own in found if own.cries]
    told = []
    if lost:
        told.append(f"{new} takes the detection of a fault from {', '.join(lost)}")
    if cries:
        told.append(f"{new} makes {', '.join(cries)} fire while nothing is wrong")
    return told


def print_comparison(console: Console, found: Sequence[RuleComparison], editions: Editions) -> None:
    """Print each affected rule with both verdicts, the reasons and the rewritten expressions."""
    for own in found:
        if own.affected:
            _print_rule(console, own, editions)
    affected = [own for own in found if own.affected]
    alerts = [own for own in affected if own.rule.alerting]
    proven = sum(own.new_proven for own in alerts)
    console.print(
        f"{len(found)} rules, {len(affected)} read what {editions[1].title} calls otherwise: "
        f"{sum(bool(own.lost) for own in found)} lose a detection, "
        f"{sum(bool(own.cries) for own in found)} begin to fire while nothing is wrong; "
        f"{proven} of {len(alerts)} rewritten alerts are proven by a scenario",
        soft_wrap=True,
    )


def _print_rule(console: Console, own: RuleComparison, editions: Editions) -> None:
    mark = "[red]✗[/red]" if own.lost or own.cries else "[yellow]~[/yellow]"
    console.print(f"{mark} [bold]{escape(own.rule.name)}[/bold]  [dim]{own.rule.place}[/dim]",
                  soft_wrap=True)  # fmt: skip
    old, new = (edition.version for edition in editions)
    lines = [f"because {reason}" for reason in own.reasons]
    if own.before is not None and own.after is not None:
        lines += [f"{old}: {own.before.text}", f"{new}: {_change(own)}{own.after.text}"]
    lines += [
        f"for {new} ({_proof(own, own.new_proven)}): {own.new}",
        f"for both ({_proof(own, own.both_proven)}): {own.both}",
    ]
    for line in lines:
        console.print(f"    {line}", markup=False, soft_wrap=True)


def _change(own: RuleComparison) -> str:
    parts = [f"loses {', '.join(own.lost)}; "] if own.lost else []
    if own.cries:
        parts.append(f"begins to fire while nothing is wrong ({', '.join(own.cries)}); ")
    return "".join(parts)


def _proof(own: RuleComparison, proven: bool) -> str:
    if not own.rule.alerting:
        return "a recording, proven by what reads it"
    if proven:
        return "proven"
    return "not the same, look at it" if own.exercised else "no scenario makes the rule fire"


def comparison_json(found: Sequence[RuleComparison], editions: Editions) -> dict[str, Any]:
    """Return the comparison for a script."""
    old, new = (edition.version for edition in editions)
    return {
        "exporter": editions[0].exporter,
        "editions": [old, new],
        "complaints": comparison_complaints(found, editions),
        "rules": [
            {
                "rule": own.rule.name,
                "alerting": own.rule.alerting,
                "file": str(own.rule.file),
                "line": own.rule.line,
                "affected": own.affected,
                "reasons": list(own.reasons),
                "lost": own.lost,
                "cries": own.cries,
                "before": _verdict(own.before),
                "after": _verdict(own.after),
                "expr": own.rule.expr,
                "new": {
                    "expr": own.new,
                    "proven": own.new_proven,
                    "verdict": _verdict(own.new_verdict),
                },
                "both": {
                    "expr": own.both,
                    "proven": own.both_proven,
                    "verdicts": [_verdict(verdict) for verdict in own.both_verdicts],
                },
            }
            for own in found
        ],
    }


def _verdict(verdict: EditionVerdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {"detects": dict(verdict.detects), "noisy": dict(verdict.noisy), "text": verdict.text}


def comparison_junit(found: Sequence[RuleComparison], editions: Editions) -> bytes:
    """Return one test case a rule, which fails where it loses a fault or begins to cry."""
    failed = [own for own in found if own.lost or own.cries]
    root = Element("testsuites", name="twin rules compare")
    title = f"{editions[0].title} to {editions[1].version}"
    suite = SubElement(
        root, "testsuite", name=title, tests=str(len(found)), failures=str(len(failed))
    )
    for own in found:
        case = SubElement(suite, "testcase", classname=title, name=own.rule.name)
        case.set("file", str(own.rule.file))
        case.set("line", str(own.rule.line))
        text = "\n".join(
            [*own.reasons, f"for {editions[1].version}: {own.new}", f"for both: {own.both}"]
        )
        if own.lost or own.cries:
            SubElement(case, "failure", message=_change(own).removesuffix("; ")).text = text
        elif own.affected:
            SubElement(case, "system-out").text = text
    return junit_bytes(root)
