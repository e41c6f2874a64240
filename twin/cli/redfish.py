"""``twin redfish``: serve the BMCs of the racks as Redfish."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from twin.cli.options import Broker, LogLevel, SiteName, TlsCert, TlsKey, seconds
from twin.cli.process import configure_logs, stop_on_signals, wait
from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.aggregator import CertificateFiles
    from twin.bus import BrokerUrl
    from twin.redfish import Login, RedfishConfig, RedfishService

__all__ = ["DEFAULT_USER", "certified", "login_of", "redfish", "tell_of_bmcs"]

DEFAULT_USER = "admin"
_SHOWN = 3
"""BMCs that are named at the start."""


def redfish(
    site: SiteName = "demo",
    broker: Broker = "mqtt://127.0.0.1:1883",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            help="Port of all BMCs, which the header Host tells apart; 0 for any.",
            min=0,
            max=65535,
        ),
    ] = 9443,
    first_port: Annotated[
        int | None,
        typer.Option(
            "--first-port",
            envvar="TWIN_REDFISH_FIRST_PORT",
            help="Give each BMC a port of its own too, from this one on; 0 for any.",
            min=0,
            max=65535,
        ),
    ] = None,
    rack: Annotated[
        list[str] | None,
        typer.Option("--rack", help="Serve this rack only; repeat it for more. Default: all."),
    ] = None,
    user: Annotated[
        str, typer.Option(envvar="TWIN_REDFISH_USER", help="Name that opens every BMC.")
    ] = DEFAULT_USER,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file",
            envvar="TWIN_REDFISH_PASSWORD_FILE",
            help="File with its password, at least 16 characters; by default one is made up and "
            "printed.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            envvar="TWIN_TOKEN_FILE",
            help="File with the token that /metrics and /sd must show, as Authorization: Bearer, "
            "or as the password of any user; by default they can be read.",
        ),
    ] = None,
    event_destination: Annotated[
        list[str] | None,
        typer.Option(
            "--event-destination",
            help="Allow subscriptions to send events there: a host, HOST:PORT, *.DOMAIN or "
            "addresses such as 10.0.0.0/8; repeat it for more. Default: no subscriptions.",
        ),
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain", help="Serve plain HTTP, on this machine only; without basic authentication."
        ),
    ] = False,
    duration: Annotated[str | None, typer.Option("--for", help="Stop after so long.")] = None,
    log_level: LogLevel = "info",
) -> None:
    """Serve the BMCs of the racks as Redfish: GPU servers, coolant units, PDUs.

    It reads the frames of twin emulate, or of twin gateway, as the aggregator does. Each BMC has a
    name, such as r0001-n1-bmc, r0001-cdu and r0001-pdu1; /sd lists them. Without a certificate it
    makes one, as a BMC comes with one that nobody has signed.

    \b
    Examples:
      twin redfish --site demo --password-file password
      twin redfish --site demo --rack r0001 --first-port 10000
      curl -k -u admin:PASSWORD -H 'Host: r0001-n1-bmc' https://127.0.0.1:9443/redfish/v1/Systems
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.site import Layout, load_site

    layout = Layout(load_site(site))

    import asyncio

    from twin.aggregator import CertificateFiles, Token
    from twin.bus import BrokerUrl
    from twin.redfish import Destinations, RedfishConfig

    configure_logs(log_level)
    if plain and (tls_cert or tls_key):
        raise ConfigError("--plain and --tls-cert exclude each other; leave one out")
    if plain and not _is_loopback(host):
        raise ConfigError(
            f"--plain would send passwords in the clear to {host}; leave it out, or listen on "
            "127.0.0.1"
        )
    login = login_of(user, password_file)
    length = None if duration is None else seconds(duration)
    given = CertificateFiles.of(tls_cert, tls_key)
    with certified(given, host, plain=plain) as tls:
        config = RedfishConfig(
            layout=layout,
            login=login,
            host=host,
            port=port,
            first_port=first_port,
            racks=tuple(rack or ()),
            tls=tls,
            destinations=Destinations(event_destination or ()),
            token=Token.of_file(token_file) if token_file else None,
        )
        address = BrokerUrl.parse(broker)
        asyncio.run(_run(config, address, length, made_up=password_file is None))


def login_of(user: str, password_file: Path | None) -> Login:
    """Return the login that opens every BMC, with a made-up password where no file has one.

    Raises:
        ConfigError: the name or the file is of no use.
    """
    from twin.aggregator import Token
    from twin.redfish import Login

    if not user or ":" in user:
        raise ConfigError(f"--user {user!r} is no name; give one without a colon")
    return Login(user, Token.of_file(password_file) if password_file else Token.random())


@contextmanager
def certified(
    given: CertificateFiles | None, host: str, *, plain: bool = False
) -> Iterator[CertificateFiles | None]:
    """Yield the certificate: the one given, or one that is made for as long as it is needed.

    Args:
        given: by the user, None for none.
        host: address to listen on, which a made one names.
        plain: whether there is to be none.
    """
    if plain or given is not None:
        yield given
        return
    from twin.aggregator import CertificateFiles
    from twin.compose.certificates import make_certificate

    made = make_certificate(["localhost", "127.0.0.1", host])
    with TemporaryDirectory(prefix="twin-redfish-") as folder:
        files = CertificateFiles(Path(folder) / "cert.pem", Path(folder) / "key.pem")
        files.key.touch(mode=0o600)
        files.key.write_bytes(made.key)
        files.certificate.write_bytes(made.chain)
        yield files


def tell_of_bmcs(service: RedfishService, login: Login | None) -> None:
    """Print where the BMCs are on standard error, with the login where it is made up."""
    directory = service.core.directory
    names = [directory.name(bmc) for bmc in directory.bmcs[:_SHOWN]]
    more = len(directory) - len(names)
    rows = [f"{len(directory):,} BMCs at {service.url}, by the header Host: {', '.join(names)}"
            + (f" and {more:,} more at {service.url}/sd" if more > 0 else "")]  # fmt: skip
    if service.ports:
        rows.append(f"ports {min(service.ports)} to {max(service.ports)}, one for each")
    if login is not None:
        rows.append(f"user {login.user}, password {login.password.value}")
    for row in rows:
        typer.echo(f"redfish: {row}", err=True)


async def _run(
    config: RedfishConfig, broker: BrokerUrl, length: float | None, *, made_up: bool
) -> None:
    from twin.redfish import RedfishService

    async with RedfishService.running(config, broker) as service:
        tell_of_bmcs(service, config.login if made_up else None)
        await wait(stop_on_signals(), length)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
