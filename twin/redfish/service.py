"""The life of the Redfish service's process: listen, connect, tick, stop."""

from __future__ import annotations

import asyncio
import itertools
import resource
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field

import structlog

from twin.aggregator import CertificateFiles, Limits, Token
from twin.aggregator.access import Access
from twin.aggregator.server import UvicornServer, address, listen, serve_http
from twin.aggregator.tls import ServerCertificate
from twin.bus import BrokerUrl, Bus, keep_connected
from twin.errors import ConfigError, first_error
from twin.redfish.core import RedfishCore
from twin.redfish.courier import deliver
from twin.redfish.destinations import Destinations
from twin.redfish.directory import Bmc
from twin.redfish.http import RedfishApp
from twin.redfish.own_pages import OwnPages
from twin.redfish.sessions import Login
from twin.site import Layout
from twin.wire import Topics

__all__ = ["RedfishConfig", "RedfishService"]

_TICK_SECONDS = 0.5
_RENEW_TICKS = 20
"""Ticks between two looks at the certificate."""
_SPARE_DESCRIPTORS = 64
"""Open files beside listeners and connections: the broker's, logs, the loop's own."""
_LAST_PORT = 65_535

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RedfishConfig:
    """What the service needs to know.

    Attributes:
        layout: the site.
        login: opens every BMC.
        host: address to listen on.
        port: port at which the header ``Host`` names the BMC, 0 for any free one.
        first_port: port of the first BMC, each having one of its own; None for none.
        racks: names of the racks whose BMCs are served; none for all.
        tls: certificate for HTTPS; None for plain HTTP.
        client_id: MQTT client identifier, unique at the broker; None to make one up.
        token: opens the service's own pages; None where they need no token.
        destinations: where events of subscriptions may be sent; None for no subscriptions.
        silence: seconds for which a connection to a silent BMC is held.
        limits: of the HTTP interface.
    """

    layout: Layout
    login: Login
    host: str = "127.0.0.1"
    port: int = 0
    first_port: int | None = None
    racks: tuple[str, ...] = ()
    tls: CertificateFiles | None = None
    client_id: str | None = None
    token: Token | None = None
    destinations: Destinations | None = None
    silence: float = 10.0
    limits: Limits = field(default_factory=Limits)


class RedfishService:
    """A running service; :meth:`running` makes one.

    Attributes:
        core: answers.
        url: base address at which the header ``Host`` names the BMC.
        ports: port to the BMC that has it for itself.
    """

    def __init__(self, core: RedfishCore, url: str, ports: dict[int, Bmc]) -> None:
        self.core = core
        self.url = url
        self.ports = ports
        self.subscribed = asyncio.Event()

    @staticmethod
    @asynccontextmanager
    async def running(config: RedfishConfig, broker: BrokerUrl) -> AsyncIterator[RedfishService]:
        """Listen, and ingest what the broker has, while the context is open.

        Raises:
            BusError: the broker refuses us, which waiting does not cure.
            ConfigError: an address cannot be listened on, there is no such rack, or the
                certificate is of no use.
        """
        core = RedfishCore(config.layout, config.login, config.racks, config.destinations)
        certificate = None if config.tls is None else ServerCertificate(config.tls)
        try:
            with ExitStack() as sockets:
                listener = sockets.enter_context(listen(config.host, config.port))
                own = _listeners(config, core, sockets)
                ports = {one.getsockname()[1]: bmc for one, bmc in own}
                service = RedfishService(
                    core, address(listener, tls=certificate is not None), ports
                )
                found = {bmc: port for port, bmc in ports.items()}
                pages = OwnPages(core, found.get, Access(config.token))
                app = RedfishApp(core, ports, pages, config.silence)
                server = UvicornServer.of(
                    app,
                    config.limits,
                    core.telemetry,
                    None if certificate is None else certificate.context,
                )
                listeners = [listener, *(one for one, _ in own)]
                async with asyncio.TaskGroup() as spawned:
                    tasks = [
                        spawned.create_task(coroutine, name=f"redfish {name}")
                        for name, coroutine in (
                            ("http", serve_http(server, listeners, app.closing)),
                            ("ingest", _subscribe(service, config, broker)),
                            ("tick", _tick(core, certificate)),
                            ("courier", deliver(core)),
                        )
                    ]
                    _log.info("redfish listens", url=service.url, bmcs=len(core.directory),
                              ports=len(ports))  # fmt: skip
                    try:
                        yield service
                    finally:
                        for task in tasks:
                            task.cancel()
        except BaseExceptionGroup as group:
            raise first_error(group) from group


def _listeners(
    config: RedfishConfig, core: RedfishCore, sockets: ExitStack
) -> list[tuple[socket.socket, Bmc]]:
    """Return a socket for each BMC, where each has a port of its own."""
    if config.first_port is None:
        return []
    bmcs = core.directory.bmcs
    last = config.first_port + len(bmcs) - 1
    if last > _LAST_PORT:
        raise ConfigError(
            f"--first-port {config.first_port}: {len(bmcs)} BMCs would need ports up to {last}; "
            "choose some racks with --rack, or leave it out and let the header Host name the BMC"
        )
    _need_descriptors(len(bmcs) + config.limits.connections + _SPARE_DESCRIPTORS)
    return [
        (sockets.enter_context(listen(config.host, config.first_port and config.first_port + n)),
         bmc)
        for n, bmc in enumerate(bmcs)
    ]  # fmt: skip


def _need_descriptors(count: int) -> None:
    """Raise the number of open files that the system allows us, if it is too low.

    Raises:
        ConfigError: it cannot be raised so far.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    if hard < count and hard != resource.RLIM_INFINITY:
        raise ConfigError(
            f"a port for each BMC needs {count} open files, and the system allows {hard}; raise "
            "ulimit -n, or choose some racks with --rack"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


async def _tick(core: RedfishCore, certificate: ServerCertificate | None) -> None:
    for tick in itertools.count(1):
        await asyncio.sleep(_TICK_SECONDS)
        core.tick(time.time(), time.monotonic())
        if certificate is not None and tick % _RENEW_TICKS == 0:
            certificate.renew()


async def _subscribe(service: RedfishService, config: RedfishConfig, broker: BrokerUrl) -> None:
    core, topics = service.core, Topics(config.layout.site.name)
    client_id = config.client_id or f"twin-redfish-{secrets.token_hex(4)}"

    async def session(bus: Bus) -> None:
        for wanted in core.subscriptions(topics):
            await bus.subscribe(wanted, qos=1)
        service.subscribed.set()
        dropped = 0
        async for message in bus.messages():
            core.handle(
                message.topic, message.payload, message.retain, time.time(), time.monotonic()
            )
            if bus.dropped > dropped:
                core.telemetry.dropped.inc(bus.dropped - dropped)
                dropped = bus.dropped

    def on_state(connected: bool) -> None:
        core.telemetry.connected = connected
        if not connected:
            core.disconnected()

    await keep_connected(broker, session, client_id=client_id, on_state=on_state)
