"""The live page over HTTP.

=============================  ====================================================
``/``                          the page
``/page/{file}``               its scripts, styles and Chart.js
``/api/site``                  what does not change: names, signals, charts, faults
``/api/stream``                server-sent events: figures, floor, lines, events
``/api/racks/{rack}``          one rack in detail
``POST /api/inject``           let a fault begin, if that is allowed
``POST /api/clear``            end faults, if that is allowed
=============================  ====================================================
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from twin.aggregator.access import Access
from twin.aggregator.command_client import CommandClient
from twin.aggregator.core import Core
from twin.aggregator.firing_alerts import AlertsWatch
from twin.aggregator.page.describe import describe
from twin.aggregator.page.files import CONTENT_SECURITY_POLICY, page_files, render_page
from twin.aggregator.page.floor import Floor
from twin.aggregator.page.guard import refusal
from twin.aggregator.page.rack import Racks
from twin.aggregator.page.stream import StreamResponse, Streams, StreamSlot
from twin.catalog import UnitKind
from twin.errors import BusError
from twin.wire import Clear, Inject

__all__ = ["LivePage"]

_MOST_BODY_BYTES = 1 << 14
_MOST_EVENT_DIGITS = 15
_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

_C = TypeVar("_C", Inject, Clear)


class LivePage:
    """The page and what it asks for.

    Args:
        core: what is shown.
        broker: address of the broker, to be shown.
        advertise: host and port by which the aggregator is known, None for none.
        desk: sends commands; None where commands are off.
        access: checks who may give commands; None where commands are off.
        alerts: the firing alerts; None without a server of alerts.
        beside: the pages of other sites, by the names of these.
    """

    def __init__(
        self,
        core: Core,
        broker: str,
        advertise: str | None,
        desk: CommandClient | None,
        access: Access | None = None,
        alerts: AlertsWatch | None = None,
        beside: Mapping[str, str] | None = None,
    ) -> None:
        self._layout = core.layout
        self._telemetry = core.telemetry
        self._advertise = advertise
        self._desk = desk
        self._access = access or Access()
        self._floor = Floor(core.store)
        self._racks = Racks(core.store, self._floor)
        boot = secrets.token_hex(8)
        watch = alerts or AlertsWatch(None, core.layout.site.name)
        self.streams = Streams(core, self._floor, self._racks, boot, time.monotonic, watch.view)
        """The open streams."""
        self._page = render_page(core.layout.site, broker)
        self._files = page_files()
        self._site = orjson.dumps(
            describe(
                core.layout,
                tuple(self._floor.signals.values()),
                self._racks.groups,
                core.live.charts,
                boot=boot,
                allow_inject=desk is not None,
                beside=beside,
            )
        )

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/", self._index),
            Route("/page/{file}", self._file),
            Route("/api/site", self._describe),
            Route("/api/stream", self._stream),
            Route("/api/racks/{rack}", self._rack),
            Route("/api/inject", self._inject, methods=["POST"]),
            Route("/api/clear", self._clear, methods=["POST"]),
        ]

    async def _index(self, _: Request) -> Response:
        return HTMLResponse(
            self._page, headers={**_HEADERS, "Content-Security-Policy": CONTENT_SECURITY_POLICY}
        )

    async def _file(self, request: Request) -> Response:
        file = self._files.get(request.path_params["file"])
        if file is None:
            return PlainTextResponse("There is no such file.\n", 404)
        headers = {**_HEADERS, "ETag": file.tag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        compressed = "gzip" in request.headers.get("accept-encoding", "")
        if compressed:
            headers["Content-Encoding"] = "gzip"
        content = file.compressed if compressed else file.content
        return Response(content, media_type=file.media_type, headers=headers)

    async def _describe(self, _: Request) -> Response:
        return Response(self._site, media_type="application/json", headers=_HEADERS)

    async def _rack(self, request: Request) -> Response:
        rack = self._layout.unit_index(UnitKind.RACK, request.path_params["rack"])
        if rack is None:
            return self._unknown_rack(request.path_params["rack"])
        return _json(self._racks.describe(rack))

    async def _stream(self, request: Request) -> Response:
        query = request.query_params
        signal = query.get("signal", next(iter(self._floor.signals)))
        if signal not in self._floor.signals:
            known = ", ".join(self._floor.signals)
            return PlainTextResponse(f"There is no signal {signal!r}; choose {known}.\n", 404)
        rack = None
        if name := query.get("rack"):
            rack = self._layout.unit_index(UnitKind.RACK, name)
            if rack is None:
                return self._unknown_rack(name)
        try:
            since = float(query["since"]) if query.get("since") else None
            event = int(query.get("event", "0")[:_MOST_EVENT_DIGITS])
        except ValueError:
            return PlainTextResponse("since and event are numbers.\n", 400)
        return StreamResponse(self.streams, StreamSlot(signal, rack, since, event))

    def _unknown_rack(self, name: str) -> Response:
        last = self._layout.unit_name(UnitKind.RACK, self._layout.units(UnitKind.RACK) - 1)
        site = self._layout.site.name
        return PlainTextResponse(f"Site {site} has no rack {name!r}; the last is {last}.\n", 404)

    async def _inject(self, request: Request) -> Response:
        return await self._command(request, Inject)

    async def _clear(self, request: Request) -> Response:
        return await self._command(request, Clear)

    async def _command(self, request: Request, kind: type[_C]) -> Response:
        """Check the client, send the command over the bus and return the emulator's answer."""
        refused = refusal(request, self._access, self._advertise)
        if refused is not None:
            self._telemetry.http_refused["unauthorized"].inc()
            return _refused(refused.sentence, refused.status)
        if self._desk is None:
            return _refused("Commands are off; start with --allow-inject.", 403)
        command = await _read(request, kind)
        if isinstance(command, Response):
            return command
        try:
            answer = await self._desk.send(command)
        except BusError as error:
            return _refused(f"{str(error)[:1].upper()}{str(error)[1:]}.", 503)
        return _json(answer.model_dump(), 200 if answer.accepted else 422)


async def _read(request: Request, kind: type[_C]) -> _C | Response:
    """Return the command in a request, or the answer that explains its fault."""
    try:
        value = await _object(request)
        return kind.model_validate({**value, "id": f"page-{secrets.token_hex(8)}"})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return _refused(f"{place}: {first['msg']}.", 422)
    except ClientDisconnect:
        return _refused("The request never came to its end.", 400)
    except _TooLongError:
        return _refused(f"A command has at most {_MOST_BODY_BYTES} bytes.", 413)
    except ValueError as error:
        return _refused(str(error), 400)


class _TooLongError(Exception):
    """A body has more bytes than any command."""


async def _object(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request carries.

    Raises:
        ValueError: it carries none; its text is a sentence.
        ClientDisconnect: it breaks off.
        _TooLongError: it has more bytes than any command.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BODY_BYTES:
            raise _TooLongError
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("A command is a JSON object.")  # noqa: TRY004 - the caller's mistake
    return value


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _refused(sentence: str, status: int) -> Response:
    return _json({"accepted": False, "detail": sentence}, status)
