"""``twin history``: a past of a site at once."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin.cli.options import DetailSettings, Failures, SiteName, Workload, seconds
from twin.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.history import Estimate, HistoryReport, PastPlan, SampleTarget
    from twin.history.lived import LivedPast

__all__ = ["history"]

_MOST_DAYS = 3660
_SHORT = 90.0
"""Seconds below which it is no matter of minutes."""


def history(
    to: Annotated[
        str,
        typer.Option(
            help="parquet:FOLDER, openmetrics:FOLDER, blocks:FOLDER for Prometheus, or write:URL."
        ),
    ],
    site: SiteName = "demo",
    days: Annotated[int, typer.Option(help="Whole days, in UTC.", min=1, max=_MOST_DAYS)] = 7,
    step: Annotated[str, typer.Option(help="Time between two samples, 15s.")] = "15s",
    end: Annotated[
        str | None, typer.Option(help="Day before which it ends, 2026-01-31; by default today.")
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(help="7d for a past that ends now, in place of --days and --end."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="With --last: folder for the plant's state at its end, for --past."),
    ] = None,
    detail: DetailSettings = None,
    workload: Workload = "training",
    failures: Failures = "natural",
    maintenance: Annotated[
        bool | None,
        typer.Option(help="Maintain the site by a calendar of the seed; by default with --days."),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant of a Mimir, for write:URL.")] = None,
    alerts: Annotated[
        bool | None,
        typer.Option(
            help="Evaluate the shipped rules, too, by promtool; by default up to 30,000 series.",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(help="That share the days; by default one for each core.", min=1),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.", min=0)] = 0,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only tell its size, and how long it takes."),
    ] = False,
) -> None:
    """Make days of samples of a site at once, with weather, jobs, failures and maintenance.

    Names, labels and values are those of the metrics pages. A day is written whole or not at
    all; the same command again makes the days that are missing.

    \b
    Examples:
      twin history --days 30 --detail rack --to parquet:past
      twin history --days 7 --to blocks:/var/lib/prometheus
      twin history --days 7 --to write:http://127.0.0.1:8428/api/v1/write
      twin history --last 7d --step 1m --detail rack --to blocks:data --state past
      twin history --site mysite.yaml --days 365 --step 1m --to parquet:past --dry-run
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    if (last is None) is not (state is None) or (last is not None and end is not None):
        raise ConfigError("--last and --state go together, and without --end; give both or none")
    interval = seconds(step)
    first = _start(end, days)
    from twin.history import (
        DAY,
        PastPlan,
        estimated,
        expected_seconds,
        has_rules,
        processes_for,
        target_of,
        write_history,
    )

    if interval != int(interval) or DAY % int(interval) or interval > 3600:  # noqa: PLR2004 - s
        raise ConfigError(
            f"--step {step!r}: a day must be a whole number of steps of whole seconds, of at most "
            "an hour; write for example 15s, 30s or 1m"
        )
    from twin.history.lived import LivedPast
    from twin.site import DetailPlan, Layout, load_site

    layout = Layout(load_site(site))
    levels = DetailPlan.of_site(layout.site).changed(detail or ())
    target = target_of(to, tenant)
    if last is not None and state is not None:
        past = LivedPast(layout, levels, seconds(last), seed, workload, failures,
                         int(interval), alerts, "--last", maintenance or False)  # fmt: skip
        _write_until_now(past, target, state, dry_run=dry_run)
        return
    plan = PastPlan(
        layout,
        levels,
        first,
        days,
        int(interval),
        seed,
        workload,
        failures,
        rules=has_rules(alerts, layout, levels),
        maintenance=maintenance is not False,
    )
    estimate = estimated(plan, target)
    count = processes_for(plan, target, processes or os.cpu_count() or 1)
    _tell(plan, estimate, expected_seconds(plan, target, count))
    if not dry_run:
        _write(plan, target, estimate, lambda report: write_history(plan, target, report, count))


def _write_until_now(past: LivedPast, target: SampleTarget, state: Path, *, dry_run: bool) -> None:
    """Write a past that ends now, unless it is there already."""
    from twin.history import estimated, expected_seconds

    there = past.is_there(target, state)
    if there is not None:
        typer.echo(there, err=True)
        return
    plan = past.plan(time.time(), target)
    estimate = estimated(plan, target)
    _tell(plan, estimate, expected_seconds(plan, target, 1))
    if not dry_run:
        _write(plan, target, estimate, lambda report: past.write(plan, target, state, report))


def _write(
    plan: PastPlan,
    target: SampleTarget,
    estimate: Estimate,
    writes: Callable[[HistoryReport], int],
) -> None:
    """Write what is missing, and say how far it is."""
    from twin.cli.past_report import PastReport
    from twin.library.progress import ProgressBar

    began = time.monotonic()
    with ProgressBar("Writing", estimate.days * plan.scrapes, shown=True) as bar:
        total = writes(PastReport(bar, target.name_of))
    spent = time.monotonic() - began
    typer.echo(f"{total:,} samples in {spent:,.0f} s, in {target.place}", err=True)


def _start(end: str | None, days: int) -> int:
    """Return the unix time of the first day.

    Raises:
        ConfigError: ``end`` is no day, or the past would begin before 1970.
    """
    try:
        last = datetime.now(UTC) if end is None else datetime.fromisoformat(end)
    except ValueError:
        raise ConfigError(f"--end {end!r} is no day; write for example 2026-01-31") from None
    midnight = last.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    first = int(midnight.timestamp()) - days * 86_400
    if first < 0:
        raise ConfigError(f"--end {end!r} with {days} days begins before 1970; give a later day")
    return first


def _tell(plan: PastPlan, estimate: Estimate, took: float) -> None:
    """Say what will be made, and how many seconds it will take, on standard error."""
    from twin.history import DAY

    words = "days" if plan.day == DAY else "parts"
    typer.echo(
        f"{plan.layout.site.name}: {estimate.days} of {plan.days} {words} to make, "
        f"{estimate.series:,} series, {estimate.samples:,} samples, "
        f"some {estimate.bytes / 1e6:,.0f} MB, "
        f"some {f'{took:,.0f} s' if took < _SHORT else f'{took / 60:,.0f} minutes'}"
        f"{' with rules' if plan.rules else ', without alerts (--alerts)'}",
        err=True,
    )
