"""``twin emulate``: publish a site's telemetry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin.cli.exporters import CountersFile, ExporterSettings, with_exporters
from twin.cli.fit import warn_of_misfits
from twin.cli.options import (
    Broker,
    CodecName,
    Failures,
    Interval,
    LogLevel,
    ShardCount,
    ShardName,
    SiteName,
    SlowDown,
    State,
    Workload,
    seconds,
    shard_of,
)
from twin.cli.process import configure_logs, keep_memory, run_until_stopped

if TYPE_CHECKING:
    from twin.bus import BrokerUrl
    from twin.emulator import EmulatorConfig
    from twin.site import Shard

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
    past: Annotated[
        Path | None,
        typer.Option(
            envvar="TWIN_PAST",
            help="Folder of twin history --state, to go on from where --state keeps nothing yet.",
        ),
    ] = None,
    failures: Failures = "none",
    codec: CodecName = "json",
    slow_down: SlowDown = False,
    exporter: ExporterSettings = None,
    counters: CountersFile = None,
    beside_gateway: Annotated[
        bool,
        typer.Option(
            "--beside-gateway", help="Leave the measured racks of the site to twin gateway."
        ),
    ] = False,
    shard: ShardName = None,
    shard_count: ShardCount = None,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.", min=0)] = 0,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name on the status topic; by default plant-0, for shards shard-0 or facility."
        ),
    ] = None,
    duration: Annotated[str | None, typer.Option("--for", help="Stop after so long.")] = None,
    log_level: LogLevel = "info",
) -> None:
    """Publish the telemetry of a site to a broker.

    With --shard it publishes some arrays of the site only, with --shard facility the units outside
    arrays: Megapacks, generators, grid, water, spines, storage, jobs.

    \b
    Examples:
      twin emulate --broker mqtt://user:password@broker:1883 --site demo
      twin emulate --site colossus-array --failures natural --state ./state
      twin emulate --site colossus-100k --codec cbor --shard 0/3
      twin emulate --site colossus-100k --codec cbor --shard facility
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.site import FACILITY, Layout, Shard, load_site

    part = FACILITY if shard == FACILITY else shard_of(shard, shard_count)
    layout = Layout(with_exporters(load_site(site), exporter, counters))

    import asyncio

    from twin.bus import BrokerUrl
    from twin.emulator import EmulatorConfig
    from twin.wire import Codec

    configure_logs(log_level)
    keep_memory(layout.site.racks)
    if not isinstance(part, Shard):  # of many shards, the facility says it
        warn_of_misfits(layout.site, site)
    config = EmulatorConfig(
        layout=layout,
        name=name or _name(part),
        seed=seed,
        workload=workload,
        speed=speed,
        interval=None if interval is None else seconds(interval),
        state=state,
        past=past,
        failures=failures,
        codec=Codec(codec),
        slow_down=slow_down,
        beside_gateway=beside_gateway,
        shard=part,
    )
    length = None if duration is None else seconds(duration)
    asyncio.run(_run(config, BrokerUrl.parse(broker), length))


def _name(part: Shard | str | None) -> str:
    """Return the default name of an emulator."""
    from twin.site import Shard

    if part is None:
        return "plant-0"
    return f"shard-{part.index}" if isinstance(part, Shard) else part


async def _run(config: EmulatorConfig, broker: BrokerUrl, length: float | None) -> None:
    from twin.emulator import Emulator

    emulator = Emulator(config)
    await run_until_stopped(lambda stop: emulator.run(broker, stop), "emulator", length)
