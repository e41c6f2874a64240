"""Extensions on the command line: files whose device classes, faults and alerts a command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Extensions", "extended", "install"]

Extensions = Annotated[
    list[Path] | None,
    typer.Option(
        "--extension",
        metavar="FILE",
        envvar="TWIN_EXTENSIONS",
        help="A Python file with device classes, faults and alerts of your own; may be given "
        "more than once.",
    ),
]


def install(context: typer.Context, paths: Extensions) -> None:
    """Install extensions for as long as the command runs.

    Raises:
        ConfigError: a file is not an extension, or a name in it is taken.
    """
    if not paths:
        return
    from twin.extension import load_extension

    for path in paths:
        context.with_resource(load_extension(path).installed())


def extended(context: typer.Context) -> bool:
    """Return whether a command has extensions, so that what is kept of the shipped twin lacks some.

    Args:
        context: of the command.
    """
    return bool(context.find_root().params.get("extension"))
