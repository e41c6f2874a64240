"""Free TCP ports of 127.0.0.1 for servers that the tests start."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import suppress

__all__ = ["free_ports"]

PORTS = range(12_000, 32_000)
"""Below those that the system gives to whoever connects. One from there may be taken by a
connection of anybody until the server listens, or while it is started again."""
WORKERS = 8
"""Of pytest-xdist; each has ports of its own, for what one finds free another may be about to
take."""


def _mine() -> Iterator[int]:
    """Return the ports of this process, each as late as possible for a second time."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    share = len(PORTS) // WORKERS
    first = os.getpid() % share
    own = PORTS[worker * share : (worker + 1) * share]
    return itertools.cycle([*own[first:], *own[:first]])


_ports = _mine()


def free_ports(count: int) -> list[int]:
    """Return TCP ports of 127.0.0.1 that nobody listens on, all different."""
    ports: list[int] = []
    while len(ports) < count:
        port = next(_ports)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.append(port)
    return ports
