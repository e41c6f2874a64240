"""The shipped rules as files, wherever the twin is installed."""

from __future__ import annotations

from pathlib import Path

from twin.alerts import RULES, THRESHOLDS, rule_file

__all__ = ["write_shipped_rules"]


def write_shipped_rules(folder: Path) -> str:
    """Write the shipped rules into a folder and return the pattern of their files."""
    limits = {threshold.name: threshold.value for threshold in THRESHOLDS}
    for rules in RULES:
        path = folder / f"{rules.group}.yml"
        path.write_text(rule_file(rules, limits), encoding="utf-8")
    return str(folder / "*.yml")
