"""Embedded broker: amqtt inside this process, with its faults mended.

amqtt keeps the protocol and the state; the sockets are ours, through its interface for
external listeners. That mends what would hurt (each measured on amqtt 0.12):

* A subscriber that stops reading makes amqtt pile up every later message for ever. Here
  it is thrown out when :data:`BACKLOG_BYTES` wait for it; nobody else notices.
* A client that connects gets the retained messages of everybody's subscriptions. Here
  it gets those of its own.
* A client identifier used twice leaves the first client connected but deaf. Here it is
  thrown out, as MQTT has it.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from amqtt.adapters import StreamReaderAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType

from twin.bus.url import BrokerUrl
from twin.errors import ConfigError

if TYPE_CHECKING:
    import ssl

    from amqtt.session import Session

__all__ = ["BACKLOG_BYTES", "embedded_broker"]

BACKLOG_BYTES = 32 << 20
"""How much may wait for one subscriber; the retained metadata of 1,563 racks is a quarter."""

_LISTENER = "default"
_ANYONE = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
_GOODBYE_SECONDS = 2.0

_log = structlog.get_logger("twin.bus")


@asynccontextmanager
async def embedded_broker(host: str, port: int) -> AsyncIterator[BrokerUrl]:
    """Run a broker in this event loop and yield its address as seen from this machine.

    It speaks MQTT 3.1.1, lets anybody in and keeps nothing on disk.

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
    door = _Door(broker)
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
    """amqtt's broker with two private methods put right."""

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


class _Door:
    """Lets connections in to a broker and throws them out."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._inside: dict[asyncio.Task[None], _Writer] = {}

    def enter(self, reader: asyncio.StreamReader, stream: asyncio.StreamWriter) -> None:
        """Serve one connection until its end."""
        writer = _Writer(stream)
        visit = asyncio.create_task(self._visit(reader, writer), name=f"mqtt {writer.peer}")
        self._inside[visit] = writer
        visit.add_done_callback(self._inside.pop)

    async def _visit(self, reader: asyncio.StreamReader, writer: _Writer) -> None:
        try:
            await self._broker.external_connected(StreamReaderAdapter(reader), writer, _LISTENER)
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


class _Writer:
    """Sends to one client without ever waiting for it; amqtt's WriterAdapter by shape."""

    def __init__(self, stream: asyncio.StreamWriter) -> None:
        self._stream = stream
        self.peer = stream.get_extra_info("peername")

    def write(self, data: bytes) -> None:
        if not self._stream.is_closing():
            self._stream.write(data)

    async def drain(self) -> None:
        if self._stream.is_closing():
            raise ConnectionResetError
        waiting = self._stream.transport.get_write_buffer_size()
        if waiting > BACKLOG_BYTES:
            _log.warning("MQTT client too slow, thrown out", client=self.peer, bytes=waiting)
            self._stream.transport.abort()

    async def close(self) -> None:
        self._stream.transport.abort()

    def get_peer_info(self) -> tuple[str, int] | None:
        return None if self.peer is None else (self.peer[0], self.peer[1])

    def get_ssl_info(self) -> ssl.SSLObject | None:
        return None


async def _listen(door: _Door, host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.start_server(door.enter, host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} of {host} is taken; stop what listens there, "
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
