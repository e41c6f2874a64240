"""``twin aggregate``: take frames from the bus and serve Prometheus."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated

import typer

from twin.cli.exporters import CountersFile, ExporterSettings, with_exporters
from twin.cli.options import (
    AlertmanagerUrl,
    AllowInject,
    Broker,
    DetailSettings,
    InjectTokenFile,
    LogLevel,
    PrometheusUrl,
    ShardCount,
    ShardName,
    SiteName,
    TlsCert,
    TlsKey,
    TokenFile,
    alert_server,
    doors,
    shard_of,
)
from twin.cli.process import configure_logs, keep_memory, stop_on_signals
from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.aggregator import AggregatorConfig

__all__ = ["aggregate"]


def aggregate(
    site: SiteName = "demo",
    broker: Broker = "mqtt://127.0.0.1:1883",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 9400,
    advertise: Annotated[
        str | None,
        typer.Option(
            envvar="TWIN_ADVERTISE",
            help="host:port that /sd gives to Prometheus; by default the address of the request. "
            "With shards a pattern for all of them: twin-aggregator-{shard}:9400; also {replica} "
            "and {ordinal}, which is shard x replicas + replica.",
        ),
    ] = None,
    detail: DetailSettings = None,
    exporter: ExporterSettings = None,
    counters: CountersFile = None,
    shard: ShardName = None,
    shard_count: ShardCount = None,
    replicas: Annotated[
        int,
        typer.Option(
            envvar="TWIN_REPLICAS",
            help="Processes that expose the same series, as an HA pair.",
            min=1,
        ),
    ] = 1,
    replica: Annotated[
        int | None,
        typer.Option(
            envvar="TWIN_REPLICA",
            help="Number of this replica, from 0; with --shard auto from the host's name.",
            min=0,
        ),
    ] = None,
    token_file: TokenFile = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    most_series: Annotated[
        int | None,
        typer.Option(
            envvar="TWIN_MOST_SERIES",
            help="Lower the site's detail until it exposes at most this many series; "
            "--detail takes precedence.",
            min=0,
        ),
    ] = None,
    compress: Annotated[
        bool,
        typer.Option(
            envvar="TWIN_COMPRESS",
            help="Send metrics by gzip to a client of another machine that accepts it. It saves "
            "network and costs both sides CPU: ours twice as much.",
        ),
    ] = True,
    allow_inject: AllowInject = False,
    inject_token_file: InjectTokenFile = None,
    prometheus: PrometheusUrl = None,
    alertmanager: AlertmanagerUrl = None,
    log_level: LogLevel = "info",
) -> None:
    """Take frames from a broker and serve them to Prometheus.

    \b
    Examples:
      twin aggregate --broker mqtt://user:password@broker:1883 --site demo
      twin aggregate --site colossus-100k --detail rack --detail a001=gpu
      twin aggregate --host 0.0.0.0 --advertise aggregator:9400
      twin aggregate --host 0.0.0.0 --shard 0/3 --advertise twin-aggregator-{shard}:9400
      twin aggregate --token-file token --tls-cert cert.pem --tls-key key.pem
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.site import FACILITY, DetailPlan, Layout, load_site, plan_within, replica_of

    layout = Layout(with_exporters(load_site(site), exporter, counters))

    import asyncio

    from twin.aggregator import AggregatorConfig
    from twin.bus import BrokerUrl

    configure_logs(log_level)
    keep_memory(layout.site.racks)
    if shard == FACILITY:
        raise ConfigError(
            "--shard facility is an emulator's; the aggregator of the facility is the first one, "
            "for example --shard 0/3"
        )
    part = shard_of(shard, shard_count, replicas)
    if replica is None:
        auto = part is not None and (shard is None or shard.startswith("auto"))
        replica = replica_of(socket.gethostname(), replicas) if auto and replicas > 1 else 0
    opened = doors(token_file, allow_inject, inject_token_file, tls_cert, tls_key)
    plan = (
        DetailPlan.of_site(layout.site) if most_series is None else plan_within(layout, most_series)
    )
    config = AggregatorConfig(
        layout=layout,
        broker=BrokerUrl.parse(broker),
        host=host,
        port=port,
        advertise=advertise,
        detail=plan.changed(detail or ()),
        shard=part,
        replica=replica,
        replicas=replicas,
        token=opened.token,
        inject_token=opened.inject_token,
        tls=opened.tls,
        alerts=alert_server(prometheus, alertmanager),
        compress=compress,
    )
    if opened.made_up and opened.inject_token is not None:
        typer.echo(f"Faults from the page: add #token={opened.inject_token.value}", err=True)
    asyncio.run(_run(config))


async def _run(config: AggregatorConfig) -> None:
    from twin.aggregator import serve

    await serve(config, stop_on_signals())
