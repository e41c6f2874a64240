"""``twin detail``: how much of each array is exposed, changed while it runs."""

from __future__ import annotations

import uuid
from typing import Annotated

import orjson
import typer

from twin.cli.faults import SiteOfBroker
from twin.cli.options import Broker, JsonOutput
from twin.errors import ConfigError

__all__ = ["app"]

_LOCAL = "mqtt://127.0.0.1:1883"

app = typer.Typer(
    help="Show or set how much of each array a running aggregator exposes.", no_args_is_help=True
)


@app.command("show")
def show(site: SiteOfBroker = None, broker: Broker = _LOCAL, as_json: JsonOutput = False) -> None:
    """Show the detail of every array, and how many series that makes.

    \b
    Example:
      twin detail show
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    _send((), site, broker, as_json)


@app.command("set")
def set_(
    settings: Annotated[
        list[str],
        typer.Argument(
            metavar="SETTING",
            help="gpu, rack or site for all arrays, or a001=gpu, or a010-a020=site; a later one "
            "overrides an earlier one.",
        ),
    ],
    site: SiteOfBroker = None,
    broker: Broker = _LOCAL,
    as_json: JsonOutput = False,
) -> None:
    """Set the detail of some or all arrays.

    The broker keeps the setting, so that it outlives the aggregator. Prometheus sees new
    targets when it next asks for them, after a minute by default.

    \b
    Examples:
      twin detail set a003=gpu
      twin detail set rack a001-a004=gpu
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    _send(tuple(settings), site, broker, as_json)


@app.command("reset")
def reset(site: SiteOfBroker = None, broker: Broker = _LOCAL, as_json: JsonOutput = False) -> None:
    """Go back to the detail that the aggregator was started with.

    \b
    Example:
      twin detail reset
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    _send((), site, broker, as_json, reset=True)


def _send(
    settings: tuple[str, ...],
    site: str | None,
    broker: str,
    as_json: bool,
    *,
    reset: bool = False,
) -> None:
    import asyncio

    from twin.bus import BrokerUrl
    from twin.stack.command import send_command
    from twin.wire import SetDetail

    # Commands come from people, outside simulated time: uniqueness matters, not repeatability.
    identifier = f"cli-{uuid.uuid4().hex[:16]}"
    command = SetDetail(id=identifier, detail=settings, reset=reset)
    ack = asyncio.run(send_command(BrokerUrl.parse(broker), site, command))
    if not ack.accepted:
        raise ConfigError(ack.detail)
    typer.echo(orjson.dumps(ack.model_dump()) if as_json else ack.detail)
