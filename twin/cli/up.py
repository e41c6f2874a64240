"""``twin up``: everything in one process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

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
    SiteName,
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
from twin.errors import CheckFailedError, ConfigError

if TYPE_CHECKING:
    from twin.site import DetailPlan
    from twin.stack.check import RunReport, TraceComparison
    from twin.stack.local import LocalConfig, LocalStack

__all__ = ["up"]

_EMBEDDED = "embedded"
_SCRAPE_SECONDS = 0.25
_SPEEDS = (0.01, 1000.0)


def up(
    site: SiteName = "demo",
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
      twin up --site colossus-array --workload trace:gpt3-512xh100 --speed 60 --for 60s --check
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.catalog import Detail
    from twin.site import DetailPlan, Layout, load_site

    if not _SPEEDS[0] <= speed <= _SPEEDS[1]:
        raise ConfigError(f"--speed is {speed:g}; it must be from {_SPEEDS[0]:g} to {_SPEEDS[1]:g}")
    if check and duration is None:
        raise ConfigError("--check needs an end: add --for, for example --for 20s")
    layout = Layout(with_exporters(load_site(site), exporter, counters))

    import asyncio

    from twin.bus import BrokerUrl
    from twin.stack.local import LocalConfig
    from twin.wire import Codec

    configure_logs(log_level)
    keep_memory(layout.site.racks)
    warn_of_misfits(layout.site, site)
    plan = DetailPlan.of_site(layout.site).changed(detail or ())
    if check and workload.startswith("trace:") and Detail.SITE in plan.levels:
        raise ConfigError("--check compares the trace rack by rack: use --detail rack or gpu")
    opened = doors(token_file, allow_inject, inject_token_file, tls_cert, tls_key)
    config = LocalConfig(
        layout=layout,
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
        detail=plan,
        token=opened.token,
        inject_token=opened.inject_token,
        tls=opened.tls,
        alerts=alert_server(prometheus, alertmanager),
    )
    if history is not None:
        config = _with_past(config, plan, history, prometheus)
    length = None if duration is None else seconds(duration)
    with _with_bmcs(config, redfish_port, opened) as config:
        report = asyncio.run(_run(config, opened, length, check))
    if report is not None:
        _print(report, as_json)
        missed = report.failures()
        if missed:
            raise CheckFailedError("the check failed: " + "; ".join(missed))


def _with_past(
    config: LocalConfig, plan: DetailPlan, history: str, prometheus: str | None
) -> LocalConfig:
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

    store = AlertServer.parse("Prometheus", prometheus)
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
    config: LocalConfig, opened: Doors, length: float | None, check: bool
) -> RunReport | None:
    """Run until the end and return the report, if one is wanted."""
    import asyncio

    from twin.cli.status import busy, shown
    from twin.stack.local import local_stack

    stop = stop_on_signals()
    async with AsyncExitStack() as exits:
        with busy(f"setting up {config.layout.site.name} …"):
            stack = await exits.enter_async_context(local_stack(config))
        _announce(config, stack, opened)
        began = time.monotonic()
        trace = _comparison(config, stack) if check else None
        sampler = asyncio.create_task(_sample(stack, trace), name="trace sampler")
        try:
            async with shown(stack, length):
                await wait(stop, length)
        finally:
            sampler.cancel()
            await asyncio.gather(sampler, return_exceptions=True)
        if not check:
            return None
        from twin.stack.check import drained, take_report

        with busy("waiting for the last frames and reading every page …"):
            await stack.emulator.halt()
            await drained(stack)
            return await take_report(stack, config.layout, time.monotonic() - began, trace)


def _announce(config: LocalConfig, stack: LocalStack, opened: Doors) -> None:
    """Print the addresses on standard error."""
    from rich.console import Console

    from twin.catalog import UnitKind

    site = config.layout.site
    url = stack.aggregator.url
    console = Console(stderr=True, highlight=False)
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
    console.print("  Ctrl-C stops it", style="dim")


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


def _print(report: RunReport, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    values = {name: value for name, value in asdict(report).items() if value is not None}
    if as_json:
        typer.echo(orjson.dumps(values))
        return
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
