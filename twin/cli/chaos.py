"""``twin chaos``: disturb a service of the stack for a time."""

from __future__ import annotations

import random
import signal
import threading
from typing import Annotated

import typer

from twin.cli.options import LogLevel, seconds
from twin.cli.process import configure_logs
from twin.compose.chaos import VERBS, Harm, Verb, begin
from twin.compose.engine import PROJECT, Stack
from twin.errors import TwinError

__all__ = ["app"]

app = typer.Typer(
    help="Disturb a service of docker-compose.yml for a time, then restore it, also on Ctrl-C.",
    no_args_is_help=True,
)

Service = Annotated[str, typer.Argument(help="Name in docker-compose.yml, for example mosquitto.")]
Length = Annotated[str, typer.Option("--for", help="How long: 500ms, 20s, 5m.")]
Project = Annotated[
    str, typer.Option("--project", envvar="COMPOSE_PROJECT_NAME", help="Compose project.")
]


@app.command()
def stop(service: Service, length: Length = "30s", project: Project = PROJECT) -> None:
    """Stop a service gracefully, and start it again.

    \b
    Example:
      twin chaos stop aggregator --for 1m
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    _harm(Harm(Verb.STOP, service), length, project)


@app.command()
def pause(service: Service, length: Length = "30s", project: Project = PROJECT) -> None:
    """Freeze a service: its connections stay open without an answer.

    \b
    Example:
      twin chaos pause mosquitto --for 1m
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    _harm(Harm(Verb.PAUSE, service), length, project)


@app.command()
def kill(service: Service, length: Length = "30s", project: Project = PROJECT) -> None:
    """Kill a service, and start it again.

    \b
    Example:
      twin chaos kill emulator --for 30s
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    _harm(Harm(Verb.KILL, service), length, project)


@app.command()
def restart(service: Service, project: Project = PROJECT) -> None:
    """Restart a service.

    \b
    Example:
      twin chaos restart prometheus
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    _harm(Harm(Verb.RESTART, service), None, project)


@app.command()
def cut(
    service: Service,
    length: Length = "30s",
    network: Annotated[
        str | None, typer.Option(help="One of its networks, such as bus; all when left out.")
    ] = None,
    project: Project = PROJECT,
) -> None:
    """Cut a service off its network.

    \b
    Example:
      twin chaos cut aggregator --network bus --for 1m
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    _harm(Harm(Verb.CUT, service, network), length, project)


@app.command()
def slow(
    service: Service,
    length: Length = "30s",
    share: Annotated[float, typer.Option(help="Cores that it may use, from 0.01 to 1.")] = 0.05,
    project: Project = PROJECT,
) -> None:
    """Limit a service to a share of a core.

    \b
    Example:
      twin chaos slow aggregator --share 0.02 --for 2m
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    _harm(Harm(Verb.SLOW, service, share=share), length, project)


@app.command("random")
def harm_at_random(
    every: Annotated[str, typer.Option(help="Time between two disturbances.")] = "5m",
    length: Length = "30s",
    services: Annotated[
        list[str] | None,
        typer.Option(
            "--service", envvar="TWIN_CHAOS_SERVICES", help="Services to disturb; all by default."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the choice.", min=0)] = None,
    project: Project = PROJECT,
    log_level: LogLevel = "info",
) -> None:
    """Disturb random services until Ctrl-C.

    \b
    Example:
      twin chaos random --every 5m --for 30s --service mosquitto --service emulator
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    import structlog

    configure_logs(log_level)
    log = structlog.get_logger("twin.chaos")
    stack, stopped = Stack.connected(project), _stopped_by_signals()
    pause_seconds, harm_seconds = seconds(every), seconds(length)
    chosen = services or sorted(stack.containers())
    for name in chosen:
        stack.container(name)
    rng = random.Random(seed)  # noqa: S311 - a choice, no cryptography
    while not stopped.wait(pause_seconds):
        harm = Harm(rng.choice(tuple(Verb)), rng.choice(chosen))
        try:
            undo = begin(stack, harm)
        except TwinError as error:
            # It may be down for a reason of its own.
            log.warning("not harmed", service=harm.service, error=str(error))
            continue
        log.info("harmed", service=harm.service, how=VERBS[harm.verb], seconds=harm_seconds)
        stopped.wait(harm_seconds)
        undo()
        log.info("undone", service=harm.service)


def _harm(harm: Harm, length: str | None, project: str) -> None:
    """Do it, wait, and undo it whatever happens."""
    from twin.scenario import show_duration

    duration = 0.0 if length is None else seconds(length)
    stack, stopped = Stack.connected(project), _stopped_by_signals()
    undo = begin(stack, harm)
    try:
        for_so_long = f" for {show_duration(duration)}" if duration else ""
        typer.echo(f"{harm.service} is {VERBS[harm.verb]}{for_so_long}")
        stopped.wait(duration)
    finally:
        undo()
    if duration:
        typer.echo(f"{harm.service} is as before")


def _stopped_by_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set; so none comes between a harm and its undoing."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    return stopped
