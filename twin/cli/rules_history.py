"""``twin rules test --history``: rules over the real past of a Prometheus."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from twin.cli.columns import columns
from twin.cli.fleet import PAST_MOST_BYTES, PAST_TIMEOUT, fleet_prometheus, refusals_told
from twin.cli.options import seconds
from twin.errors import CheckFailedError, ConfigError

if TYPE_CHECKING:
    from twin.rules.backtest import BacktestVerdict, PastSettings

__all__ = [
    "HistoryFrom",
    "HistoryStep",
    "HistoryTo",
    "HistoryUrl",
    "IncidentsFile",
    "MostSamples",
    "backtest_rules",
    "refuse_without_history",
]

HistoryUrl = Annotated[
    str | None,
    typer.Option(
        help="Prometheus whose past is judged instead of scenarios, as http://prometheus:9090."
    ),
]
HistoryFrom = Annotated[
    str | None,
    typer.Option(
        "--from", help="Start of the past: 2026-05-03T10:00Z, unix seconds, or now-7d (default)."
    ),
]
HistoryTo = Annotated[str | None, typer.Option("--to", help="End of the past, by default now.")]
IncidentsFile = Annotated[
    Path | None,
    typer.Option(help="Incidents of the past (YAML) and the alerts that each should have raised."),
]
HistoryStep = Annotated[
    str | None,
    typer.Option(help="Time between two evaluations of the past; by default its scrape interval."),
]
MostSamples = Annotated[
    int, typer.Option(help="Samples of the past that are held at a time.", min=1000)
]
_NUMBERS = ("firings", "a week", "longest", "false", "false a week", "precision", "delay",
            "twin shadow")  # fmt: skip


def backtest_rules(
    url: str,
    rules: Sequence[str] | None,
    start: str | None,
    end: str | None,
    scenarios_only: Mapping[str, object],
    *,
    incidents: Path | None,
    credentials: Path | None,
    step: str | None,
    most: int,
    junit: Path | None,
    report: Path | None,
    jobs: int | None,
    every: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Judge rules over the past of a Prometheus and print what they did.

    Raises:
        CheckFailedError: an alert that an incident expects did not fire, or a rule fails.
        ConfigError: the options or the files are wrong.
        ServiceError: the server does not answer, or refuses.
    """
    for option, value in scenarios_only.items():
        if value:
            raise ConfigError(f"{option} is for scenarios; leave it out beside --history")
    server = fleet_prometheus(url, credentials, PAST_TIMEOUT, PAST_MOST_BYTES, "--history")

    from rich.console import Console

    from twin.cli.rules_files import tell
    from twin.rules.backtest import (
        backtest,
        backtest_html,
        backtest_json,
        backtest_junit,
        read_incidents,
        verdict,
    )
    from twin.rules.backtest.incidents import check_alerts
    from twin.rules.shipped import write_shipped_rules
    from twin.rules.source import load_rules

    listed = None if incidents is None else read_incidents(incidents)
    with TemporaryDirectory(prefix="twin-rules-") as folder:
        own = load_rules(rules or [str(path) for path in write_shipped_rules(Path(folder))])
        tell(own.notes, strict=strict)
        check_alerts(listed or (), own, str(incidents))
        with refusals_told(server):
            settings = _settings(start, end, server.now(), step, most, jobs)
            with Console(stderr=True).status("") as status:
                outcome = backtest(server, own, settings, status.update)
    found = verdict(outcome, listed)
    if junit is not None:
        junit.write_bytes(backtest_junit(found))
    if report is not None:
        report.write_text(backtest_html(found), encoding="utf-8")
    if as_json:
        typer.echo(orjson.dumps(backtest_json(found)))
    else:
        _print(found, every=every)
    if found.complaints:
        raise CheckFailedError("; ".join(found.complaints))


def _settings(
    start: str | None, end: str | None, now: float, step: str | None, most: int, jobs: int | None
) -> PastSettings:
    from twin.clients.moments import moment
    from twin.rules.backtest import PastSettings

    to = min(moment(end or "now", now, "--to"), now)
    since = moment(start or "now-7d", now, "--from")
    if since >= to:
        raise ConfigError("--from is not before --to; both are in UTC unless they say otherwise")
    length = None if step is None else seconds(step)
    if length is not None and (length < 1.0 or length % 1.0):
        raise ConfigError(f"--step {step} is not whole seconds, which promtool needs; give 1s")
    return PastSettings(since, to, length, most, jobs or os.cpu_count() or 1)


def _print(found: BacktestVerdict, *, every: bool) -> None:
    from twin.rules.backtest import backtest_text

    for part in backtest_text(found, every=every):
        if isinstance(part, str):
            typer.echo(part)
        else:
            header, rows = part
            typer.echo("\n".join(columns(header, rows, right=_NUMBERS)))


def refuse_without_history(given: Mapping[str, object]) -> None:
    """Refuse options that only a past takes.

    Raises:
        ConfigError: one is given.
    """
    for option, value in given.items():
        if value is not None:
            raise ConfigError(f"{option} is for a real past; give its Prometheus with --history")
