"""Server-sent events: one message of changes a second to every open page.

No message is ever queued. Each stream makes its next message when the last one has been
taken, from the state of that moment, so a slow reader gets fewer messages and not old ones.
What several streams need is made once. A reader that takes nothing for ten seconds is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from twin.aggregator.core import Core
from twin.aggregator.page.floor import Floor
from twin.aggregator.page.rack import Racks

__all__ = ["MOST_STREAMS", "StreamResponse", "StreamSlot", "Streams"]

MOST_STREAMS = 64
"""Pages that may be open at a time."""

_PERIOD_SECONDS = 1.0
_PATIENCE_SECONDS = 10.0
"""How long a reader may take for one message."""
_FRESH_SECONDS = 0.5
"""What was made for one stream serves the others for so long."""

_JSON = orjson.OPT_SERIALIZE_NUMPY


@dataclass(slots=True)
class StreamSlot:
    """What one page looks at, and what it has got already.

    Attributes:
        signal: what the floor is coloured by.
        rack: index of the rack that is open, None for none.
        since: simulated time of the last row of the history that it has, None for none.
        event: number of the last event that it has.
    """

    signal: str
    rack: int | None = None
    since: float | None = None
    event: int = 0


class Streams:
    """Makes the messages, and counts who listens.

    Args:
        core: what is told.
        floor: numbers of the racks.
        racks: details of a rack.
        boot: changes with every start of the aggregator.
        clock: seconds of a clock that never runs backwards.
        alerts: returns the firing alerts.
    """

    def __init__(
        self,
        core: Core,
        floor: Floor,
        racks: Racks,
        boot: str,
        clock: Callable[[], float],
        alerts: Callable[[], Mapping[str, Any]],
    ) -> None:
        self.open = 0
        """Streams that are open."""
        self.closing = asyncio.Event()
        """Set when the process is about to end; streams then end at once."""
        self._core = core
        self._floor = floor
        self._racks = racks
        self._boot = boot
        self._clock = clock
        self._alerts = alerts
        self._made: dict[str, tuple[float, orjson.Fragment]] = {}

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one stream while the context is open."""
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def message(self, place: StreamSlot) -> bytes:
        """Return the next message to a page, and note in ``place`` what it has got now."""
        live = self._core.live
        times, columns = live.rows(place.since)
        # A page that has more events than there are has those of the time before a restart.
        events = live.watch.since(place.event if place.event <= live.watch.last else 0)
        place.since = live.history.newest
        place.event = live.watch.last
        update: dict[str, Any] = {
            "boot": self._boot,
            "summary": self._shared("summary", self._summary),
            "floor": self._shared(f"floor {place.signal}", lambda: self._colours(place.signal)),
            "points": {"time": times, "values": columns},
            "events": [asdict(event) for event in events],
            "alerts": self._shared("alerts", self._alerts),
        }
        if place.rack is not None:
            update["rack"] = self._racks.describe(place.rack)
        return b"data: " + orjson.dumps(update) + b"\n\n"

    def _shared(self, key: str, make: Callable[[], Mapping[str, Any]]) -> orjson.Fragment:
        now = self._clock()
        made, fragment = self._made.get(key, (-_FRESH_SECONDS, None))
        if fragment is None or now - made >= _FRESH_SECONDS:
            fragment = orjson.Fragment(orjson.dumps(make(), option=_JSON))
            self._made[key] = now, fragment
        return fragment

    def _summary(self) -> Mapping[str, Any]:
        figures = asdict(self._core.summary())
        # The page asks for these by themselves; a large site has hundreds.
        del figures["arrays"]
        return figures

    def _colours(self, signal: str) -> Mapping[str, Any]:
        return {"signal": signal, "values": self._floor.values(signal)}


class StreamResponse(Response):
    """Sends messages to one page until it leaves, is too slow, or the process ends."""

    def __init__(self, streams: Streams, place: StreamSlot) -> None:
        super().__init__(media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        # A body of unknown length; Response would say that there is none.
        del self.headers["content-length"]
        self._streams = streams
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say that there are too many streams."""
        if self._streams.open >= MOST_STREAMS:
            text = f"{MOST_STREAMS} pages are open already; close one.\n"
            await PlainTextResponse(text, 503)(scope, receive, send)
            return
        with self._streams.counted():
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            ends: set[asyncio.Future[Any]] = {
                asyncio.ensure_future(_left(receive)),
                asyncio.ensure_future(self._streams.closing.wait()),
            }
            try:
                await self._tell(send, ends)
            finally:
                for end in ends:
                    end.cancel()

    async def _tell(self, send: Send, ends: set[asyncio.Future[Any]]) -> None:
        while not any(end.done() for end in ends):
            body = self._streams.message(self._place)
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            except TimeoutError:
                return
            await asyncio.wait(ends, timeout=_PERIOD_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    """Wait until the page has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
