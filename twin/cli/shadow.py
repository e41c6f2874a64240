"""``twin shadow``: expect what every sensor should read, and name what deviates."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from twin.cli.options import Broker, LogLevel, SiteName, seconds
from twin.cli.process import configure_logs, run_until_stopped

__all__ = ["shadow"]


class ToldExpectations(StrEnum):
    """What is exposed of healthy devices."""

    OFF = "off"
    RACKS = "racks"
    DEVICES = "devices"


def shadow(
    site: SiteName = "demo",
    broker: Broker = "mqtt://127.0.0.1:1883",
    false_alarms: Annotated[
        float,
        typer.Option(
            "--false-alarms",
            help="False alarms a week that you put up with, of all devices together.",
            min=0.001,
            max=1000.0,
        ),
    ] = 1.0,
    block: Annotated[
        str, typer.Option(help="Time over which samples are averaged, at least four of them.")
    ] = "30s",
    learn: Annotated[
        str | None,
        typer.Option(
            help="Time in which devices are calibrated, and again as long to prove it; 10m, or ten "
            "blocks where that is more."
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps the calibration beyond a restart, or a folder for one a site."
        ),
    ] = None,
    expected: Annotated[
        ToldExpectations,
        typer.Option(
            help="What is exposed beside findings: the largest deviation of each rack, or of each "
            "device what is expected and its deviation; the log says how many series that is."
        ),
    ] = ToldExpectations.RACKS,
    name: Annotated[str, typer.Option(help="Name, another one for each observer.")] = "shadow-0",
    duration: Annotated[str | None, typer.Option("--for", help="Stop after so long.")] = None,
    log_level: LogLevel = "info",
) -> None:
    """Observe a site: expect what its sensors should read, and name what deviates and why.

    It reads the frames of twin gateway or of an emulator, takes every device as it is while it
    learns, and then says which cold plate, pump, supply or sensor has changed. What it expects and
    finds goes to the broker, and twin aggregate exposes it as twin_shadow_* metrics.

    \b
    Examples:
      twin shadow --site ./mysite.yaml --state mysite.shadow
      twin shadow --site demo --false-alarms 0.1 --learn 1h
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.site import Layout, load_site

    layout = Layout(load_site(site))

    import asyncio
    from dataclasses import replace

    from twin.bus import BrokerUrl
    from twin.errors import ConfigError
    from twin.shadow.calibration import Phases
    from twin.shadow.core import LEAST_PHASE, ShadowCore, ShadowSettings
    from twin.shadow.service import CalibrationFile, Shadow

    configure_logs(log_level)
    interval = layout.site.telemetry.interval_seconds
    settings = ShadowSettings.usual(interval, seconds(block), false_alarms)
    if learn is not None:
        blocks = round(seconds(learn) / settings.block)
        if blocks < LEAST_PHASE:
            raise ConfigError(
                f"--learn {learn} has {blocks} blocks of {settings.block:g} s, and a calibration "
                f"needs {LEAST_PHASE}; give --learn {LEAST_PHASE * settings.block:g}s or more"
            )
        settings = replace(settings, phases=Phases(blocks, blocks))
    core = ShadowCore(layout, replace(settings, told=expected.value))
    file = None if state is None else CalibrationFile.of(state, layout.site.name)
    if file is not None:
        file.load(core)
    length = None if duration is None else seconds(duration)
    service, address = Shadow(core, name, file), BrokerUrl.parse(broker)
    asyncio.run(run_until_stopped(lambda stop: service.run(address, stop), "shadow", length))
