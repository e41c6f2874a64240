"""The life of the process, with a bus that is not there."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from twin.aggregator import Aggregator, AggregatorConfig, Core, serve
from twin.aggregator.command_client import CommandClient
from twin.aggregator.service import inbox_bytes, ingest
from twin.bus import INBOX_BYTES, BrokerUrl, Bus, InboundMessage
from twin.catalog import UnitKind
from twin.errors import BusError, CheckFailedError, ConfigError
from twin.site import DetailPlan, Layout, load_site
from twin.wire import SetDetail, Topics

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

Session = Callable[[Bus], Awaitable[None]]


class FakeBus:
    """A connection on which some messages come in, and then nothing."""

    def __init__(self, messages: list[InboundMessage], dropped: int = 0) -> None:
        self.dropped = dropped
        self.waiting = 3
        self.congested = False
        self.blocked = 0.0
        self.subscribed: list[str] = []
        self._messages = messages

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> None:
        """Refuse: the aggregator only listens."""
        raise AssertionError(topic, payload, qos, retain)

    async def subscribe(self, topic_filter: str, *, qos: int = 0) -> None:
        """Take note of what is asked for."""
        assert qos == 1
        self.subscribed.append(topic_filter)

    async def messages(self) -> AsyncIterator[InboundMessage]:
        """Give the messages, then wait for ever."""
        for message in self._messages:
            yield message
        await asyncio.Event().wait()

    def more(self, most: int) -> list[InboundMessage]:
        """Give them one by one."""
        assert most
        return []


@pytest.fixture
def bus(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> FakeBus:
    """A bus with one frame of every rack, in place of the real one."""
    bus = FakeBus(
        [
            InboundMessage(
                feed.topic(UnitKind.RACK, rack), feed.payload(UnitKind.RACK, rack), retain=False
            )
            for rack in range(3)
        ]
    )

    async def keep_connected(
        url: BrokerUrl,
        session: Session,
        *,
        client_id: str,
        on_state: Callable[[bool], None],
        inbox: int,
    ) -> None:
        assert url.host == "broker"
        assert client_id
        assert inbox == INBOX_BYTES
        on_state(True)
        try:
            await session(bus)
        finally:
            on_state(False)

    monkeypatch.setattr("twin.aggregator.service.keep_connected", keep_connected)
    return bus


@pytest.fixture
def config(layout: Layout) -> AggregatorConfig:
    """Any free port."""
    return AggregatorConfig(layout, BrokerUrl("broker"))


async def test_serves_what_the_bus_brings(config: AggregatorConfig, bus: FakeBus) -> None:
    """From the subscription on, frames come in and are there over HTTP."""
    async with Aggregator.running(config) as aggregator:
        await aggregator.subscribed()
        async with httpx.AsyncClient(base_url=aggregator.url) as client:
            answer = await client.get("/readyz")
            figures = (await client.get("/api/summary")).json()
        assert aggregator.not_ready() == []
    assert bus.subscribed == ["twin/v1/small/#", "$SYS/broker/#"]
    assert answer.status_code == 200
    assert figures["racks_reporting"] == aggregator.summary().racks_reporting == 3
    assert aggregator.store.version == 3


def test_room_for_the_frames_of_some_seconds() -> None:
    """A million GPUs publish 231 MB a second: three seconds of it wait before any is dropped."""
    assert inbox_bytes(Layout(load_site("colossus-1m"))) > 3 * 231_000_000
    assert inbox_bytes(Layout(load_site("colossus-100k"))) == INBOX_BYTES


async def test_stops_promptly(config: AggregatorConfig, bus: FakeBus) -> None:
    """The port is free again within seconds, even while a client holds its connection."""
    async with (
        asyncio.timeout(5.0),
        httpx.AsyncClient() as client,
        Aggregator.running(config) as aggregator,
    ):
        await client.get(f"{aggregator.url}/healthz")
    port = int(aggregator.url.rsplit(":", 1)[1])
    with socket.create_server(("127.0.0.1", port)):
        pass
    assert bus.subscribed


@pytest.mark.parametrize("turns", range(5))
async def test_can_be_stopped_while_it_starts(
    config: AggregatorConfig, bus: FakeBus, turns: int
) -> None:
    """However early the end comes, nothing stays behind that would disturb the next one."""
    stop = asyncio.Event()
    async with asyncio.timeout(5.0):
        task = asyncio.create_task(serve(config, stop))
        for _ in range(turns):
            await asyncio.sleep(0)
        stop.set()
        await task
        async with Aggregator.running(config) as aggregator, httpx.AsyncClient() as client:
            answer = await client.get(f"{aggregator.url}/healthz")
    assert answer.status_code == 200
    assert bus.subscribed


async def test_leaves_signals_alone(config: AggregatorConfig, bus: FakeBus) -> None:
    """SIGTERM and SIGINT belong to whoever owns the process."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with Aggregator.running(config) as aggregator, httpx.AsyncClient() as client:
        await client.get(f"{aggregator.url}/healthz")
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert before == during
    assert bus.subscribed


async def test_taken_port_is_named(config: AggregatorConfig, layout: Layout) -> None:
    """A port that is in use is an error that says which, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = AggregatorConfig(layout, BrokerUrl("broker"), port=port)
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: .*choose another"):
            async with Aggregator.running(config):
                pass


async def test_refusal_of_the_broker_ends_it(
    config: AggregatorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that waiting does not cure reaches the caller as it is."""

    async def refuse(*_: object, **__: object) -> None:
        raise BusError("the password is wrong")

    monkeypatch.setattr("twin.aggregator.service.keep_connected", refuse)
    with pytest.raises(BusError, match="the password is wrong"):
        await serve(config, asyncio.Event())


async def test_errors_of_the_caller_pass_through(config: AggregatorConfig, bus: FakeBus) -> None:
    """What the caller raises inside the context comes out unchanged."""

    async def check() -> None:
        async with Aggregator.running(config) as aggregator:
            await aggregator.subscribed()
            raise CheckFailedError("two racks")

    with pytest.raises(CheckFailedError, match="two racks"):
        await check()
    assert bus.subscribed


class _Recorder(FakeBus):
    """A bus that notes what is published."""

    def __init__(self, messages: list[InboundMessage]) -> None:
        super().__init__(messages)
        self.published: list[tuple[str, int, bool]] = []

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> None:
        """Take note of it."""
        assert payload
        self.published.append((topic, qos, retain))


async def test_commands_on_the_detail_are_answered(layout: Layout) -> None:
    """The setting is kept by the broker, and the sender gets an answer."""
    topics = Topics("small")
    command = SetDetail(id="one", detail=("rack",)).encode()
    bus = _Recorder([InboundMessage(topics.command("detail"), command, retain=False)])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ingest(Core(layout), bus, CommandClient("small"))
    assert bus.published == [(topics.detail, 1, True), (topics.ack("one"), 1, False)]


async def test_starts_with_the_detail_that_is_given(layout: Layout, bus: FakeBus) -> None:
    """What it is started with outweighs what the site says."""
    plan = DetailPlan.of_site(layout.site).changed(["site"])
    config = AggregatorConfig(layout, BrokerUrl("broker"), detail=plan)
    async with (
        Aggregator.running(config) as aggregator,
        httpx.AsyncClient(base_url=aggregator.url) as client,
    ):
        groups = (await client.get("/sd")).json()
    assert [group["labels"]["job"] for group in groups] == ["twin"]
    assert bus.subscribed


async def test_dropped_messages_are_counted(layout: Layout, feed: Feed) -> None:
    """What the bus threw away because we were too slow is exposed."""
    core = Core(layout)
    bus = FakeBus([InboundMessage("x", b"", retain=False)] * 2, dropped=7)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ingest(core, bus, CommandClient("small"))
    assert sum(core.telemetry.tallies()["twin_bus_messages_dropped_total"].values()) == 7
    assert feed.core is not core


async def test_messages_that_wait_are_told(layout: Layout) -> None:
    """How far behind we are is exposed while it lasts, not only what was thrown away."""
    core = Core(layout)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ingest(core, FakeBus([]), CommandClient("small"))
    assert b"twin_bus_messages_waiting 3.0" in core.telemetry.render()
