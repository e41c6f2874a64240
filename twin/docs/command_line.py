"""The page of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from twin.docs.markdown import NOTICE
from twin.errors import BusError, CheckFailedError, ConfigError

__all__ = ["pages"]

_WIDTH = 92
_INTRODUCTION = f"""{NOTICE}
# Command line

The `--help` text of every command. Commands that list something print JSON with `--json`.
Options with an `env var` can be set in the environment instead.

## Exit status

| status | when | what to do |
| --- | --- | --- |
{{statuses}}

A mistake is one sentence on standard error that begins with `twin:`; there is no traceback.

## Completion

`twin --install-completion` teaches bash, zsh, fish or PowerShell to complete commands, options,
sites, faults and workloads; open a new shell afterwards. `twin --show-completion` prints what it
would install.

## Logs

Logs go to standard error: for people on a terminal, elsewhere one JSON object a line with
`timestamp`, `level` and `event`. `--log-level` chooses from `debug`, `info`, `warning` and `error`.
On a terminal `twin up` also shows a live status; elsewhere it logs the same figures once a minute
at `info`.
"""

_STATUSES = (
    (0, "done, or ended by Ctrl-C or SIGTERM", ""),
    (CheckFailedError.exit_status, "a promise did not hold: `--check`, `rules test`",
     "read which; the twin itself ran"),
    (ConfigError.exit_status, "a file, an argument or a target is wrong, or a port is taken",
     "mend what the sentence names"),
    (BusError.exit_status, "the broker, or a server that was asked, cannot be reached",
     "start it, or give its address"),
)  # fmt: skip


def pages(app: typer.Typer) -> Mapping[str, str]:
    """Return ``cli.md``."""
    helps = _helps(get_command(app), app.info.name or "", None)
    sections = (f"\n## {path}\n\n```text\n{text}\n```\n" for path, text in helps)
    statuses = "\n".join(f"| {number} | {when} | {todo} |" for number, when, todo in _STATUSES)
    return {"cli.md": _INTRODUCTION.format(statuses=statuses) + "".join(sections)}


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
