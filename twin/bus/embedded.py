"""Embedded broker: amqtt inside this process, with its faults mended.

amqtt keeps the protocol and the state; the sockets are ours, through its interface for
external listeners. That mends what would hurt (each measured on amqtt 0.12):

* A subscriber that stops reading makes amqtt queue every later message without bound. Here
  it is disconnected when :data:`BACKLOG_BYTES` wait for it, or :data:`BACKLOGS_BYTES` for all;
  other clients are unaffected.
* A packet may claim 256 MiB, and is kept while it comes in. Here it is no larger than
  :data:`MAX_PACKET_BYTES`, as with the Mosquitto of the compose file, and comes in whole within
  :data:`PACKET_SECONDS`.
* Any number of clients may connect, and any number of messages be retained. Here they are
  :data:`CONNECTIONS` and :data:`RETAINED_BYTES` at most.
* A client that connects gets the retained messages of all clients' subscriptions. Here
  it gets those of its own.
* A client identifier used twice leaves the first client connected but without messages. Here
  the first client is disconnected, as MQTT requires.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn

import structlog

from twin.bus.url import BrokerUrl
from twin.errors import ConfigError, not_installed

try:
    from amqtt.adapters import StreamReaderAdapter
    from amqtt.broker import Broker
    from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
except ImportError:
    raise not_installed(
        "the embedded broker (another one is named by --broker)", "amqtt>=0.11.2,<0.13"
    ) from None

if TYPE_CHECKING:
    import ssl

    from amqtt.session import Session

__all__ = ["BACKLOG_BYTES", "MAX_PACKET_BYTES", "embedded_broker"]

BACKLOG_BYTES = 32 << 20
"""How much may wait for one subscriber; the retained metadata of 1,563 racks is a quarter."""

BACKLOGS_BYTES = 256 << 20
"""How much may wait for all subscribers together."""
MAX_PACKET_BYTES = 1 << 20
"""Largest packet that is taken; a rack of 64 GPUs says all it has in about 25 KB."""
PACKET_SECONDS = 20.0
"""How long a packet may take to come in from its first byte on, and the first one of all from
the beginning of the connection."""
RETAINED_BYTES = 128 << 20
"""How much may be retained; the metadata of 1,563 racks is a sixteenth."""
CONNECTIONS = 256
"""Connections that may stand; with half a packet each they take 256 MiB."""
LOG_EVERY_SECONDS = 10.0
"""At most one line of a kind in this time."""

_LISTENER = "default"
_ANYONE = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
_GOODBYE_SECONDS = 2.0

_log = structlog.get_logger("twin.bus")


@asynccontextmanager
async def embedded_broker(host: str, port: int) -> AsyncIterator[BrokerUrl]:
    """Run a broker in this event loop and yield its address as seen from this machine.

    It speaks MQTT 3.1.1, accepts every client and stores nothing on disk.

    Args:
        host: address to listen on.
        port: TCP port, 0 for a free one.

    Raises:
        ConfigError: the port is taken or the address is not ours.
    """
    # amqtt logs each message of a vanished client as an error with a traceback.
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    listener = ListenerConfig(type=ListenerType.EXTERNAL)
    broker = _Broker(BrokerConfig(listeners={_LISTENER: listener}, plugins=_ANYONE))
    await broker.start()
    door = _ClientLimiter(broker)
    try:
        server = await _listen(door, host, port)
        try:
            yield BrokerUrl(_reachable(host), server.sockets[0].getsockname()[1])
        finally:
            server.close()
            await door.close()
    finally:
        await broker.shutdown()


class _Broker(Broker):  # type: ignore[misc]  # amqtt has no types
    """amqtt's broker with two private methods put right, and an end to what is retained."""

    def __init__(self, config: BrokerConfig) -> None:
        super().__init__(config)
        self.seldom = _SeldomLog()

    async def retain_message(
        self,
        source_session: Session | None,
        topic_name: str | None,
        data: bytes | bytearray | None,
        qos: int | None = None,
    ) -> None:
        if data and self._retained(but=topic_name) + len(data) > RETAINED_BYTES:
            self.seldom.warn("MQTT message not retained, too many are", topic=topic_name)
            return
        await super().retain_message(source_session, topic_name, data, qos)

    def _retained(self, but: str | None) -> int:
        """Return the bytes that are retained on all topics but one."""
        kept = self._retained_messages.items()
        return sum(len(topic) + len(own.data or b"") for topic, own in kept if topic != but)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        subscribers = self.subscriptions.get(subscription[0], ())
        if any(subscriber is session for subscriber, _ in subscribers):
            await super()._publish_retained_messages_for_subscription(subscription, session)

    async def _delete_session(self, client_id: str) -> None:
        _, handler = self.sessions.get(client_id, (None, None))
        if handler is not None and handler.writer is not None:
            await handler.writer.close()
        await super()._delete_session(client_id)


class _SeldomLog:
    """Warnings about clients, one of a kind in a while, with a count of those left out."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def warn(self, event: str, **details: object) -> None:
        """Log a warning, or count it for the next one."""
        now = time.monotonic()
        if now < self._next.get(event, 0.0):
            self._suppressed[event] = self._suppressed.get(event, 0) + 1
            return
        self._next[event] = now + LOG_EVERY_SECONDS
        _log.warning(event, suppressed=self._suppressed.pop(event, 0), **details)


class _ClientLimiter:
    """Lets connections in to a broker and throws them out."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._log = broker.seldom
        self._inside: dict[asyncio.Task[None], _Writer] = {}

    @property
    def backlog(self) -> int:
        """Bytes that wait for all clients together."""
        return sum(writer.waiting for writer in self._inside.values())

    def enter(self, reader: asyncio.StreamReader, stream: asyncio.StreamWriter) -> None:
        """Serve one connection until its end."""
        writer = _Writer(stream, self, self._log)
        if len(self._inside) >= CONNECTIONS:
            self._log.warn("MQTT client turned away, too many are here", client=writer.peer)
            stream.transport.abort()
            return
        visit = asyncio.create_task(self._visit(reader, writer), name=f"mqtt {writer.peer}")
        self._inside[visit] = writer
        visit.add_done_callback(self._inside.pop)

    async def _visit(self, reader: asyncio.StreamReader, writer: _Writer) -> None:
        try:
            own = _Reader(reader, writer, self._log)
            await self._broker.external_connected(own, writer, _LISTENER)
        except Exception as error:  # noqa: BLE001 - what a stranger sends ends only his visit
            _log.debug("MQTT client thrown out", client=writer.peer, error=repr(error))
        finally:
            await writer.close()

    async def close(self) -> None:
        """Throw everybody out."""
        for writer in self._inside.values():
            await writer.close()
        if self._inside:
            await asyncio.wait(set(self._inside), timeout=_GOODBYE_SECONDS)


class _Reader(StreamReaderAdapter):  # type: ignore[misc]  # amqtt has no types
    """Gives amqtt the packets of one client, each when all of it has come in."""

    def __init__(self, reader: asyncio.StreamReader, writer: _Writer, log: _SeldomLog) -> None:
        super().__init__(reader)
        self._writer = writer
        self._log = log
        self._packet = memoryview(b"")
        self._began = False
        self._over = False

    async def read(self, n: int = -1) -> bytes:
        if n == 0:
            return b""
        if not self._packet:
            self._packet = await self._receive()
        size = len(self._packet) if n < 0 else n
        if size > len(self._packet):
            self._throw_out("MQTT packet shorter than it says, client thrown out")
        data, self._packet = bytes(self._packet[:size]), self._packet[size:]
        return data

    async def _receive(self) -> memoryview:
        """Return the next packet (MQTT 3.1.1, 2.2: a byte, its length in up to four, the rest)."""
        if self._over:
            raise ConnectionResetError
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None if self._began else PACKET_SECONDS) as patience:
                head = await self._reader.readexactly(1)
                self._began = True
                patience.reschedule(clock() + PACKET_SECONDS)
                length = 0
                for shift in (0, 7, 14, 21):
                    byte = await self._reader.readexactly(1)
                    head += byte
                    length |= (byte[0] & 0x7F) << shift
                    if byte[0] <= 0x7F:  # noqa: PLR2004 - the eighth bit says that more follow
                        break
                if length > MAX_PACKET_BYTES:
                    self._throw_out("MQTT packet too large, client thrown out", length)
                return memoryview(head + await self._reader.readexactly(length))
        except TimeoutError:
            self._throw_out("MQTT packet too slow, client thrown out")

    def _throw_out(self, why: str, size: int | None = None) -> NoReturn:
        self._over = True
        self._log.warn(why, client=self._writer.peer, bytes=size)
        self._writer.abort()
        raise ConnectionResetError(why)


class _Writer:
    """Sends to one client without ever waiting for it; amqtt's WriterAdapter by shape."""

    def __init__(self, stream: asyncio.StreamWriter, door: _ClientLimiter, log: _SeldomLog) -> None:
        self._stream = stream
        self._door = door
        self._log = log
        self.peer = stream.get_extra_info("peername")

    def write(self, data: bytes) -> None:
        if not self._stream.is_closing():
            self._stream.write(data)

    async def drain(self) -> None:
        if self._stream.is_closing():
            raise ConnectionResetError
        waiting = self.waiting
        own_share = BACKLOGS_BYTES // CONNECTIONS
        if waiting > BACKLOG_BYTES or (waiting > own_share and self._door.backlog > BACKLOGS_BYTES):
            self._log.warn("MQTT client too slow, thrown out", client=self.peer, bytes=waiting)
            self.abort()

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._stream.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Throw the client out."""
        self._stream.transport.abort()

    async def close(self) -> None:
        self.abort()

    def get_peer_info(self) -> tuple[str, int] | None:
        return None if self.peer is None else (self.peer[0], self.peer[1])

    def get_ssl_info(self) -> ssl.SSLObject | None:
        return None


async def _listen(door: _ClientLimiter, host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.start_server(door.enter, host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} of {host} is in use; stop the process that listens there, "
                "or choose another with --mqtt-port"
            ) from error
        raise ConfigError(
            f"the embedded broker cannot listen on {host}:{port} ({error.strerror or error}); "
            "choose an address of this machine and a port above 1023"
        ) from error


def _reachable(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if isinstance(address, ipaddress.IPv4Address) else "::1"
    return host
