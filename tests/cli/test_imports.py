"""What a command may not import, since whoever calls it waits for that."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SERVICES = {"aiomqtt", "amqtt", "starlette", "uvicorn", "twin.aggregator", "twin.emulator"}
"""What runs a twin."""
HEAVY = SERVICES | {
    "cbor2", "docker", "grafana_foundation_sdk", "httpx", "numpy", "prometheus_client",
    "promql_parser", "pydantic", "rich", "structlog", "twin.plant", "twin.site", "yaml",
}  # fmt: skip
"""What takes a tenth of a second or more, of all that the twin is made of."""
HELPS = """
import sys
from typer.main import get_command
from twin.cli import app
import typer

def show(command, name, parent):
    context = typer.Context(command, info_name=name, parent=parent)
    command.get_help(context)
    for inner, child in getattr(command, "commands", {}).items():
        show(child, inner, context)

show(get_command(app), "twin", None)
"""
COMMANDS: dict[str, set[str]] = {
    "--version": HEAVY - {"pydantic"},  # typer reads the values of options with it
    "faults": HEAVY - {"pydantic", "rich"},
    "faults --json": HEAVY - {"pydantic", "rich"},
    "metrics": HEAVY - {"pydantic", "rich"},
    "scenario list": HEAVY - {"pydantic", "rich", "yaml"},
    "scenario show pump-failure": HEAVY - {"pydantic", "yaml", "numpy", "twin.plant", "twin.site"},
    "sites": HEAVY - {"pydantic", "rich", "yaml", "twin.site"},
    "sites show demo": HEAVY - {"pydantic", "rich", "yaml", "twin.site", "twin.plant", "numpy"},
    "rules": HEAVY - {"pydantic"},
}
"""Arguments to what may not be imported on their account."""


def imported(code: str, *arguments: str) -> set[str]:
    """Return the modules that a fresh interpreter has after ``code``, whatever it exits with."""
    tell = f"try:\n exec({code!r})\nexcept SystemExit: pass\n"
    tell += "import json, sys; sys.stderr.write('\\n' + json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", tell, *arguments],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_of_every_command_imports_nothing_heavy() -> None:
    """All helps together need neither arrays nor models, servers, tables or a broker's client."""
    needless = imported(HELPS) & HEAVY
    assert not needless


@pytest.mark.parametrize("command", COMMANDS)
def test_command_imports_only_what_it_runs(command: str) -> None:
    """A command that only tells something starts without what runs a twin."""
    needless = imported("from twin.cli import main; main()", *command.split()) & COMMANDS[command]
    assert not needless
