"""``twin faults``, ``twin inject`` and ``twin clear``: faults at run time."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from twin.cli.columns import paragraph
from twin.cli.completion import complete_fault
from twin.cli.extensions import extended
from twin.cli.options import Broker, JsonOutput, seconds
from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.wire import Ack

__all__ = ["clear", "faults", "inject"]

_LOCAL = "mqtt://127.0.0.1:1883"
SiteOfBroker = Annotated[
    str | None,
    typer.Option("--site", "-s", help="Name of the site, when the broker carries several."),
]


def faults(context: typer.Context, as_json: JsonOutput = False) -> None:
    """List the faults with their targets and parameters.

    \b
    Example:
      twin faults --json
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.docs.fault_list import LISTED, described

    found = described() if extended(context) else orjson.loads(LISTED.read_bytes())
    if as_json:
        typer.echo(orjson.dumps(found))
        return
    for fault in found:
        typer.echo(f"{typer.style(fault['fault'], bold=True)}  {fault['title']}")
        typer.echo(
            f"  is applied to a {fault['target']} (by default {fault['default_target']}) "
            f"for {fault['default_seconds']:g} s; {fault['severity']}"
        )
        for own in fault["parameters"]:
            typer.echo(f"  --set {own['name']}={own['default']:g}  {own['description']}")
        typer.echo(typer.style(paragraph(fault["shows"], "  "), dim=True) + "\n")


def inject(
    fault: Annotated[
        str,
        typer.Argument(
            help="Kind of fault; `twin faults` lists them.", autocompletion=complete_fault
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            help="Place of the fault, for example r0003/pump1; "
            "without it the first place that the fault can hit.",
        ),
    ] = None,
    duration: Annotated[
        str | None, typer.Option("--for", help="How long in simulated time: 90s, 5m, 1h.")
    ] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter: name=value; may be repeated.")
    ] = None,
    site: SiteOfBroker = None,
    broker: Broker = _LOCAL,
    as_json: JsonOutput = False,
) -> None:
    """Inject a fault into a running twin.

    \b
    Examples:
      twin inject pump-failure --target r0003/pump1 --for 5m
      twin inject nic-flap --target r0001/n2/nic4 --set period=20 --set down=8
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.faults import FAULTS, parse_fault

    values = _parameters(parameters or [])
    parse_fault(FAULTS, fault, values)

    import asyncio

    from twin.bus import BrokerUrl
    from twin.stack.command import send_command
    from twin.wire import Inject

    command = Inject(
        id=_identifier(),
        fault=fault,
        target=target,
        duration=None if duration is None else seconds(duration),
        parameters=values,
    )
    _report(asyncio.run(send_command(BrokerUrl.parse(broker), site, command)), as_json)


def clear(
    fault: Annotated[
        str | None,
        typer.Argument(help="Kind of fault; all when left out.", autocompletion=complete_fault),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="Only the faults of this target.")
    ] = None,
    site: SiteOfBroker = None,
    broker: Broker = _LOCAL,
    as_json: JsonOutput = False,
) -> None:
    """End faults early.

    \b
    Examples:
      twin clear
      twin clear pump-failure --target r0003/pump1
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    import asyncio

    from twin.bus import BrokerUrl
    from twin.stack.command import send_command
    from twin.wire import Clear

    command = Clear(id=_identifier(), fault=fault, target=target)
    _report(asyncio.run(send_command(BrokerUrl.parse(broker), site, command)), as_json)


def _report(ack: Ack, as_json: bool) -> None:
    if not ack.accepted:
        raise ConfigError(ack.detail)
    typer.echo(orjson.dumps(ack.model_dump()) if as_json else ack.detail)


def _identifier() -> str:
    """Return an id that no other command has."""
    # Commands come from people, outside simulated time: uniqueness matters, not repeatability.
    return f"cli-{uuid.uuid4().hex[:16]}"


def _parameters(pairs: list[str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        try:
            values[name] = float(value)
        except ValueError:
            separator = ""
        if not separator:
            raise ConfigError(f"--set {pair!r} is not valid; write name=number")
    return values
