"""``twin emulate``: publish a site's telemetry."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from twin.bus import BrokerUrl
from twin.cli.options import (
    Broker,
    CodecName,
    Failures,
    Interval,
    LogLevel,
    SiteName,
    SlowDown,
    State,
    Workload,
    seconds,
)
from twin.cli.process import configure_logs, stop_on_signals, wait
from twin.emulator import Emulator, EmulatorConfig
from twin.site import Layout, load_site
from twin.wire import Codec

__all__ = ["emulate"]


def emulate(
    site: SiteName = "demo",
    broker: Broker = "mqtt://127.0.0.1:1883",
    workload: Workload = "training",
    speed: Annotated[
        float, typer.Option(help="Simulated seconds a second.", min=0.01, max=1000.0)
    ] = 1.0,
    interval: Interval = None,
    state: State = None,
    failures: Failures = "none",
    codec: CodecName = Codec.JSON,
    slow_down: SlowDown = False,
    seed: Annotated[int, typer.Option(help="Of all random numbers.", min=0)] = 0,
    name: Annotated[str, typer.Option(help="Name on the status topic.")] = "plant-0",
    duration: Annotated[str | None, typer.Option("--for", help="Stop after so long.")] = None,
    log_level: LogLevel = "info",
) -> None:
    """Publish the telemetry of a site to a broker.

    \b
    Examples:
      twin emulate --broker mqtt://user:password@broker:1883 --site demo
      twin emulate --site colossus-array --failures natural --state ./state
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    configure_logs(log_level)
    config = EmulatorConfig(
        layout=Layout(load_site(site)),
        name=name,
        seed=seed,
        workload=workload,
        speed=speed,
        interval=None if interval is None else seconds(interval),
        state=state,
        failures=failures,
        codec=codec,
        slow_down=slow_down,
    )
    length = None if duration is None else seconds(duration)
    asyncio.run(_run(config, BrokerUrl.parse(broker), length))


async def _run(config: EmulatorConfig, broker: BrokerUrl, length: float | None) -> None:
    signals, stop = stop_on_signals(), asyncio.Event()
    emulator = Emulator(config)
    running = asyncio.create_task(emulator.run(broker, stop), name="emulator")
    ending = asyncio.create_task(wait(signals, length), name="signals")
    await asyncio.wait([running, ending], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    ending.cancel()
    await running
