"""Server-sent events, message by message and over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from twin.aggregator import Core, Summary
from twin.aggregator.page import stream
from twin.aggregator.page.floor import Floor
from twin.aggregator.page.rack import Racks
from twin.aggregator.page.stream import MOST_STREAMS, StreamResponse, Streams, StreamSlot
from twin.catalog import UnitKind
from twin.site import Layout, load_site

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed


def streams_of(core: Core, clock: Callable[[], float] = lambda: 0.0) -> Streams:
    """Return the streams of a core."""
    floor = Floor(core.store)
    return Streams(core, floor, Racks(core.store, floor), "boot", clock, lambda: {"count": 0})


def read(message: bytes) -> dict[str, Any]:
    """Return what a message says; it is one line and an empty one."""
    assert message.startswith(b"data: ")
    assert message.endswith(b"\n\n")
    assert message.count(b"\n") == 2
    update: dict[str, Any] = orjson.loads(message[6:])
    return update


def test_a_message(feed: Feed) -> None:
    """A message has the figures, the chosen signal of all racks, and what is new."""
    feed.site(ts=5.0)
    feed.core.tick(feed.now)
    place = StreamSlot("power", rack=1)
    update = read(streams_of(feed.core).message(place))
    assert update["boot"] == "boot"
    assert update["summary"]["racks_reporting"] == 3
    assert "arrays" not in update["summary"]
    assert update["floor"]["signal"] == "power"
    assert len(update["floor"]["values"]) == 3
    assert update["alerts"] == {"count": 0}
    assert update["points"]["time"] == [5.0]
    assert [event["id"] for event in update["events"]] == list(range(1, place.event + 1))
    assert update["rack"]["rack"] == "r0002"


def test_nothing_is_sent_twice(feed: Feed) -> None:
    """The next message has only the rows and events that came since."""
    streams, place = streams_of(feed.core), StreamSlot("power")
    feed.site(ts=5.0)
    feed.core.tick(feed.now)
    read(streams.message(place))
    feed.site(ts=6.0, seq=2)
    update = read(streams.message(place))
    assert update["points"]["time"] == [6.0]
    assert update["events"] == []
    assert "rack" not in update


def test_a_page_of_before_a_restart_gets_all(feed: Feed) -> None:
    """Events are sent from the first to a page that has more than there are."""
    feed.core.connected(True)
    feed.core.tick(feed.now)
    assert read(streams_of(feed.core).message(StreamSlot("power", event=999)))["events"]


def test_silent_racks_are_null(feed: Feed) -> None:
    """A rack that does not report is null, not a number."""
    feed.frame(UnitKind.RACK, 0)
    values = read(streams_of(feed.core).message(StreamSlot("temperature")))["floor"]["values"]
    assert values[0] is not None
    assert values[1:] == [None, None]


def test_what_several_need_is_made_once(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within half a second the figures and a signal are made once for all streams."""
    made: list[Summary] = []
    summary = feed.core.summary

    def counted() -> Summary:
        made.append(summary())
        return made[-1]

    monkeypatch.setattr(feed.core, "summary", counted)
    now = 0.0
    streams = streams_of(feed.core, lambda: now)
    for _ in range(5):
        streams.message(StreamSlot("power"))
    assert len(made) == 1
    now = 0.6
    streams.message(StreamSlot("power"))
    assert len(made) == 2


def test_size_of_a_large_site() -> None:
    """A second of the colours of 1,563 racks is some ten thousand bytes."""
    layout = Layout(load_site("colossus-100k"))
    core = Core(layout)
    core.store.units[UnitKind.RACK].reporting[:] = True
    for device in ("server", "gpu", "cdu"):
        shape = core.store.values[device].shape
        core.store.values[device][:] = 60.0 + (17 * (1 + len(shape))) % 7
    streams = streams_of(core)
    for signal in ("temperature", "power", "flow", "trouble"):
        assert len(streams.message(StreamSlot(signal))) < 20_000, signal


class Reader:
    """An ASGI client that takes some messages and then leaves.

    Args:
        messages: taken before it leaves.
        stuck: takes nothing at all after the start, and never leaves.
    """

    def __init__(self, messages: int, *, stuck: bool = False) -> None:
        self.sent: list[Any] = []
        self._messages = messages
        self._stuck = stuck
        self._left = asyncio.Event()
        self.first = asyncio.Event()
        """Set once it has a message."""

    async def receive(self) -> dict[str, str]:
        """Wait until it leaves."""
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take a message."""
        if self._stuck and message["type"] == "http.response.body":
            await asyncio.Event().wait()
        self.sent.append(message)
        if self.bodies:
            self.first.set()
        if len(self.bodies) >= self._messages:
            self._left.set()

    @property
    def bodies(self) -> list[bytes]:
        """What it took."""
        return [m["body"] for m in self.sent if m["type"] == "http.response.body"]


async def test_a_reader_that_leaves(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages come one after the other until the reader leaves, and its place is free then."""
    monkeypatch.setattr(stream, "_PERIOD_SECONDS", 0.001)
    streams, reader = streams_of(feed.core), Reader(3)
    response = StreamResponse(streams, StreamSlot("power"))
    async with asyncio.timeout(5):
        await response({"type": "http"}, reader.receive, reader.send)
    assert [read(body)["boot"] for body in reader.bodies[:3]] == ["boot"] * 3
    headers = dict(reader.sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert headers[b"cache-control"] == b"no-store"
    assert streams.open == 0


async def test_a_reader_that_takes_nothing(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that is stuck is dropped after its time, and nothing is kept for it."""
    monkeypatch.setattr(stream, "_PATIENCE_SECONDS", 0.01)
    streams, reader = streams_of(feed.core), Reader(1, stuck=True)
    async with asyncio.timeout(5):
        await StreamResponse(streams, StreamSlot("power"))(
            {"type": "http"}, reader.receive, reader.send
        )
    assert reader.bodies == []
    assert streams.open == 0


async def test_the_end_of_the_process_ends_streams(feed: Feed) -> None:
    """When the process ends, a stream ends at once and in order."""
    streams, reader = streams_of(feed.core), Reader(99)
    response = StreamResponse(streams, StreamSlot("power"))
    running = asyncio.create_task(response({"type": "http"}, reader.receive, reader.send))
    async with asyncio.timeout(5):
        await reader.first.wait()
        streams.closing.set()
        await running
    assert reader.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_streams_are_limited(feed: Feed) -> None:
    """One page too many gets a sentence and no stream."""
    streams, reader = streams_of(feed.core), Reader(1)
    streams.open = MOST_STREAMS
    await StreamResponse(streams, StreamSlot("power"))(
        {"type": "http"}, reader.receive, reader.send
    )
    assert reader.sent[0]["status"] == 503
    assert b"close one" in reader.bodies[0]
    assert streams.open == MOST_STREAMS
