"""The door of the HTTP interface: connections counted from the moment they are accepted.

A TLS connection counts before its handshake, so every connection is counted. When the limit is
reached, a connection is closed that waits for its own client: in a handshake, for a request, or
between two. It is one of the address that has the most, and of these the one that has waited
longest. Where that would be the only one of its address, or every client waits for the server, an
address that has at least two more than the new one's gives up its oldest, if there is one; else
the new one is refused. So no address locks out another, or takes its last connection.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterable

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from twin.aggregator.http_client import client_of
from twin.aggregator.limits import Limits
from twin.aggregator.telemetry import OwnTelemetry

__all__ = ["Door"]

_PAUSE_SECONDS = 1.0
"""After the system had no descriptor left for a connection."""
_FDS_SHARE = 0.5
"""Of the descriptors that the process may have, those that connections may take."""

_log = structlog.get_logger(__name__)


class Door:
    """Accepts connections, and evicts them.

    Args:
        welcome: makes the protocol of a connection.
        limits: how many there may be, and how long a handshake may take.
        telemetry: counts those that were cut off.
        tls: what to shake hands with; None for plain connections.
    """

    def __init__(
        self,
        welcome: Callable[[], H11Protocol],
        limits: Limits,
        telemetry: OwnTelemetry,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._welcome = welcome
        self._limits = limits
        self._refused = telemetry.http_refused
        self._tls = tls
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        own = limits.connections
        self._places = own if most == resource.RLIM_INFINITY else min(own, int(most * _FDS_SHARE))
        self._inside: dict[H11Protocol, asyncio.Task[None]] = {}
        self._client: dict[H11Protocol, str] = {}
        self._count: Counter[str] = Counter()
        """Connections of each client."""
        self._waiting: dict[H11Protocol, None] = {}
        """Those who wait for their clients, the longest first."""

    def __len__(self) -> int:
        return len(self._inside)

    def waits(self, guest: H11Protocol) -> None:
        """Note that a connection waits for its client, if it did not already."""
        if guest in self._inside:
            self._waiting.setdefault(guest)

    def works(self, guest: H11Protocol) -> None:
        """Note that a client has asked something and waits for the answer."""
        self._waiting.pop(guest, None)

    def left(self, guest: H11Protocol) -> None:
        """Note that a connection is gone."""
        self._waiting.pop(guest, None)
        if self._inside.pop(guest, None) is not None:
            client = self._client.pop(guest)
            self._count[client] -= 1
            if not self._count[client]:
                del self._count[client]

    async def serve(self, listener: socket.socket) -> None:
        """Accept connections until cancelled."""
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError as error:
                # Of a client that is gone again nothing is left to do; without descriptors
                # the next attempt fails as well, so idle connections are closed.
                if not isinstance(error, ConnectionError):
                    _log.error("no connection can be accepted", error=error.strerror)
                    self._evict()
                    await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._arrive(connection, client_of(peer[0]))

    async def close(self) -> None:
        """Send away those who are not through the handshake."""
        for task in self._inside.values():
            task.cancel()
        if self._inside:
            await asyncio.wait(set(self._inside.values()))

    def _arrive(self, connection: socket.socket, client: str) -> None:
        if len(self._inside) >= self._places and not self._evict(client):
            self._refused["connections"].inc()
            connection.close()
            return
        guest = self._welcome()
        task = asyncio.create_task(self._enter(guest, connection), name="aggregator connection")
        self._inside[guest] = task
        self._client[guest] = client
        self._count[client] += 1
        self._waiting[guest] = None

    async def _enter(self, guest: H11Protocol, connection: socket.socket) -> None:
        seconds = None if self._tls is None else self._limits.handshake_seconds
        loop = asyncio.get_running_loop()
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(
                lambda: guest, connection, ssl=self._tls, ssl_handshake_timeout=seconds
            )
        except OSError:
            # Also ssl.SSLError, and the ConnectionAbortedError of one who took too long.
            self._refused["handshake"].inc()
            self.left(guest)
            connection.close()
        except asyncio.CancelledError:
            self.left(guest)
            connection.close()
            raise

    def _evict(self, client: str = "") -> bool:
        """Close the connection that has to make room for a client's; return whether one has."""
        own = self._count[client]
        guest = (
            self._first_of_most(self._waiting, max(own, 2))
            or self._first_of_most(self._inside, own + 2)
            or self._first_of_most(self._waiting, own)
        )
        if guest is None:
            return False
        self._refused["evicted"].inc()
        task = self._inside[guest]
        self.left(guest)
        task.cancel()
        # uvicorn says that there is one always, and there is none before the handshake's end.
        transport: asyncio.Transport | None = guest.transport
        if transport is not None:
            transport.abort()
        return True

    def _first_of_most(self, guests: Iterable[H11Protocol], least: int) -> H11Protocol | None:
        """Return the first of the client that has most connections, at least so many."""
        able = (guest for guest in guests if self._count[self._client[guest]] >= least)
        return max(able, key=lambda guest: self._count[self._client[guest]], default=None)
