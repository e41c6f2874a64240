"""``twin up``: everything in one process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from twin.cli.completion import complete_site
from twin.cli.exporters import CountersFile, ExporterSettings, with_exporters
from twin.cli.fit import warn_of_misfits
from twin.cli.options import (
    AlertmanagerUrl,
    AllowInject,
    CodecName,
    DetailSettings,
    Doors,
    Failures,
    InjectTokenFile,
    Interval,
    JsonOutput,
    LogLevel,
    PrometheusUrl,
    SlowDown,
    State,
    TlsCert,
    TlsKey,
    TokenFile,
    Workload,
    alert_server,
    doors,
    seconds,
)
from twin.cli.process import configure_logs, keep_memory, stop_on_signals, wait
from twin.cli.up_campus import beside_each_other, plans_of, ports_from
from twin.errors import CheckFailedError, ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from twin.stack.check import RunReport, TraceComparison
    from twin.stack.local import LocalConfig, LocalStack

__all__ = ["up"]

_EMBEDDED = "embedded"
_SCRAPE_SECONDS = 0.25
_SPEEDS = (0.01, 1000.0)


def up(
    site: Annotated[
        str,
        typer.Option(
            "--site",
            "-s",
            envvar="TWIN_SITE",
            help="A preset's name, a YAML file, or a campus, whose sites then run together.",
            autocompletion=complete_site,
        ),
    ] = "demo",
    workload: Workload = "training",
    speed: Annotated[float, typer.Option(help="Simulated seconds a second, 0.01 to 1000.")] = 1.0,
    interval: Interval = None,
    state: State = None,
    failures: Failures = "none",
    codec: CodecName = "json",
    slow_down: SlowDown = False,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.", min=0)] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port of the page and the metrics; 0 for any.", min=0, max=65535)
    ] = 9400,
    mqtt_port: Annotated[
        int, typer.Option(help="Port of the embedded broker; 0 for any.", min=0, max=65535)
    ] = 1883,
    broker: Annotated[
        str,
        typer.Option(
            "--broker",
            "-b",
            envvar="TWIN_BROKER",
            help="embedded, or mqtt://[user:password@]host[:port], or mqtts://.",
        ),
    ] = _EMBEDDED,
    history: Annotated[
        str | None,
        typer.Option(
            help="Begin with a past, 7d, that is written to --prometheus before the twin starts."
        ),
    ] = None,
    duration: Annotated[
        str | None, typer.Option("--for", help="Stop after so long: 20s, 5m, 1h.")
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Print a report of the exposed series at the end; exit 1 if it is incomplete.",
        ),
    ] = False,
    detail: DetailSettings = None,
    exporter: ExporterSettings = None,
    counters: CountersFile = None,
    token_file: TokenFile = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    allow_inject: AllowInject = False,
    inject_token_file: InjectTokenFile = None,
    prometheus: PrometheusUrl = None,
    alertmanager: AlertmanagerUrl = None,
    redfish_port: Annotated[
        int | None,
        typer.Option(
            "--redfish",
            help="Serve the racks' BMCs as Redfish on this port too, 0 for any; the password is "
            "made up and printed.",
            min=0,
            max=65535,
        ),
    ] = None,
    as_json: JsonOutput = False,
    log_level: LogLevel = "warning",
) -> None:
    """Run the whole twin in one process, with an embedded broker.

    \b
    Examples:
      twin up
      twin up --site colossus-100k --interval 10s --allow-inject
      twin up --for 20s --check
      twin up --history 7d --prometheus http://127.0.0.1:9090
      twin up --exporter dcgm=4.9.0
      twin up --redfish 9443
      twin up --site campus-demo
      twin up --site colossus-array --workload trace:gpt3-512xh100 --speed 60 --for 60s --check
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.catalog import Detail
    from twin.site import Layout, campus_of, campus_sites, load_site

    if not _SPEEDS[0] <= speed <= _SPEEDS[1]:
        raise ConfigError(f"--speed is {speed:g}; it must be from {_SPEEDS[0]:g} to {_SPEEDS[1]:g}")
    if check and duration is None:
        raise ConfigError("--check needs an end: add --for, for example --for 20s")
    campus = campus_of(site)
    sites = (load_site(site),) if campus is None else campus_sites(campus)
    layouts = [Layout(with_exporters(each, exporter, counters)) for each in sites]

    import asyncio

    from twin.bus import BrokerUrl
    from twin.stack.local import LocalConfig
    from twin.wire import Codec

    configure_logs(log_level)
    keep_memory(sum(layout.site.racks for layout in layouts))
    for layout in layouts:
        warn_of_misfits(layout.site, site if campus is None else f"{site}/{layout.site.name}")
    plans = plans_of(layouts, detail or ())
    if check and workload.startswith("trace:") and any(Detail.SITE in p.levels for p in plans):
        raise ConfigError("--check compares the trace rack by rack: use --detail rack or gpu")
    opened = doors(token_file, allow_inject, inject_token_file, tls_cert, tls_key)
    config = LocalConfig(
        layout=layouts[0],
        workload=workload,
        speed=speed,
        seed=seed,
        host=host,
        port=port,
        broker=None if broker == _EMBEDDED else BrokerUrl.parse(broker),
        mqtt_port=mqtt_port,
        interval=None if interval is None else seconds(interval),
        state=state,
        failures=failures,
        codec=Codec(codec),
        slow_down=slow_down,
        detail=plans[0],
        token=opened.token,
        inject_token=opened.inject_token,
        tls=opened.tls,
        alerts=alert_server(prometheus, alertmanager),
    )
    configs = beside_each_other(config, layouts, plans)
    if history is not None:
        configs = [_with_past(own, history, prometheus) for own in configs]
    length = None if duration is None else seconds(duration)
    with ExitStack() as exits:
        ports = ports_from(redfish_port, len(configs), "--redfish")
        with_bmcs = [
            exits.enter_context(_with_bmcs(own, number, opened))
            for own, number in zip(configs, ports, strict=True)
        ]
        reports = asyncio.run(_run(with_bmcs, opened, length, check))
    if reports:
        _print(reports, as_json)
        missed = [told for report in reports for told in _failures(report, len(reports))]
        if missed:
            raise CheckFailedError("the check failed: " + "; ".join(missed))


def _failures(report: RunReport, sites: int) -> list[str]:
    return [f"{report.site}: {told}" if sites > 1 else told for told in report.failures()]


def _with_past(config: LocalConfig, history: str, prometheus: str | None) -> LocalConfig:
    """Write a past and return the configuration of a twin that goes on from its end."""
    if prometheus is None:
        raise ConfigError(
            "--history needs the store that it is written to; add for example "
            "--prometheus http://127.0.0.1:9090"
        )
    import atexit
    import shutil
    import tempfile
    from pathlib import Path

    from twin.aggregator import AlertServer
    from twin.cli.past_report import PastReport
    from twin.history.lived import LivedPast, of_racks, written_to
    from twin.library.progress import ProgressBar
    from twin.site import DetailPlan

    store = AlertServer.parse("Prometheus", prometheus)
    plan = config.detail or DetailPlan.of_site(config.layout.site)
    past = LivedPast(config.layout, of_racks(plan), seconds(history), config.seed,
                     config.workload, config.failures)  # fmt: skip
    state = config.state
    if state is None:
        state = Path(tempfile.mkdtemp(prefix="twin-state-"))
        atexit.register(shutil.rmtree, state, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        target = written_to(store.url, store.headers, Path(folder))
        own = past.plan(time.time(), target)
        with ProgressBar("Writing the past", own.days * own.scrapes, shown=True) as bar:
            samples = past.write(own, target, state, PastReport(bar))
    typer.echo(f"{samples:,} samples of the last {history} are in {store.url}", err=True)
    return replace(config, state=state)


@contextmanager
def _with_bmcs(config: LocalConfig, port: int | None, opened: Doors) -> Iterator[LocalConfig]:
    """Yield a configuration that serves the BMCs as well, where there is a port for them."""
    if port is None:
        yield config
        return
    from twin.cli.redfish import DEFAULT_USER, certified, login_of
    from twin.redfish import RedfishConfig

    with certified(opened.tls, config.host) as tls:
        login = login_of(DEFAULT_USER, None)
        bmcs = RedfishConfig(config.layout, login, host=config.host, port=port, tls=tls)
        yield replace(config, redfish=bmcs)


async def _run(
    configs: Sequence[LocalConfig], opened: Doors, length: float | None, check: bool
) -> list[RunReport]:
    """Run until the end and return the report of each site, if they are wanted."""
    import asyncio

    from twin.cli.status import busy, shown
    from twin.stack.local import local_stacks

    stop = stop_on_signals()
    async with AsyncExitStack() as exits:
        with busy(f"setting up {' and '.join(own.layout.site.name for own in configs)} …"):
            stacks = await exits.enter_async_context(local_stacks(configs))
        pairs = list(zip(configs, stacks, strict=True))
        _announce(pairs, opened)
        began = time.monotonic()
        traces = [_comparison(*pair) if check else None for pair in pairs]
        samplers = [
            asyncio.create_task(_sample(stack, trace), name=f"trace sampler {stack.site}")
            for stack, trace in zip(stacks, traces, strict=True)
        ]
        try:
            async with shown(stacks, length):
                await wait(stop, length)
        finally:
            for sampler in samplers:
                sampler.cancel()
            await asyncio.gather(*samplers, return_exceptions=True)
        if not check:
            return []
        from twin.stack.check import drained, take_report

        with busy("waiting for the last frames and reading every page …"):
            for stack in stacks:
                await stack.emulator.halt()
            for stack in stacks:
                await drained(stack)
            ran = time.monotonic() - began
            return [
                await take_report(stack, own.layout, ran, trace)
                for (own, stack), trace in zip(pairs, traces, strict=True)
            ]


def _announce(pairs: Sequence[tuple[LocalConfig, LocalStack]], opened: Doors) -> None:
    """Print the addresses on standard error."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    for config, stack in pairs:
        _announce_site(console, config, stack, opened)
    console.print("  Ctrl-C stops it", style="dim")


def _announce_site(console: Console, config: LocalConfig, stack: LocalStack, opened: Doors) -> None:
    from twin.catalog import UnitKind

    site = config.layout.site
    url = stack.aggregator.url
    console.print(f"[bold]{site.name}[/bold]: {site.gpus:,} GPUs in {site.racks:,} racks are up")
    secret = opened.inject_token.value if opened.made_up and opened.inject_token else None
    rows = (
        ("page", f"{url}/#token={secret}" if secret else f"{url}/"),
        ("metrics", f"{url}/metrics"),
        ("array metrics", f"{url}/arrays/{config.layout.unit_name(UnitKind.ARRAY, 0)}/metrics"),
        ("discovery", f"{url}/sd"),
        ("broker", str(stack.broker)),
    )
    for name, address in rows:
        console.print(f"  {name:<14} {address}", soft_wrap=True)
    if stack.redfish is not None and config.redfish is not None:
        from twin.cli.redfish import tell_of_bmcs

        tell_of_bmcs(stack.redfish, config.redfish.login)


def _comparison(config: LocalConfig, stack: LocalStack) -> TraceComparison | None:
    from twin.plant import load_trace
    from twin.stack.check import TraceComparison

    kind, _, name = config.workload.partition(":")
    if kind != "trace":
        return None
    return TraceComparison(config.layout, load_trace(name), stack.emulator.epoch)


async def _sample(stack: LocalStack, trace: TraceComparison | None) -> None:
    """Scrape the roll-ups again and again while a trace is compared."""
    import asyncio

    if trace is None:
        return
    from twin.stack.check import scrape

    while True:
        await asyncio.sleep(_SCRAPE_SECONDS)
        trace.add(await scrape(stack, "/metrics", *trace.names))


def _print(reports: Sequence[RunReport], as_json: bool) -> None:
    """Print the report of one site, or of several, which are a list in JSON."""
    found = [
        {name: value for name, value in asdict(report).items() if value is not None}
        for report in reports
    ]
    if as_json:
        typer.echo(orjson.dumps(found if len(found) > 1 else found[0]))
        return
    for values in found:
        _print_values(values)


def _print_values(values: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in values.items():
        text = (
            f"{value:,.4f}"
            if isinstance(value, float) and abs(value) <= 1
            else f"{value:,}"
            if not isinstance(value, str)
            else value
        )
        table.add_row(name, text)
    Console(highlight=False).print(table)
