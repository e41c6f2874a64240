"""A broker that takes less than is sent: it is seen, waited for, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from twin.bus import BrokerUrl, Bus, connect
from twin.errors import BusError

CONNACK = b"\x20\x02\x00\x00"
PAYLOAD = bytes(100_000)
TOPIC = "x"
PACKET = 1 + 3 + 2 + len(TOPIC) + len(PAYLOAD)
"""Bytes of a PUBLISH: head, length, topic with its length, payload."""
PATIENCE = 0.05


class StuckBroker:
    """A listener that lets one client in and reads nothing until it is told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.read = 0
        self.left = asyncio.Event()
        self._transport: asyncio.WriteTransport | None = None

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the client; count what it sends after CONNECT."""
        await reader.read(1000)
        writer.write(CONNACK)
        self._transport = writer.transport
        await self.reads.wait()
        try:
            while data := await reader.read(1 << 20):
                self.read += len(data)
        finally:
            self.left.set()
        writer.close()

    def hang_up(self) -> None:
        """Close the connection with all that is unread."""
        assert self._transport is not None
        self._transport.abort()
        self.reads.set()


@asynccontextmanager
async def stuck_broker() -> AsyncIterator[tuple[BrokerUrl, StuckBroker]]:
    """Run a stuck broker; at the end its client must have left."""
    broker = StuckBroker()
    server = await asyncio.start_server(broker.talk, "127.0.0.1", 0)
    try:
        yield BrokerUrl("127.0.0.1", server.sockets[0].getsockname()[1]), broker
        async with asyncio.timeout(5):
            await broker.left.wait()
    finally:
        server.close()


async def fill(bus: Bus) -> int:
    """Publish until the broker takes no more, and return how many messages that were."""
    sent = 0
    while not bus.congested:
        await bus.publish(TOPIC, PAYLOAD)
        sent += 1
    return sent


async def test_who_gives_up_waiting_has_sent_nothing() -> None:
    """Of a message whose publisher lost patience the broker never gets a byte."""
    async with stuck_broker() as (url, broker):
        async with connect(url, client_id="a") as bus:
            sent = await fill(bus)
            assert sent > 0
            assert bus.blocked == 0.0
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        await bus.publish(TOPIC, PAYLOAD)
            # Patience begins a little before the waiting that is counted.
            assert bus.blocked >= 2 * PATIENCE
            broker.reads.set()
            await bus.publish(TOPIC, PAYLOAD)
            assert not bus.congested or broker.read < (sent + 1) * PACKET
        await broker.left.wait()
        goodbye = 2
        assert broker.read == (sent + 1) * PACKET + goodbye


async def test_waiting_ends_with_the_connection() -> None:
    """A publisher that waits for a broker that hangs up is told so."""
    async with stuck_broker() as (url, broker), connect(url, client_id="a") as bus:
        await fill(bus)
        waiting = asyncio.create_task(bus.publish(TOPIC, PAYLOAD))
        await asyncio.sleep(0)
        broker.hang_up()
        with pytest.raises(BusError, match="is lost"):
            await asyncio.wait_for(waiting, 5)
