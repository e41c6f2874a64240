"""What a command may not import, since whoever calls it waits for that."""

from __future__ import annotations

import json
import subprocess
import sys

import typer
from typer.main import get_command

from tests.every import every
from twin.cli import app, chosen

SERVICES = {"aiomqtt", "amqtt", "starlette", "uvicorn", "twin.aggregator", "twin.emulator",
            "twin.shadow"}  # fmt: skip
"""What runs a twin."""
HEAVY = SERVICES | {
    "asyncio", "cbor2", "docker", "grafana_foundation_sdk", "httpx", "jinja2", "numpy",
    "prometheus_client", "promql_parser", "pydantic", "rich", "structlog", "twin.alerts",
    "twin.bus", "twin.catalog", "twin.faults", "twin.parameters", "twin.plant", "twin.rules",
    "twin.site", "twin.wire", "yaml",
}  # fmt: skip
"""What takes some hundredths of a second or more, of all that the twin is made of."""
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
FAULTS = HEAVY - {"pydantic", "twin.faults", "twin.catalog"}
SCENARIOS = HEAVY - {"pydantic", "yaml"}
SITES = HEAVY - {"pydantic", "yaml", "twin.site", "twin.catalog", "twin.parameters"}
COMMANDS: dict[str, set[str]] = {
    "": HEAVY,
    "--help": HEAVY,
    "--version": HEAVY,
    "nonsense": HEAVY,
    "up --nonsense": HEAVY,
    "rules": HEAVY,
    "rules test --help": HEAVY,
    "faults": HEAVY,
    "faults --json": HEAVY,
    "inject": HEAVY,
    "inject nonsense": FAULTS,
    "metrics": HEAVY - {"twin.catalog"},
    "metrics --json": HEAVY - {"twin.catalog"},
    "metrics nonsense": HEAVY - {"twin.catalog"},
    "scenario list": SCENARIOS,
    "scenario show pump-failure": SITES & FAULTS,
    "scenario show nonsense": SCENARIOS,
    "scenario run nonsense": SCENARIOS,
    "rules test --scenarios nonsense": SCENARIOS,
    "rules export nonsense": SCENARIOS,
    "sites": HEAVY,
    "sites --json": SITES,
    "sites show demo": SITES - {"numpy", "twin.alerts", "twin.plant"},
    "sites show nonsense": SITES,
    "up --site nonsense": SITES,
    "emulate --site nonsense": SITES,
    "aggregate --site nonsense": SITES,
    "shadow --site nonsense": SITES,
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


def test_library_imports_nothing_until_it_is_used() -> None:
    """``import twin`` is what every command does too."""
    assert not imported("import twin; dir(twin); twin.__all__") & (
        HEAVY | {"twin.library", "typer"}
    )


@every("command", tuple(COMMANDS))
def test_light_command_imports_only_what_it_runs(command: str) -> None:
    """What lists, shows, helps or refuses starts without anything else that takes long."""
    needless = imported("from twin.cli import main; main()", *command.split()) & COMMANDS[command]
    assert not needless


def helps(of: typer.Typer) -> dict[str, str]:
    """Return the help of each command that an app has."""
    group = get_command(of)
    parent = typer.Context(group, info_name="twin")
    return {
        name: command.get_help(typer.Context(command, parent=parent, info_name=name))
        for name, command in getattr(group, "commands", {}).items()
    }


@every("name", ("faults", "sites", "up", "rules"))
def test_a_command_is_built_without_the_others(name: str) -> None:
    """Of a command that is called by its name, only its own parameters are read."""
    assert helps(chosen([name])).keys() == {name}
    assert helps(chosen([name]))[name] == helps(app)[name]


@every("arguments", ((), ("--help",), ("--extension", "x.py", "faults"), ("nonsense",)))
def test_what_names_no_command_gets_all(arguments: tuple[str, ...]) -> None:
    """Helps and suggestions are of all commands."""
    assert chosen(arguments) is app
