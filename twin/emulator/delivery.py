"""Delivery: the frames of a tick, spread over the interval, and their outcomes.

Simulated time does not wait for the broker. If the broker is down or too slow, frames are
lost: they are counted by reason, and the gap in their sequence numbers shows at the
aggregator. The messages that were not sent go first on the next tick.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass

from twin.bus import Bus
from twin.emulator.frame_source import FrameSource, Parcel
from twin.emulator.pacer import Pacer
from twin.errors import BusError
from twin.wire import OutboundMessage

__all__ = ["Delivery"]

_SPREAD = 0.6
"""Frames of a tick are spread over this share of the interval. The rest is for the step of
the plant before them and for slower ones behind them."""
_FIRST_SECONDS = 0.0002
"""For each frame of the first tick: at once where there are few, and where there are many no faster
than those who listen can make room for them."""
_BATCH = 8
"""Frames published between two looks at the clock, at least."""
_LOOKS = 400
"""Looks at the clock a tick, at most: each is a turn of the event loop and a timer."""
_LEAST_PATIENCE = 0.25
"""A tick that is late itself still waits for the broker for this share of the period."""
_FIRST_PATIENCE = 2.0
"""The same of the first ticks: whoever listens has much to do then."""


@dataclass(slots=True)
class _Round:
    """How far a tick's frames are, and over which share of the interval they are spread."""

    count: int = 0
    share: float = _SPREAD
    done: int = 0
    blocked: float = 0.0


class Delivery:
    """Hands the frames of each tick to the broker and counts what became of them.

    Args:
        frames: what is delivered.
        pacer: of the ticks.
        patient: whether to wait for a slow broker for as long as it takes.

    Attributes:
        bus: the connection, None while there is none.
        published: frames handed to the broker.
        unsent: frames that were not, because the broker was away.
        overdue: frames that were not, because it took too long to take those before them.
        blocked: seconds that frames waited for the broker.
    """

    def __init__(self, frames: FrameSource, pacer: Pacer, *, patient: bool) -> None:
        self.bus: Bus | None = None
        self.published = self.unsent = self.overdue = 0
        self.blocked = 0.0
        self._frames = frames
        self._pacer = pacer
        self._patient = patient
        self._starved: Parcel | None = None
        self._round = _Round()

    @property
    def figures(self) -> Mapping[str, object]:
        """What it adds to the emulator's status."""
        return {
            "frames": self.published,
            "unsent": self.unsent,
            "overdue": self.overdue,
            "queued": self.queued,
            "blocked_seconds": round(self.blocked, 3),
        }

    @property
    def queued(self) -> int:
        """Frames of the tick under way that are due and not handed over yet."""
        left = self._round.count - self._round.done
        share = min(1.0, self._pacer.elapsed / self._round.share)
        return min(left, max(0, math.ceil(share * self._round.count) - self._round.done))

    async def deliver(self) -> None:
        """Hand over the frames of this tick."""
        parcels = self._frames.parcels()
        first = parcels.index(self._starved) if self._starved in parcels else 0
        count = sum(len(parcel.units) for parcel in parcels)
        share = _SPREAD
        if self._pacer.ticks <= 1:
            share = count * _FIRST_SECONDS / self._pacer.period
        self._round, self._starved = _Round(count, share), None
        look, batch = 0, max(_BATCH, count // _LOOKS)
        for parcel in parcels[first:] + parcels[:first]:
            done = self._round.done
            if done >= look:
                look = done + batch
                await self._pacer.spread(share * done / count)
            message, frames = self._frames.pack(parcel)
            if message is not None:
                await self._hand_over(parcel, message, frames)
            self._round.done += len(parcel.units)

    async def _hand_over(self, parcel: Parcel, message: OutboundMessage, frames: int) -> None:
        bus = self.bus
        try:
            if bus is None:
                self.unsent += frames
                return
            if bus.congested:
                await self._insist(bus, message)
            else:
                await bus.publish(message.topic, message.payload)
            self.published += frames
        except BusError:
            self.unsent += frames
        except TimeoutError:
            self._starved = self._starved or parcel
            self.overdue += frames

    async def _insist(self, bus: Bus, message: OutboundMessage) -> None:
        """Publish to a broker that has not taken what came before.

        Raises:
            TimeoutError: it did not in time.
        """
        before = bus.blocked
        try:
            async with asyncio.timeout(self._patience()):
                await bus.publish(message.topic, message.payload)
        finally:
            waited = bus.blocked - before
            self.blocked += waited
            self._round.blocked += waited

    def _patience(self) -> float | None:
        """Return how many seconds a frame may wait for the broker, None for any number."""
        if self._patient:
            return None
        period = self._pacer.period
        longer = max(0.0, self._round.share - _SPREAD) * period
        share = _FIRST_PATIENCE if self._pacer.starting else _LEAST_PATIENCE
        least = share * period - self._round.blocked
        return max(self._pacer.left + longer, least, 0.0)
