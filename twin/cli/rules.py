"""``twin rules``: alert rules against scenarios."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from twin.cli.exporters import (
    CountersFile,
    EditionNames,
    ExporterSettings,
    counters_text,
)
from twin.cli.fleet import Credentials
from twin.cli.options import JsonOutput, JunitFile, OutputFile, ReportFile
from twin.cli.process import configure_logs
from twin.cli.rules_history import (
    HistoryFrom,
    HistoryStep,
    HistoryTo,
    HistoryUrl,
    IncidentsFile,
    MostSamples,
    backtest_rules,
    refuse_without_history,
)
from twin.errors import CheckFailedError, ConfigError

if TYPE_CHECKING:
    from twin.rules.audit import RecordingFinding, RuleFinding
    from twin.rules.result import ScenarioResult
    from twin.rules.scenario_run import Options
    from twin.rules.source import RuleSet
    from twin.scenario.loader import LoadedScenario

__all__ = ["app"]

app = typer.Typer(help="Test alert rules against the physics of scenarios.", no_args_is_help=True)

Rules = Annotated[
    list[str] | None,
    typer.Option(
        "--rules", "-r", help="Rule files, also as a pattern; by default the shipped ones."
    ),
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option(
        "--scenarios", "-s", help="Names, files or patterns; by default all shipped scenarios."
    ),
]

Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", help="Processes; by default one a core.", min=1)
]


@app.command("test")
def run_test(
    rules: Rules = None,
    scenarios: Scenarios = None,
    junit: JunitFile = None,
    report: ReportFile = None,
    sweep: Annotated[
        str | None, typer.Option(help="Try other values of `for`, such as for=30s..10m.")
    ] = None,
    mutate: Annotated[
        bool,
        typer.Option(
            "--mutate", help="Break every rule on purpose; report mutants that no scenario catches."
        ),
    ] = False,
    alertmanager: Annotated[
        Path | None,
        typer.Option(
            help="Alertmanager's configuration: check inhibitions with a real Alertmanager."
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="A metric that no known exporter has, or a label that no series has, is an error.",
        ),
    ] = False,
    exporter: ExporterSettings = None,
    counters: CountersFile = None,
    every: Annotated[bool, typer.Option("--all", help="Print the checks that passed too.")] = False,
    jobs: Jobs = None,
    cached: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Reuse what earlier runs simulated and evaluated."),
    ] = True,
    as_json: JsonOutput = False,
    history: HistoryUrl = None,
    since: HistoryFrom = None,
    until: HistoryTo = None,
    incidents: IncidentsFile = None,
    credentials: Credentials = None,
    step: HistoryStep = None,
    most_samples: MostSamples = 10_000_000,
) -> None:
    """Simulate scenarios and evaluate the rules with promtool; exit 1 if a check fails.

    With --history the rules are judged over the real past of a Prometheus instead.

    \b
    Examples:
      twin rules test
      twin rules test --rules 'rules/*.yml' --scenarios gpu-off-bus --report report.html
      twin rules test --rules my.yml --scenarios 'scenarios/*.yaml' --junit rules.xml
      twin rules test --rules my.yml --exporter dcgm=4.9.0
      twin rules test --rules my.yml --history http://prometheus:9090 --from now-7d
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    if history is not None:
        scenarios_only = {"--scenarios": scenarios, "--sweep": sweep,
                          "--mutate": mutate, "--alertmanager": alertmanager,
                          "--exporter": exporter, "--counters": counters}  # fmt: skip
        backtest_rules(
            history, rules, since, until, scenarios_only,
            incidents=incidents, credentials=credentials, step=step, most=most_samples,
            junit=junit, report=report, jobs=jobs, every=every, strict=strict, as_json=as_json,
        )  # fmt: skip
        return
    refuse_without_history({"--from": since, "--to": until, "--incidents": incidents,
                            "--credentials": credentials, "--step": step})  # fmt: skip
    from twin.scenario import find_scenarios

    text = counters_text(counters)
    chosen = [
        loaded.exporting(exporter or (), text, str(counters))
        for loaded in find_scenarios(scenarios or [])
    ]

    from twin.cli.rules_files import editions_of_sites, refuse_unknown, tell
    from twin.content_cache import Cache, default_folder
    from twin.rules.audit import audit, audit_recordings
    from twin.rules.conclusion import conclude
    from twin.rules.report import html_report, json_report, junit_report, print_summary
    from twin.rules.scenario_run import Options
    from twin.rules.shipped import write_shipped_rules
    from twin.rules.source import load_rules
    from twin.rules.suite import check_suite, is_foreign
    from twin.rules.sweep import parse_sweep, sweep_rows

    configure_logs("error")  # a scenario's checks report what it breaks
    values = () if sweep is None else parse_sweep(sweep)
    if alertmanager is not None and not alertmanager.is_file():
        raise ConfigError(f"--alertmanager {alertmanager}: there is no such file")
    with TemporaryDirectory(prefix="twin-rules-") as folder:
        own = load_rules(
            rules
            or [str(path) for path in write_shipped_rules(Path(folder), editions_of_sites(chosen))]
        )
        tell(own.notes, strict=strict)
        check_suite(chosen, own)
        if strict:
            refuse_unknown(own, chosen)
        options = Options(
            foreign=rules is not None and is_foreign(own),
            report=report is not None,
            sweep=values,
            mutate=mutate,
            alertmanager=alertmanager,
            jobs=jobs,
            cache=Cache(default_folder()) if cached else None,
            exporters=tuple(exporter or ()),
            counters=text,
        )
        began = time.perf_counter()
        results = _run(chosen, own, options, every=every, quiet=as_json)
        seconds = time.perf_counter() - began
    findings, recorded = audit(own, results), audit_recordings(own, results)
    rows = sweep_rows(own, results)
    conclusion = conclude(results, findings, strict=strict)
    if junit is not None:
        junit.write_bytes(junit_report(results, conclusion, recorded))
    if report is not None:
        report.write_text(
            html_report(results, findings, rows, conclusion, recorded), encoding="utf-8"
        )
    if as_json:
        typer.echo(orjson.dumps(json_report(results, findings, rows, conclusion)))
    else:
        _print(own, results, findings, recorded, options)
        print_summary(conclusion, len(results), seconds)
    if not conclusion.good:
        raise CheckFailedError("; ".join(conclusion.complaints))


def _print(
    rules: RuleSet,
    results: Sequence[ScenarioResult],
    findings: Sequence[RuleFinding],
    recorded: Sequence[RecordingFinding],
    options: Options,
) -> None:
    """Print the findings on the rules over all scenarios."""
    from rich.console import Console

    from twin.rules.mutation import mutants, survivors
    from twin.rules.report import (
        print_findings,
        print_recordings,
        print_survivors,
        print_sweep,
    )
    from twin.rules.sweep import sweep_rows

    console = Console(highlight=False)
    console.print()
    print_findings(console, findings)
    print_recordings(console, recorded)
    if options.sweep:
        console.print()
        print_sweep(console, sweep_rows(rules, results))
    if options.mutate:
        console.print()
        print_survivors(console, survivors(rules, results), len(mutants(rules)))
    console.print()


def _run(
    chosen: Sequence[LoadedScenario], rules: RuleSet, options: Options, *, every: bool, quiet: bool
) -> list[ScenarioResult]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    from twin.rules.report import print_result
    from twin.rules.suite import run_suite

    console = Console(highlight=False, stderr=quiet)
    bar = Progress(
        SpinnerColumn(),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("scenarios"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task, done = bar.add_task("", total=len(chosen)), itertools.count(1)

        def progress(result: ScenarioResult) -> None:
            head = f"[dim]{next(done):>3}/{len(chosen)}[/dim] "
            print_result(console, result, every=every, head=head)
            bar.advance(task)

        return run_suite(chosen, rules, options, progress)


@app.command("compare")
def run_compare(
    rules: Annotated[
        list[str], typer.Option("--rules", "-r", help="Rule files, also as a pattern.")
    ],
    exporter: Annotated[
        list[str],
        typer.Option("--exporter", help="The old edition, then the new one: dcgm=4.8.2."),
    ],
    scenarios: Scenarios = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for the rewritten files: for the new edition, for both."
        ),
    ] = None,
    junit: JunitFile = None,
    jobs: Jobs = None,
    cached: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Reuse what earlier runs simulated and evaluated."),
    ] = True,
    as_json: JsonOutput = False,
) -> None:
    """Test rules on two editions of an exporter, and rewrite what the new one breaks.

    Every rewritten expression is tested on the same scenarios: for the new edition, and for both
    at once on the old one, on the new one and on a fleet that has half of each. Exit 1 if a rule
    loses a fault or begins to fire while nothing is wrong.

    \b
    Examples:
      twin rules compare --rules my.yml --exporter dcgm=4.8.2 --exporter dcgm=4.9.0
      twin rules compare -r 'rules/*.yml' -s gpu-xid -s quiet-hour --output migrated \\
        --exporter dcgm=4.8.2 --exporter dcgm=4.9.0
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.cli.rules_compare import compare

    compare(
        rules,
        exporter,
        scenarios or [],
        output=output,
        junit=junit,
        jobs=jobs,
        cached=cached,
        as_json=as_json,
    )


@app.command("watch")
def run_watch(
    rules: Annotated[
        list[str], typer.Option("--rules", "-r", help="Rule files, also as a pattern.")
    ],
    scenarios: Scenarios = None,
    jobs: Jobs = None,
) -> None:
    """Test rules again whenever a rule file or a scenario is saved, and show what changed.

    \b
    Example:
      twin rules watch --rules 'rules/*.yml' --scenarios gpu-off-bus
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.cli.rules_watch import watch

    watch(rules, scenarios or [], jobs)


@app.command("cache")
def show_cache(
    *,
    clear: Annotated[bool, typer.Option("--clear", help="Empty the cache.")] = False,
) -> None:
    """Show the folder and size of the cache of earlier runs, which rule tests reuse.

    Set TWIN_RULES_CACHE to another folder to keep it between CI runs.

    \b
    Example:
      twin rules cache --clear
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.content_cache import Cache, default_folder

    cache = Cache(default_folder())
    use = cache.clear() if clear else cache.use()
    size = f"{use.entries} entries, {use.size / 1e6:,.1f} MB"
    typer.echo(f"{'dropped ' if clear else ''}{size} in {cache.folder}")


@app.command("export")
def export_command(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name, or a file.")],
    rules: Rules = None,
    output: OutputFile = None,
    exporter: ExporterSettings = None,
    counters: CountersFile = None,
) -> None:
    """Export a scenario as a unit test for promtool, which runs without the twin.

    It names rule files as they are given here. The shipped rules, and Kubernetes objects converted
    to plain groups, are written beside it, into twin-rules/.

    \b
    Example:
      twin rules export pump-failure -o pump-failure.test.yml && promtool test rules *.test.yml
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.cli.rules_files import export_scenario

    export_scenario(scenario, rules, output, exporter or (), counters)


@app.command("build")
def build_command(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder that the files go into.")
    ] = Path("twin-rules"),
    exporter: EditionNames = None,
) -> None:
    """Write the shipped rule files, for another edition of an exporter or for several at once.

    \b
    Examples:
      twin rules build --exporter dcgm=4.9.0
      twin rules build --exporter dcgm=4.8.2 --exporter dcgm=4.9.0 --output rules
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.cli.rules_files import build

    build(output, exporter or ())
