"""The shipped rules as files, wherever the twin is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twin.alerts import RULES, THRESHOLDS, for_editions, rule_file
from twin.catalog.editions import Edition

__all__ = ["write_shipped_rules"]


def write_shipped_rules(folder: Path, editions: Sequence[Edition] = ()) -> list[Path]:
    """Write the shipped rules into a folder and return their files.

    Args:
        folder: for a file of each domain.
        editions: of exporters that they are to hold on; none for the default.
    """
    limits = {threshold.name: threshold.value for threshold in THRESHOLDS}
    paths: list[Path] = []
    for rules in for_editions(RULES, editions):
        path = folder / f"{rules.group}.yml"
        path.write_text(rule_file(rules, limits), encoding="utf-8")
        paths.append(path)
    return paths
