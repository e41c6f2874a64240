"""``twin metrics``: every metric of the twin."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from twin.cli.columns import columns
from twin.cli.exporters import CountersFile, ExporterSettings, with_exporters
from twin.cli.options import JsonOutput
from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.catalog.editions import Edition

__all__ = ["metrics"]

_SITE = "demo"
"""Whose exporters are shown; those of the shipped sites are the same."""


def metrics(
    device: Annotated[
        str | None, typer.Argument(help="Only this device class, for example gpu.")
    ] = None,
    exporter: ExporterSettings = None,
    counters: CountersFile = None,
    as_json: JsonOutput = False,
) -> None:
    """List every metric: name, type, unit, labels, meaning.

    \b
    Examples:
      twin metrics pump
      twin metrics gpu --exporter dcgm=4.9.0
      twin metrics --json
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.docs.metrics import table

    rows = table(_edition(exporter, counters))
    devices = list(dict.fromkeys(row.device for row in rows))
    if device is not None and device not in devices:
        raise ConfigError(f"device class {device!r} does not exist; choose {', '.join(devices)}")
    chosen = [row for row in rows if device in (None, row.device)]
    if as_json:
        typer.echo(orjson.dumps([asdict(row) for row in chosen]))
        return
    header = ("device", "metric", "type", "unit", "on by default", "help")
    cells = [
        (row.device, row.metric, row.type, row.unit, "yes" if row.default else "no", row.help)
        for row in chosen
    ]
    typer.echo("\n".join(columns(header, cells)))


def _edition(exporter: list[str] | None, counters: Path | None) -> Edition | None:
    """Return the edition that the options name, None for what the catalogue says."""
    if not exporter and counters is None:
        return None
    from twin.site import editions_of, load_site

    return editions_of(with_exporters(load_site(_SITE), exporter, counters))[0]
