"""docs/rules-audit.md says what the example rules do, and it is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twin.rules.audit import audit
from twin.rules.scenario_run import Options
from twin.rules.source import load_rules
from twin.rules.suite import run_suite
from twin.scenario import find_scenarios

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs/examples/common-mistakes.rules.yml"
PAGE = ROOT / "docs/rules-audit.md"


def table() -> str:
    """Return the table that the page should have."""
    page = PAGE.read_text(encoding="utf-8")
    scenarios = find_scenarios(re.findall(r"--scenarios ([a-z-]+)", page))
    rules = load_rules([str(RULES)])
    found = audit(rules, run_suite(scenarios, rules, Options(foreign=True)))
    rows = [f"| `{own.rule.name}` | `{own.rule.expr}` | {own.verdict} |" for own in found]
    return "\n".join(["| rule | expression | finding |", "|---|---|---|", *rows])


@pytest.mark.full
def test_the_page_says_what_the_rules_do() -> None:
    """Every finding on the page is the one that the scenarios give."""
    page = PAGE.read_text(encoding="utf-8")
    shown = page.partition("<!-- table -->\n")[2].partition("\n<!-- /table -->")[0]
    assert shown == table()
