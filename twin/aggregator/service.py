"""The life of the aggregator's process: listen, connect, tick, stop.

All tasks are spawned in one place, in a TaskGroup: when one fails the others end too.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from twin.aggregator.access import Access, Guarded
from twin.aggregator.app import create_app
from twin.aggregator.broker_figures import BrokerFeed
from twin.aggregator.command_client import CommandClient
from twin.aggregator.core import Core
from twin.aggregator.firing_alerts import AlertServer, AlertsWatch
from twin.aggregator.limits import Limits
from twin.aggregator.page import LivePage
from twin.aggregator.server import UvicornServer, address, listen, serve_http
from twin.aggregator.shard_assignment import Addresses, ShardAssignment
from twin.aggregator.store import Store
from twin.aggregator.summary import Summary
from twin.aggregator.tls import CertificateFiles, ServerCertificate
from twin.aggregator.tokens import Token
from twin.bus import INBOX_BYTES, BrokerUrl, Bus, InboundMessage, keep_connected
from twin.catalog import UnitKind
from twin.errors import BusError, ConfigError, first_error
from twin.site import DetailPlan, Layout, Shard
from twin.wire import Topics

__all__ = ["Aggregator", "AggregatorConfig", "serve"]

_TICK_SECONDS = 0.5
_AT_ONCE = 32
"""Messages that are taken over in a row before the event loop gets a turn."""
_GPU_INBOX_BYTES = 768
"""What may wait to be read for each GPU of a large site: three seconds of its frames at 1 Hz."""
_RENEW_TICKS = 20
"""Ticks between two looks at the certificate."""

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
        detail: how much of each array is exposed; None for what the site says.
        shard: which of several aggregators this is, by the arrays that it exposes; None for the
            only one.
        replica: which of the processes that expose the same, from 0.
        replicas: processes that expose the same.
        token: opens all that can be read; None where reading needs no token.
        inject_token: opens what injects and clears faults, and all that can be read; None
            when that cannot be done over HTTP.
        tls: certificate for HTTPS; None for plain HTTP.
        alerts: server of the firing alerts; None for none.
        beside: the pages of other sites, by the names of these: a URL, or ``:9401`` for a port of
            the host that the reader called.
        limits: of the HTTP interface.
        compress: whether clients of other machines get metrics by gzip when they accept it.

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
    detail: DetailPlan | None = None
    shard: Shard | None = None
    replica: int = 0
    replicas: int = 1
    token: Token | None = None
    inject_token: Token | None = None
    tls: CertificateFiles | None = None
    alerts: AlertServer | None = None
    beside: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    compress: bool = True

    @property
    def division(self) -> ShardAssignment | None:
        """What of the site it exposes, None for all."""
        if self.shard is None and self.replicas == 1:
            return None
        return ShardAssignment(self.layout, self.shard or Shard(0, 1), self.replica, self.replicas)

    def addresses(self, division: ShardAssignment | None) -> Addresses | None:
        """Return what ``/sd`` gives, None for the address that the client used."""
        if self.advertise is not None:
            secure = self.tls is not None and "://" not in self.advertise
            return Addresses(f"https://{self.advertise}" if secure else self.advertise, division)
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
        """Wait for the first accepted subscription; no message is lost after it."""
        await self._subscribed.wait()

    @staticmethod
    @asynccontextmanager
    async def running(config: AggregatorConfig) -> AsyncIterator[Aggregator]:
        """Listen and ingest while the context is open; HTTP answers from the start.

        Raises:
            BusError: the broker refuses us, which waiting does not cure.
            ConfigError: the address cannot be listened on, or the certificate is of no use.
        """
        division = config.division
        addresses = config.addresses(division)
        core, subscribed = Core(config.layout, config.detail, division), asyncio.Event()
        desk = CommandClient(config.layout.site.name)
        certificate = None if config.tls is None else ServerCertificate(config.tls)
        context = None if certificate is None else certificate.context
        alerts = AlertsWatch(config.alerts, config.layout.site.name)
        app, page = _application(core, config, addresses, desk, alerts)
        server = UvicornServer.of(app, config.limits, core.telemetry, context)
        try:
            with listen(config.host, config.port) as listener:
                async with asyncio.TaskGroup() as spawned:
                    tasks = [
                        spawned.create_task(coroutine, name=f"aggregator {name}")
                        for name, coroutine in (
                            ("http", serve_http(server, listener, page.streams.closing)),
                            ("ingest", _subscribe(core, config, subscribed, desk)),
                            ("tick", _tick(core, certificate)),
                        )
                    ]
                    url = address(listener, tls=certificate is not None)
                    _log.info("aggregator listens", url=url, broker=str(config.broker))
                    alerts.start()
                    try:
                        yield Aggregator(core, url, subscribed)
                    finally:
                        alerts.stop()
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


def _application(
    core: Core,
    config: AggregatorConfig,
    addresses: Addresses | None,
    desk: CommandClient,
    alerts: AlertsWatch,
) -> tuple[Guarded, LivePage]:
    access = Access(config.token, config.inject_token)
    page = LivePage(
        core,
        str(config.broker),
        None if addresses is None else addresses.own,
        None if access.command is None else desk,
        access,
        alerts,
        config.beside,
    )
    app = create_app(
        core, advertise=addresses, page=page, limits=config.limits, compress=config.compress
    )
    return Guarded(app, access, core.telemetry), page


async def _tick(core: Core, certificate: ServerCertificate | None) -> None:
    for tick in itertools.count(1):
        await asyncio.sleep(_TICK_SECONDS)
        core.tick(time.time(), time.monotonic())
        if certificate is not None and tick % _RENEW_TICKS == 0:
            certificate.renew()


async def _subscribe(
    core: Core, config: AggregatorConfig, subscribed: asyncio.Event, desk: CommandClient
) -> None:
    topics = Topics(config.layout.site.name)
    client_id = config.client_id or f"twin-aggregator-{secrets.token_hex(4)}"
    division = None if core.shard is None else core.shard.division
    figures = BrokerFeed(wanted=division is None or division.leads)
    # The labels of a million GPUs' site take a second or two: now no frame waits for them.
    core.metrics()

    async def session(bus: Bus) -> None:
        for wanted in (topics.everything,) if division is None else division.filters():
            await bus.subscribe(wanted, qos=1)
        subscribed.set()
        await figures.subscribe(bus)
        desk.open(bus)
        try:
            await ingest(core, bus, desk)
        finally:
            desk.close()

    await keep_connected(
        config.broker,
        session,
        client_id=client_id,
        on_state=core.connected,
        inbox=inbox_bytes(core.layout),
    )


def inbox_bytes(layout: Layout) -> int:
    """Return how many bytes of messages of a site may wait to be read."""
    gpus = layout.units(UnitKind.RACK) * layout.site.gpus_per_rack
    return max(INBOX_BYTES, _GPU_INBOX_BYTES * gpus)


async def ingest(core: Core, bus: Bus, desk: CommandClient) -> None:
    """Take over the messages of one connection until it ends; ``desk`` hears them too.

    Raises:
        BusError: the connection is lost, or of no more use.
    """
    dropped = 0
    core.telemetry.watch(lambda: bus.waiting)
    async for first in bus.messages():
        messages = [first, *bus.more(_AT_ONCE - 1)]
        _take(core, desk, messages)
        for outgoing in core.outbox():
            await bus.publish(
                outgoing.topic, outgoing.payload, qos=outgoing.qos, retain=outgoing.retain
            )
        if len(messages) == _AT_ONCE:
            await asyncio.sleep(0)  # others have their turn, too
        if bus.dropped > dropped:
            core.telemetry.dropped.inc(bus.dropped - dropped)
            dropped = bus.dropped
        if core.undelivered:
            raise BusError(
                "the broker delivers frames but no statuses any more (a queue was full, and its "
                "QoS 1 slots are gone); connecting anew"
            )


def _take(core: Core, desk: CommandClient, messages: Sequence[InboundMessage]) -> None:
    """Take over messages that came in, neighbours of a kind as one."""
    done = 0
    while done < len(messages):
        now, at = time.time(), time.monotonic()
        count = core.run(messages, done, now, at)
        if not count:
            message, count = messages[done], 1
            core.handle(message.topic, message.payload, message.retain, now, at)
            desk.hear(message.topic, message.payload)
        done += count
