"""Free TCP ports of 127.0.0.1 for servers that the tests start."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

__all__ = ["free_ports"]

PORTS = range(12_000, 32_000)
"""Below those that the system gives to whoever connects. One from there may be taken by a
connection of anybody until the server listens, or while it is started again."""


def free_ports(count: int) -> list[int]:
    """Return TCP ports of 127.0.0.1 that nobody listens on, all different."""
    ports: set[int] = set()
    while len(ports) < count:
        port = PORTS[secrets.randbelow(len(PORTS))]
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(port)
    return list(ports)
