"""``twin aggregate``: take frames from the bus and serve Prometheus."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from twin.aggregator import AggregatorConfig, serve
from twin.bus import BrokerUrl
from twin.cli.options import AllowInject, Broker, DetailSettings, LogLevel, SiteName
from twin.cli.process import configure_logs, stop_on_signals
from twin.site import Layout, load_site

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
            help="host:port that /sd gives to Prometheus; the one it asked by default.",
        ),
    ] = None,
    detail: DetailSettings = None,
    allow_inject: AllowInject = False,
    log_level: LogLevel = "info",
) -> None:
    """Take frames from a broker and serve them to Prometheus.

    \b
    Examples:
      twin aggregate --broker mqtt://user:password@broker:1883 --site demo
      twin aggregate --site colossus-100k --detail rack --detail a001=gpu
      twin aggregate --host 0.0.0.0 --advertise aggregator:9400
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    configure_logs(log_level)
    layout = Layout(load_site(site))
    config = AggregatorConfig(
        layout=layout,
        broker=BrokerUrl.parse(broker),
        host=host,
        port=port,
        advertise=advertise,
        allow_inject=allow_inject,
        detail=layout.detail.changed(detail or ()),
    )
    asyncio.run(_run(config))


async def _run(config: AggregatorConfig) -> None:
    await serve(config, stop_on_signals())
