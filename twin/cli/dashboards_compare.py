"""``twin dashboards compare``: dashboards on two editions of an exporter, side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement

import orjson
import typer

from twin.cli.exporters import two_editions
from twin.cli.process import configure_logs
from twin.errors import CheckFailedError, ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from twin.catalog.editions import Edition
    from twin.rules.dashboard_comparison import QueryComparison

__all__ = ["compare_files"]

Found = dict[Path, "list[QueryComparison]"]


def compare_files(
    files: Sequence[Path],
    exporters: Sequence[str],
    scenario: str,
    *,
    output: Path | None,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Compare dashboards, print the result and fail if a query answers on the old edition only.

    Raises:
        CheckFailedError: one does so.
        ConfigError: a file is no dashboard, or the options are wrong.
    """
    from rich.console import Console

    from twin.content_cache import Cache, default_folder
    from twin.rules.dashboard_comparison import compare_dashboard
    from twin.scenario import load_scenario

    configure_logs("error")
    editions = two_editions(exporters)
    dashboards = {path: _dashboard(path) for path in files}
    loaded, cache = load_scenario(scenario), Cache(default_folder())
    found: Found = {
        path: compare_dashboard(dashboard, loaded, editions, cache)
        for path, dashboard in dashboards.items()
    }
    if output is not None:
        _write(dashboards, editions, output)
    if junit is not None:
        junit.write_bytes(_junit(found, editions))
    if as_json:
        typer.echo(orjson.dumps(_values(found)))
    else:
        _print(Console(highlight=False), found, editions)
    lost = sum(own.lost for queries in found.values() for own in queries)
    if lost:
        raise CheckFailedError(f"{editions[1].title} leaves {lost} queries without an answer")


def _dashboard(path: Path) -> dict[str, Any]:
    from twin.yamls import read_text

    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
    if isinstance(found, dict) and isinstance(found.get("dashboard"), dict):
        found = found["dashboard"]  # as Grafana's API gives it
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: is not a dashboard; export one from Grafana as JSON")
    return found


def _print(console: Console, found: Found, editions: tuple[Edition, Edition]) -> None:
    old, new = (edition.version for edition in editions)
    for path, queries in found.items():
        affected = [own for own in queries if own.reasons]
        console.print(f"{path}", style="bold", markup=False, soft_wrap=True)
        for own in affected:
            lines = [
                (
                    f"{'✗' if own.lost else '~'} {own.query.kind} {own.query.place}: "
                    f"{_series(own.before)} on {old}, {_series(own.after)} on {new}"
                ),
                *(f"    because {reason}" for reason in own.reasons),
                f"    for {new} ({_proof(own.new_same)}): {own.new}",
                f"    for both ({_proof(own.both_same)}): {own.both}",
            ]
            for line in lines:
                console.print(f"  {line}", markup=False, soft_wrap=True)
        console.print(
            f"  {len(queries)} queries, {len(affected)} read what {new} calls otherwise, "
            f"{sum(own.lost for own in queries)} go empty; rewritten, "
            f"{sum(own.new_same for own in affected)} answer the same on {new} and "
            f"{sum(own.both_same for own in affected)} on half of each",
            soft_wrap=True,
        )


def _series(count: int | None) -> str:
    return "cannot be asked" if count is None else f"{count} series"


def _proof(same: bool) -> str:
    return "same answer" if same else "not the same, look at it"


def _values(found: Found) -> list[dict[str, Any]]:
    return [
        {
            "file": str(path),
            "kind": own.query.kind,
            "place": own.query.place,
            "expr": own.query.expr,
            "reasons": list(own.reasons),
            "before": own.before,
            "after": own.after,
            "lost": own.lost,
            "new": {"expr": own.new, "same": own.new_same},
            "both": {"expr": own.both, "same": own.both_same},
        }
        for path, queries in found.items()
        for own in queries
    ]


def _junit(found: Found, editions: tuple[Edition, Edition]) -> bytes:
    from twin.rules.report.junit import junit_bytes

    root = Element("testsuites", name="twin dashboards compare")
    for path, queries in found.items():
        failed = str(sum(own.lost for own in queries))
        suite = SubElement(
            root, "testsuite", name=str(path), tests=str(len(queries)), failures=failed
        )
        for own in queries:
            name = f"{own.query.kind} {own.query.place}"
            case = SubElement(suite, "testcase", classname=path.stem, name=name)
            if own.lost:
                message = f"answers on {editions[0].title} only"
                text = "\n".join([*own.reasons, own.new, own.both])
                SubElement(case, "failure", message=message).text = text
    return junit_bytes(root)


def _write(
    dashboards: dict[Path, dict[str, Any]], editions: tuple[Edition, Edition], folder: Path
) -> None:
    """Write the rewritten dashboards into one folder for the new edition and one for both."""
    from twin.translation import renaming, translated_dashboard

    way = renaming(*editions)
    for name, both in ((editions[1].version, False), ("both", True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for path, dashboard in dashboards.items():
            text = json.dumps(
                translated_dashboard(dashboard, way, both=both), indent=2, ensure_ascii=False
            )
            (folder / name / path.name).write_text(f"{text}\n", encoding="utf-8")
