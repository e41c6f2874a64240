"""What an emulator does of the site: all of it, the halls of some arrays, or the facility.

The shell around the plant is the same for all; a role says which plant it steps, what it
hears and tells beside frames, and whether it answers commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from twin.bus import InboundMessage
from twin.emulator.config import EmulatorConfig
from twin.emulator.pacer import Pacer
from twin.errors import FrameError
from twin.plant import Conditions, Plant
from twin.plant.shard import FacilityPlant, HallsPlant
from twin.site import FACILITY, Layout, Shard
from twin.wire import EmulatorStatus, FacilityFeedback, Outputs, ShardDraw, Topics, decode_message

__all__ = ["Role", "Word", "role_of"]

_PATIENCE = 0.4
"""The facility waits so much of the period for the shards' reports. They need what it makes of
them with the next tick."""
_FAR = 3.5
"""Intervals by which what another shard says may be off: further, it is of another time."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Word:
    """Something that a role tells the others once a tick.

    Attributes:
        topic: where.
        payload: what.
        retain: whether the broker keeps it.
    """

    topic: str
    payload: bytes
    retain: bool = False


class _Steppable(Protocol):
    time: float

    def resume(self, epoch: float) -> None: ...

    def outputs(self) -> Outputs: ...


class Role(Protocol):
    """What an emulator does of the site."""

    @property
    def leads(self) -> bool:
        """Whether it answers commands and tells which faults are in force."""

    @property
    def aligned(self) -> bool:
        """Whether its ticks lie on the grid of the wall clock, as those of all shards."""

    @property
    def filters(self) -> tuple[str, ...]:
        """What else it wants to hear."""

    @property
    def layout(self) -> Layout:
        """What it publishes the frames of."""

    @property
    def plant(self) -> _Steppable:
        """What it steps."""

    @property
    def quiet(self) -> frozenset[int]:
        """Arrays of its layout that another shard publishes now."""

    def begin(self, epoch: float, kept: object) -> bool:
        """Begin with what was kept, or afresh at ``epoch``; return whether that was kept."""

    def hear(self, message: InboundMessage, now: float) -> None:
        """Take note of what another shard tells.

        Raises:
            FrameError: it makes no sense.
        """

    async def gather(self, pacer: Pacer, tick: int) -> None:
        """Wait, but not for long, for what the tick needs of others."""

    def step(self, dt: float, conditions: Conditions, tick: int) -> Conditions:
        """Advance and return the conditions of what it has."""

    def words(self, now: float) -> tuple[Word, ...]:
        """Return what others have to know of the tick."""

    def status(self, now: float) -> Mapping[str, object]:
        """Return what it adds to the emulator's status."""


class WholeRole:
    """The whole site in one emulator."""

    leads = True
    aligned = False
    filters: tuple[str, ...] = ()
    quiet: frozenset[int] = frozenset()

    def __init__(self, config: EmulatorConfig) -> None:
        self._config = config
        self.layout = config.layout
        self.plant: Plant

    def begin(self, epoch: float, kept: object) -> bool:
        config = self._config
        if isinstance(kept, Plant):
            self.plant = kept
            return True
        self.plant = Plant(config.layout, config.seed, config.workload, epoch)
        return False

    def hear(self, message: InboundMessage, now: float) -> None:
        """Nobody has anything to tell it."""

    async def gather(self, pacer: Pacer, tick: int) -> None:
        """It needs nobody."""

    def step(self, dt: float, conditions: Conditions, tick: int) -> Conditions:  # noqa: ARG002 - others count them
        self.plant.step(dt, conditions)
        return conditions

    def words(self, now: float) -> tuple[Word, ...]:  # noqa: ARG002 - there is nobody to tell
        return ()

    def status(self, now: float) -> Mapping[str, object]:  # noqa: ARG002 - nothing to add
        return {}


class HallsRole:
    """The halls of one shard's arrays.

    Args:
        config: of the emulator.
        shard: which.

    Raises:
        ConfigError: the site has fewer arrays than there are shards.
    """

    leads = False
    aligned = True

    def __init__(self, config: EmulatorConfig, shard: Shard) -> None:
        self._config = config
        self._shard = shard
        self._site = config.layout
        self._topics = Topics(config.layout.site.name)
        self._far = _FAR * config.frame_interval
        self._heard: float | None = None
        self._since: float | None = None
        self._counts: dict[str, int] = {}
        self._owned = shard.arrays(self._site.site.arrays)
        self.filters = (self._topics.feedback, self._topics.faults, self._topics.status("+"))
        self.plant: HallsPlant

    @property
    def layout(self) -> Layout:
        return self.plant.layout

    @property
    def quiet(self) -> frozenset[int]:
        owned = set(self._owned)
        numbers = self.plant.layout.numbers
        return frozenset(row for row, number in enumerate(numbers) if number not in owned)

    def begin(self, epoch: float, kept: object) -> bool:
        config = self._config
        if isinstance(kept, HallsPlant):
            if set(self._owned) <= set(kept.layout.numbers):
                self.plant = kept
                return True
            _log.warning("state not taken up: it is of other arrays", shard=str(self._shard))
        self.plant = HallsPlant(self._site, self._owned, config.seed, config.workload, epoch)
        return False

    def hear(self, message: InboundMessage, now: float) -> None:
        if message.topic == self._topics.feedback:
            self._follow(decode_message(FacilityFeedback, message.payload), now)
        elif not message.retain:
            # What the broker kept may be of a division of long ago.
            self._look(message)

    def _follow(self, word: FacilityFeedback, now: float) -> None:
        if abs(now - word.ts) > self._far or (self._heard is not None and word.ts < self._heard):
            return
        feedback = word.feedback(self._site)
        if abs(now - word.ts) > 0.5 * self._config.frame_interval:
            # It is late: where the jobs stood then is not where they stand now.
            feedback = feedback.without_standings()
        try:
            self.plant.take(feedback)
        except (KeyError, ValueError, OverflowError) as error:
            raise FrameError("value", f"standings: {error!r}") from error
        self._heard = word.ts

    def _look(self, message: InboundMessage) -> None:
        """Let go of the arrays that a new shard has, when there are more of them than before."""
        if not message.payload:
            return
        status = decode_message(EmulatorStatus, message.payload)
        if status.shard is None or status.shard == FACILITY:
            return
        count = int(status.shard.partition("/")[2])
        if status.state == "offline":
            self._counts.pop(status.emulator, None)
        elif status.state == "online" and count <= self._site.site.arrays:
            self._counts[status.emulator] = count
        most = max(self._shard.count, *self._counts.values(), 0)
        mine = set(self.plant.layout.numbers)
        now = self._shard.of(most).arrays(self._site.site.arrays)
        owned = tuple(array for array in now if array in mine)
        if owned != self._owned:
            _log.info("arrays change hands", shards=most, before=len(self._owned), now=len(owned))
            self._owned = owned

    async def gather(self, pacer: Pacer, tick: int) -> None:
        """It goes by what it heard last."""

    def step(self, dt: float, conditions: Conditions, tick: int) -> Conditions:  # noqa: ARG002 - the facility counts them
        own = self.plant.own(conditions)
        self.plant.step(dt, own)
        return own

    def words(self, now: float) -> tuple[Word, ...]:
        draw = ShardDraw.of(self.plant.report(self._owned), now)
        return (Word(self._topics.draw(self._name), draw.encode()),)

    @property
    def _name(self) -> str:
        return str(self._shard.index)

    def status(self, now: float) -> Mapping[str, object]:
        # Who never heard anything has waited since it first said something.
        self._since = now if self._since is None else self._since
        age = max(0.0, round(now - (self._since if self._heard is None else self._heard), 3))
        return {"shard": str(self._shard), "arrays": len(self._owned), "feedback_age": age}


class FacilityRole:
    """What serves all arrays, which others run."""

    leads = True
    aligned = True
    quiet: frozenset[int] = frozenset()

    def __init__(self, config: EmulatorConfig) -> None:
        self._config = config
        self._site = config.layout
        self._topics = Topics(config.layout.site.name)
        self._news = asyncio.Event()
        self.filters = (self._topics.draw("+"),)
        self.plant: FacilityPlant

    @property
    def layout(self) -> Layout:
        return self.plant.layout

    def begin(self, epoch: float, kept: object) -> bool:
        config = self._config
        if isinstance(kept, FacilityPlant):
            self.plant = kept
            return True
        self.plant = FacilityPlant(self._site, config.seed, config.workload, epoch)
        return False

    def hear(self, message: InboundMessage, now: float) -> None:
        word = decode_message(ShardDraw, message.payload)
        interval = self._config.frame_interval
        if abs(now - word.ts) > _FAR * interval:
            raise FrameError("stale", f"ts {word.ts} is not of this time")
        address = self._topics.parse(message.topic)
        source = "" if address is None else address.name
        if not (source.isdecimal() and int(source) < self._site.site.arrays):
            raise FrameError("foreign", f"there is no shard {source!r}")
        self.plant.hear(source, word.report(self._site), round(word.ts / interval))
        self._news.set()

    async def gather(self, pacer: Pacer, tick: int) -> None:
        """Wait for the shards that reported the tick before."""
        ledger = self.plant.ledger
        try:
            async with asyncio.timeout(max(0.0, pacer.left - (1.0 - _PATIENCE) * pacer.period)):
                while ledger.missing(tick) and not ledger.complete(tick):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            _log.debug("a shard did not report in time", tick=tick)

    def step(self, dt: float, conditions: Conditions, tick: int) -> Conditions:
        self.plant.step(dt, conditions, tick)
        return conditions

    def words(self, now: float) -> tuple[Word, ...]:
        feedback = FacilityFeedback.of(self.plant.feedback(), now)
        return (Word(self._topics.feedback, feedback.encode(), retain=True),)

    def status(self, now: float) -> Mapping[str, object]:  # noqa: ARG002 - it goes by ticks
        return {"shard": FACILITY, "arrays": 0, "racks_assumed": self.plant.ledger.assumed}


def role_of(config: EmulatorConfig) -> Role:
    """Return the role that a configuration asks for.

    Raises:
        ConfigError: the site has fewer arrays than there are shards.
    """
    if isinstance(config.shard, Shard):
        return HallsRole(config, config.shard)
    return FacilityRole(config) if config.facility else WholeRole(config)
