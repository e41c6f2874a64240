"""An aiomqtt client, mended where aiomqtt 2.5 leaves edges.

All that touches the insides of aiomqtt and paho is here:

* What nobody has read yet waits in a queue bounded by bytes; what does not fit is
  counted, where aiomqtt would only log it.
* Packets are written at once. aiomqtt asks the event loop to watch the socket and
  writes in a later turn, which takes twice the time and, when the connection breaks in
  between, leaves the loop watching a socket that is closed.
* The socket can be closed without a goodbye, so that the broker publishes our Will.
* An attempt to connect that is given up leaves no socket behind.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from typing import TYPE_CHECKING, cast

import aiomqtt

from twin.errors import ConfigError

if TYPE_CHECKING:
    import paho.mqtt.client as paho

    from twin.bus.model import Will
    from twin.bus.url import BrokerUrl

__all__ = ["Inbox", "Link"]

ANSWER_SECONDS = 10.0
"""How long the broker may take to answer anything."""
KEEPALIVE_SECONDS = 15
"""A broker declares us dead 1.5 times this after our host vanished without closing."""
INBOX_BYTES = 128 << 20
"""How much may wait to be read: three seconds of 1,563 racks at 25 KB and 1 Hz."""

_CONNECT_STEP = 0.02

_log = logging.getLogger("twin.bus.mqtt")
_log.setLevel(logging.CRITICAL)  # what aiomqtt and paho log comes back as an error or a count


class Inbox(asyncio.Queue[aiomqtt.Message]):
    """Messages that came in and were not read yet, bounded by bytes."""

    def __init__(self, limit: int = INBOX_BYTES) -> None:
        super().__init__()
        self.limit = limit
        self.held = 0
        self.dropped = 0

    def put_nowait(self, item: aiomqtt.Message) -> None:
        """Take ``item`` in, or drop and count it when it does not fit."""
        if self.held + len(item.payload) > self.limit:
            self.dropped += 1
        else:
            super().put_nowait(item)

    def _put(self, item: aiomqtt.Message) -> None:
        self.held += len(item.payload)
        super()._put(item)

    def _get(self) -> aiomqtt.Message:
        item = super()._get()
        self.held -= len(item.payload)
        return item


class Link:
    """One attempt at a connection, and the connection if it succeeds.

    Attributes:
        client: the aiomqtt client.
        inbox: the messages that it received.
    """

    def __init__(self, url: BrokerUrl, client_id: str, will: Will | None) -> None:
        self.inbox = Inbox()
        # aiomqtt asks for a class and calls it once with the bound; ours is made already,
        # because there is no public way to get at the queue afterwards.
        queue = cast("type[asyncio.Queue[aiomqtt.Message]]", lambda maxsize: self.inbox)  # noqa: ARG005
        self.client = aiomqtt.Client(
            url.host,
            url.port,
            username=url.username,
            password=url.password,
            identifier=client_id,
            will=_will(will),
            tls_context=_tls_context(url),
            queue_type=queue,
            timeout=ANSWER_SECONDS,
            keepalive=KEEPALIVE_SECONDS,
            logger=_log,
        )

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

    async def close(self) -> None:
        """Say goodbye, so that the Will is not published, and close the socket."""
        # The patience is ours: aiomqtt's own swallows a cancellation, as in Connection.
        self.client.timeout = math.inf
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, TimeoutError):
            _log.debug("the broker took no goodbye", exc_info=True)
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the socket, if it is open, without a goodbye."""
        self._paho._sock_close()  # noqa: SLF001 - there is no public call for that
        if self.gone.done() and not self.gone.cancelled():
            self.gone.exception()  # taken note of, or asyncio would log that nobody did

    def _write_at_once(self) -> None:
        client, loop = self._paho, asyncio.get_running_loop()

        def register(_client: paho.Client, _userdata: object, sock: paho.SocketLike) -> None:
            client.loop_write()
            if client.socket() is not None and client.want_write():
                loop.add_writer(sock.fileno(), client.loop_write)

        client.on_socket_register_write = register


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
