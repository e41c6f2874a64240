"""``twin stack``: the stack of docker-compose.yml, its secrets and its health."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from twin.cli.options import AllowInject, Broker, JsonOutput, SiteName
from twin.compose.engine import PROJECT, Stack
from twin.errors import CheckFailedError, ConfigError

if TYPE_CHECKING:
    from twin.compose.diagnosis import ServiceState

__all__ = ["app"]

app = typer.Typer(
    help="The stack of docker-compose.yml: its secrets and its health.", no_args_is_help=True
)

Folder = Annotated[
    Path, typer.Option("--folder", envvar="TWIN_SECRETS", help="Where the secrets are kept.")
]

Project = Annotated[
    str, typer.Option("--project", envvar="COMPOSE_PROJECT_NAME", help="Compose project.")
]
_MIB = 2**20
_SECONDS = 19
"""Characters of a time stamp down to its seconds."""


@app.command()
def status(project: Project = PROJECT, as_json: JsonOutput = False) -> None:
    """Show how every service of the stack is.

    \b
    Example:
      twin stack status
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from rich.console import Console
    from rich.table import Table

    states = _states(Stack.connected(project))
    if as_json:
        typer.echo(orjson.dumps([_plain(own) for own in states]))
        return
    table = Table(box=None, header_style="bold")
    for name in ("service", "state", "since (UTC)", "restarts", "memory"):
        table.add_column(name, no_wrap=True)
    for own in states:
        state = "done" if own.is_done else f"{own.state} {own.health or ''}".strip()
        colour = "green" if own.is_well else "red"
        table.add_row(
            own.service,
            f"[{colour}]{state}[/{colour}]",
            own.since[:_SECONDS].replace("T", " "),
            str(own.restarts),
            _memory(own),
        )
    Console(highlight=False).print(table)


@app.command()
def doctor(project: Project = PROJECT, as_json: JsonOutput = False) -> None:
    """Report the stack's problems and their remedies; exit 1 if there are any.

    \b
    Example:
      twin stack doctor
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from rich.console import Console

    from twin.compose.doctor import examine

    stack = Stack.connected(project)
    findings = examine(stack, _states(stack))
    if as_json:
        typer.echo(orjson.dumps([asdict(own) for own in findings]))
    console = Console(highlight=False, stderr=as_json)
    for own in findings:
        console.print(f"[bold]{own.service}[/bold] {own.sentence}", soft_wrap=True)
    if findings:
        raise CheckFailedError(
            f"{len(findings)} thing{' is' if len(findings) == 1 else 's are'} wrong"
        )
    console.print("all is well")


def _states(stack: Stack) -> list[ServiceState]:
    states = stack.states()
    if not states:
        raise ConfigError(
            f"no container of the compose project {stack.project!r} exists; "
            "start it with docker compose up, or name yours with --project"
        )
    return states


def _plain(own: ServiceState) -> dict[str, object]:
    return {**asdict(own), "networks": sorted(own.networks), "well": own.is_well}


def _memory(own: ServiceState) -> str:
    if own.memory_used is None:
        return ""
    limit = "" if own.memory_limit is None else f" of {own.memory_limit / _MIB:.0f}"
    return f"{own.memory_used / _MIB:.0f}{limit} MiB"


@app.command()
def secrets(
    folder: Folder = Path("secrets"),
    site: SiteName = "demo",
    scale_site: Annotated[
        str, typer.Option(envvar="TWIN_SCALE_SITE", help="Second site, of the profile scale.")
    ] = "colossus-100k",
    allow_inject: AllowInject = False,
    tls: Annotated[
        str | None,
        typer.Option(
            envvar="TWIN_TLS",
            help="Host names and addresses of the broker's certificate, with commas; "
            "left out, there is none.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            envvar="TWIN_TLS_CERTIFICATE",
            help="Folder with your own ca.pem, server.pem and server.key; one is made otherwise.",
        ),
    ] = None,
    redfish: Annotated[
        str,
        typer.Option(
            envvar="TWIN_REDFISH_NAMES",
            help="Host names and addresses of the BMCs' certificate, with commas.",
        ),
    ] = "localhost,127.0.0.1",
    stores: Annotated[
        Path | None,
        typer.Option(
            envvar="TWIN_STORES",
            help="Folder with the services' stores, each of which is given to its service.",
        ),
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Replace all passwords except Grafana's.")
    ] = False,
) -> None:
    """Make the passwords, access list and certificate of the stack that are not there yet.

    What is there is kept, so it may run at every start; docker-compose.yml does so. It runs as
    root, because each file is given to the service that reads it.

    \b
    Examples:
      twin stack secrets --folder ./secrets --site demo
      docker compose run --rm secrets secrets --renew
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.compose.secrets import UIDS, SecretsConfig, Vault
    from twin.compose.stores import give_stores
    from twin.site import load_site

    config = SecretsConfig(
        site=load_site(site).name,
        scale_site=load_site(scale_site).name,
        injects=allow_inject,
        redfish_names=_names(redfish),
        tls_names=_names(tls or ""),
        own_certificate=certificate,
        renew=renew,
    )
    Vault(folder).prepare(config)
    if stores is not None:
        give_stores(stores, UIDS)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@app.command()
def logins(folder: Folder = Path("secrets"), as_json: JsonOutput = False) -> None:
    """Print the logins of the stack and what each opens.

    \b
    Examples:
      twin stack logins --folder ./secrets
      docker compose run --rm secrets logins
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from rich.console import Console

    from twin.compose.secrets import LOGINS, Vault

    found = Vault(folder).logins()
    if as_json:
        typer.echo(orjson.dumps(found))
        return
    console = Console(highlight=False)
    width = max(map(len, found))
    for name, password in found.items():
        console.print(f"{name:<{width}}  {password}  [dim]{LOGINS[name]}[/dim]", soft_wrap=True)


@app.command()
def online(
    name: Annotated[str, typer.Argument(help="Name of the emulator.")] = "plant-0",
    site: SiteName = "demo",
    broker: Broker = "mqtt://127.0.0.1:1883",
) -> None:
    """Ask the broker whether an emulator is online; exit 3 if not.

    For health checks: an emulator that hangs has got its Last Will.

    \b
    Example:
      twin stack online plant-0 --site demo
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    import asyncio

    from twin.bus import BrokerUrl
    from twin.compose.online import check_online
    from twin.site import load_site

    asyncio.run(check_online(BrokerUrl.parse(broker), load_site(site).name, name))
