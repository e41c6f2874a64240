"""The gateway's process: polls a Prometheus, publishes frames and metadata until it is stopped.

The core (:mod:`twin.fleet.gateway_core`) knows what answers mean; the service asks, keeps the
connection to the broker, and says once a minute at most what was left out.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import structlog

from twin.bus import BrokerUrl, Bus, Will, keep_connected
from twin.clients.prometheus import QueryError
from twin.errors import BusError, ServiceError, first_error
from twin.fleet.gateway_core import GatewayCore
from twin.wire import Clock, OutboundMessage

__all__ = ["Gateway", "SampleSource"]

_log = structlog.get_logger(__name__)
_TOGETHER = 4
"""Queries that are asked at a time."""
_TELL_SECONDS = 60.0
_GOODBYE_SECONDS = 1.0
_CLOCK_OFF_SECONDS = 2.0
_CLOCK_STEP_SECONDS = 1.0
"""By which the time that was asked for may be rounded."""


class SampleSource(Protocol):
    """A Prometheus."""

    def now(self) -> float:
        """Return its time."""

    def raw(self, query: str, at: float) -> bytes:
        """Return the whole answer to an instant query."""


class Gateway:
    """Publishes what a fleet's exporters measure.

    Args:
        core: makes frames of answers.
        source: of the answers.
        name: client id and name on the status topic.
        wall: wall clock in unix seconds.

    Attributes:
        connected: set once the first connection stands.
    """

    def __init__(
        self,
        core: GatewayCore,
        source: SampleSource,
        name: str,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._core = core
        self._source = source
        self._name = name
        self._wall = wall
        self._instance = secrets.token_hex(8)
        self._bus: Bus | None = None
        self._clock: Clock | None = None
        self._unsent = self._late = 0
        self._told_at = -float("inf")
        self._told = replace(core.figures)
        self._hosts: tuple[str, ...] = ()
        self._offset_told = False
        self.connected = asyncio.Event()

    async def run(self, broker: BrokerUrl, stop: asyncio.Event) -> None:
        """Publish to ``broker`` until ``stop`` is set.

        Raises:
            BusError: the broker refuses us for good.
            ServiceError: Prometheus does not answer the first question.
        """
        await self._first_answer()
        try:
            async with asyncio.TaskGroup() as tasks:
                link = tasks.create_task(self._keep_connected(broker), name="gateway connection")
                polls = tasks.create_task(self._poll_forever(), name="gateway polls")
                await stop.wait()
                polls.cancel()
                await asyncio.gather(polls, return_exceptions=True)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GOODBYE_SECONDS):
                        await self._send(self._status("offline"))
                link.cancel()
        except BaseExceptionGroup as group:
            raise first_error(group) from group

    async def _first_answer(self) -> None:
        """Ask for the time, so that a wrong address or login ends the command and not its data."""
        try:
            await asyncio.to_thread(self._source.now)
        except QueryError as error:
            raise ServiceError(f"Prometheus refuses a query: {error}") from error

    # -- the broker -------------------------------------------------------------

    async def _keep_connected(self, broker: BrokerUrl) -> None:
        last = self._status("lost")
        await keep_connected(
            broker,
            self._session,
            client_id=f"twin-gateway-{self._name}",
            will=Will(last.topic, last.payload),
            on_state=self._on_state,
        )

    def _on_state(self, connected: bool) -> None:
        if not connected:
            self._bus = None

    async def _session(self, bus: Bus) -> None:
        self._bus = bus
        for message in (self._status("online"), *self._core.metadata(every=True)):
            await self._send(message)
        self.connected.set()
        async for _ in bus.messages():
            pass

    async def _send(self, message: OutboundMessage) -> bool:
        if self._bus is None:
            return False
        try:
            await self._bus.publish(
                message.topic, message.payload, qos=message.qos, retain=message.retain
            )
        except BusError as error:
            _log.debug("message not sent", topic=message.topic, error=str(error))
            return False
        return True

    def _status(self, state: str) -> OutboundMessage:
        figures: dict[str, object] = {
            "instance": self._instance,
            "unsent": self._unsent,
            "late_ticks": self._late,
        }
        if self._clock is not None:
            figures["clock"] = self._clock.model_dump()
        return self._core.status(state, figures)

    # -- the fleet --------------------------------------------------------------

    async def _poll_forever(self) -> None:
        await self.connected.wait()
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self._poll()
            due += self._core.interval
            if due < loop.time():
                self._late += 1
                due = loop.time()
            await asyncio.sleep(due - loop.time())

    async def _poll(self) -> None:
        """Ask everything once, publish what is new, and say what was left out."""
        try:
            at = await asyncio.to_thread(self._source.now)
        except (ServiceError, QueryError) as error:
            self._core.figures.refused += 1
            self._tell({"error": str(error)})
            await self._send(self._status("online"))
            return
        self._follow_clock(at)
        slots = asyncio.Semaphore(_TOGETHER)
        errors: dict[str, str] = {}

        async def ask(number: int, query: str) -> None:
            async with slots:
                try:
                    body = await asyncio.to_thread(self._source.raw, query, at)
                except (ServiceError, QueryError) as error:
                    self._core.figures.refused += 1
                    errors["error"] = str(error)
                    return
                self._core.take(body, number)

        await asyncio.gather(*(ask(*own) for own in enumerate(self._core.queries)))
        frames = self._core.frames_due(at + _CLOCK_STEP_SECONDS)
        for message in self._core.metadata():
            await self._send(message)
        for message in frames:
            self._unsent += not await self._send(message)
        await self._send(self._status("online"))
        self._tell(errors)

    def _follow_clock(self, at: float) -> None:
        """Take the time of Prometheus for that of the samples, whatever ours is."""
        wall = self._wall()
        self._clock = Clock(simulated=at, wall=wall)
        if abs(at - wall) > _CLOCK_OFF_SECONDS and not self._offset_told:
            self._offset_told = True
            _log.warning("the clock of Prometheus is another than ours; frames have its time",
                         seconds=round(at - wall, 1))  # fmt: skip

    def _tell(self, errors: Mapping[str, str]) -> None:
        """Log what was left out, at most once a minute."""
        now = time.monotonic()
        if now - self._told_at < _TELL_SECONDS:
            return
        left_out = self._core.unlike(self._told)
        hosts = self._core.unknown_hosts
        if hosts != self._hosts:
            _log.warning("hosts with GPUs are not in the site file; capture it again",
                         hosts=len(hosts), first=hosts[0])  # fmt: skip
        for sentence in left_out:
            _log.warning("left out", what=sentence, **errors)
        if left_out or hosts != self._hosts:
            self._told_at = now
        self._told, self._hosts = replace(self._core.figures), hosts
