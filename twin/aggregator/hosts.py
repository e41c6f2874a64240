"""Host headers: which of them name this machine, and where it is reached if one does not."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["is_ours", "reached_at"]


def is_ours(host: str, advertise: str | None) -> bool:
    """Return whether a Host header names this machine, not a name from foreign DNS."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if host == advertise or name in {"localhost", socket.gethostname().lower()}:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def reached_at(request: Request) -> str:
    """Return host and port at which a client reached us.

    That is what it asked for, where this is a name or an address of this machine; else the
    address at which the connection came in. So a forged header cannot redirect a client.
    """
    host, local = request.headers.get("host", ""), request.scope.get("server")
    if local is None or local[1] is None:
        local = ("127.0.0.1", None)
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname or "", parts.port
        plain = host in {name, f"{name}:{port}", f"[{name}]", f"[{name}]:{port}"}
        if plain and is_ours(host, None) and (not _is_address(name) or _is_own(name, local[0])):
            return host
    except ValueError:
        pass  # no host, or no port
    shown = f"[{local[0]}]" if ":" in local[0] else local[0]
    return shown if local[1] is None else f"{shown}:{local[1]}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_own(name: str, local: str) -> bool:
    """Return whether an address is the one at which a client came in, or of the loopback."""
    address = ipaddress.ip_address(name)
    return address.is_loopback or address == ipaddress.ip_address(local)
