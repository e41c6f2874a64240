"""Commands from the page: sent over the bus as ``twin inject`` sends them."""

from __future__ import annotations

import asyncio

from twin.bus import Bus
from twin.errors import BusError, FrameError
from twin.wire import Ack, Clear, Inject, Topics, decode_message

__all__ = ["CommandClient"]

_ANSWER_SECONDS = 10.0


class CommandClient:
    """Sends commands over the aggregator's own connection and waits for their answers.

    Args:
        site: name of the site.
    """

    def __init__(self, site: str) -> None:
        self._topics = Topics(site)
        self._prefix = self._topics.ack("")
        self._bus: Bus | None = None
        self._waiting: dict[str, asyncio.Future[Ack]] = {}

    def open(self, bus: Bus) -> None:
        """Take over the connection that stands."""
        self._bus = bus

    def close(self) -> None:
        """Note that the connection is gone."""
        self._bus = None

    def hear(self, topic: str, payload: bytes) -> None:
        """Deliver a message to the caller that waits for it, if there is one."""
        if not self._waiting or not topic.startswith(self._prefix):
            return
        answer = self._waiting.get(topic[len(self._prefix) :])
        if answer is None or answer.done():
            return
        try:
            answer.set_result(decode_message(Ack, payload))
        except FrameError:
            # A stranger may publish there too; the emulator's answer still counts.
            return

    async def send(self, command: Inject | Clear) -> Ack:
        """Publish a command and return the emulator's answer.

        Raises:
            BusError: the broker is away, or no emulator answers.
        """
        if self._bus is None:
            raise BusError("the broker is not connected, so no command can be sent; try again")
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._waiting[command.id] = answer
        kind = "inject" if isinstance(command, Inject) else "clear"
        try:
            await self._bus.publish(self._topics.command(kind), command.encode(), qos=1)
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await answer
        except TimeoutError as error:
            raise BusError(
                f"no emulator of site {self._topics.site!r} answered within "
                f"{_ANSWER_SECONDS:g} s; is one running?"
            ) from error
        finally:
            del self._waiting[command.id]
