"""The emulator's process: from its configuration to its end.

The core (:mod:`twin.emulator.core`) has the plant and its messages; the service paces it by
the wall clock, connects it to the broker and saves its state. It runs three tasks: one keeps
the connection and handles incoming messages, one steps the plant and delivers the frames, one
publishes everything else. Simulated time never waits for the broker, and the interval stays as
set unless ``--slow-down`` is given; frames that cannot be sent in time are counted.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from twin.bus import BrokerUrl, Bus, Will, keep_connected
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.emulator.delivery import Delivery
from twin.emulator.pacer import Pacer
from twin.emulator.slowdown import SlowDown
from twin.emulator.state import SAVE_SECONDS, StateFile, repeated_steps
from twin.errors import BusError, FrameError, first_error
from twin.plant.state import PlantStateError
from twin.wire import Clock, OutboundMessage

__all__ = ["Emulator"]

_log = structlog.get_logger(__name__)
_STATUS_SECONDS = 2.0
"""Between two statuses; they come after a tick, or a quarter later when none ends in time."""
_HALT_SECONDS = 5.0
_GOODBYE_SECONDS = 1.0
"""How long a broker that hangs may delay our end; what keeps the state must not wait for it."""
_LARGEST_DRIFT = 0.25
"""Seconds by which the wall clock may leave the monotonic one before it counts as set."""
_MOST_MISSED_SECONDS = 300.0
"""What a shard catches up at most after a pause; what is longer ago is left out."""


class Emulator:
    """Publishes the telemetry of a site, or of a shard's part of it.

    Args:
        config: what to run.
        wall: wall clock in unix seconds.

    Attributes:
        core: the plant and what is said of it.
        pacer: paces the ticks and counts the late ones.
        connected: set once the first connection stands.

    Raises:
        ConfigError: the core cannot be made of this configuration, or its state not be read.
    """

    def __init__(self, config: EmulatorConfig, wall: Callable[[], float] = time.time) -> None:
        self._config = config
        self._wall = wall
        self._instance: str | None = secrets.token_hex(8)
        self.pacer = Pacer(config.frame_interval, config.speed)
        self._slow_down = SlowDown() if config.slow_down else None
        self._state = None
        if config.state is not None:
            self._state = StateFile(config.state, config.layout, config.workload, config.part)
        self._saved_at = -math.inf  # the first tick keeps the state: there is none, or an old one
        self._behind = False
        """Whether a shard has a state of before, or fell behind, and has to catch up."""
        self.core = self._begin()
        self._delivery = Delivery(self.core.frames, self.pacer, patient=config.slow_down)
        self._outgoing: asyncio.Queue[OutboundMessage] = asyncio.Queue()
        self._restart_clock()
        self._halt = False
        self._halted = asyncio.Event()
        self.connected = asyncio.Event()

    @property
    def published(self) -> int:
        """Frames published so far."""
        return self._delivery.published

    @property
    def unsent(self) -> int:
        """Frames that could not be published, whatever the reason."""
        return self._delivery.unsent + self._delivery.overdue

    @property
    def epoch(self) -> float:
        """Simulated unix time of the plant's start."""
        return self.core.epoch

    def _begin(self) -> EmulatorCore:
        """Return a core that goes on from the state that was kept, or begins."""
        config = self._config
        # A frame describes the end of its tick's interval: that of the first one is the present.
        present = self._wall() - self.pacer.interval
        epoch = round(present if config.epoch is None else config.epoch, 3)
        file = self._state
        kept = None if file is None else file.load()
        if kept is None and config.past is not None and config.past.is_dir():
            file = StateFile(config.past, config.layout, config.workload)
            kept = file.load()
        if file is None or kept is None:
            return EmulatorCore(config, epoch)
        try:
            core = EmulatorCore(config, epoch, kept=kept)
        except (PlantStateError, FrameError) as error:
            raise file.useless(f"does not fit this site: {error}") from error
        missed = 0
        if core.aligned:
            self._behind = True
        else:
            if not kept.ended:
                missed = repeated_steps(self._wall() - kept.wall, self.pacer.period)
            # Simulated time is the present again; the downtime is skipped, not simulated.
            core.move_to(epoch - missed * self.pacer.interval)
        for _ in range(missed):
            core.replay(self.pacer.interval)
        _log.info("state taken up", simulated_seconds=core.plant.time,
                  lived_through_again=missed * self.pacer.interval,
                  file=str(file.path))  # fmt: skip
        return core

    async def run(self, broker: BrokerUrl, stop: asyncio.Event) -> None:
        """Publish to ``broker`` until ``stop`` is set.

        Raises:
            BusError: the broker refuses us for good, for example by a wrong password.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                link = tasks.create_task(self._keep_connected(broker), name="emulator connection")
                sender = tasks.create_task(self._send_forever(), name="emulator messages")
                ticks = tasks.create_task(self._tick_forever(), name="emulator ticks")
                await stop.wait()
                for task in (ticks, sender):
                    task.cancel()
                await asyncio.gather(ticks, sender, return_exceptions=True)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GOODBYE_SECONDS):
                        await self._send(self._status("offline"))
                link.cancel()
                await self._save(ended=True)
        except BaseExceptionGroup as group:
            raise first_error(group) from group

    # -- connection -----------------------------------------------------------

    async def _keep_connected(self, broker: BrokerUrl) -> None:
        last = self._status("lost")
        await keep_connected(
            broker,
            self._session,
            client_id=f"twin-emulator-{self._config.name}-{self._config.layout.site.name}",
            will=Will(last.topic, last.payload),
            on_state=self._on_state,
        )

    def _on_state(self, connected: bool) -> None:
        if not connected:
            self._delivery.bus = None

    async def _session(self, bus: Bus) -> None:
        """Live through one connection: announce ourselves, then take in what comes."""
        for wanted in self.core.subscriptions:
            await bus.subscribe(wanted, qos=1)
        self._delivery.bus = bus
        for message in self.core.announcement(self._figures()):
            await bus.publish(
                message.topic, message.payload, qos=message.qos, retain=message.retain
            )
        self.connected.set()
        async for received in bus.messages():
            if self.core.on_message(received.topic, received.payload, retain=received.retain):
                # The faults in force must outlive us: the next tick keeps the state.
                self._saved_at = -math.inf
            self._post()

    # -- messages beside frames -------------------------------------------------

    def _post(self) -> None:
        """Have all messages that the core has for others published."""
        for message in self.core.outbox():
            self._outgoing.put_nowait(message)

    async def _send_forever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(1.25 * _STATUS_SECONDS):
                    message = await self._outgoing.get()
            except TimeoutError:
                message = self._status("online")
            await self._send(message)

    async def _send(self, message: OutboundMessage) -> None:
        """Publish a message; without a broker drop it, as reconnecting publishes all state."""
        bus = self._delivery.bus
        if bus is None:
            return
        try:
            await bus.publish(
                message.topic, message.payload, qos=message.qos, retain=message.retain
            )
        except BusError as error:
            _log.debug("message not sent", topic=message.topic, error=str(error))

    def _status(self, state: str) -> OutboundMessage:
        self._follow_wall()
        return self.core.status(state, self._figures())

    def _figures(self) -> Mapping[str, object]:
        """Return what the status says of time and delivery."""
        return {
            "instance": self._instance,
            "clock": self._clock.model_dump(),
            **self.pacer.status,
            **self._delivery.figures,
            "slowdown": 1.0 if self._slow_down is None else self._slow_down.factor,
        }

    # -- ticks ----------------------------------------------------------------

    async def _tick_forever(self) -> None:
        await self.connected.wait()
        await self._align()
        self._restart_clock()
        while not self._halt:
            began = self.pacer.restarts, self.pacer.slow_start
            late = await self.pacer.tick()
            if (self.pacer.restarts, self.pacer.slow_start) != began:
                self._behind = True
                await self._align()
                self._restart_clock()
                self._say_why(late, began[0])
            self._adapt(late)
            await self._tick()
            if self.pacer.clock() - self._saved_at >= SAVE_SECONDS:
                await self._save()
        self._halted.set()

    def _say_why(self, late: float, restarts: int) -> None:
        """Log why the clock has just been restarted, which was done ``restarts`` times before."""
        if self.pacer.restarts > restarts:
            _log.warning("fell too far behind; the clock restarts", late_seconds=round(late, 1))
        else:
            _log.info("the first ticks take longer than others do; the clock begins now",
                      late_seconds=round(self.pacer.slow_start, 1))  # fmt: skip

    async def _tick(self) -> None:
        """Advance the plant by one interval, deliver its frames and, when it is time, a status."""
        self.core.step(self.pacer.interval)
        self._post()
        await self._delivery.deliver()
        if self.pacer.ticks % max(1, round(_STATUS_SECONDS / self.pacer.period)) == 0:
            self._outgoing.put_nowait(self._status("online"))

    async def halt(self) -> None:
        """Let the tick under way end and begin no other; we stay online."""
        self._halt = True
        try:
            async with asyncio.timeout(self.pacer.period + _HALT_SECONDS):
                await self._halted.wait()
        except TimeoutError:
            # Without a broker from the start there never was a tick.
            _log.warning("the tick under way did not end", seconds=_HALT_SECONDS)

    def _adapt(self, late: float) -> None:
        """Take a longer or shorter interval if we are to and have to."""
        slow_down, pacer = self._slow_down, self.pacer
        if slow_down is None or not slow_down.judge(pacer.is_late(late), pacer.idle):
            return
        pacer.retime(self._config.frame_interval * slow_down.factor)
        self._restart_clock()
        _log.warning("interval changed to what can be kept", seconds=round(pacer.interval, 3))
        self._outgoing.put_nowait(self._status("online"))

    # -- the wall clock ---------------------------------------------------------

    async def _align(self) -> None:
        """Wait for the grid of the wall clock on which all shards tick, and go by its time."""
        if not self.core.aligned:
            return
        interval = self.pacer.interval
        await self._catch_up()
        now = self._wall()
        due = interval * (math.floor(now / interval) + 1)
        await self.pacer.sleep(due - now)
        if self.pacer.ticks:
            self.pacer.retime(interval)
        self.core.move_to(due - interval)

    async def _catch_up(self) -> None:
        """Live through the time since a pause began, so that no counter is less than before.

        A shard that was killed has published counters that are higher than those it kept. It
        draws the same random numbers once more, so it comes to the same ones.
        """
        core, interval, most = self.core, self.pacer.interval, _MOST_MISSED_SECONDS
        behind, self._behind = self._behind, False
        if not behind or self._wall() - core.now > most:
            return
        done = 0
        while self._wall() - core.now >= interval and done * interval <= most:
            core.replay(interval)
            core.frames.skip(1)
            done += 1
            await asyncio.sleep(0)
        _log.info("caught up", seconds=done * interval)

    def _restart_clock(self) -> None:
        """Map the next frames' time to the wall clock's present."""
        due = self.core.now + self.pacer.interval
        self._clock = Clock(simulated=due, wall=self._wall())
        self._clock_at = self.pacer.clock()

    def _follow_wall(self) -> None:
        """Adopt the new time after the wall clock was set, or every lag would be wrong."""
        expected = self._clock.wall + self.pacer.clock() - self._clock_at
        drift = self._wall() - expected
        if abs(drift) > _LARGEST_DRIFT:
            _log.warning("the clock of this machine was set", seconds=round(drift, 3))
            self._clock = Clock(simulated=self._clock.simulated, wall=self._clock.wall + drift)

    # -- state ----------------------------------------------------------------

    async def _save(self, *, ended: bool = False) -> None:
        """Save the state; a failing disk is reported and costs no frame.

        Args:
            ended: whether publishing has ended.
        """
        if self._state is None:
            return
        self._saved_at = self.pacer.clock()
        data = self._state.dump(self.core.state(ended=ended, wall=self._wall()))
        try:
            await asyncio.to_thread(self._state.write, data)
        except OSError as error:
            _log.error("state not kept", file=str(self._state.path), error=str(error))
