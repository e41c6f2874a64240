"""Publishing: one frame of every unit a tick, spread over the interval.

The plant's time does not wait for the broker. A broker that is away, or takes less than
is sent, costs frames: they are counted by reason, and the gap in their running numbers
shows at the other end. The units that went without are the first of the next tick.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twin.bus import Bus
from twin.catalog import UnitKind
from twin.emulator.pacer import Pacer
from twin.errors import BusError
from twin.plant import Conditions
from twin.site import Layout
from twin.wire import Codec, Encoder, Outputs, Topics

__all__ = ["Publisher"]

_LOSS_STREAM = 90
_SPREAD = 0.6
"""Frames of a tick are spread over this share of the interval. The rest is for the step of
the plant before them and for whoever is slower behind them."""
_BATCH = 8
"""Frames published between two looks at the clock."""
_LEAST_PATIENCE = 0.25
"""A tick that is late itself still waits for the broker for this share of the period."""


@dataclass(frozen=True, slots=True)
class _PublishedUnit:
    kind: UnitKind
    index: int
    topic: str


@dataclass(slots=True)
class _Round:
    """How far a tick's frames are."""

    count: int = 0
    done: int = 0
    blocked: float = 0.0


class Publisher:
    """Publishes the frames of a site and counts what became of them.

    Args:
        layout: the site.
        pacer: of the ticks.
        codec: how frames are written.
        seed: of the random numbers that decide which frames a lossy gateway loses.
        patient: whether to wait for a slow broker for as long as it takes.

    Attributes:
        bus: the connection, None while there is none.
        sequence: running number of each unit's next frame, by kind.
        published: frames handed to the broker.
        unsent: frames that were not, because the broker was away.
        overdue: frames that were not, because it took too long to take those before them.
        blocked: seconds that frames waited for the broker.
    """

    def __init__(
        self, layout: Layout, pacer: Pacer, codec: Codec, seed: int, *, patient: bool
    ) -> None:
        topics = Topics(layout.site.name)
        self.bus: Bus | None = None
        self.published = self.unsent = self.overdue = 0
        self.blocked = 0.0
        self.sequence = {kind: [0] * layout.units(kind) for kind in UnitKind}
        self._pacer = pacer
        self._patient = patient
        self._encoders = {
            kind: Encoder(layout, kind, codec) for kind in UnitKind if layout.units(kind) > 0
        }
        self._units = [
            _PublishedUnit(kind, index, topics.frame(kind, layout.unit_name(kind, index)))
            for kind in self._encoders
            for index in range(layout.units(kind))
        ]
        self._rng = np.random.default_rng([seed, _LOSS_STREAM])
        self._starved: _PublishedUnit | None = None
        self._round = _Round()
        self._layout = layout
        self._silent: frozenset[int] = frozenset()
        self._speaking = self._units

    def silence(self, arrays: frozenset[int]) -> None:
        """Publish from now on all units but those of these arrays, which another shard has.

        Args:
            arrays: by their index in the layout.
        """
        if arrays == self._silent:
            return
        self._silent, self._starved = arrays, None
        self._speaking = [unit for unit in self._units if self._array(unit) not in arrays]

    def _array(self, unit: _PublishedUnit) -> int | None:
        """Return the array that a unit stands in, None where it stands in none."""
        if unit.kind is UnitKind.RACK:
            return self._layout.array_of(unit.index)
        return unit.index if unit.kind is UnitKind.ARRAY else None

    def skip(self, frames: int) -> None:
        """Count as many frames of every unit as made and lost."""
        for numbers in self.sequence.values():
            numbers[:] = [number + frames for number in numbers]

    @property
    def status(self) -> Mapping[str, object]:
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
        share = min(1.0, self._pacer.elapsed / _SPREAD)
        return min(left, max(0, math.ceil(share * self._round.count) - self._round.done))

    async def publish(self, outputs: Outputs, now: float, conditions: Conditions) -> None:
        """Publish one frame of every unit whose gateway reports.

        Args:
            outputs: what the plant gives.
            now: simulated unix time.
            conditions: of the plant; they say which gateways are silent, lossy or wrong
                about the time.
        """
        for encoder in self._encoders.values():
            encoder.load(outputs)
        reporting = conditions.gateway_reporting.tolist()
        ahead = conditions.clock_skew.tolist()
        lost = (self._rng.random(len(reporting)) < conditions.frame_loss).tolist()
        first = 0 if self._starved is None else self._speaking.index(self._starved)
        order = self._speaking[first:] + self._speaking[:first]
        units = [unit for unit in order if unit.kind is not UnitKind.RACK or reporting[unit.index]]
        self._round, self._starved = _Round(len(units)), None
        for unit in units:
            done = self._round.done
            if done % _BATCH == 0:
                await self._pacer.spread(_SPREAD * done / len(units))
            rack = unit.kind is UnitKind.RACK
            payload = self._encode(unit, now + ahead[unit.index] if rack else now)
            if not (rack and lost[unit.index]):
                await self._hand_over(unit, payload)
            self._round.done += 1

    def _encode(self, unit: _PublishedUnit, ts: float) -> bytes:
        sequence = self.sequence[unit.kind]
        payload = self._encoders[unit.kind].encode(unit.index, max(0.0, ts), sequence[unit.index])
        sequence[unit.index] += 1
        return payload

    async def _hand_over(self, unit: _PublishedUnit, payload: bytes) -> None:
        bus = self.bus
        try:
            if bus is None:
                self.unsent += 1
                return
            if bus.congested:
                await self._insist(bus, unit, payload)
            else:
                await bus.publish(unit.topic, payload)
            self.published += 1
        except BusError:
            self.unsent += 1
        except TimeoutError:
            self._starved = self._starved or unit
            self.overdue += 1

    async def _insist(self, bus: Bus, unit: _PublishedUnit, payload: bytes) -> None:
        """Publish to a broker that has not taken what came before.

        Raises:
            TimeoutError: it did not in time.
        """
        before = bus.blocked
        try:
            async with asyncio.timeout(self._patience()):
                await bus.publish(unit.topic, payload)
        finally:
            waited = bus.blocked - before
            self.blocked += waited
            self._round.blocked += waited

    def _patience(self) -> float | None:
        """Return how many seconds a frame may wait for the broker, None for any number."""
        if self._patient:
            return None
        least = _LEAST_PATIENCE * self._pacer.period - self._round.blocked
        return max(self._pacer.left, least, 0.0)
