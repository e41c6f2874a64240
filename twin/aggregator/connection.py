"""HTTP connections with time limits: slow requests, slow readers, idle peers.

uvicorn closes a connection that waits for its next request, and leaves two doors open: a
client that never finishes its first request, and one that does not take what it is sent. Here
each has a timer, and what they cut off is counted. How many there may be is the business of
:mod:`twin.aggregator.door`, which is told who waits for a client and who for us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from twin.aggregator.door import Door
from twin.aggregator.limits import Limits
from twin.aggregator.telemetry import OwnTelemetry

if TYPE_CHECKING:
    from prometheus_client import Counter

__all__ = ["limited"]


def limited(limits: Limits, telemetry: OwnTelemetry) -> type[HttpConnection]:
    """Return the class of connections that keep to ``limits`` and count what they cut off."""

    class Limited(HttpConnection):
        _limits = limits
        _refused = telemetry.http_refused

    return Limited


class HttpConnection(H11Protocol):
    """A connection that says at its door whom it waits for.

    Attributes:
        door: that let it in.
    """

    door: Door
    _limits: Limits
    _refused: dict[str, Counter]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._arrival = _Timer(self.loop)
        self._stall = _Timer(self.loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrival.stop()
        self._stall.stop()
        self.door.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self._expect_request()
            self.door.waits(self)
        else:
            self._arrival.stop()
            self.door.works(self)
        if not self.flow.write_paused:
            # A client that sends another request has read the previous response.
            self._stall.stop()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._stall.stop()
        super().resume_writing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self.door.waits(self)
        # What is left goes out by itself, but not for ever to one who takes nothing.
        if self.transport.get_write_buffer_size():
            self._watch_reader()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self._cut("slow_reader")
        else:
            super().timeout_keep_alive_handler()

    def cut(self) -> None:
        """Close the connection without another byte, as one to a dead peer ends."""
        # Not close(), which would wait until the client has taken all that was sent.
        self.transport.abort()

    def _expect_request(self) -> None:
        """Give a request its time, counted from its first byte, or the connection's beginning."""
        self._arrival.start(self._limits.request_seconds, lambda: self._cut("slow_request"))

    def _watch_reader(self) -> None:
        self._stall.start(self._limits.stall_seconds, self._stalled)

    def _stalled(self) -> None:
        if self.transport.get_write_buffer_size():
            self._cut("slow_reader")

    def _cut(self, reason: str) -> None:
        self._refused[reason].inc()
        self.cut()


class _Timer:
    """Timer that calls a function unless it is stopped; a second start has no effect."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, call: Callable[[], None]) -> None:
        if self._handle is None:
            self._handle = self._loop.call_later(seconds, self._ring, call)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self, call: Callable[[], None]) -> None:
        self._handle = None
        call()
