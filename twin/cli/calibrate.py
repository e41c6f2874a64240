"""``twin calibrate``: fit a site file to what a real fleet has measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twin.cli.columns import columns, paragraph
from twin.cli.fleet import (
    PAST_MOST_BYTES,
    PAST_TIMEOUT,
    Credentials,
    FleetPrometheus,
    fleet_prometheus,
    measured_layout,
    refusals_told,
    write_result,
)
from twin.cli.options import JsonOutput, seconds
from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.fleet.calibration import CalibratedSite, SensorLag

__all__ = ["calibrate"]

_NUMBERS = ("before", "fitted", "95 %", "devices", "after", "each device")


def calibrate(
    prometheus: FleetPrometheus,
    site: Annotated[
        str, typer.Option("--site", "-s", help="Site file of the fleet, of twin capture.")
    ],
    since: Annotated[
        str, typer.Option("--from", help="Start of the past: 2026-05-03T10:00Z or now-1d.")
    ] = "now-1d",
    until: Annotated[str, typer.Option("--to", help="End of the past.")] = "now",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The calibrated site file; without, nothing is kept."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="HTML page with pictures and every device.")
    ] = None,
    hold_back: Annotated[
        float,
        typer.Option(help="Share of the past that is not fitted but foretold.", min=0.1, max=0.7),
    ] = 0.3,
    step: Annotated[
        str | None, typer.Option(help="Time between two samples; by default the scrape interval.")
    ] = None,
    most_samples: Annotated[
        int, typer.Option(help="Samples that are held at a time.", min=1000)
    ] = 30_000_000,
    credentials: Credentials = None,
    as_json: JsonOutput = False,
) -> None:
    """Fit the parameters of a site file to what its fleet has measured.

    Each parameter comes with its 95 % confidence interval, and one that the past does not tell with
    the reason why. The last part of the past is not fitted; how well it is foretold stands beside
    how well the site file as it was foretells it.

    \b
    Examples:
      twin calibrate --prometheus http://prometheus:9090 --site ./mysite.yaml
      twin calibrate --prometheus http://prometheus:9090 --site ./mysite.yaml --from now-7d \\
        --output calibrated.yaml --report calibration.html
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    if output is not None and output.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{output}: a site file ends in .yaml; choose such a name")
    for path in (output, report):
        if path is not None and not path.parent.is_dir():
            raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}")
    server = fleet_prometheus(prometheus, credentials, PAST_TIMEOUT, PAST_MOST_BYTES)
    found, span, warnings = _calibrated(server, site, since, until, hold_back, step, most_samples)
    if output is not None:
        write_result(output, found.text)
    if report is not None:
        from twin.fleet.calibration import calibration_html

        write_result(report, calibration_html(found, Path(site).stem, span))
    if as_json:
        import orjson

        typer.echo(orjson.dumps(_described(found, warnings)))
        return
    _print(found, span, warnings)
    typer.echo("\n" + (found.text if output is None else f"{output} written").rstrip())


def _calibrated(
    server: Any,
    site: str,
    since: str,
    until: str,
    hold_back: float,
    step: str | None,
    most: int,
) -> tuple[CalibratedSite, str, list[str]]:
    from twin.clients.moments import moment, shown_moment
    from twin.clients.ranges import PastReader
    from twin.fleet.calibration import calibrate, read_past
    from twin.fleet.calibration.fitting import CALIBRATED_READINGS
    from twin.site import parse_site
    from twin.yamls import read_text

    path = Path(site)
    text = read_text(path)
    layout = measured_layout(parse_site(text, site), site)
    length = None if step is None else seconds(step)
    with refusals_told(server):
        now = server.now()
        start, end = moment(since, now, "--from"), min(moment(until, now, "--to"), now)
        if start >= end:
            raise ConfigError("--from is not before --to; both are UTC unless they say otherwise")
        past = read_past(PastReader(server), layout, CALIBRATED_READINGS, start, end, length, most)
    found = calibrate(text, site, past, hold_back)
    span = f"{shown_moment(start)} to {shown_moment(end)} UTC, every {past.step:g} s"
    warnings = [*past.warnings]
    if past.unknown:
        warnings.append(f"hosts with GPUs that the site file does not have: {past.unknown[0]} and "
                        f"{len(past.unknown) - 1} more; capture it again")  # fmt: skip
    return found, span, warnings


def _print(found: CalibratedSite, span: str, warnings: list[str]) -> None:
    typer.echo(span + "\n")
    rows = [
        (own.key, f"{own.before:.4g}", f"{own.value:.4g}", f"±{own.half:.2g}", own.unit,
         str(own.devices), own.how)
        for own in found.estimates
    ]  # fmt: skip
    header = ("parameter", "before", "fitted", "95 %", "unit", "devices", "from")
    typer.echo("\n".join(columns(header, rows, right=_NUMBERS)))
    if found.refused:
        typer.echo("\nNot told")
        typer.echo("\n".join(columns((), [(own.key, own.why) for own in found.refused])))
    if found.lags:
        typer.echo("\nLags of sensors")
        typer.echo("\n".join(columns(_LAG_HEADER, [_lag_row(own) for own in found.lags])))
    typer.echo("\nErrors on the part held back, root mean square")
    table = [
        (own.title, f"{own.before:.3g}", f"{own.after:.3g}", f"{own.each:.3g}", own.unit)
        for own in found.errors
    ]
    names = ("relation", "before", "after", "each device", "unit")
    typer.echo("\n".join(columns(names, table, right=_NUMBERS)))
    for warning in warnings:
        typer.echo(paragraph(warning, ""))


_LAG_HEADER = ("sensor", "behind", "what", "lag", "95 %")


def _lag_row(own: SensorLag) -> tuple[str, ...]:
    """Return the row of a kind of sensor: its lag, or why it is not told."""
    told = ("", own.why)
    if not own.why:
        told = (f"{own.seconds:.3g} s", f"{own.low:.3g} to {own.high:.3g} s, {own.devices} devices")
    return own.row.sensor, own.row.cause, own.row.kind, *told


def _described(found: CalibratedSite, warnings: list[str]) -> dict[str, Any]:
    return {
        "parameters": [
            {
                "key": own.key,
                "before": own.before,
                "value": own.value,
                "half_interval": own.half,
                "unit": own.unit,
                "devices": own.devices,
                "each": {name: list(pair) for name, pair in own.each.items()},
            }
            for own in found.estimates
        ],
        "not_told": {own.key: own.why for own in found.refused},
        "held_back": [
            {
                "relation": own.title,
                "unit": own.unit,
                "rms_before": own.before,
                "rms_after": own.after,
                "rms_each_device": own.each,
            }
            for own in found.errors
        ],
        "lags": [
            {
                "sensor": own.row.sensor,
                "behind": own.row.cause,
                "kind": own.row.kind,
                "seconds": None if own.why else own.seconds,
                "interval": None if own.why else [own.low, own.high],
                "devices": own.devices,
                "why_not": own.why,
            }
            for own in found.lags
        ],
        "warnings": warnings,
        "site_file": found.text,
    }
