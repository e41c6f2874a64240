"""``twin gateway``: publish what a real fleet measures."""

from __future__ import annotations

from typing import Annotated

import typer

from twin.cli.fleet import Credentials, FleetPrometheus, fleet_prometheus, measured_layout
from twin.cli.options import Broker, CodecName, Interval, LogLevel, seconds
from twin.cli.process import configure_logs, run_until_stopped
from twin.errors import ConfigError

__all__ = ["gateway"]


def gateway(
    prometheus: FleetPrometheus,
    site: Annotated[
        str, typer.Option("--site", "-s", envvar="TWIN_SITE", help="Site file of the fleet.")
    ],
    broker: Broker = "mqtt://127.0.0.1:1883",
    credentials: Credentials = None,
    interval: Interval = None,
    codec: CodecName = "json",
    name: Annotated[
        str, typer.Option(help="Name on the status topic, another one for each gateway.")
    ] = "gateway-0",
    jobs: Annotated[
        bool,
        typer.Option(
            "--jobs",
            help="Also publish which job has which GPU, by the labels of dcgm-exporter (hpc_job, "
            "or pod and namespace); the site file has to name a scheduler.",
        ),
    ] = False,
    duration: Annotated[str | None, typer.Option("--for", help="Stop after so long.")] = None,
    log_level: LogLevel = "info",
) -> None:
    """Publish the telemetry of a real fleet to a broker, as an emulator does of a simulated one.

    It reads the racks that the site file has under measured, from the fleet's Prometheus. Racks
    that are simulated on the same site come from twin emulate --beside-gateway.

    \b
    Examples:
      twin gateway --prometheus http://prometheus:9090 --site ./mysite.yaml
      twin gateway --prometheus https://prometheus --credentials token --site ./mysite.yaml
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    server = fleet_prometheus(prometheus, credentials)
    from twin.site import load_site

    layout = measured_layout(load_site(site), site)
    if jobs and not layout.site.scheduled:
        raise ConfigError(
            f"{site} has no scheduler, whose jobs --jobs would tell; add scheduler: {{kind: slurm}}"
            " or {kind: kubernetes}, or leave the option out"
        )

    import asyncio

    from twin.bus import BrokerUrl
    from twin.fleet.gateway import Gateway
    from twin.fleet.gateway_core import GatewayCore
    from twin.wire import Codec

    configure_logs(log_level)
    period = None if interval is None else seconds(interval)
    core = GatewayCore(layout, name, Codec(codec), period, jobs=jobs)
    length = None if duration is None else seconds(duration)
    service, address = Gateway(core, server, name), BrokerUrl.parse(broker)
    asyncio.run(run_until_stopped(lambda stop: service.run(address, stop), "gateway", length))
