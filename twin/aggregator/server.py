"""The HTTP server: where it listens, with what limits, and how it ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from twin.aggregator.connection import HttpConnection, limited
from twin.aggregator.door import Door
from twin.aggregator.limits import Limits
from twin.aggregator.telemetry import OwnTelemetry
from twin.errors import ConfigError

__all__ = ["UvicornServer", "address", "listen", "serve_http"]

_PATIENCE_SECONDS = 2
"""How long answers under way may take to end at shutdown."""
_BACKLOG = 1024
"""Connections that may wait to be accepted: hundreds of scrapers may come at the same moment."""


class UvicornServer(uvicorn.Server):
    """A server with a door that leaves signals to its process."""

    door: Door

    @classmethod
    def of(
        cls, app: ASGIApp, limits: Limits, telemetry: OwnTelemetry, tls: ssl.SSLContext | None
    ) -> UvicornServer:
        """Return a server of ``app``."""
        protocol = limited(limits, telemetry)
        config = uvicorn.Config(
            _Bounded(app, limits.header_bytes),
            access_log=False,
            h11_max_incomplete_event_size=limits.header_bytes,
            http=protocol,
            lifespan="off",
            log_config=None,
            # The address of a proxy in front is set by --advertise.
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE_SECONDS,
            timeout_keep_alive=round(limits.idle_seconds),
            ws="none",
        )
        config.load()
        server = cls(config)

        def welcome() -> HttpConnection:
            guest = protocol(config=config, server_state=server.server_state, app_state={})
            guest.door = server.door
            guest.app_state["cut"] = guest.cut
            return guest

        server.door = Door(welcome, limits, telemetry, tls)
        return server

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections: uvicorn would shake hands with any number of them uncounted."""
        self.servers = []
        self._accepting = [
            asyncio.create_task(self.door.serve(listener), name="aggregator door")
            for listener in sockets or ()
        ]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, and let the answers under way end."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        await super().shutdown(sockets)
        await self.door.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them."""
        yield


class _Bounded:
    """An application that is not asked by a header that is too long.

    h11 measures only a header that comes in pieces.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = len(scope["raw_path"]) + len(scope["query_string"])
        size += sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        if size > self._most:
            text = f"The header has {size} bytes; at most {self._most} are read.\n"
            await PlainTextResponse(text, 431, {"Connection": "close"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error}; choose another address or port"
        ) from error


def address(listener: socket.socket, *, tls: bool) -> str:
    """Return the address at which a listening socket is reached from this machine."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - this reads where it listens, it does not bind
        host = "127.0.0.1"
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


async def serve_http(
    server: UvicornServer, listener: socket.socket | list[socket.socket], closing: asyncio.Event
) -> None:
    """Answer requests until cancelled; then let the answers under way end.

    A server may have several listeners, which share its limits. ``closing`` tells the streams of
    open pages, which have no end of their own.

    The server is not cancelled but asked to end: interrupted while it begins to listen,
    it would leave the socket behind in the event loop.
    """
    listeners = listener if isinstance(listener, list) else [listener]
    serving = asyncio.create_task(server.serve(listeners), name="aggregator http server")
    try:
        await asyncio.shield(serving)
    finally:
        closing.set()
        server.should_exit = True
        await serving
