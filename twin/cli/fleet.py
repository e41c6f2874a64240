"""Options of the commands that read a real fleet: its Prometheus and how to log in there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin.errors import ConfigError, ServiceError
from twin.files import write_whole

if TYPE_CHECKING:
    from twin.clients.prometheus import Prometheus
    from twin.parameters import Site
    from twin.site import Layout

__all__ = [
    "PAST_MOST_BYTES",
    "PAST_TIMEOUT",
    "Credentials",
    "FleetPrometheus",
    "fleet_prometheus",
    "measured_layout",
    "refusals_told",
    "write_result",
]

_VARIABLE = "TWIN_FLEET_CREDENTIALS"
_MOST_BYTES = 256 << 20
PAST_MOST_BYTES = 64 << 20
"""Length of an answer about the past: what is longer is asked for in parts."""
PAST_TIMEOUT = 130.0
"""Seconds for it: Prometheus itself gives a query up after two minutes, and says so."""
_LOGIN = f"give --credentials FILE, or set {_VARIABLE}"

FleetPrometheus = Annotated[
    str,
    typer.Option(
        "--prometheus",
        envvar="TWIN_FLEET_PROMETHEUS",
        help="The fleet's Prometheus, as http://prometheus:9090.",
    ),
]
Credentials = Annotated[
    Path | None,
    typer.Option(
        help=f"File with user:password or a token; without, {_VARIABLE} may hold the same."
    ),
]


def fleet_prometheus(
    url: str,
    file: Path | None,
    timeout: float = 30.0,
    most_bytes: int = _MOST_BYTES,
    option: str = "--prometheus",
) -> Prometheus:
    """Return the Prometheus of a fleet.

    Args:
        url: its address.
        file: with the credentials; None for those of the environment.
        timeout: seconds to wait for an answer.
        most_bytes: length of an answer at most.
        option: by which the address came, for errors.

    Raises:
        ConfigError: the address is not one of HTTP, or has a login in it.
    """
    from twin.clients.login import credentials, split_login
    from twin.clients.prometheus import Prometheus

    try:
        _, login = split_login(url)
    except ValueError:
        raise ConfigError(f"{option} is not an address; write http://host:9090") from None
    if login:
        raise ConfigError(f"{option} has a login in the address, where others see it; {_LOGIN}")
    headers = credentials(file, os.environ, _VARIABLE)
    return Prometheus(url, timeout, headers=headers, most_bytes=most_bytes, login=_LOGIN)


@contextmanager
def refusals_told(server: Prometheus, remedy: str = "") -> Iterator[None]:
    """Tell of a query that a server refuses as of a service that fails.

    Args:
        server: that is asked.
        remedy: what to do about it, with the mark that goes before.

    Raises:
        ServiceError: it refused one.
    """
    from twin.clients.prometheus import QueryError

    try:
        yield
    except QueryError as error:
        raise ServiceError(
            f"Prometheus at {server.url} refuses a query: {error}{remedy}"
        ) from error


def measured_layout(site: Site, name: str) -> Layout:
    """Return the layout of a site with measured racks.

    Args:
        site: the site.
        name: as the user gave it, for the error.

    Raises:
        ConfigError: it has none.
    """
    from twin.site import Layout

    if not site.measured:
        raise ConfigError(
            f"site {name!r} has no measured racks; write its file by twin capture --prometheus"
        )
    return Layout(site)


def write_result(path: Path, text: str) -> None:
    """Write a whole file or nothing.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; choose another") from error
