"""``twin dashboards``: build them, push them to a Grafana, check them against a Prometheus."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from twin.cli.exporters import EditionNames, chosen_editions
from twin.cli.options import JsonOutput, JunitFile, seconds
from twin.errors import CheckFailedError, ConfigError, not_installed
from twin.grafana.pages import FOLDER

if TYPE_CHECKING:
    from twin.grafana.check import Checked

__all__ = ["app"]

app = typer.Typer(
    help="The Grafana dashboards: build, push, check.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

From = Annotated[
    Path | None,
    typer.Option("--from", help="Folder of built dashboards; by default those that ship."),
]


@app.command("build")
def build(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder that the JSON goes into.")
    ] = Path("dashboards"),
    check: Annotated[
        bool, typer.Option("--check", help="Compare only; exit 1 on a difference.")
    ] = False,
    exporter: EditionNames = None,
) -> None:
    """Build the dashboards from the code.

    \b
    Examples:
      twin dashboards build
      twin dashboards build --check
      twin dashboards build --output /etc/grafana/dashboards
      twin dashboards build --output migrated --exporter dcgm=4.8.2 --exporter dcgm=4.9.0
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    try:
        from twin.grafana import build as builder
    except ImportError:
        raise not_installed("building dashboards", "grafana-foundation-sdk==0.0.21") from None
    editions = chosen_editions(exporter)
    if check:
        different = builder.differences(output, editions)
        if different:
            raise CheckFailedError(
                f"{output}: {', '.join(different)} is not what the code builds; "
                "run twin dashboards build"
            )
        return
    for name in builder.write_all(output, editions):
        typer.echo(f"{output / name}")


@app.command("compare")
def compare(
    files: Annotated[list[Path], typer.Argument(help="Dashboards as JSON.", metavar="FILES")],
    exporter: Annotated[
        list[str],
        typer.Option("--exporter", help="The old edition, then the new one: dcgm=4.8.2."),
    ],
    scenario: Annotated[
        str, typer.Option("--scenario", "-s", help="At whose end the queries are asked.")
    ] = "gpu-xid",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for the rewritten files: for the new edition, for both."
        ),
    ] = None,
    junit: JunitFile = None,
    as_json: JsonOutput = False,
) -> None:
    """Ask dashboards on two editions of an exporter, and rewrite what the new one leaves empty.

    Exit 1 if a panel, a variable or an annotation answers on the old edition only.

    \b
    Example:
      twin dashboards compare gpus.json --exporter dcgm=4.8.2 --exporter dcgm=4.9.0
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.cli.dashboards_compare import compare_files

    compare_files(files, exporter, scenario, output=output, junit=junit, as_json=as_json)


@app.command("push")
def push_all(
    url: Annotated[str, typer.Option(envvar="GRAFANA_URL", help="Address of the Grafana.")],
    token: Annotated[
        str | None,
        typer.Option(envvar="GRAFANA_TOKEN", help="Token of a service account that may edit."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(envvar="GRAFANA_USER", help="A user instead of a token."),
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(envvar="GRAFANA_PASSWORD", help="The user's password."),
    ] = None,
    folder: Annotated[str, typer.Option(help="Title of the folder, made if missing.")] = FOLDER,
    source: From = None,
) -> None:
    """Put the dashboards into a Grafana; those that are there already are replaced.

    \b
    Examples:
      GRAFANA_TOKEN=glsa_… twin dashboards push --url https://grafana.example.org
      twin dashboards push --url http://127.0.0.1:3000 --user admin
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.grafana.push import connect, push
    from twin.grafana.shipped import load_all

    credential: str | tuple[str, str] | None = token
    if user is not None:
        credential = (user, password or typer.prompt("Password", hide_input=True))
    for path in push(connect(url, credential), load_all(source), folder):
        typer.echo(f"{url.rstrip('/')}{path}")


@app.command("check")
def check_all(
    prometheus: Annotated[
        str, typer.Option(envvar="PROMETHEUS_URL", help="Address of the Prometheus to ask.")
    ] = "http://127.0.0.1:9090",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Only this dashboard, for example site; may be repeated."),
    ] = None,
    variables: Annotated[
        list[str] | None,
        typer.Option("--var", help="Value of a variable: site=demo; may be repeated."),
    ] = None,
    within: Annotated[
        str | None, typer.Option(help="Also fail when a query takes longer: 1s, 500ms.")
    ] = None,
    allow_empty: Annotated[
        bool,
        typer.Option("--allow-empty", help="Accept queries without series; fail for errors only."),
    ] = False,
    source: From = None,
    as_json: JsonOutput = False,
) -> None:
    """Run every query of every dashboard against a live Prometheus.

    Exit status 1 when a query fails or returns no series. A query that shows a fault may be empty
    until that fault is in force.

    \b
    Examples:
      twin dashboards check
      twin dashboards check --prometheus http://127.0.0.1:9090 --var site=demo --within 1s
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.clients.prometheus import Prometheus
    from twin.grafana.check import QueryOutcome, check_dashboard
    from twin.grafana.shipped import load_all

    limit = None if within is None else seconds(within)
    server = Prometheus(prometheus)
    dashboards = _chosen(load_all(source), only)
    values = _values(variables or [])
    results = [found for each in dashboards for found in check_dashboard(each, server, values)]
    slow = [found for found in results if limit is not None and found.seconds > limit]
    if as_json:
        typer.echo(orjson.dumps([asdict(found) for found in results]))
    else:
        _print(results, slow)
    accepted = {QueryOutcome.EMPTY} if allow_empty else set()
    failed = [found for found in results if found.outcome.failed and found.outcome not in accepted]
    if failed or slow:
        raise CheckFailedError(
            f"{len(failed)} of {len(results)} queries failed or answered nothing"
            + (f", {len(slow)} took longer than {within}" if slow else "")
        )


def _chosen(dashboards: list[dict[str, object]], only: list[str] | None) -> list[dict[str, object]]:
    names = {str(dashboard["uid"]).removeprefix("twin-"): dashboard for dashboard in dashboards}
    for name in only or ():
        if name not in names:
            raise ConfigError(f"dashboard {name!r} does not exist; choose {', '.join(names)}")
    return [names[name] for name in only] if only else dashboards


def _values(pairs: list[str]) -> dict[str, str]:
    """Return the values of variables given as ``name=value``."""
    for pair in pairs:
        if "=" not in pair:
            raise ConfigError(f"--var {pair!r} is not valid; write name=value")
    return dict(pair.split("=", 1) for pair in pairs)


def _print(results: list[Checked], slow: list[Checked]) -> None:
    """Print a line for each dashboard, and every query with a problem."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in ("dashboard", "queries", "ok", "quiet", "failed", "slowest", "in"):
        table.add_column(column, justify="left" if column in ("dashboard", "in") else "right")
    for uid in dict.fromkeys(found.dashboard for found in results):
        rows = [found for found in results if found.dashboard == uid]
        slowest = max(rows, key=lambda found: found.seconds)
        outcomes = [row.outcome for row in rows]
        table.add_row(
            uid,
            str(len(rows)),
            str(outcomes.count(outcomes[0].OK)),
            str(outcomes.count(outcomes[0].QUIET)),
            str(sum(outcome.failed for outcome in outcomes)),
            f"{slowest.seconds * 1e3:.0f} ms",
            slowest.place,
        )
    console = Console(highlight=False)
    console.print(table)
    for found in results:
        if found.outcome.failed or found in slow:
            said = f" ({found.detail})" if found.detail else ""
            console.print(
                f"{found.outcome.upper()}  {found.dashboard}  {found.place}{said}: "
                f"{found.seconds * 1e3:.0f} ms\n  {found.query}",
                soft_wrap=True,
                markup=False,
            )
