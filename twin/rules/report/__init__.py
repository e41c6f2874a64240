"""Reports of a run, for a terminal, a CI server and a browser."""

from __future__ import annotations

from twin.rules.report.html import html_report
from twin.rules.report.junit import junit_report
from twin.rules.report.terminal import (
    print_findings,
    print_recordings,
    print_result,
    print_summary,
    print_survivors,
    print_sweep,
)
from twin.rules.report.values import json_report

__all__ = [
    "html_report",
    "json_report",
    "junit_report",
    "print_findings",
    "print_recordings",
    "print_result",
    "print_summary",
    "print_survivors",
    "print_sweep",
]
