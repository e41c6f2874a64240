"""Options on exporters: which edition of each, and what it is told to export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.site import Site

__all__ = ["CountersFile", "ExporterSettings", "with_exporters"]

ExporterSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--exporter",
        envvar="TWIN_EXPORTER",
        help="Edition of an exporter: dcgm=4.9.0, or dcgm=4.8.2,a001=4.9.0 for a fleet in "
        "mid-migration. By default what the site says.",
    ),
]
CountersFile = Annotated[
    Path | None,
    typer.Option(
        "--counters",
        envvar="TWIN_COUNTERS",
        help="Counters file of dcgm-exporter, as its option -f takes it; it replaces the "
        "edition's list.",
    ),
]


def with_exporters(
    site: Site, settings: Sequence[str] | None, counters: Path | None, *, quiet: bool = False
) -> Site:
    """Return a site with the editions and the counters file that the options name.

    Args:
        site: as its file says.
        settings: of ``--exporter``.
        counters: of ``--counters``.
        quiet: whether not to say what the counters file lists and the twin does not have.

    Raises:
        ConfigError: there is no such edition, or the exporter would not start with the file.
    """
    from twin.site import editions_of, exporting
    from twin.yamls import read_text

    text = "" if counters is None else read_text(counters)
    where = "telemetry.exporters.dcgm_counters" if counters is None else str(counters)
    chosen = exporting(site, settings or (), text, where)
    notes = dict.fromkeys(
        note for own in dict.fromkeys(editions_of(chosen, where)) for note in own.notes
    )
    if not quiet:
        for note in notes:
            typer.echo(f"twin: {note}", err=True)
    return chosen
