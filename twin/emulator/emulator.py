"""The emulator: steps the plant, or a shard of it, and publishes what its devices would.

Three tasks live side by side: one ticks the plant and publishes a frame a unit,
spread over the interval; one keeps the connection and takes commands; one tells how
it goes. Simulated time never waits for the broker, and the interval stays what was set,
unless the emulator is told to slow down; what cannot be kept is counted.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from twin.bus import BrokerUrl, Bus, InboundMessage, Will, keep_connected
from twin.catalog import UnitKind
from twin.emulator.commands import Commands
from twin.emulator.config import EmulatorConfig
from twin.emulator.meta import rack_meta
from twin.emulator.pacer import Pacer
from twin.emulator.publisher import Publisher
from twin.emulator.role import Word, role_of
from twin.emulator.slowdown import SlowDown
from twin.emulator.state import SAVE_SECONDS, StateFile, repeated_steps
from twin.errors import BusError, FrameError, first_error
from twin.faults import FAULTS, FaultSchedule
from twin.faults.natural import failures_of
from twin.wire import Clock, EmulatorStatus, Topics

__all__ = ["Emulator", "EmulatorConfig"]

_log = structlog.get_logger(__name__)
_STATUS_SECONDS = 2.0
_HALT_SECONDS = 5.0
_GOODBYE_SECONDS = 1.0
"""How long a broker that hangs may delay our end; what keeps the state must not wait for it."""
_LARGEST_DRIFT = 0.25
"""Seconds by which the wall clock may leave the monotonic one before it counts as set."""
_MOST_MISSED_SECONDS = 300.0
"""What a shard catches up at most after a restart; what is longer ago is left out."""


class Emulator:
    """Publishes the telemetry of a site, or of its shard.

    Args:
        config: what to run.
        wall: wall clock in unix seconds.

    Raises:
        ConfigError: the workload or the kind of failures does not exist, or the shard has no array.
    """

    def __init__(self, config: EmulatorConfig, wall: Callable[[], float] = time.time) -> None:
        layout = config.layout
        self._config = config
        self._wall = wall
        self._topics = Topics(layout.site.name)
        self._faults = FaultSchedule(layout, FAULTS)
        self._commands = Commands(self._faults, self._topics)
        # A frame describes the end of its tick's interval: that of the first one is the present.
        present = wall() - config.frame_interval
        self.epoch = round(present if config.epoch is None else config.epoch, 3)
        """Simulated unix time of the start."""
        self._role = role = role_of(config)
        failures = config.failures if role.leads else "none"
        self._failures = failures_of(failures, layout, config.seed)
        self.pacer = Pacer(config.frame_interval, config.speed)
        """Paces the ticks and counts the late ones."""
        self._slow_down = SlowDown() if config.slow_down else None
        self._state = None
        if config.state is not None:
            self._state = StateFile(config.state, layout, config.workload, config.part)
        self._saved_at = -math.inf  # the first tick keeps the state: there is none, or an old one
        kept = self._begin()
        self._layout = role.layout
        self._publisher = Publisher(
            role.layout, self.pacer, config.codec, config.seed, patient=config.slow_down
        )
        self._lived = None
        """Simulated unix time up to which the kept state has lived; None for a fresh one."""
        if kept is not None:
            self._lived = kept["now"]
            for kind in UnitKind:
                self._publisher.sequence[kind] = kept["sequence"][kind.value]
        if self._failures is not None:
            # Those of the time before a restart are past.
            self._failures.until(role.plant.time)
        self._clock = Clock(simulated=self.epoch, wall=wall())
        self._clock_at = self.pacer.clock()
        self._halt = False
        self._halted = asyncio.Event()
        self.connected = asyncio.Event()
        """Set once the first connection stands."""

    @property
    def published(self) -> int:
        """Frames published so far."""
        return self._publisher.published

    @property
    def unsent(self) -> int:
        """Frames that could not be published, whatever the reason."""
        return self._publisher.unsent + self._publisher.overdue

    @property
    def now(self) -> float:
        """Simulated unix time."""
        return self.epoch + self._role.plant.time

    async def run(self, broker: BrokerUrl, stop: asyncio.Event) -> None:
        """Publish to ``broker`` until ``stop`` is set.

        Raises:
            BusError: the broker refuses us for good, for example by a wrong password.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                link = tasks.create_task(self._keep_connected(broker), name="emulator connection")
                status = tasks.create_task(self._say_forever(), name="emulator status")
                ticks = tasks.create_task(self._tick_forever(), name="emulator ticks")
                await stop.wait()
                for task in (ticks, status):
                    task.cancel()
                await asyncio.gather(ticks, status, return_exceptions=True)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GOODBYE_SECONDS):
                        await self._say("offline")
                link.cancel()
                await self._save(ended=True)
        except BaseExceptionGroup as group:
            raise first_error(group) from group

    # -- connection -----------------------------------------------------------

    async def _keep_connected(self, broker: BrokerUrl) -> None:
        name = self._config.name
        await keep_connected(
            broker,
            self._session,
            client_id=f"twin-emulator-{name}-{self._layout.site.name}",
            will=Will(self._topics.status(name), self._status("lost").encode()),
            on_state=self._on_state,
        )

    def _on_state(self, connected: bool) -> None:
        if not connected:
            self._publisher.bus = None

    async def _session(self, bus: Bus) -> None:
        """Live through one connection: announce ourselves, then take commands."""
        leads = self._role.leads
        for wanted in (*([self._topics.command("+")] if leads else []), *self._role.filters):
            await bus.subscribe(wanted, qos=1)
        self._publisher.bus = bus
        await self._say("online")
        if leads:
            await self._publish_faults(bus)
        for rack in range(self._layout.units(UnitKind.RACK)):
            meta = rack_meta(self._layout, rack)
            await bus.publish(self._topics.meta(meta.rack), meta.encode(), retain=True)
        self.connected.set()
        async for message in bus.messages():
            if self._hear(message):
                continue
            answer = self._commands.handle(
                message.topic, message.payload, self.now, retain=message.retain
            )
            if answer is not None:
                # What was accepted must outlive us: the next tick keeps the state.
                self._saved_at = -math.inf
                await bus.publish(self._topics.ack(answer.id), answer.encode(), qos=1)
                await self._publish_faults(bus)

    def _hear(self, message: InboundMessage) -> bool:
        """Take note of a message of another shard and return whether it was one."""
        address = self._topics.parse(message.topic)
        if address is None or address.kind == "command":
            return False
        try:
            if message.topic == self._topics.faults:
                self._commands.follow(message.payload)
            else:
                self._role.hear(message, self.now)
        except FrameError as error:
            _log.warning("message refused", topic=message.topic, reason=error.reason,
                         detail=error.detail)  # fmt: skip
        return True

    async def _say_forever(self) -> None:
        while True:
            await asyncio.sleep(_STATUS_SECONDS)
            self._follow_wall()
            await self._say("online")

    async def _say(self, state: str, qos: int = 1) -> None:
        """Publish our status; without a broker nobody can hear it, and that is all."""
        bus = self._publisher.bus
        if bus is None:
            return
        topic = self._topics.status(self._config.name)
        try:
            await bus.publish(topic, self._status(state).encode(), qos=qos, retain=True)
        except BusError as error:
            _log.debug("status not sent", error=str(error))

    async def _publish_faults(self, bus: Bus) -> None:
        report = self._commands.report(parameters=self._role.aligned)
        await bus.publish(self._topics.faults, report.encode(), qos=1, retain=True)

    def _status(self, state: str) -> EmulatorStatus:
        return EmulatorStatus.model_validate(
            {
                "emulator": self._config.name,
                "state": state,
                "clock": self._clock.model_dump(),
                **self.pacer.status,
                **self._publisher.status,
                "slowdown": 1.0 if self._slow_down is None else self._slow_down.factor,
                **self._role.status(self.now),
            }
        )

    # -- state ----------------------------------------------------------------

    def _begin(self) -> Any:
        """Begin with the state that was kept and return it, or afresh and return None."""
        role = self._role
        kept = None if self._state is None else self._state.load()
        taken = role.begin(self.epoch, None if kept is None else kept["plant"])
        if kept is None or not taken:
            return None
        plant = role.plant
        missed = 0
        if not (role.aligned or kept["ended"]):
            missed = repeated_steps(self._wall() - kept["wall"], self.pacer.period)
        # Simulated time is the present again; what was not lived through is left out.
        self.epoch = round(self.epoch - plant.time - missed * self.pacer.interval, 3)
        plant.resume(self.epoch)
        self._faults.restore(kept["strikes"])
        for tick in range(missed):
            role.step(self.pacer.interval, self._faults.conditions(self.now), tick)
        _log.info("state taken up", simulated_seconds=plant.time,
                  lived_through_again=missed * self.pacer.interval,
                  file=None if self._state is None else str(self._state.path))  # fmt: skip
        return kept

    async def _save(self, *, ended: bool = False) -> None:
        """Keep the state; a disk that takes nothing is reported and costs no frame.

        Args:
            ended: whether nothing is published any more.
        """
        if self._state is None:
            return
        self._saved_at = self.pacer.clock()
        data = self._state.dump(
            {
                "plant": self._role.plant,
                "now": self.now,
                "ended": ended,
                "wall": self._wall(),
                "strikes": self._faults.active,
                "sequence": {kind.value: list(n) for kind, n in self._publisher.sequence.items()},
            }
        )
        try:
            await asyncio.to_thread(self._state.write, data)
        except OSError as error:
            _log.error("state not kept", file=str(self._state.path), error=str(error))

    # -- ticks ----------------------------------------------------------------

    async def _tick_forever(self) -> None:
        await self.connected.wait()
        await self._align()
        self._restart_clock()
        while not self._halt:
            restarts = self.pacer.restarts
            late = await self.pacer.tick()
            if self.pacer.restarts != restarts:
                await self._align()
                self._restart_clock()
                _log.warning("fell behind; the clock begins anew", late_seconds=round(late, 1))
            await self._adapt(late)
            await self._tick()
            if self.pacer.clock() - self._saved_at >= SAVE_SECONDS:
                await self._save()
        self._halted.set()

    async def halt(self) -> None:
        """Let the tick under way end and begin no other; we stay online."""
        self._halt = True
        try:
            async with asyncio.timeout(self.pacer.period + _HALT_SECONDS):
                await self._halted.wait()
        except TimeoutError:
            # Without a broker from the start there never was a tick.
            _log.warning("the tick under way did not end", seconds=_HALT_SECONDS)

    async def _adapt(self, late: float) -> None:
        """Take a longer or shorter interval if we are to and have to."""
        slow_down, pacer = self._slow_down, self.pacer
        if slow_down is None or not slow_down.judge(pacer.is_late(late), pacer.idle):
            return
        pacer.retime(self._config.frame_interval * slow_down.factor)
        self._restart_clock()
        _log.warning("interval changed to what can be kept", seconds=round(pacer.interval, 3))
        await self._say("online", qos=0)

    async def _align(self) -> None:
        """Wait for the grid of the wall clock on which all shards tick, and go by its time."""
        if not self._role.aligned:
            return
        interval = self.pacer.interval
        await self._catch_up()
        now = self._wall()
        due = interval * math.ceil(now / interval)
        await self.pacer.sleep(due - now)
        if self.pacer.ticks:
            self.pacer.retime(interval)
        self.epoch = round(due - interval - self._role.plant.time, 3)
        self._role.plant.resume(self.epoch)

    async def _catch_up(self) -> None:
        """Live through the time since a state was kept, so that no counter is less than before.

        A shard that was killed has published counters that are higher than those it kept. It
        draws the same random numbers once more, so it comes to the same ones.
        """
        interval, lived, self._lived = self.pacer.interval, self._lived, None
        if lived is None:
            return
        missed = math.floor((self._wall() - lived) / interval)
        if not 0.0 < missed * interval <= _MOST_MISSED_SECONDS:
            return
        for tick in range(missed):
            now = lived + tick * interval
            self._role.step(interval, self._faults.conditions(now), round(now / interval) + 1)
            await asyncio.sleep(0)
        self._publisher.skip(missed)
        _log.info("caught up", seconds=missed * interval)

    def _restart_clock(self) -> None:
        """Map the next frames' time to the wall clock's present."""
        due = self.now + self.pacer.interval
        self._clock = Clock(simulated=due, wall=self._wall())
        self._clock_at = self.pacer.clock()

    def _follow_wall(self) -> None:
        """Tell the new time when somebody has set the wall clock, or every lag would be wrong."""
        expected = self._clock.wall + self.pacer.clock() - self._clock_at
        drift = self._wall() - expected
        if abs(drift) > _LARGEST_DRIFT:
            _log.warning("the clock of this machine was set", seconds=round(drift, 3))
            self._clock = Clock(simulated=self._clock.simulated, wall=self._clock.wall + drift)

    async def _tick(self) -> None:
        """Advance the plant by one interval and publish what changed."""
        bus, role, interval = self._publisher.bus, self._role, self.pacer.interval
        if (self._faults.expire(self.now) | self._fail()) and role.leads and bus is not None:
            await self._try_publish_faults(bus)
        tick = round((self.now + interval) / interval)
        await role.gather(self.pacer, tick)
        conditions = role.step(interval, self._faults.conditions(self.now), tick)
        for word in role.words(self.now):
            await self._tell(word)
        self._publisher.silence(role.quiet)
        await self._publisher.publish(role.plant.outputs(), self.now, conditions)

    async def _tell(self, word: Word) -> None:
        """Tell the other shards; without a broker they go on by themselves."""
        bus = self._publisher.bus
        if bus is None:
            return
        try:
            async with asyncio.timeout(self.pacer.period):
                await bus.publish(word.topic, word.payload, retain=word.retain)
        except (BusError, TimeoutError) as error:
            _log.debug("other shards not told", topic=word.topic, error=str(error))

    def _fail(self) -> bool:
        """Let the natural failures that are due begin and return whether there were any."""
        if self._failures is None:
            return False
        struck = self._failures.apply(self._faults, self._role.plant.time, self.epoch)
        for failure in struck:
            _log.info("natural failure", cause=failure.cause, fault=failure.kind,
                      target=failure.target, seconds=round(failure.seconds))  # fmt: skip
        return bool(struck)

    async def _try_publish_faults(self, bus: Bus) -> None:
        try:
            await self._publish_faults(bus)
        except BusError as error:
            _log.debug("faults not sent", error=str(error))
