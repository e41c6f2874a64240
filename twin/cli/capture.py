"""``twin capture``: a site file of what a real Prometheus sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twin.cli.columns import columns, paragraph
from twin.cli.fleet import (
    Credentials,
    FleetPrometheus,
    fleet_prometheus,
    refusals_told,
    write_result,
)
from twin.cli.options import JsonOutput
from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.fleet.capture import CapturedSite

__all__ = ["capture"]


def capture(
    prometheus: FleetPrometheus,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The site file; without, it is only shown."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the site; by default that of the file.")
    ] = None,
    racks: Annotated[
        Path | None,
        typer.Option(help="Where hosts stand: a CSV file with the columns host,rack[,array]."),
    ] = None,
    rack_label: Annotated[str, typer.Option(help="Label of a host's rack.")] = "rack",
    array_label: Annotated[str, typer.Option(help="Label of a host's array.")] = "array",
    host_label: Annotated[
        str | None, typer.Option(help="Label that names a host; by default dcgm-exporter's own.")
    ] = None,
    credentials: Credentials = None,
    as_json: JsonOutput = False,
) -> None:
    """Write the site file of a real fleet, from what its Prometheus has of it.

    It shows what was found, what was guessed and why, and what is missing. The file is the input
    of twin gateway, and of every command that takes a site.

    \b
    Examples:
      twin capture --prometheus http://prometheus:9090
      twin capture --prometheus https://prometheus --credentials token -o mysite.yaml
      twin capture --prometheus http://prometheus:9090 --racks racks.csv -o mysite.yaml
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    if output is not None and output.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{output}: a site file ends in .yaml; choose such a name")
    if output is not None and output.exists():
        raise ConfigError(f"{output} is there already; remove it, or choose another name")
    server = fleet_prometheus(prometheus, credentials)
    found = _captured(server, output, name, racks, rack_label, array_label, host_label)
    if output is not None:
        write_result(output, found.text)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(_described(found)))
        return
    header = ("what", "found", "by")
    typer.echo("\n".join(columns(header, [(own.what, own.value, own.how) for own in found.found])))
    for title, sentences in (("Guessed", found.guesses), ("Missing", found.missing)):
        if sentences:
            typer.echo(f"\n{title}")
            for sentence in sentences:
                typer.echo(paragraph(sentence, "  "))
    typer.echo("\n" + (found.text if output is None else f"{output} written").rstrip())


def _captured(
    server: Any,
    output: Path | None,
    name: str | None,
    racks: Path | None,
    rack_label: str,
    array_label: str,
    host_label: str | None,
) -> CapturedSite:
    from twin.fleet.capture import capture
    from twin.fleet.hosts import HOST_LABELS
    from twin.fleet.racks import read_table
    from twin.fleet.survey import survey
    from twin.yamls import read_text

    table = None if racks is None else read_table(read_text(racks), str(racks))
    labels = HOST_LABELS if host_label is None else (host_label,)
    with refusals_told(server, "; raise its limits of queries"):
        seen = survey(server, server.now(), labels)
    return capture(
        seen,
        name or (output.stem.lower() if output is not None else "mysite"),
        table=table,
        rack_label=rack_label,
        array_label=array_label,
        host_labels=labels,
    )


def _described(found: CapturedSite) -> dict[str, Any]:
    site = found.site
    return {
        "name": site.name,
        "racks": [own.model_dump() for own in site.measured],
        "servers_per_rack": site.servers_per_rack,
        "gpus": site.gpus,
        "found": [{"what": own.what, "value": own.value, "by": own.how} for own in found.found],
        "guesses": found.guesses,
        "missing": found.missing,
        "site_file": found.text,
    }
