"""``twin rules compare``: rules on two editions of an exporter, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import typer

from twin.cli.exporters import two_editions
from twin.cli.process import configure_logs
from twin.errors import CheckFailedError

if TYPE_CHECKING:
    from twin.catalog.editions import Edition
    from twin.rules.source import RuleSet

__all__ = ["compare"]


def compare(
    rules: Sequence[str],
    exporters: Sequence[str],
    scenarios: Sequence[str],
    *,
    output: Path | None,
    junit: Path | None,
    jobs: int | None,
    cached: bool,
    as_json: bool,
) -> None:
    """Compare rules, print the result and fail if a rule loses a fault or begins to cry.

    Raises:
        CheckFailedError: a rule does so.
        ConfigError: the options or the files are wrong.
    """
    from rich.console import Console

    from twin.content_cache import Cache, default_folder
    from twin.rules.comparison import compare_rules
    from twin.rules.report.comparison import (
        comparison_complaints,
        comparison_json,
        comparison_junit,
        print_comparison,
    )
    from twin.rules.scenario_run import Options
    from twin.rules.source import load_rules
    from twin.scenario import find_scenarios

    configure_logs("error")
    editions = two_editions(exporters)
    own = load_rules(rules)
    console = Console(highlight=False, stderr=as_json)
    options = Options(jobs=jobs, cache=Cache(default_folder()) if cached else None)
    with console.status("") as status:
        found = compare_rules(
            own,
            find_scenarios(scenarios),
            editions,
            options,
            lambda stage, result: status.update(f"{stage}: {result.name}"),
        )
    if output is not None:
        _write(own, editions, output)
    if junit is not None:
        junit.write_bytes(comparison_junit(found, editions))
    if as_json:
        typer.echo(orjson.dumps(comparison_json(found, editions)))
    else:
        print_comparison(console, found, editions)
    complaints = comparison_complaints(found, editions)
    if complaints:
        raise CheckFailedError("; ".join(complaints))


def _write(rules: RuleSet, editions: tuple[Edition, Edition], folder: Path) -> None:
    """Write the rewritten rules into one folder for the new edition and one for both."""
    from twin.rules.comparison import translated_rules
    from twin.rules.jobs import grouped
    from twin.rules.rule_yaml import groups_yaml
    from twin.translation import renaming

    way = renaming(*editions)
    for name, both in ((editions[1].version, False), ("both", True)):
        translated = translated_rules(rules, way, both=both)
        for file in rules.files:
            members = [(rule, rule.body) for rule in translated.rules if rule.file == file]
            path = folder / name / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(groups_yaml(grouped(members, translated)), encoding="utf-8")
