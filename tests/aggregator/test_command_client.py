"""Commands over the aggregator's own connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from twin.aggregator import command_client as module
from twin.aggregator.command_client import CommandClient
from twin.bus import InboundMessage
from twin.errors import BusError
from twin.wire import Ack, Clear, Inject

COMMAND = Inject(id="page-1", fault="pump-failure", target="r0001/pump1")


class Wire:
    """A connection that remembers what is published and lets the desk hear an answer."""

    def __init__(
        self, desk: CommandClient, *answers: bytes, topic: str = "twin/v1/small/ack/page-1"
    ) -> None:
        self.dropped = 0
        self.waiting = 0
        self.congested = False
        self.blocked = 0.0
        self.published: list[tuple[str, bytes, int]] = []
        self._desk = desk
        self._answers = answers
        self._topic = topic

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> None:
        """Remember, and answer."""
        assert not retain
        self.published.append((topic, payload, qos))
        for answer in self._answers:
            self._desk.hear(self._topic, answer)

    async def subscribe(self, topic_filter: str, *, qos: int = 0) -> None:
        """Refuse: the aggregator is subscribed to everything already."""
        raise AssertionError(topic_filter, qos)

    def messages(self) -> AsyncIterator[InboundMessage]:
        """Refuse: somebody else reads them."""
        raise AssertionError

    def more(self, most: int) -> list[InboundMessage]:
        """Have none."""
        raise NotImplementedError


def ack(identifier: str = "page-1") -> bytes:
    """Return an answer of the emulator."""
    return Ack(id=identifier, accepted=True, detail="it strikes").encode()


async def test_the_answer_comes_back() -> None:
    """A command goes to its topic with QoS 1, and the emulator's answer is returned."""
    desk = CommandClient("small")
    wire = Wire(desk, ack())
    desk.open(wire)
    answer = await desk.send(COMMAND)
    assert answer.detail == "it strikes"
    assert wire.published == [("twin/v1/small/command/inject", COMMAND.encode(), 1)]
    await desk.send(Clear(id="page-1"))
    assert wire.published[1][0] == "twin/v1/small/command/clear"


async def test_a_strangers_answer_does_not_count() -> None:
    """What is no answer is passed over, and so is a second one."""
    desk = CommandClient("small")
    desk.open(Wire(desk, b"rubbish", ack(), ack()))
    assert (await desk.send(COMMAND)).accepted


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an emulator there is a sentence after a while, and nothing is left behind."""
    monkeypatch.setattr(module, "_ANSWER_SECONDS", 0.01)
    desk = CommandClient("small")
    desk.open(Wire(desk, ack("page-2"), topic="twin/v1/small/ack/page-2"))
    with pytest.raises(BusError, match="no emulator of site 'small' answered"):
        await desk.send(COMMAND)
    desk.hear("twin/v1/small/ack/page-1", ack())


async def test_no_connection() -> None:
    """While the broker is away a command is refused at once."""
    desk = CommandClient("small")
    with pytest.raises(BusError, match="not connected"):
        await desk.send(COMMAND)
    desk.open(Wire(desk, ack()))
    desk.close()
    with pytest.raises(BusError, match="not connected"):
        async with asyncio.timeout(1):
            await desk.send(COMMAND)
