"""The ``twin`` command: one module per command, arguments and printing only.

Exit status: 0 success, 1 a check failed (``--check``), 2 a file, an argument or a target is
wrong, 3 the broker, or another server, cannot be reached.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from copy import copy
from typing import Annotated

import typer

from twin import __version__
from twin.cli.aggregate import aggregate
from twin.cli.bench import bench
from twin.cli.calibrate import calibrate
from twin.cli.capture import capture
from twin.cli.chaos import app as chaos
from twin.cli.dashboards import app as dashboards
from twin.cli.dataset import dataset
from twin.cli.detail import app as detail
from twin.cli.emulate import emulate
from twin.cli.extensions import Extensions, install
from twin.cli.faults import clear, faults, inject
from twin.cli.gateway import gateway
from twin.cli.history import history
from twin.cli.metrics import metrics
from twin.cli.output import run
from twin.cli.redfish import redfish
from twin.cli.rules import app as rules
from twin.cli.scenario import app as scenario
from twin.cli.shadow import shadow
from twin.cli.sites import app as sites
from twin.cli.stack import app as stack
from twin.cli.up import up
from twin.cli.whatif import whatif

__all__ = ["app", "chosen", "main"]

app = typer.Typer(
    name="twin",
    help="""A digital twin of a GPU datacenter, for the people who monitor one.

    \b
    Examples:
      twin up                                   run everything here, Ctrl-C stops it
      twin inject both-pumps-failure -t r0003   inject a fault
      twin --install-completion                 complete names in this shell

    Exit status: 0 success, 1 a check failed, 2 a wrong file or argument, 3 no broker.
    """,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"twin {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    extension: Extensions = None,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    install(context, extension)


app.command()(up)
app.command()(emulate)
app.command()(aggregate)
app.command()(redfish)
app.command()(inject)
app.command()(clear)
app.command()(faults)
app.command()(metrics)
app.command()(bench)
app.command()(history)
app.command()(dataset)
app.command()(capture)
app.command()(calibrate)
app.command()(gateway)
app.command()(shadow)
app.command()(whatif)
app.add_typer(sites, name="sites")
app.add_typer(detail, name="detail")
app.add_typer(rules, name="rules")
app.add_typer(scenario, name="scenario")
app.add_typer(dashboards, name="dashboards")
app.add_typer(stack, name="stack")
app.add_typer(chaos, name="chaos")


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(chosen(sys.argv[1:])))


def chosen(arguments: Sequence[str]) -> typer.Typer:
    """Return the app with the one command that the first argument names, or else the whole.

    typer reads the parameters of every command that it has before it looks for the one to run.
    """
    name = arguments[0] if arguments else ""
    own = copy(app)
    own.registered_commands = [
        each for each in app.registered_commands if each.callback and each.callback.__name__ == name
    ]
    own.registered_groups = [each for each in app.registered_groups if each.name == name]
    return own if own.registered_commands or own.registered_groups else app
