"""The emulator without any I/O: commands and steps in, messages out.

It knows no clock: simulated time is the sum of its steps. The service paces it by the wall
clock and publishes what it says; the rule tests step it as fast as they can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import structlog

from twin.catalog import UnitKind
from twin.emulator.array_ownership import ArrayOwnership
from twin.emulator.commands import Commands
from twin.emulator.config import EmulatorConfig
from twin.emulator.frame_source import FrameSource
from twin.emulator.job_messages import JobMessages
from twin.emulator.state import KeptState
from twin.errors import FrameError
from twin.faults import FAULTS, FaultSchedule
from twin.faults.natural import failures_of
from twin.plant import Plant
from twin.plant.state import PlantStateError, restore_plant, state_of
from twin.plant.trial import try_out
from twin.site import FACILITY, Shard
from twin.wire import EmulatorStatus, Faults, OutboundMessage, Topics, decode_message, rack_meta

__all__ = ["EmulatorCore"]

_log = structlog.get_logger(__name__)


class EmulatorCore:
    """A plant, its faults, and the messages that its devices and the emulator send.

    A shard steps the plant of the whole site, and makes the frames of its own arrays only.

    Args:
        config: what to run.
        epoch: simulated unix time of the start of a plant that begins.
        weather: unix time of the start, for the weather only; None for ``epoch``.
        kept: what :meth:`state` returned for an emulator before this one; None to begin.

    Attributes:
        plant: of the whole site.
        faults: those in force.
        frames: of the tick that was stepped last.
        topics: of the site.
        leads: whether it answers commands and tells which faults are in force.
        aligned: whether its ticks lie on the grid of the wall clock, as those of all shards.

    Raises:
        ConfigError: the workload or the kind of failures does not exist, or the site has fewer
            arrays than there are shards.
        FrameError: a fault of the kept state does not exist.
        PlantStateError: the kept state does not fit the site.
    """

    def __init__(
        self,
        config: EmulatorConfig,
        epoch: float,
        weather: float | None = None,
        kept: KeptState | None = None,
    ) -> None:
        layout = config.layout
        self._config = config
        self.topics = Topics(layout.site.name)
        self.aligned = config.shard is not None
        self.leads = config.shard is None or config.facility
        # Shards begin and end a fault with the same tick: the one after all have heard of it.
        self._lead = config.frame_interval if self.aligned else 0.0
        self.faults = FaultSchedule(layout, FAULTS)
        self._commands = Commands(self.faults, self.topics, self._lead)
        self._failures = failures_of(config.failures if self.leads else "none", layout, config.seed)
        self._ownership = (
            ArrayOwnership(config.shard, layout.site.arrays)
            if isinstance(config.shard, Shard)
            else None
        )
        self.frames = FrameSource(layout, config.codec, config.seed, config.left_out)
        self._outbox: list[OutboundMessage] = []
        self._epoch = epoch
        start = epoch if weather is None else weather
        self.plant = Plant(layout, config.seed, config.workload, start, config.longest_step)
        if kept is not None:
            try_out(Plant(layout, config.seed, config.workload, start), kept.plant, layout)
            self._restore(kept)
        if self._failures is not None:
            # Those of the time before a restart are past.
            self._failures.until(self.plant.time + self._lead)
        batch = self.plant.halls.batch
        self._jobs = None if batch is None else JobMessages(layout, batch)
        self._published: tuple[int, ...] | None = None
        self._assign()

    @property
    def now(self) -> float:
        """Simulated unix time."""
        return self._epoch + self.plant.time

    @property
    def epoch(self) -> float:
        """Simulated unix time of the plant's start."""
        return self._epoch

    def move_to(self, now: float) -> None:
        """Go on at another simulated time: what lies between is left out."""
        self._epoch = round(now - self.plant.time, 3)
        self.plant.resume(self._epoch)

    def state(self, *, ended: bool = False, wall: float = 0.0) -> KeptState:
        """Return what the next emulator needs to go on from here.

        Args:
            ended: whether publishing has ended.
            wall: the wall clock, unix seconds.
        """
        return KeptState(
            plant=state_of(self.plant),
            now=self.now,
            faults=self._commands.report(parameters=True).active,
            sequence={kind.value: tuple(n) for kind, n in self.frames.sequence.items()},
            ended=ended,
            wall=wall,
        )

    def _restore(self, kept: KeptState) -> None:
        restore_plant(self.plant, kept.plant)
        self.move_to(kept.now)
        self._commands.follow(Faults(active=kept.faults).encode())
        for kind, numbers in self.frames.sequence.items():
            saved = kept.sequence.get(kind.value, ())
            if len(saved) != len(numbers):
                raise PlantStateError(f"it counts the frames of {len(saved)} {kind.value} units, "
                                    f"not of {len(numbers)}")  # fmt: skip
            numbers[:] = saved

    # -- what comes in ----------------------------------------------------------

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Filters of the topics that :meth:`on_message` wants."""
        topics = self.topics
        wanted = (topics.command("+"),) if self.leads else (topics.faults,)
        return (*wanted, topics.status("+")) if self.aligned else wanted

    def on_message(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Take in a message and return whether the faults in force changed.

        Args:
            topic: of the message.
            payload: of the message.
            retain: whether the broker had kept it.
        """
        address = self.topics.parse(topic)
        if address is None:
            return False
        if address.kind == "command":
            return self._command(topic, payload, retain=retain)
        try:
            if topic == self.topics.faults and not self.leads:
                self._commands.follow(payload)
                return True
            if address.kind == "status" and payload and not retain:
                # What the broker kept may be of a division, or of a time, of long ago.
                self._on_status(decode_message(EmulatorStatus, payload))
        except FrameError as error:
            _log.warning("message refused", topic=topic, reason=error.reason, detail=error.detail)
        return False

    def inject(
        self,
        identifier: str,
        kind: str,
        target: str | None,
        seconds: float | None = None,
        parameters: Mapping[str, float] | None = None,
    ) -> None:
        """Let a fault begin with the next step.

        Args:
            identifier: of the fault, chosen by the caller.
            kind: of fault.
            target: the place, as a person writes it; None for the site's default.
            seconds: how long; None for the fault's default.
            parameters: of the fault.

        Raises:
            ConfigError: see :meth:`twin.faults.FaultSchedule.inject`.
        """
        begins = self.now + self._lead
        self.faults.inject(identifier, kind, target, begins, seconds, parameters)
        self._outbox.append(self.faults_message())

    def _command(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        answer = self._commands.handle(topic, payload, self.now, retain=retain)
        if answer is None:
            return False
        ack = OutboundMessage(self.topics.ack(answer.id), answer.encode(), qos=1)
        self._outbox += [ack, self.faults_message()]
        return True

    def _on_status(self, status: EmulatorStatus) -> None:
        """Follow the status of another shard."""
        if not self.aligned or status.emulator == self._config.name:
            return
        if self._ownership is not None:
            self._ownership.on_status(status)
        self._follow_jobs(status)

    def _follow_jobs(self, status: EmulatorStatus) -> None:
        """Put the jobs where they stand in the plant that has run for longest.

        Shards that began together have the same jobs. One that began later, or heard of a
        fault late, falls in with the others here.
        """
        told, jobs = status.jobs, self.plant.jobs
        if (
            told is None
            or status.lived is None
            or abs(told.ts - self.now) > self._config.frame_interval / 2
        ):
            return
        mine = (self.plant.time, self._config.facility)
        if (status.lived, status.shard == FACILITY) <= mine or told.standings == jobs.standings:
            return
        try:
            jobs.follow(told.standings)
        except (KeyError, ValueError, OverflowError) as error:
            raise FrameError("value", f"standings: {error!r}") from error

    # -- time -------------------------------------------------------------------

    def step(self, dt: float) -> None:
        """Advance by ``dt`` simulated seconds and begin the frames of the tick."""
        gateways_at = self.now
        self.replay(dt)
        self._assign()
        if self._jobs is not None:
            self._outbox += self._jobs.changed(self._epoch, leads=self.leads)
        self.frames.advance(self.plant.outputs, self.now, self.faults.gateways(gateways_at))

    def replay(self, dt: float) -> None:
        """Advance by ``dt`` simulated seconds without publishing."""
        if (self.faults.expire(self.now) | self._fail()) and self.leads:
            self._outbox.append(self.faults_message())
        self.plant.step(dt, self.faults.conditions(self.now))

    def _fail(self) -> bool:
        """Let the natural failures that are due begin and return whether there were any."""
        if self._failures is None:
            return False
        before = self._failures.left_out
        struck = self._failures.apply(self.faults, self.plant.time + self._lead, self._epoch)
        if self._failures.left_out > before == 0:
            _log.warning("natural failures are left out: as many faults are in force as one "
                         "message can tell", most=self.faults.MOST)  # fmt: skip
        for failure in struck:
            _log.info("natural failure", cause=failure.cause, fault=failure.kind,
                      target=failure.target, seconds=round(failure.seconds))  # fmt: skip
        return bool(struck)

    def _assign(self) -> None:
        """Make frames of the arrays that are ours now."""
        if not self.aligned:
            return
        arrays = () if self._ownership is None else self._ownership.arrays
        if arrays != self._published:
            if self._published is not None:
                _log.info("arrays change hands", before=len(self._published), now=len(arrays))
            self._published = arrays
            self.frames.assign(arrays, facility=self._config.facility)
            if self._jobs is not None:
                site = self._config.layout
                self._jobs.assign([rack for array in arrays for rack in site.racks_of(array)])

    # -- what goes out ----------------------------------------------------------

    def outbox(self) -> list[OutboundMessage]:
        """Return the messages that wait to be published, once; frames are :attr:`frames`."""
        outgoing, self._outbox = self._outbox, []
        return outgoing

    def announcement(self, figures: Mapping[str, object]) -> Iterator[OutboundMessage]:
        """Yield what is said whenever a connection stands: status, faults, metadata."""
        yield self.status("online", figures)
        if self.leads:
            yield self.faults_message()
        layout = self.frames.layout
        racks = (layout.number(UnitKind.RACK, own) for own in range(layout.units(UnitKind.RACK)))
        for rack in racks:
            if rack in self._config.left_out:
                continue
            meta = rack_meta(layout.names, rack)
            yield OutboundMessage(self.topics.meta(meta.rack), meta.encode(), retain=True)
        if self._jobs is not None:
            yield from self._jobs.everything(self._epoch, leads=self.leads)

    def status(self, state: str, figures: Mapping[str, object]) -> OutboundMessage:
        """Return the emulator's status.

        Args:
            state: ``online``, ``offline`` or ``lost``.
            figures: what the caller knows of time and delivery: fields of :class:`EmulatorStatus`.
        """
        fields = {"emulator": self._config.name, "state": state, **figures}
        if self.aligned:
            jobs = {"ts": self.now, "standings": self.plant.jobs.standings}
            fields |= {
                "shard": str(self._config.shard), "arrays": len(self._published or ()),
                "lived": self.plant.time, "jobs": jobs,
            }  # fmt: skip
        payload = EmulatorStatus.model_validate(fields).encode()
        return OutboundMessage(self.topics.status(self._config.name), payload, retain=True, qos=1)

    def faults_message(self) -> OutboundMessage:
        """Return the faults in force; their parameters only for shards, which rebuild them."""
        payload = self._commands.report(parameters=self.aligned).encode()
        return OutboundMessage(self.topics.faults, payload, retain=True, qos=1)
