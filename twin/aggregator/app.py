"""The aggregator's HTTP interface.

=============================  ====================================================
``/``                          the live page; :mod:`twin.aggregator.page.routes` has the rest
``/api/summary``               the key figures as JSON
``/metrics``                   own metrics, roll-ups, everything outside racks
``/arrays/{array}/metrics``    devices of one array, as far as its detail covers them
``/sd``                        targets for Prometheus's ``http_sd_configs``; ``?replica=0``
                               for those of one replica
``/healthz``                   200 while the process lives
``/readyz``                    200 once every rack has reported, else 503 and why
=============================  ====================================================
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from twin.aggregator.core import Core
from twin.aggregator.discovery import target_groups
from twin.aggregator.hosts import reached_at
from twin.aggregator.http_client import client_of, on_this_machine
from twin.aggregator.limits import BusyError, Limits, Slots
from twin.aggregator.negotiation import PLAIN, openmetrics, wants_gzip
from twin.aggregator.page import LivePage
from twin.aggregator.shard_assignment import Addresses
from twin.aggregator.telemetry import OwnTelemetry
from twin.aggregator.text_format import ExpositionWriter
from twin.catalog import UnitKind

__all__ = ["by_turns", "create_app"]

_T = TypeVar("_T")
_UNNOTICED_SECONDS = 0.1
"""Work on a page that makes no frame late."""
_TURNS_OF_FRAMES = 2.0
"""Seconds that are left to frames for each second of work beyond."""
_PIECE_BYTES = 1 << 18
"""Size of the pieces in which a large body is sent and compressed."""

_GZIP = 16 + zlib.MAX_WBITS

_Render = Callable[..., ExpositionWriter]
"""Makes a text; takes ``openmetrics``."""


def create_app(
    core: Core,
    *,
    broker: str = "",
    advertise: Addresses | None = None,
    page: LivePage | None = None,
    limits: Limits | None = None,
    compress: bool = True,
) -> Starlette:
    """Return the web application.

    Args:
        core: what is served.
        broker: address of the broker, to be shown on the page.
        advertise: what ``/sd`` gives; None for the address that the client used, if it is ours.
        page: the live page; None for one without commands.
        limits: how much may be asked; None for the defaults.
        compress: whether clients of other machines get metrics by gzip when they accept it.
    """
    interface = _Interface(core, advertise, limits or Limits(), compress=compress)
    page = page or LivePage(core, broker, advertise.own if advertise else None, None)
    return Starlette(
        routes=[
            *page.routes(),
            Route("/api/summary", interface.summary),
            Route("/metrics", interface.metrics),
            Route("/arrays/{array}/metrics", interface.array),
            Route("/sd", interface.discovery),
            Route("/healthz", interface.health),
            Route("/readyz", interface.readiness),
        ]
    )


class _Interface:
    """One coroutine an address. None waits before it is done reading the store; printing may wait.

    So an answer is of one moment: no frame comes between its first line and its last.
    """

    def __init__(
        self, core: Core, advertise: Addresses | None, limits: Limits, *, compress: bool
    ) -> None:
        self._core = core
        self._site = core.layout.site
        self._advertise = advertise
        self._limits = limits
        self._compress = compress
        self._slots = Slots(limits)

    async def summary(self, _: Request) -> Response:
        return _json(self._core.summary())

    async def metrics(self, request: Request) -> Response:
        # Most of it is done before, by turns with frames, and the rest at once.
        async for _ in by_turns(self._core.store.settling()):
            pass
        return self._exposed("metrics", partial(self._core.metrics, streams=True), request)

    async def array(self, request: Request) -> Response:
        name = request.path_params["array"]
        number = self._core.whole.unit_index(UnitKind.ARRAY, name)
        shard, elsewhere = self._core.shard, None
        if shard is not None and number is not None and self._advertise is not None:
            owner = shard.owner(number)
            if owner != shard.division.shard.index:
                elsewhere = self._advertise.of(owner, shard.division.replica)
        if elsewhere is not None and self._advertise is not None:
            # Prometheus may not have heard yet that the array is another aggregator's.
            return RedirectResponse(f"{self._advertise.scheme}://{elsewhere}{request.url.path}")
        array = self._core.layout.unit_index(UnitKind.ARRAY, name)
        if array is None:
            last = self._core.whole.unit_name(UnitKind.ARRAY, self._core.whole.site.arrays - 1)
            return PlainTextResponse(
                f"Site {self._site.name} has no array {name!r}; the last is {last}.\n", 404
            )
        return self._exposed("array", partial(self._core.array, array, streams=True), request)

    async def discovery(self, request: Request) -> Response:
        asked = f"{request.url.scheme}://{reached_at(request)}"
        addresses, shard = self._advertise or Addresses(asked), self._core.shard
        replica = None
        if shard is not None and (text := request.query_params.get("replica")) is not None:
            replica = int(text) if text.isdecimal() else -1
            if replica not in range(shard.division.replicas):
                last = shard.division.replicas - 1
                return PlainTextResponse(
                    f"There is no replica {text!r}; the last is {last}.\n", 404
                )
        shards = 1 if shard is None else shard.shards
        groups = target_groups(self._core.whole, addresses, self._core.plan, shards, replica)
        return _json(groups)

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readiness(self, _: Request) -> Response:
        problems = self._core.not_ready()
        if problems:
            return PlainTextResponse("\n".join(problems) + "\n", 503)
        return PlainTextResponse("ready\n")

    def _compresses(self, request: Request) -> bool:
        """Return whether an answer is worth its compression.

        To compress a page costs as much as to print it; on one machine no network is spared.
        """
        near = request.client is not None and on_this_machine(request.client.host)
        accepted = request.headers.get("accept-encoding", "")
        return self._compress and not near and wants_gzip(accepted)

    def _exposed(self, endpoint: str, render: _Render, request: Request) -> Response:
        preferred = openmetrics(request.headers.get("accept", ""))
        compressed = self._compresses(request)
        headers = {"Content-Type": preferred or PLAIN, "Vary": "Accept, Accept-Encoding"}
        if compressed:
            headers["Content-Encoding"] = "gzip"
        if request.method == "HEAD":
            # A HEAD request does not need the body.
            return StreamingResponse(_sent(()), headers=headers)

        def made() -> Response:
            start = time.perf_counter()
            text = render(openmetrics=preferred is not None)
            scraped = partial(self._core.telemetry.scraped, endpoint, series=text.series)
            seconds = time.perf_counter() - start
            if compressed:
                pieces = _timed(text.pieces(), seconds, scraped)
                return StreamingResponse(_compressed(pieces), headers=headers)
            if text.waits or text.size > _PIECE_BYTES:
                pieces = _timed(text.pieces(), seconds, scraped)
                return StreamingResponse(_sent(pieces), headers=headers)
            scraped(seconds)
            return Response(bytes(text), headers=headers)

        return _InTurn(made, self._slots, self._core.telemetry)


class _InTurn(Response):
    """An answer that is made when its turn has come, and given up when it takes too long.

    Args:
        make: returns the answer.
        slots: turns.
        telemetry: counts the refused ones.
    """

    def __init__(self, make: Callable[[], Response], slots: Slots, telemetry: OwnTelemetry) -> None:
        super().__init__()
        self._make = make
        self._slots = slots
        self._refused = telemetry.http_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._slots.one(client_of((scope.get("client") or ("",))[0])):
                await self._make()(scope, receive, send)
        except BusyError:
            self._refused["busy"].inc()
            text = "More is asked for than can be answered; ask again later.\n"
            await PlainTextResponse(text, 503, {"Retry-After": "1"})(scope, receive, send)
        except TimeoutError:
            # It was told the beginning; that the end is missing tells it the rest.
            self._refused["slow_reader"].inc()


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


def _timed(
    chunks: Iterable[bytes], seconds: float, told: Callable[[float], None]
) -> Iterator[bytes]:
    """Yield the chunks, and tell at the end how long it took to make them.

    Args:
        chunks: some of which are printed as they are asked for.
        seconds: that it took to come so far.
        told: takes the seconds.
    """
    start = time.perf_counter()
    try:
        for chunk in chunks:
            seconds += time.perf_counter() - start
            yield chunk
            start = time.perf_counter()
    finally:
        told(seconds)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Merge small chunks, so that each is worth a system call."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


async def by_turns(work: Iterable[_T]) -> AsyncIterator[_T]:
    """Do some work piece by piece, and leave the machine to frames for a while after each.

    A large page costs what the frames of a second cost: done at once, it would make them late.
    """
    in_all, start = 0.0, time.perf_counter()
    for piece in work:
        worked = time.perf_counter() - start
        yield piece
        in_all += worked
        await asyncio.sleep(_TURNS_OF_FRAMES * worked if in_all > _UNNOTICED_SECONDS else 0.0)
        start = time.perf_counter()


def _sent(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Send piece by piece: a client that reads at once gives nobody else a turn."""
    return by_turns(_pieces(chunks))


async def _compressed(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Compress in a thread, since zlib lets frames come in meanwhile.

    At the lowest level: the text repeats itself so much that more effort gains little.
    """
    compressor = zlib.compressobj(1, wbits=_GZIP)
    for piece in _pieces(chunks):
        compressed = await asyncio.to_thread(compressor.compress, piece)
        if compressed:
            yield compressed
    yield compressor.flush()
