"""Rule files: the tables as YAML, commented for readers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from textwrap import indent, wrap

from twin.alerts.model import Alert, Recording, Rules, fill

__all__ = ["NOTICE", "RUNBOOKS", "duration", "rule_file"]

NOTICE = "Made by `python -m twin.alerts`; do not edit."
RUNBOOKS = "docs/runbooks/"
"""Where the runbooks are, unless another base URL is given."""

_WIDTH = 96


def duration(seconds: int) -> str:
    """Return seconds as Prometheus writes them, in the largest unit that fits."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def rule_file(rules: Rules, limits: Mapping[str, float], runbooks: str = RUNBOOKS) -> str:
    """Return one file of rules.

    Args:
        rules: of the domain.
        limits: threshold to value.
        runbooks: base URL or path of the runbooks.

    Raises:
        ConfigError: ``limits`` lacks a threshold.
    """
    blocks = [_recording(rule, limits) for rule in rules.recordings]
    blocks += [_alert(rule, rules, limits, runbooks) for rule in rules.alerts]
    head = f"# {NOTICE}\n{_comment(rules.title)}groups:\n  - name: {rules.group}\n    rules:\n"
    return head + "\n".join(indent(block, " " * 6) for block in blocks)


def _recording(rule: Recording, limits: Mapping[str, float]) -> str:
    body = f"record: {rule.name}\n{_expression(fill(rule.expr, limits))}"
    return _comment(rule.why) + _item(body)


def _alert(rule: Alert, rules: Rules, limits: Mapping[str, float], runbooks: str) -> str:
    text = "\n".join(wrap(rule.description, _WIDTH - 12, break_on_hyphens=False))
    hold = f"for: {duration(rule.hold)}\n" if rule.hold else ""
    body = (
        f"alert: {rule.name}\n"
        f"{_expression(fill(rule.expr, limits))}"
        f"{hold}"
        f"labels:\n  severity: {rule.severity}\n  domain: {rules.domain}\n"
        f"annotations:\n  summary: {json.dumps(rule.summary, ensure_ascii=False)}\n"
        f"  description: >-\n{indent(text, ' ' * 4)}\n"
        f"  runbook_url: {runbooks}{rule.name}.md\n"
    )
    return _comment(rule.why) + _item(body)


def _expression(expr: str) -> str:
    """Return the line or the block of an expression."""
    if "\n" not in expr:
        return f"expr: {expr}\n" if expr[0].isalnum() else f"expr: >-\n  {expr}\n"
    return f"expr: |-\n{indent(expr, '  ')}\n"


def _item(body: str) -> str:
    """Return a mapping as an element of a list."""
    return "- " + indent(body, "  ")[2:]


def _comment(text: str) -> str:
    """Return a comment of as many lines as it needs."""
    return "".join(f"# {line}\n" for line in wrap(text, _WIDTH - 8, break_on_hyphens=False))
