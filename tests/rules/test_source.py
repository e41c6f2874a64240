"""Rule files: lines, and what is said of a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.errors import ConfigError
from twin.rules.source import load_rules

pytestmark = pytest.mark.integration

GOOD = """groups:
  - name: g
    rules:
      - record: r
        expr: sum(a)
      - alert: A
        expr: |
          r
            > 5
        for: 1m30s
  - name: h
    rules:
      - {alert: B, expr: q > 1}
"""


def test_rules_know_their_lines(tmp_path: Path) -> None:
    """Each rule leads to its line, and a block of an expression to its first."""
    path = tmp_path / "own.yml"
    path.write_text(GOOD, encoding="utf-8")
    found = load_rules([str(tmp_path / "*.yml")])
    assert [(rule.name, rule.line, rule.expr_line, rule.lasts) for rule in found.rules] == [
        ("r", 4, 5, 0.0),
        ("A", 6, 8, 90.0),
        ("B", 13, 13, 0.0),
    ]
    assert [rule.name for rule in found.feeding(found.named("A"))] == ["r"]
    assert found.feeding(found.named("B")) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("sum(a)", "sum(a"), r"own\.yml:5: .*parse expression"),
        (GOOD.replace("for:", "fro:"), r"own\.yml:10: .*field fro not found"),
        (GOOD.replace("{alert: B", "{alert: [B"), r"own\.yml:13:32: is not YAML: "),
        (GOOD.replace("1m30s", "1x"), r'own\.yml:10: not a valid duration string: "1x"'),
        (GOOD.replace("1m30s", "300y"), r"own\.yml:10: duration out of range"),
        ("groups: []\n", r"own\.yml: there is no rule to test"),
        ("", r"own\.yml: there is no rule to test"),
        ("- a\n", r"own\.yml:1: is a list; put groups under groups"),
        ("alert: A\nexpr: up\n", r"own\.yml: has 'alert': it is a rule without a group"),
        ("route: {receiver: a}\n", r"own\.yml: has 'route': it is a configuration of Alertm"),
        ("global: {}\nrule_files: [a]\n", r"has 'global': it is a configuration of Prometheus"),
        ("rule_files: [a]\ntests: []\n", r"has 'rule_files': it is a test of promtool"),
        ("apiVersion: 1\ngroups: []\n", r"has 'apiVersion': .* export the rules from Grafana"),
        (GOOD.replace("alert: B, ", ""), r"own\.yml:13: .*one of 'record' or 'alert' must be set"),
        (
            GOOD.replace("expr: q", "expr: &q q") + "      - {alert: C, expr: *q}\n",
            r"own\.yml:14: expr is an alias, of which Prometheus 2 reads only the name",
        ),
        (
            GOOD.replace("sum(a)", "abs(" * 5000 + "a" + ")" * 5000),
            r"own\.yml:5: the expression has 5000 brackets inside each other",
        ),
        (
            GOOD.replace("sum(a)", "a + " * 5000 + "a"),
            r"own\.yml:5: the expression has 5000 operators and brackets",
        ),
    ],
)
def test_a_broken_file_is_told_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    """What Prometheus would not load is refused with file and line."""
    path = tmp_path / "own.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said) as caught:
        load_rules([str(path)])
    assert "\n" not in str(caught.value)


def test_a_year_is_a_duration(tmp_path: Path) -> None:
    """Prometheus knows years, and so does what reads its rules."""
    path = tmp_path / "own.yml"
    path.write_text(GOOD.replace("1m30s", "1y"), encoding="utf-8")
    assert load_rules([str(path)]).named("A")[0].lasts == 365 * 86_400.0


def test_a_pattern_without_files_is_told() -> None:
    """A pattern that matches nothing is a mistake, not an empty test."""
    with pytest.raises(ConfigError, match="no rule file matches"):
        load_rules(["/no/such/*.yml"])
