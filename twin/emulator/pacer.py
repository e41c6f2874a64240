"""Real time: a thin pacer around simulated time that reports how late it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

__all__ = ["Pacer"]

_LATE_RATIO = 0.1
"""A tick that begins later than this share of the interval is late."""
_HOPELESS_SECONDS = 10.0
"""Further behind than this (a suspended laptop) the schedule begins anew."""


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
        restarts: times the schedule began anew because it was hopelessly behind.
    """

    interval: float
    speed: float = 1.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ticks: int = 0
    late_ticks: int = 0
    restarts: int = 0
    _origin: float = field(default=float("nan"), init=False)
    _origin_tick: int = field(default=0, init=False)

    @property
    def period(self) -> float:
        """Seconds of the wall clock between ticks."""
        return self.interval / self.speed

    async def tick(self) -> float:
        """Wait for the next tick and return how many seconds late it begins."""
        now = self.clock()
        if self.ticks == 0:
            self._origin = now
        due = self._origin + (self.ticks - self._origin_tick) * self.period
        if due > now:
            await self.sleep(due - now)
            now = self.clock()
        late = max(0.0, now - due)
        if late > _LATE_RATIO * self.period:
            self.late_ticks += 1
        if late > max(_HOPELESS_SECONDS, self.period):
            self._origin, self._origin_tick = now, self.ticks
            self.restarts += 1
        self.ticks += 1
        return late

    async def spread(self, share: float) -> None:
        """Wait until ``share`` (0 to 1) of the present tick's period has gone by."""
        due = self._origin + (self.ticks - 1 - self._origin_tick + share) * self.period
        wait = due - self.clock()
        if wait > 0:
            await self.sleep(wait)
