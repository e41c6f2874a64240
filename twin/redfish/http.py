"""HTTP shell of the core: which BMC is asked, what it is asked, and the silence of a dead one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from twin.redfish.core import RedfishCore
from twin.redfish.directory import Bmc
from twin.redfish.events import EventStream
from twin.redfish.exchange import BmcAnswer, BmcRequest, refusal
from twin.redfish.messages import BaseMessage, RedfishError
from twin.redfish.own_pages import OwnPages, host_of
from twin.redfish.telemetry import SERVICE

__all__ = ["MOST_STREAMS", "RedfishApp"]

MOST_STREAMS = 64
"""Streams of events at a time, of all BMCs together: each looks at its BMC twice a second."""
_LOOK_SECONDS = 0.5
_PULSE_LOOKS = 30
"""Looks without an event after which a comment tells the client that the stream lives."""
_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"),
    (b"odata-version", b"4.0"),
]  # fmt: skip
_MOST_BODY_BYTES = 1 << 16
_SILENCE_SECONDS = 10.0
"""How long the connection to a BMC that does not answer is held before it is cut."""


class RedfishApp:
    """The application: every BMC of the directory at its own port, or at one by its name.

    Args:
        core: answers.
        ports: port to the BMC that has it for itself; on other ports the header ``Host`` names it.
        pages: of the service itself.
        silence: seconds for which a connection to a silent BMC is held.

    Attributes:
        closing: ends the streams of events, which have no end of their own.
    """

    def __init__(
        self,
        core: RedfishCore,
        ports: Mapping[int, Bmc],
        pages: OwnPages,
        silence: float = _SILENCE_SECONDS,
    ) -> None:
        self._core = core
        self._ports = ports
        self._pages = pages
        self._silence = silence
        self.closing = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or keep silent."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        bmc = self._asked(scope, headers)
        kind = SERVICE if bmc is None else bmc.kind.key
        try:
            body = b"" if bmc is None else await _body(receive)
        except _LongBodyError:
            answer: BmcAnswer | None = refusal(RedfishError(BaseMessage.TOO_LONG))
            began = time.monotonic()
        else:
            began = time.monotonic()
            answer = self._answer(bmc, scope, headers, body)
        if answer is None:
            self._core.own.unanswered(kind)
            await self._keep_silent(scope, receive)
            return
        shown = answer.body
        self._core.own.answered(kind, scope["method"], answer.status, time.monotonic() - began)
        if answer.stream is not None and bmc is not None:
            await self._stream(bmc, answer.stream, scope, receive, send)
        else:
            await _sent(answer, shown, scope, receive, send)

    def _answer(
        self, bmc: Bmc | None, scope: Scope, headers: Headers, body: bytes
    ) -> BmcAnswer | None:
        if bmc is None:
            return self._pages.answer(scope, headers)
        answer = self._core.ask(bmc, _request(scope, headers, body))
        if answer is None or answer.stream is None:
            return answer
        full = self._core.own.streams.total() >= MOST_STREAMS
        return refusal(RedfishError(BaseMessage.STREAMS_FULL)) if full else answer

    def _asked(self, scope: Scope, headers: Headers) -> Bmc | None:
        """Return the BMC that a request is for."""
        server = scope.get("server")
        own = self._ports.get(server[1]) if server is not None else None
        if own is not None:
            return own
        name = host_of(headers)
        return None if name is None else self._core.directory.find(name)

    async def _keep_silent(self, scope: Scope, receive: Receive) -> None:
        """Say nothing for as long as the client waits, but not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._silence):
                await _left(receive)
        _cut(scope)

    async def _stream(
        self, bmc: Bmc, stream: EventStream, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send events until the client leaves, the BMC dies, or the process ends."""
        streams = self._core.own.streams
        streams[bmc.kind.key] += 1
        ends = {asyncio.ensure_future(_left(receive)), asyncio.ensure_future(self.closing.wait())}
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
            quiet = _PULSE_LOOKS
            while not any(end.done() for end in ends):
                news = self._core.news(bmc, stream)
                if news is None:
                    _cut(scope)
                    return
                quiet = 0 if news else quiet + 1
                if quiet >= _PULSE_LOOKS:
                    news, quiet = b": \n\n", 0
                if news:
                    await send({"type": "http.response.body", "body": news, "more_body": True})
                await asyncio.wait(ends, timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            streams[bmc.kind.key] -= 1
            for end in ends:
                end.cancel()


class _LongBodyError(Exception):
    """A body that is longer than any that a BMC takes."""


def _cut(scope: Scope) -> None:
    """Close a connection without another byte."""
    cut: Callable[[], None] = scope["state"]["cut"]
    cut()


async def _left(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > _MOST_BODY_BYTES:
            raise _LongBodyError
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _request(scope: Scope, headers: Headers, body: bytes) -> BmcRequest:
    query = scope["query_string"].decode("latin-1")
    return BmcRequest(
        method=scope["method"],
        path=scope["path"],
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        authorization=headers.get("authorization"),
        token=headers.get("x-auth-token"),
        version=headers.get("odata-version"),
        body=body,
        secure=scope["scheme"] == "https",
        now=time.time(),
        at=time.monotonic(),
    )


async def _sent(answer: BmcAnswer, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"OData-Version": "4.0", **answer.headers}
    if answer.status != 204:  # noqa: PLR2004 - No Content
        headers |= {"Content-Length": str(len(body))}
    shown = b"" if scope["method"] == "HEAD" else body
    media = answer.media_type if body else None
    response = Response(shown, answer.status, headers, media_type=media)
    await response(scope, receive, send)
