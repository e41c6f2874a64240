"""``twin whatif``: what would follow from a fault on a site as it is loaded now."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twin.cli.columns import columns
from twin.cli.fleet import (
    PAST_MOST_BYTES,
    PAST_TIMEOUT,
    Credentials,
    fleet_prometheus,
    measured_layout,
    refusals_told,
)
from twin.cli.options import JsonOutput, SiteName, Workload, seconds
from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.fleet.calibration import FleetPast
    from twin.rules.present import PresentSite
    from twin.rules.source import RuleSet
    from twin.rules.whatif import Foresight, WarmPlant
    from twin.site import Layout

__all__ = ["whatif"]

_MOST_SAMPLES = 30_000_000


def whatif(
    site: SiteName,
    fault: Annotated[str, typer.Option("--fault", help="A fault of twin faults.")],
    prometheus: Annotated[
        str | None,
        typer.Option(
            envvar="TWIN_FLEET_PROMETHEUS",
            help="The fleet's Prometheus; without it the site file's own load is taken.",
        ),
    ] = None,
    shadow: Annotated[
        Path | None,
        typer.Option(
            "--shadow",
            help="The --state of a running twin shadow, in place of Prometheus: its load, "
            "temperatures and what it has fitted are taken.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="Where; by default the fault's own place.")
    ] = None,
    duration: Annotated[str, typer.Option("--for", help="How long the fault lasts.")] = "10m",
    rules: Annotated[
        list[str] | None,
        typer.Option("--rules", "-r", help="Rule files; by default the shipped ones."),
    ] = None,
    alerts: Annotated[
        bool,
        typer.Option(
            "--alerts/--no-alerts", help="Whether to say which alerts would fire: most of the time."
        ),
    ] = True,
    workload: Workload = "training",
    credentials: Credentials = None,
    as_json: JsonOutput = False,
) -> None:
    """Say what would follow if a fault happened on a site now.

    The plant of the site file is given the set points and the load that the fleet measures at
    present, and then the fault: minutes to throttling and to shutdown, watts, jobs, alerts. From a
    running observer it also takes each GPU's temperature, power and thermal resistance.

    \b
    Examples:
      twin whatif --site ./mysite.yaml --prometheus http://prometheus:9090 \\
        --fault both-pumps-failure --target r0002 --for 10m
      twin whatif --site ./mysite.yaml --shadow mysite.shadow \
        --fault both-pumps-failure --target r0012 --for 10m
      twin whatif --site demo --fault both-pumps-failure --target r0002 --no-alerts
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    length = seconds(duration)
    if shadow is not None and prometheus is not None:
        raise ConfigError("--shadow and --prometheus both say what is measured; give one of them")
    if rules and not alerts:
        raise ConfigError("--rules says whose alerts to tell, and --no-alerts none; give one")

    from twin.cli.process import configure_logs
    from twin.rules.whatif import foresee, scenario_of

    configure_logs("error")
    present = _present(site, prometheus, credentials, shadow)
    loaded = scenario_of(present, fault, target, length, workload, "what if")
    chosen = _rules(rules, loaded.layout) if alerts else None
    found = foresee(loaded, chosen, os.cpu_count() or 1, present.gpus)
    if as_json:
        import orjson

        report = {"taken_over": list(present.taken), "not_taken_over": list(present.left)}
        typer.echo(orjson.dumps({**asdict(found), **report}))
        return
    _print(found, present.taken, present.left)


def _present(
    site: str, prometheus: str | None, credentials: Path | None, shadow: Path | None
) -> PresentSite:
    """Return the site as it is loaded now, by what the user has named."""
    from twin.rules.present import at_present, observed
    from twin.site import Layout, parse_site, site_text

    text = site_text(site)
    if shadow is not None:
        import time

        from twin.shadow.service import CalibrationFile

        layout = Layout(parse_site(text, site))
        file = CalibrationFile.of(shadow, layout.site.name)
        return observed(text, site, file.load_present(layout, time.time()))
    if prometheus is None:
        return at_present(text, site, None)
    server = fleet_prometheus(prometheus, credentials, PAST_TIMEOUT, PAST_MOST_BYTES)
    return at_present(text, site, _past(server, text, site))


def _rules(files: Sequence[str] | None, layout: Layout) -> RuleSet:
    from twin.rules.shipped import write_shipped_rules
    from twin.rules.source import load_rules

    if files:
        return load_rules(files)
    with TemporaryDirectory(prefix="twin-rules-") as folder:
        shipped = write_shipped_rules(Path(folder), layout.editions[:1])
        return load_rules([str(path) for path in shipped])


def _past(server: Any, text: str, site: str) -> FleetPast:
    from twin.clients.ranges import PastReader
    from twin.fleet.calibration import read_past
    from twin.rules.present import PRESENT_READINGS, PRESENT_SECONDS
    from twin.site import parse_site

    layout = measured_layout(parse_site(text, site), site)
    with refusals_told(server):
        now = server.now()
        return read_past(PastReader(server), layout, PRESENT_READINGS, now - PRESENT_SECONDS, now,
                         None, _MOST_SAMPLES)  # fmt: skip


def _print(found: Foresight, taken: Sequence[str], left: Sequence[str]) -> None:
    from twin.scenario import show_duration

    watts = [f"{own / 1e3:.1f} kW" for own in
             (found.watts_before, found.watts_least, found.watts_end)]  # fmt: skip
    rows = [
        ("throttling", _after(found.throttle, found.throttled, "GPUs are hot enough")),
        ("shutdown", _after(found.shutdown, found.lost, "GPUs are down in the end")),
        ("hottest GPU", f"{found.hottest:.0f} °C"),
        ("power of the GPUs", "{}, at least {}, in the end {}".format(*watts)),
        ("jobs interrupted", ", ".join(found.jobs) or "none"),
        *_nearness(found.warm),
    ]
    typer.echo("\n".join(columns((), rows)))
    if found.alerts:
        table = [(own.name, own.severity, show_duration(own.after), str(own.instances))
                 for own in found.alerts]  # fmt: skip
        typer.echo("")
        header = ("alert", "severity", "after", "instances")
        typer.echo("\n".join(columns(header, table, right=("after", "instances"))))
    if found.before:
        typer.echo(f"\nfire without the fault: {', '.join(found.before)}")
    if found.failed:
        typer.echo(f"\n{found.failed} rules could not be evaluated; twin rules test says why")
    for title, sentences in (("Taken over", taken), ("Not taken over", left)):
        if sentences:
            typer.echo(f"\n{title}\n" + "\n".join(f"  {own}" for own in sentences))


def _nearness(warm: WarmPlant | None) -> list[tuple[str, str]]:
    if warm is None:
        return []
    told = (f"{warm.watts / 1e3:.1f} kW where {warm.measured / 1e3:.1f} kW are measured; 95 % of "
            f"the GPUs within {warm.kelvin:.1f} K")  # fmt: skip
    return [("plant before", told)]


def _after(seconds_after: float | None, count: int, what: str) -> str:
    if seconds_after is None:
        return "none"
    from twin.scenario import show_duration

    return f"after {show_duration(seconds_after)}; {count} {what}"
