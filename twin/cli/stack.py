"""``twin stack``: the stack of docker-compose.yml, its secrets and its health."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from twin.bus import BrokerUrl
from twin.cli.options import AllowInject, Broker, JsonOutput, SiteName
from twin.compose.online import check_online
from twin.compose.secrets import LOGINS, SecretsConfig, Vault
from twin.site import load_site

__all__ = ["app"]

app = typer.Typer(
    help="The stack of docker-compose.yml: its secrets and its health.", no_args_is_help=True
)

Folder = Annotated[
    Path, typer.Option("--folder", envvar="TWIN_SECRETS", help="Where the secrets are kept.")
]


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
    renew: Annotated[
        bool, typer.Option("--renew", help="Make all passwords anew, but for Grafana's.")
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
    names = [name.strip() for name in (tls or "").split(",") if name.strip()]
    config = SecretsConfig(
        site=load_site(site).name,
        scale_site=load_site(scale_site).name,
        injects=allow_inject,
        tls_names=names,
        own_certificate=certificate,
        renew=renew,
    )
    Vault(folder).prepare(config)


@app.command()
def logins(folder: Folder = Path("secrets"), as_json: JsonOutput = False) -> None:
    """Print the logins of the stack and what each opens.

    \b
    Example:
      docker compose run --rm secrets logins
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
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
    asyncio.run(check_online(BrokerUrl.parse(broker), load_site(site).name, name))
