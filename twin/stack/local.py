"""The whole twin in one process: broker, aggregator, emulator."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from twin.aggregator import (
    Aggregator,
    AggregatorConfig,
    AlertServer,
    CertificateFiles,
    Token,
)
from twin.bus import BrokerUrl
from twin.emulator import Emulator, EmulatorConfig
from twin.errors import ConfigError, first_error
from twin.site import DetailPlan, Layout
from twin.wire import Codec

if TYPE_CHECKING:
    from twin.redfish import RedfishConfig, RedfishService

__all__ = ["LocalConfig", "LocalStack", "local_stack", "local_stacks"]


@dataclass(frozen=True, slots=True)
class LocalConfig:
    """What to run.

    Attributes:
        layout: the site.
        workload: see :func:`twin.plant.workload.workload_of`.
        speed: simulated seconds a second.
        seed: of all random numbers.
        host: address that the page and the embedded broker listen on.
        port: port of the page, 0 for any free one.
        broker: broker to use; None for an embedded one.
        mqtt_port: port of the embedded broker, 0 for any free one.
        interval: simulated seconds between two frames of a unit; None for the default.
        state: folder in which the plant's state is kept; None to start afresh.
        failures: see :func:`twin.faults.natural.failures_of`.
        codec: how frames are written.
        slow_down: whether a longer interval is taken when this one cannot be kept.
        detail: how much of each array is exposed; None for what the site says.
        token: opens all that can be read over HTTP; None where reading needs no token.
        inject_token: opens faults over HTTP; None where they are off.
        tls: certificate for HTTPS; None for plain HTTP.
        alerts: server of the firing alerts; None for none.
        redfish: how the BMCs are served; None for not at all.
        beside: the pages of other sites, by the names of these.
    """

    layout: Layout
    workload: str = "training"
    speed: float = 1.0
    seed: int = 0
    host: str = "127.0.0.1"
    port: int = 9400
    broker: BrokerUrl | None = None
    mqtt_port: int = 1883
    interval: float | None = None
    state: Path | None = None
    failures: str = "none"
    codec: Codec = Codec.JSON
    slow_down: bool = False
    detail: DetailPlan | None = None
    token: Token | None = None
    inject_token: Token | None = None
    tls: CertificateFiles | None = None
    alerts: AlertServer | None = None
    redfish: RedfishConfig | None = None
    beside: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LocalStack:
    """A running twin.

    Attributes:
        broker: address of the broker.
        aggregator: serves what it gets.
        emulator: publishes.
        token: opens what the aggregator serves; None where reading needs no token.
        redfish: serves the BMCs; None where nobody does.
        site: name of the site.
    """

    broker: BrokerUrl
    aggregator: Aggregator
    emulator: Emulator
    token: Token | None = None
    redfish: RedfishService | None = None
    site: str = ""


def _find_taken(config: LocalConfig) -> None:
    """Tell of every port that is taken before the first one is opened.

    Raises:
        ConfigError: one of them is, or several.
    """
    wanted = {"--port": config.port}
    if config.broker is None:
        wanted = {"--mqtt-port": config.mqtt_port, **wanted}
    if config.redfish is not None:
        wanted["--redfish"] = config.redfish.port
    taken = {option: port for option, port in wanted.items() if port and _taken(config.host, port)}
    if not taken:
        return
    ports = " and ".join(map(str, taken.values()))
    several = len(taken) > 1
    plural, verb, choice = ("s", "are", "others") if several else ("", "is", "another")
    raise ConfigError(
        f"port{plural} {ports} of {config.host} {verb} in use; stop what listens there, "
        f"or choose {choice} with {' and '.join(taken)}"
    )


def _taken(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


@asynccontextmanager
async def local_stack(config: LocalConfig) -> AsyncIterator[LocalStack]:
    """Run broker, aggregator and emulator while the context is open.

    They start in the order in which data needs them, so that no frame is lost at the
    start, and end the other way round.

    Raises:
        ConfigError: a port is taken, or the workload does not exist.
        BusError: the broker cannot be reached or refuses us.
    """
    # The emulator first: its settings are checked before a port is opened.
    emulator = Emulator(
        EmulatorConfig(
            layout=config.layout,
            workload=config.workload,
            speed=config.speed,
            seed=config.seed,
            interval=config.interval,
            state=config.state,
            failures=config.failures,
            codec=config.codec,
            slow_down=config.slow_down,
        )
    )
    _find_taken(config)
    async with AsyncExitStack() as stack:
        broker = config.broker
        if broker is None:
            from twin.bus.embedded import embedded_broker  # noqa: PLC0415 - of the extra broker

            broker = await stack.enter_async_context(embedded_broker(config.host, config.mqtt_port))
        aggregator = await stack.enter_async_context(
            Aggregator.running(
                AggregatorConfig(
                    config.layout,
                    broker,
                    host=config.host,
                    port=config.port,
                    detail=config.detail,
                    token=config.token,
                    inject_token=config.inject_token,
                    tls=config.tls,
                    alerts=config.alerts,
                    beside=config.beside,
                )
            )
        )
        await aggregator.subscribed()
        bmcs = None
        if config.redfish is not None:
            from twin.redfish import RedfishService  # noqa: PLC0415 - a tenth of the start

            bmcs = await stack.enter_async_context(RedfishService.running(config.redfish, broker))
            await bmcs.subscribed.wait()
        stop = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(emulator.run(broker, stop), name="emulator")
                try:
                    name = config.layout.site.name
                    yield LocalStack(broker, aggregator, emulator, config.token, bmcs, name)
                finally:
                    stop.set()
                    await asyncio.wait([task], timeout=5.0)
                    task.cancel()
        except BaseExceptionGroup as group:
            raise first_error(group) from group


@asynccontextmanager
async def local_stacks(configs: Sequence[LocalConfig]) -> AsyncIterator[list[LocalStack]]:
    """Run several sites in one process while the context is open, on the broker of the first.

    Raises:
        ConfigError: a port is taken, or the workload does not exist.
        BusError: the broker cannot be reached or refuses us.
    """
    stacks: list[LocalStack] = []
    async with AsyncExitStack() as exits:
        for config in configs:
            shared = replace(config, broker=stacks[0].broker) if stacks else config
            stacks.append(await exits.enter_async_context(local_stack(shared)))
        yield stacks
