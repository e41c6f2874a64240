"""The life of the aggregator's process: listen, connect, tick, stop.

All tasks are spawned in one place, in a TaskGroup: when one fails the others end too.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog
import uvicorn
from starlette.applications import Starlette

from twin.aggregator.app import create_app
from twin.aggregator.core import Core
from twin.aggregator.desk import Desk
from twin.aggregator.division import Addresses, Division
from twin.aggregator.page import LivePage
from twin.aggregator.store import Store
from twin.aggregator.summary import Summary
from twin.bus import BrokerUrl, Bus, keep_connected
from twin.errors import ConfigError, first_error
from twin.site import DetailPlan, Layout, Shard
from twin.wire import Topics

__all__ = ["Aggregator", "AggregatorConfig", "serve"]

_TICK_SECONDS = 0.5
_PATIENCE_SECONDS = 2
"""How long answers under way may take to end at shutdown."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AggregatorConfig:
    """What an aggregator needs to know.

    Attributes:
        layout: the site.
        broker: where frames come from.
        host: address to listen on.
        port: TCP port to listen on, 0 for any free one.
        advertise: host and port that ``/sd`` gives; None for the one the client used.
        client_id: MQTT client identifier, unique at the broker; None to make one up.
        allow_inject: whether faults can be injected from the page.
        detail: how much of each array is exposed; None for what the site says.
        shard: which of several aggregators this is, by the arrays that it exposes; None for the
            only one.
        replica: which of the processes that expose the same, from 0.
        replicas: processes that expose the same.

    Raises:
        ConfigError: there is no such shard or replica, or ``advertise`` does not tell where the
            others are.
    """

    layout: Layout
    broker: BrokerUrl
    host: str = "127.0.0.1"
    port: int = 0
    advertise: str | None = None
    client_id: str | None = None
    allow_inject: bool = False
    detail: DetailPlan | None = None
    shard: Shard | None = None
    replica: int = 0
    replicas: int = 1

    @property
    def division(self) -> Division | None:
        """What of the site it exposes, None for all."""
        if self.shard is None and self.replicas == 1:
            return None
        return Division(self.layout, self.shard or Shard(0, 1), self.replica, self.replicas)

    def addresses(self, division: Division | None) -> Addresses | None:
        """Return what ``/sd`` gives, None for the address that the client used."""
        if self.advertise is not None:
            return Addresses(self.advertise, division)
        if division is None or division.shard.count == division.replicas == 1:
            return None
        raise ConfigError(
            "/sd names all aggregators of the site, so each has to know their addresses: give "
            "--advertise, for example twin-aggregator-{shard}:9400"
        )


class Aggregator:
    """A running aggregator; :meth:`running` makes one.

    Attributes:
        url: base address of its HTTP interface.
    """

    def __init__(self, core: Core, url: str, subscribed: asyncio.Event) -> None:
        self._core = core
        self._subscribed = subscribed
        self.url = url

    @property
    def store(self) -> Store:
        """The last values."""
        return self._core.store

    def summary(self) -> Summary:
        """Return the key figures."""
        return self._core.summary()

    def not_ready(self) -> list[str]:
        """Return what is missing before the site can be scraped in full, in sentences."""
        return self._core.not_ready()

    async def subscribed(self) -> None:
        """Wait until the broker has taken the first subscription: nothing is lost from then on."""
        await self._subscribed.wait()

    @staticmethod
    @asynccontextmanager
    async def running(config: AggregatorConfig) -> AsyncIterator[Aggregator]:
        """Listen and ingest while the context is open; HTTP answers from the start.

        Raises:
            BusError: the broker refuses us, which waiting does not cure.
            ConfigError: the address cannot be listened on.
        """
        division = config.division
        addresses = config.addresses(division)
        core, subscribed = Core(config.layout, config.detail, division), asyncio.Event()
        desk = Desk(config.layout.site.name)
        own = None if addresses is None else addresses.own
        page = LivePage(core, str(config.broker), own, desk if config.allow_inject else None)
        app = create_app(core, advertise=addresses, page=page)
        try:
            with _listen(config.host, config.port) as listener:
                async with asyncio.TaskGroup() as spawned:
                    tasks = [
                        spawned.create_task(coroutine, name=f"aggregator {name}")
                        for name, coroutine in (
                            ("http", _http(_server(app), listener, page.streams.closing)),
                            ("ingest", _subscribe(core, config, subscribed, desk)),
                            ("tick", _tick(core)),
                        )
                    ]
                    url = _url(listener)
                    _log.info("aggregator listens", url=url, broker=str(config.broker))
                    try:
                        yield Aggregator(core, url, subscribed)
                    finally:
                        for task in tasks:
                            task.cancel()
        except BaseExceptionGroup as group:
            raise first_error(group) from group


async def serve(config: AggregatorConfig, stop: asyncio.Event) -> None:
    """Run an aggregator until ``stop`` is set.

    Raises:
        BusError: the broker refuses us, which waiting does not cure.
        ConfigError: the address cannot be listened on.
    """
    async with Aggregator.running(config):
        await stop.wait()


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever owns the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: Starlette) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            access_log=False,
            lifespan="off",
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE_SECONDS,
            ws="none",
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error}; choose another address or port"
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - this reads where it listens, it does not bind
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _http(server: _Server, listener: socket.socket, closing: asyncio.Event) -> None:
    """Answer requests until cancelled; then let the answers under way end.

    ``closing`` tells the streams of open pages, which have no end of their own.

    The server is not cancelled but asked to end: interrupted while it begins to listen,
    it would leave the socket behind in the event loop.
    """
    serving = asyncio.create_task(server.serve([listener]), name="aggregator http server")
    try:
        await asyncio.shield(serving)
    finally:
        closing.set()
        server.should_exit = True
        await serving


async def _tick(core: Core) -> None:
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        core.tick(time.time())


async def _subscribe(
    core: Core, config: AggregatorConfig, subscribed: asyncio.Event, desk: Desk
) -> None:
    topics = Topics(config.layout.site.name)
    client_id = config.client_id or f"twin-aggregator-{secrets.token_hex(4)}"

    async def session(bus: Bus) -> None:
        division = None if core.shard is None else core.shard.division
        for wanted in (topics.everything,) if division is None else division.filters():
            await bus.subscribe(wanted, qos=1)
        subscribed.set()
        desk.open(bus)
        try:
            await ingest(core, bus, desk)
        finally:
            desk.close()

    await keep_connected(config.broker, session, client_id=client_id, on_state=core.connected)


async def ingest(core: Core, bus: Bus, desk: Desk) -> None:
    """Take over the messages of one connection until it ends; ``desk`` hears them too."""
    dropped = 0
    core.telemetry.watch(lambda: bus.waiting)
    async for message in bus.messages():
        core.handle(message.topic, message.payload, message.retain, time.time())
        desk.hear(message.topic, message.payload)
        for outgoing in core.outbox():
            await bus.publish(
                outgoing.topic, outgoing.payload, qos=outgoing.qos, retain=outgoing.retain
            )
        if bus.dropped > dropped:
            core.telemetry.dropped.inc(bus.dropped - dropped)
            dropped = bus.dropped
