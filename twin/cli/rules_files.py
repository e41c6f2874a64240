"""``twin rules export`` and ``twin rules build``: rules and scenarios as files of Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from twin.cli.exporters import chosen_editions, counters_text
from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.catalog.editions import Edition
    from twin.rules.source import RuleSet
    from twin.scenario.loader import LoadedScenario

__all__ = ["build", "editions_of_sites", "export_scenario", "refuse_unknown", "tell"]


def export_scenario(
    scenario: str,
    rules: Sequence[str] | None,
    output: Path | None,
    exporter: Sequence[str],
    counters: Path | None,
) -> None:
    """Write a scenario as a unit test of promtool, with the shipped rules beside it.

    Raises:
        ConfigError: there is no such scenario, or a file is wrong.
    """
    from twin.scenario import load_scenario

    loaded = load_scenario(scenario).exporting(exporter, counters_text(counters), str(counters))

    from twin.rules.export import export
    from twin.rules.shipped import write_shipped_rules
    from twin.rules.source import load_rules
    from twin.rules.suite import check_suite

    if rules is None:
        # A folder of its own: a user's rules may well be called rules/gpu.yml too.
        folder = (output.parent if output is not None else Path()) / "twin-rules"
        folder.mkdir(parents=True, exist_ok=True)
        rules = [str(path) for path in write_shipped_rules(folder, editions_of_sites([loaded]))]
    own = load_rules(rules)
    tell(own.notes, strict=False)
    check_suite([loaded], own)
    text = export(loaded, own, output.parent if output is not None else Path())
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def build(output: Path, exporter: Sequence[str]) -> None:
    """Write the shipped rule files for these editions, and print their names.

    Raises:
        ConfigError: there is no such edition.
    """
    from twin.rules.shipped import write_shipped_rules

    editions = chosen_editions(exporter)
    output.mkdir(parents=True, exist_ok=True)
    for path in write_shipped_rules(output, editions):
        typer.echo(str(path))


def editions_of_sites(chosen: Sequence[LoadedScenario]) -> list[Edition]:
    """Return the editions of dcgm-exporter on the sites of some scenarios."""
    return list(dict.fromkeys(own for loaded in chosen for own in loaded.layout.editions))


def tell(notes: Sequence[str], *, strict: bool) -> None:
    """Print what Prometheus would not read; with ``--strict`` raise an error."""
    if notes and strict:
        raise ConfigError("\n".join(notes))
    for note in notes:
        typer.echo(f"twin: {note}", err=True)


def refuse_unknown(rules: RuleSet, chosen: Sequence[LoadedScenario]) -> None:
    """Refuse a metric that no known exporter has.

    Raises:
        ConfigError: with a line a metric.
    """
    from twin.rules.sampling import known_metrics
    from twin.rules.unknown_references import lacking_metrics

    metrics = frozenset[str]().union(*(known_metrics(loaded.layout) for loaded in chosen))
    lacking = lacking_metrics(rules, metrics)
    lines = [
        f"{rule.file}:{rule.expr_line}: no known exporter has {name}{f'; {hint}' if hint else ''}"
        for rule in rules.rules
        if rule.key in lacking
        for name, hint in lacking[rule.key].unknown.items()
    ]
    if lines:
        raise ConfigError("\n".join(lines))
