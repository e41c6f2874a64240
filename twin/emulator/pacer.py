"""Real time: a thin pacer around simulated time that reports how late it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Pacer"]

_LATE_RATIO = 0.1
"""A tick that begins later than this share of the interval is late."""
_STARTING_TICKS = 3
"""The first ticks, with which all is done that is done once, here and by those who listen."""
_HOPELESS_SECONDS = 10.0
"""Further behind than this (a suspended laptop) the schedule restarts."""


@dataclass(slots=True)
class Pacer:
    """Paces ticks of simulated time against the wall clock.

    The schedule is absolute, so lateness does not add up; a tick is never left out.

    Attributes:
        interval: simulated seconds between ticks.
        speed: simulated seconds a second.
        clock: monotonic clock in seconds.
        sleep: how to wait.
        ticks: ticks begun.
        late_ticks: ticks that began late.
        restarts: times the schedule restarted because it was hopelessly behind.
        slow_start: seconds by which the first ticks overran their periods; the schedule begins
            with the tick after them then.
        idle: share of the last period that was spent waiting.
    """

    interval: float
    speed: float = 1.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ticks: int = 0
    late_ticks: int = 0
    restarts: int = 0
    slow_start: float = 0.0
    idle: float = 0.0
    _slept: float = field(default=0.0, init=False)
    _origin: float = field(default=float("nan"), init=False)
    _origin_tick: int = field(default=0, init=False)

    @property
    def status(self) -> Mapping[str, object]:
        """What it adds to the emulator's status."""
        return {
            "interval": self.interval,
            "speed": self.speed,
            "ticks": self.ticks,
            "late_ticks": self.late_ticks,
            "restarts": self.restarts,
        }

    @property
    def period(self) -> float:
        """Seconds of the wall clock between ticks."""
        return self.interval / self.speed

    @property
    def elapsed(self) -> float:
        """Share of the present tick's period that has gone by, 1 or more when it is over."""
        return 1.0 - self.left / self.period

    @property
    def left(self) -> float:
        """Seconds until the next tick is due, negative when that is past."""
        return self._due(self.ticks) - self.clock()

    @property
    def starting(self) -> bool:
        """Whether the tick under way is one of the first."""
        return self.ticks <= _STARTING_TICKS

    def is_late(self, seconds: float) -> bool:
        """Whether a tick that begins ``seconds`` after it was due is late."""
        return seconds > _LATE_RATIO * self.period

    def retime(self, interval: float) -> None:
        """Restart the schedule at the present tick, with another interval."""
        self.interval = interval
        self._origin, self._origin_tick = self.clock(), self.ticks - 1

    async def tick(self) -> float:
        """Wait for the next tick and return how many seconds late it begins."""
        now = self.clock()
        if self.ticks == 0:
            self._origin = now
        due = self._due(self.ticks)
        if due > now:
            await self._wait(due - now)
            now = self.clock()
        self.idle, self._slept = self._slept / self.period, 0.0
        late = max(0.0, now - due)
        if self.starting and self.is_late(late):
            self.slow_start, late = self.slow_start + late, 0.0
            self._origin, self._origin_tick = now, self.ticks
        self.late_ticks += self.is_late(late)
        if late > max(_HOPELESS_SECONDS, self.period):
            self._origin, self._origin_tick = now, self.ticks
            self.restarts += 1
        self.ticks += 1
        return late

    async def spread(self, share: float) -> None:
        """Wait until ``share`` (0 to 1) of the present tick's period has gone by."""
        wait = self._due(self.ticks - 1 + share) - self.clock()
        if wait > 0:
            await self._wait(wait)

    def _due(self, tick: float) -> float:
        return self._origin + (tick - self._origin_tick) * self.period

    async def _wait(self, seconds: float) -> None:
        began = self.clock()
        await self.sleep(seconds)
        self._slept += self.clock() - began
