"""Help and completion of every command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.main import get_command

from twin.cli import app


def commands(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the help of every command that does something."""
    for inner, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{name} {inner}")
    if not getattr(command, "commands", None) or command.invoke_without_command:
        context = typer.Context(command, info_name=name)
        yield name, command.get_help(context)


@pytest.mark.parametrize(("path", "text"), list(commands(get_command(app), "twin")))
def test_every_help_has_an_example(path: str, text: str) -> None:
    """Every command shows how it is called, by its own name."""
    assert "Example" in text, path
    assert f"  {path}" in text.partition("Example")[2], path


def complete(words: str) -> set[str]:
    """Return what bash would complete, by the command's own completion."""
    environment = {
        **os.environ,
        "_TWIN_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    code = "from twin.cli import app; app(prog_name='twin')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("twin si", {"sites"}),
        ("twin inject both", {"both-pumps-failure"}),
        ("twin up --site colossus-a", {"colossus-array"}),
        ("twin emulate --workload tr", {"training", "trace:gpt3-512xh100"}),
        ("twin sites show gef", {"gefion"}),
        ("twin aggregate --log-level de", {"debug"}),
    ],
)
def test_completion(words: str, expected: set[str]) -> None:
    """The shell completes commands, faults, sites, workloads and levels."""
    assert complete(words) == expected
