"""The HTTP server: where it listens, with what limits, and how it ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from twin.aggregator.connection import limited
from twin.aggregator.limits import Limits
from twin.aggregator.telemetry import OwnTelemetry
from twin.errors import ConfigError

__all__ = ["HttpServer", "address", "listen", "serve_http"]

_PATIENCE_SECONDS = 2
"""How long answers under way may take to end at shutdown."""
_BACKLOG = 1024
"""Connections that may wait to be accepted: hundreds of scrapers may come at the same moment."""


class HttpServer(uvicorn.Server):
    """A server that leaves signals to whoever owns the process."""

    @classmethod
    def of(
        cls, app: ASGIApp, limits: Limits, telemetry: OwnTelemetry, tls: ssl.SSLContext | None
    ) -> HttpServer:
        """Return a server of ``app``."""
        config = uvicorn.Config(
            app,
            access_log=False,
            h11_max_incomplete_event_size=limits.header_bytes,
            http=limited(limits, telemetry),
            lifespan="off",
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE_SECONDS,
            timeout_keep_alive=round(limits.idle_seconds),
            ws="none",
        )
        config.load()
        # Given as a context, because that can take over a new certificate.
        config.ssl = tls
        return cls(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them."""
        yield


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


async def serve_http(server: HttpServer, listener: socket.socket, closing: asyncio.Event) -> None:
    """Answer requests until cancelled; then let the answers under way end.

    ``closing`` tells the streams of open pages, which have no end of their own.

    The server is not cancelled but asked to end: interrupted while it begins to listen,
    it would leave the socket behind in the event loop.
    """
    serving = asyncio.create_task(server.serve([listener]), name="aggregator http server")
    try:
        await asyncio.shield(serving)
    finally:
        closing.set()
        server.should_exit = True
        await serving
