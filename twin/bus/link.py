"""MQTT client: aiomqtt with its edges mended.

All that touches the insides of aiomqtt and paho is here:

* What came in goes straight to a queue bounded by bytes; what does not fit is counted,
  where aiomqtt would only log it. aiomqtt's own way makes a task and a few objects a
  message, and the event loop turns once for each. Messages of QoS 0 are cut out of the
  stream here, and large ones of ours handed to the socket as they are (:mod:`twin.bus.packets`);
  all else is paho's.
* Packets are written at once. aiomqtt asks the event loop to watch the socket and
  writes in a later turn, which takes twice the time and, when the connection breaks in
  between, leaves the loop watching a socket that is closed.
* A QoS 0 message is handed to the socket directly, since it has no confirmation to wait for;
  the small ones of a turn of the event loop go together.
* The socket can be closed without a DISCONNECT, so that the broker publishes our Will.
* A failed attempt to connect leaves no socket behind.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import ssl
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import aiomqtt
from paho.mqtt.client import PUBLISH, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode

from twin.bus.model import InboundMessage
from twin.bus.packets import PacketReader, publish_head
from twin.errors import ConfigError

if TYPE_CHECKING:
    import paho.mqtt.client as paho

    from twin.bus.model import Will
    from twin.bus.url import BrokerUrl

__all__ = ["Inbox", "Link"]

ANSWER_SECONDS = 10.0
"""How long the broker may take to answer anything."""
GOODBYE_SECONDS = 1.0
"""Longest wait for the broker to accept the disconnect: a supervisor kills us soon after."""
CONNECT_SECONDS = 4.0
"""How long it may take to take the TCP connection: a thread waits for it, and our end for that."""
KEEPALIVE_SECONDS = 15
"""A broker declares us dead 1.5 times this after our host vanished without closing."""
INBOX_BYTES = 128 << 20
"""How much may wait to be read, unless more is asked for."""

_CONNECT_STEP = 0.02
_READ_AT_ONCE = 8
"""Readings of the socket before the event loop gets a turn."""
_LARGE = 4096
"""Bytes from which a message is handed to the socket as it is."""
_TOGETHER = 1 << 15
"""Bytes of small messages that are held back at most."""

_log = logging.getLogger("twin.bus.mqtt")
_log.setLevel(logging.CRITICAL)  # what aiomqtt and paho log comes back as an error or a count


class Inbox:
    """Messages that came in and were not read yet, bounded by bytes.

    Attributes:
        limit: bytes that it holds at most.
        held: bytes that it holds.
        taken: messages that came in and were kept.
        dropped: messages that did not fit.
        news: set when there is something to read, or nothing more will come.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.taken = 0
        self.dropped = 0
        self.news = asyncio.Event()
        self._messages: deque[InboundMessage] = deque()

    def qsize(self) -> int:
        """Return how many messages wait."""
        return len(self._messages)

    def put(self, message: InboundMessage) -> None:
        """Take ``message`` in, or drop and count it when it does not fit."""
        size = len(message.payload)
        if self.held + size > self.limit:
            self.dropped += 1
            return
        self.held += size
        self.taken += 1
        self._messages.append(message)
        self.news.set()

    def get(self) -> InboundMessage | None:
        """Return the oldest message, None when there is none."""
        if not self._messages:
            self.news.clear()
            return None
        message = self._messages.popleft()
        self.held -= len(message.payload)
        return message


class Link:
    """One attempt at a connection, and the connection if it succeeds.

    Attributes:
        client: the aiomqtt client.
        inbox: the messages that it received.
    """

    def __init__(self, url: BrokerUrl, client_id: str, will: Will | None, inbox: int) -> None:
        self.inbox = Inbox(inbox)
        self._written = asyncio.Event()
        self._held = bytearray()
        self.client = aiomqtt.Client(
            url.host,
            url.port,
            username=url.username,
            password=url.password,
            identifier=client_id,
            will=_will(will),
            tls_context=_tls_context(url),
            timeout=ANSWER_SECONDS,
            keepalive=KEEPALIVE_SECONDS,
            logger=_log,
        )
        self._paho.connect_timeout = CONNECT_SECONDS

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the connection is gone; taken from an open link."""
        return self.client._disconnected  # noqa: SLF001

    @property
    def _paho(self) -> paho.Client:
        return self.client._client  # noqa: SLF001

    async def open(self) -> None:
        """Connect.

        Raises:
            aiomqtt.MqttError: the broker does not answer or refuses us.
            ValueError: the host can be no host.
        """
        opening = asyncio.ensure_future(self.client.__aenter__())
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            # A thread is connecting the socket and cannot be interrupted: see it out, so
            # that no connection is left behind. aiomqtt makes this task when that is done.
            while not opening.done() and self.client._misc_task is None:  # noqa: ASYNC110, SLF001
                await asyncio.sleep(_CONNECT_STEP)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            self.drop()
            raise
        except BaseException:
            self.drop()
            raise
        self._write_at_once()
        self._read_straight()

    @property
    def congested(self) -> bool:
        """Whether the socket did not take yet what was to be sent."""
        return self._paho.want_write()

    async def written(self) -> None:
        """Wait until the socket has taken what was to be sent."""
        while self.congested:
            self._written.clear()
            await self._written.wait()

    def send(self, topic: str, payload: bytes, retain: bool) -> None:
        """Send a message of QoS 0; what the socket does not take at once follows later.

        Raises:
            aiomqtt.MqttCodeError: there is no connection.
        """
        client = self._paho
        if self._send_straight(topic, payload, retain=retain):
            return
        # Told of every message sent, paho makes two objects of MQTT 5 for it first.
        told, client.on_publish = client.on_publish, None
        try:
            info = client.publish(topic, payload, 0, retain)
        finally:
            client.on_publish = told
        if info.rc:
            raise aiomqtt.MqttCodeError(info.rc, "Could not publish message")

    def flush(self) -> None:
        """Send the small messages that were held back."""
        held = self._held
        if not held:
            return
        self._held = bytearray()
        if self._paho.socket() is not None:
            self._write(bytes(held))

    def _send_straight(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Hand a message to the socket without a copy of it; return whether that could be done.

        A small one is held back for those that follow it in this turn of the event loop.
        """
        client, sock, held = self._paho, self._paho.socket(), self._held
        if type(sock) is not socket.socket or client.want_write():
            self.flush()
            return False
        head = publish_head(topic, len(payload), retain=retain)
        if len(payload) < _LARGE:
            if not held:
                asyncio.get_running_loop().call_soon(self.flush)
            held += head
            held += payload
            if len(held) >= _TOGETHER:
                self.flush()
            return True
        self._held = bytearray()
        return self._write(bytes(held) + head, payload)

    def _write(self, head: bytes, payload: bytes = b"") -> bool:
        """Write whole packets, what the socket does not take later; return whether it is there."""
        client, sock, sent = self._paho, self._paho.socket(), 0
        if type(sock) is socket.socket and not client.want_write():
            try:
                with suppress(BlockingIOError):
                    sent = sock.sendmsg((head, payload))
            except OSError:
                return False  # paho meets the same, and says what it means
            client._last_msg_out = time.monotonic()  # noqa: SLF001
        if sent < len(head) + len(payload):
            self._queue((head + payload)[sent:])
        return True

    def _queue(self, rest: bytes) -> None:
        """Have paho write the rest of a message when the socket takes it."""
        client = self._paho
        client._out_packet.append(  # noqa: SLF001
            {
                "command": PUBLISH,
                "mid": 0,
                "qos": 0,
                "pos": 0,
                "to_process": len(rest),
                # A view: paho cuts off what is sent already, again and again.
                "packet": memoryview(rest),  # type: ignore[typeddict-item]  # a slice is all it takes
                "info": MQTTMessageInfo(0),
            }
        )
        client._call_socket_register_write()  # noqa: SLF001

    async def close(self) -> None:
        """Say goodbye, so that the Will is not published, and close the socket."""
        self.flush()
        # The patience is ours: aiomqtt's own swallows a cancellation, as in Connection.
        self.client.timeout = math.inf
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, TimeoutError):
            _log.debug("the broker took no goodbye", exc_info=True)
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the socket, if it is open, without a goodbye."""
        self._paho._sock_close()  # noqa: SLF001 - there is no public call for that
        if self.gone.done() and not self.gone.cancelled():
            self.gone.exception()  # retrieved, or asyncio would log it as unhandled

    def _write_at_once(self) -> None:
        client, loop = self._paho, asyncio.get_running_loop()

        def register(_client: paho.Client, _userdata: object, sock: paho.SocketLike) -> None:
            client.loop_write()
            if client.socket() is not None and client.want_write():
                loop.add_writer(sock.fileno(), client.loop_write)

        def unregister(_client: paho.Client, _userdata: object, sock: paho.SocketLike) -> None:
            loop.remove_writer(sock.fileno())
            self._written.set()

        client.on_socket_register_write = register
        client.on_socket_unregister_write = unregister

    def _read_straight(self) -> None:
        client, inbox = self._paho, self.inbox
        loop = asyncio.get_running_loop()

        def take(_client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
            inbox.put(InboundMessage(message.topic, bytes(message.payload), message.retain))

        def keep(topic: str, payload: bytes, retain: bool) -> None:
            inbox.put(InboundMessage(topic, payload, retain))

        client.on_message = take
        reader, sock = PacketReader(keep, self._hand_to_paho), client.socket()
        if sock is not None:
            loop.add_reader(sock.fileno(), self._read, reader, loop)
        self.gone.add_done_callback(lambda _: inbox.news.set())

    def _read(self, reader: PacketReader, loop: asyncio.AbstractEventLoop) -> None:
        """Read what is there, but not for ever: what TLS still holds comes with the next turn."""
        try:
            for _ in range(_READ_AT_ONCE):
                if not self._receive(reader) or not self._decrypted:
                    break
        except Exception as error:  # noqa: BLE001 - whatever it is, we are cut off
            if not self.gone.done():
                self.gone.set_exception(error)
        else:
            if self._decrypted:
                loop.call_soon(self._read, reader, loop)

    def _receive(self, reader: PacketReader) -> bool:
        """Read once from the socket and return whether there was anything."""
        client, sock = self._paho, self._paho.socket()
        if sock is None:
            return False
        if client._in_packet["command"]:  # noqa: SLF001 - begun by paho while it connected
            client.loop_read()
            return True
        try:
            with reader.room() as room:
                count = sock.recv_into(room)  # type: ignore[attr-defined]  # paho's type lacks it
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            count = 0
        if not count:
            client._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)  # noqa: SLF001
            return False
        # paho's own, without a declaration: it asks whether the broker is there by it.
        client._last_msg_in = time.monotonic()  # type: ignore[attr-defined]  # noqa: SLF001
        reader.received(count)
        return True

    def _hand_to_paho(self, first: int, body: bytearray) -> None:
        """Have paho handle a packet that is no message of QoS 0."""
        client, idle = self._paho, self._paho._in_packet  # noqa: SLF001
        client._in_packet = {  # noqa: SLF001
            **idle, "command": first, "have_remaining": 1, "remaining_length": len(body),
            "packet": body, "to_process": 0,
        }  # fmt: skip
        try:
            status = client._packet_handle()  # noqa: SLF001
        finally:
            client._in_packet = idle  # noqa: SLF001
        if status:
            client._loop_rc_handle(status)  # noqa: SLF001

    @property
    def _decrypted(self) -> bool:
        """Whether TLS holds bytes already, which the event loop cannot see."""
        sock = self._paho.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho leaves it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _will(will: Will | None) -> aiomqtt.Will | None:
    if will is None:
        return None
    return aiomqtt.Will(will.topic, will.payload, will.qos, will.retain)


def _tls_context(url: BrokerUrl) -> ssl.SSLContext | None:
    if not url.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=url.ca_file)
    except OSError as error:
        raise ConfigError(
            f"CA file {url.ca_file} of broker {url} cannot be read "
            f"({error.strerror or 'it holds no certificate'}); "
            "give a file of PEM certificates with ?ca=/path/to/ca.pem"
        ) from error
    context.sslsocket_class = _TlsSocket
    return context
