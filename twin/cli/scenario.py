"""``twin scenario``: the scenarios that rules are tested with."""

from __future__ import annotations

import signal
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from twin.cli.options import Broker, JsonOutput, JunitFile, ReportFile
from twin.cli.rules import run_test as run_rules_test
from twin.compose.engine import PROJECT
from twin.errors import CheckFailedError

if TYPE_CHECKING:
    from twin.rules.result import ScenarioResult
    from twin.scenario.loader import LoadedScenario

__all__ = ["app"]

_TERMINATED = "SIGTERM"

app = typer.Typer(help="Show scenarios, and run one on a running twin.", no_args_is_help=True)


async def _run(run: Coroutine[Any, Any, ScenarioResult]) -> ScenarioResult:
    """Run a scenario to its end; SIGTERM ends it like Ctrl-C, so that all is undone."""
    import asyncio

    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel, _TERMINATED)
    try:
        return await run
    except asyncio.CancelledError as error:
        if error.args != (_TERMINATED,):
            raise
        raise typer.Exit(128 + signal.SIGTERM) from None


@app.command("list")
def list_scenarios(as_json: JsonOutput = False) -> None:
    """List the shipped scenarios.

    \b
    Example:
      twin scenario list --json
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.scenario import find_scenarios, shipped_scenarios, show_duration

    if as_json:
        typer.echo(orjson.dumps([_described(loaded) for loaded in find_scenarios([])]))
        return
    for name, scenario in shipped_scenarios().items():
        lasts = typer.style(show_duration(scenario.duration), dim=True)
        typer.echo(f"{typer.style(name, bold=True)}  {scenario.title}  {lasts}")


@app.command()
def show(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name, or a file.")],
) -> None:
    """Print a self-contained scenario with its site, as a start for your own.

    \b
    Example:
      twin scenario show pump-failure >mine.yaml
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.scenario import scenario_text

    typer.echo(scenario_text(scenario), nl=False)


def _described(loaded: LoadedScenario) -> dict[str, object]:
    scenario = loaded.scenario
    return {
        "name": loaded.name,
        "title": scenario.title,
        "file": str(loaded.path),
        "duration_seconds": scenario.duration,
        "faults": [
            {"kind": event.kind, "target": event.target, "at": event.at, "ends": loaded.ends(event)}
            for event in scenario.faults
        ],
        "expects": sorted({name for _, name in scenario.expect.alerts()}),
    }


@app.command("run")
def run_scenario(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name, or a file.")],
    live: Annotated[bool, typer.Option("--live", help="On a running stack, in real time.")] = False,
    broker: Broker = "mqtt://127.0.0.1:1883",
    site: Annotated[
        str | None,
        typer.Option("--site", "-s", help="Name of the site, when the broker carries several."),
    ] = None,
    prometheus: Annotated[
        str,
        typer.Option(
            envvar="PROMETHEUS_URL", help="Address of Prometheus, http://[user:password@]host:port."
        ),
    ] = "http://127.0.0.1:9090",
    alertmanager: Annotated[
        str | None,
        typer.Option(envvar="ALERTMANAGER_URL", help="Alertmanager to check; by default none."),
    ] = None,
    grafana: Annotated[
        str | None,
        typer.Option(help="Address of Grafana, to mark faults and alerts as annotations."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="GRAFANA_TOKEN", help="Token of a service account.")
    ] = None,
    project: Annotated[
        str,
        typer.Option(
            envvar="COMPOSE_PROJECT_NAME", help="Compose project whose services are disturbed."
        ),
    ] = PROJECT,
    junit: JunitFile = None,
    report: ReportFile = None,
    as_json: JsonOutput = False,
) -> None:
    """Inject a scenario into a running stack and watch its alerts; exit 1 if a check fails.

    Without --live it is the same as `twin rules test` with this one scenario.

    \b
    Example:
      twin scenario run pump-failure --live --alertmanager http://127.0.0.1:9093
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.scenario import load_scenario

    loaded = load_scenario(scenario)

    import asyncio

    from rich.console import Console
    from rich.markup import escape

    from twin.bus import BrokerUrl
    from twin.rules.conclusion import conclude
    from twin.rules.live import StackServers, run_live
    from twin.rules.report import html_report, json_report, junit_report, print_result

    if not live:
        run_rules_test(
            scenarios=[scenario], junit=junit, report=report, every=True, as_json=as_json
        )
        return
    console = Console(highlight=False, stderr=as_json)
    servers = StackServers(
        BrokerUrl.parse(broker), prometheus, site, alertmanager, grafana, token, project
    )

    def say(at: float, text: str) -> None:
        console.print(f"[dim]{at:7.1f}s[/dim]  {escape(text)}", soft_wrap=True)

    result = asyncio.run(_run(run_live(loaded, servers, say, report=report is not None)))
    conclusion = conclude([result])
    if junit is not None:
        junit.write_bytes(junit_report([result], conclusion))
    if report is not None:
        report.write_text(html_report([result], [], [], conclusion), encoding="utf-8")
    if as_json:
        typer.echo(orjson.dumps(json_report([result], [], [], conclusion)))
    else:
        print_result(console, result, every=True)
    if not conclusion.good:
        raise CheckFailedError("; ".join(conclusion.complaints))
