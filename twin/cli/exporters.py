"""Options on exporters: the edition of each, and the fields that it exports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.catalog.editions import Edition
    from twin.site import Site

__all__ = [
    "CountersFile",
    "EditionNames",
    "ExporterSettings",
    "chosen_editions",
    "counters_text",
    "two_editions",
    "with_exporters",
]

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


_OLD_AND_NEW = 2

EditionNames = Annotated[
    list[str] | None,
    typer.Option(
        "--exporter",
        help="Edition that the result is to hold on: dcgm=4.9.0; given twice, on both at once. "
        "By default dcgm=4.8.2.",
    ),
]


def chosen_editions(names: Sequence[str] | None) -> list[Edition]:
    """Return the editions that the option names; none without it.

    Raises:
        ConfigError: there is no such edition.
    """
    from twin.catalog.editions import edition

    found: dict[Edition, None] = {}
    for name in names or ():
        exporter, equals, version = name.partition("=")
        if not equals:
            raise ConfigError(f"--exporter {name!r} is not valid; write for example dcgm=4.9.0")
        found[edition(exporter, version)] = None
    return list(found)


def two_editions(names: Sequence[str]) -> tuple[Edition, Edition]:
    """Return the old edition and the new one.

    Raises:
        ConfigError: there are not two, or they are of different exporters.
    """
    found = chosen_editions(names)
    if len(found) != _OLD_AND_NEW or found[0].exporter != found[1].exporter:
        raise ConfigError(
            f"a comparison needs two editions of an exporter, and has {len(found)}; write "
            "--exporter dcgm=4.8.2 --exporter dcgm=4.9.0"
        )
    return found[0], found[1]


def counters_text(file: Path | None) -> str:
    """Return the text of a counters file, empty for none.

    Raises:
        ConfigError: it cannot be read.
    """
    from twin.yamls import read_text

    return "" if file is None else read_text(file)


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

    text = counters_text(counters)
    where = "telemetry.exporters.dcgm_counters" if counters is None else str(counters)
    chosen = exporting(site, settings or (), text, where)
    notes = dict.fromkeys(
        note for own in dict.fromkeys(editions_of(chosen, where)) for note in own.notes
    )
    if not quiet:
        for note in notes:
            typer.echo(f"twin: {note}", err=True)
    return chosen
