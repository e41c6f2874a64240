"""One connection to a broker."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import aiomqtt
import structlog

from twin.bus.link import INBOX_BYTES, Link
from twin.bus.model import Bus, InboundMessage, Will
from twin.errors import BusError, certificate_fault

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode

    from twin.bus.url import BrokerUrl

__all__ = ["BrokerRefusedError", "connect"]

FAIR_SHARE = 32
"""Messages read in a row before the event loop gets a turn."""
PUBLISHED_SHARE = 8
"""Messages published in a row before it gets one."""

_SERVER_UNAVAILABLE = 136
_BAD_CREDENTIALS = {134, 135}
_SUBACK_FAILURE = 128
_CLEARER = {
    "Unspecified error": "closed from the other side",
    "TimeoutError": "Operation timed out",
}

_T = TypeVar("_T")

_log = structlog.get_logger("twin.bus")


class BrokerRefusedError(BusError):
    """The broker is there but does not let us in: waiting would not help."""


@asynccontextmanager
async def connect(
    url: BrokerUrl, *, client_id: str, will: Will | None = None, inbox: int = INBOX_BYTES
) -> AsyncIterator[Bus]:
    """Connect to the broker, and disconnect at the end of the block.

    Of several nodes it is the first that can be reached.

    The broker publishes ``will`` when the block ends by an error, when the connection
    breaks or the process dies; it does not when the block ends or is cancelled.

    Messages that were not read yet take ``inbox`` bytes at most; what does not fit is dropped.

    Raises:
        BusError: the broker cannot be reached or refuses us.
        ConfigError: the CA file of ``url`` cannot be read.
    """
    node, link = await _open(url, client_id, will, inbox)
    try:
        yield Connection(node, link)
    except (asyncio.CancelledError, GeneratorExit):
        await link.close()
        raise
    except BaseException:
        link.drop()
        raise
    await link.close()


async def _open(
    url: BrokerUrl, client_id: str, will: Will | None, inbox: int
) -> tuple[BrokerUrl, Link]:
    """Return the first node of ``url`` that takes us, and the link to it."""
    *others, last = url.nodes
    for node in others:
        try:
            return node, await _open_one(node, client_id, will, inbox)
        except BrokerRefusedError:
            raise
        except BusError as error:
            _log.debug("next broker", error=str(error))
    return last, await _open_one(last, client_id, will, inbox)


async def _open_one(node: BrokerUrl, client_id: str, will: Will | None, inbox: int) -> Link:
    link = Link(node, client_id, will, inbox)
    try:
        await link.open()
    except (aiomqtt.MqttError, ValueError) as error:
        raise _unreachable(node, error) from error
    return link


class Connection:
    """A :class:`~twin.bus.model.Bus` over an open link."""

    def __init__(self, url: BrokerUrl, link: Link) -> None:
        self.inbox = link.inbox
        self._url = url
        self._client = link.client
        self._link = link
        self._gone = link.gone
        self._blocked = 0.0
        self._run = 0
        self._calls: set[asyncio.Timeout] = set()
        self._gone.add_done_callback(self._release)

    @property
    def dropped(self) -> int:
        return self.inbox.dropped

    @property
    def lost(self) -> bool:
        """Whether the connection is known to be gone."""
        return self._gone.done()

    @property
    def waiting(self) -> int:
        return self.inbox.qsize()

    @property
    def congested(self) -> bool:
        return self._link.congested

    @property
    def blocked(self) -> float:
        return self._blocked

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> None:
        if qos:
            self._link.flush()
            await self._answer(self._client.publish(topic, payload, qos, retain, timeout=math.inf))
            return
        await self._room()
        # A turn for others, since what is written at once takes none; before it is sent, so
        # that a cancelled caller has sent nothing. Not for each: a turn costs as much as a message.
        self._run += 1
        if self._run >= PUBLISHED_SHARE:
            self._run = 0
            await asyncio.sleep(0)
        self._send(topic, payload, retain)

    async def subscribe(self, topic_filter: str, *, qos: int = 0) -> None:
        call = self._client.subscribe(topic_filter, qos, timeout=math.inf)
        codes = await self._answer(call)
        if any(_number(code) >= _SUBACK_FAILURE for code in codes):
            raise BrokerRefusedError(
                f"broker {self._url} refuses the subscription to {topic_filter}; "
                "give the user the right to read it"
            )

    def messages(self) -> AsyncIterator[InboundMessage]:
        return _Messages(self)

    def more(self, most: int) -> list[InboundMessage]:
        found: list[InboundMessage] = []
        while len(found) < most and (message := self.inbox.get()) is not None:
            found.append(message)
        return found

    async def receive(self) -> InboundMessage:
        """Wait for the next message."""
        while (message := self.inbox.get()) is None:
            if self.lost:
                raise self._loss(aiomqtt.MqttError("Disconnected"))
            await self.inbox.news.wait()
        return message

    async def _room(self) -> None:
        """Wait until the broker has taken what was sent before, and count the time."""
        if not self._link.congested:
            return
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            await self._answer(self._link.written())
        finally:
            self._blocked += clock() - began

    def _send(self, topic: str, payload: bytes, retain: bool) -> None:
        try:
            if not self.lost:
                self._link.send(topic, payload, retain)
        except aiomqtt.MqttError as error:
            raise self._loss(error) from error
        if self.lost:
            raise self._loss(aiomqtt.MqttError("Disconnected"))

    async def _answer(self, call: Awaitable[_T]) -> _T:
        """Await ``call``, but not beyond the loss of the connection, as aiomqtt would.

        The patience is ours and not aiomqtt's too: it uses ``asyncio.wait_for``, which in
        Python 3.11 swallows a cancellation that comes together with the answer.
        """
        try:
            async with asyncio.timeout(self._client.timeout) as timeout:
                self._calls.add(timeout)
                try:
                    return await call
                finally:
                    self._calls.remove(timeout)
        except (aiomqtt.MqttError, TimeoutError) as error:
            raise self._loss(error) from error

    def _release(self, gone: asyncio.Future[None]) -> None:
        for timeout in self._calls:
            timeout.reschedule(gone.get_loop().time())

    def _loss(self, error: Exception) -> BusError:
        known = self._gone.exception() if self.lost and not self._gone.cancelled() else None
        reason = _reason(known or error)
        return BusError(
            f"the connection to broker {self._url} is lost ({_CLEARER.get(reason, reason)})"
        )


class _Messages:
    """Iterator over the messages of a connection, which leaves room for others."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._run = 0

    def __aiter__(self) -> AsyncIterator[InboundMessage]:
        return self

    async def __anext__(self) -> InboundMessage:
        self._run += 1
        if self._run >= FAIR_SHARE:
            self._run = 0
            await asyncio.sleep(0)
        return await self._connection.receive()


def _unreachable(url: BrokerUrl, error: Exception) -> BusError:
    if isinstance(error, aiomqtt.MqttCodeError) and _number(error.rc) != _SERVER_UNAVAILABLE:
        return _refused(url, error)
    reason = _reason(error)
    trust = "give the CA that signed it with ?ca=/path/to/ca.pem"
    if (fault := certificate_fault(reason, trust)) is not None:
        return BusError(f"broker {url} is not trusted: {fault}")
    return BusError(f"broker {url} cannot be reached ({reason}); start it or give another address")


def _refused(url: BrokerUrl, error: aiomqtt.MqttCodeError) -> BrokerRefusedError:
    if _number(error.rc) not in _BAD_CREDENTIALS:
        remedy = "it must speak MQTT 3.1.1 and allow our client identifier"
    elif url.username is None:
        remedy = "it wants a user: give mqtt://user:password@host:port"
    else:
        remedy = f"the password is wrong or {url.username!r} has no access: correct the address"
    return BrokerRefusedError(f"broker {url} refused us ({error.rc}); {remedy}")


def _reason(error: BaseException) -> str:
    return re.sub(r"^\[(Errno |code:)-?\d+\] ", "", str(error)) or type(error).__name__


def _number(code: ReasonCode | int | None) -> int:
    if code is None or isinstance(code, int):
        return code or 0
    return code.value
