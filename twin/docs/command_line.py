"""The page of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from twin.docs.markdown import NOTICE

__all__ = ["pages"]

_WIDTH = 92
_INTRODUCTION = f"""{NOTICE}
# Command line

What `--help` says of every command. Exit status: 0 done, 1 a promise did not hold (`--check`),
2 a file, an argument or a target is wrong, 3 the broker cannot be reached.
"""


def pages(app: typer.Typer) -> Mapping[str, str]:
    """Return ``cli.md``."""
    helps = _helps(get_command(app), app.info.name or "", None)
    sections = (f"\n## {path}\n\n```text\n{text}\n```\n" for path, text in helps)
    return {"cli.md": _INTRODUCTION + "".join(sections)}


def _helps(command: Any, name: str, parent: typer.Context | None) -> Iterator[tuple[str, str]]:
    """Yield every command's path and help text, outermost first.

    Args:
        command: of typer's own copy of click, whose types are private.
        name: of the command within its parent.
        parent: context of the group that the command belongs to.
    """
    settings = {**command.context_settings, "terminal_width": _WIDTH, "color": False}
    context = typer.Context(command, info_name=name, parent=parent, **settings)
    text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
    yield context.command_path, text
    if isinstance(command, TyperGroup):
        for inner in command.list_commands(context):
            child = command.commands[inner]
            if not child.hidden:
                yield from _helps(child, inner, context)
