"""Limits of the HTTP interface: per client and in total."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

__all__ = ["BusyError", "Limits", "Slots"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the HTTP interface.

    Attributes:
        connections: open connections, from the moment they are accepted. The next one takes the
            place of the one that has waited longest for its client, or is closed.
        scrapes: pages of metrics that are made and sent at a time; others wait their turn,
            because each holds its text until it is sent: 10 MB of an array.
        queued: metrics pages that wait for their turn; the next request is answered 503 (busy).
        queue_seconds: longest wait for a turn before a request is answered 503 (busy).
        scrape_seconds: how long one page may take to be sent; no scrape lasts longer.
        hurry_seconds: how long it may take at least, also when others wait for its turn.
        handshake_seconds: how long a TLS handshake may take.
        request_seconds: how long a request may take to arrive, with its body.
        idle_seconds: how long a connection may wait for its next request.
        stall_seconds: how long a client may take for a piece of 256 KiB: 32 KiB/s at least.
        header_bytes: greatest size of a request's header.
    """

    connections: int = 512
    scrapes: int = 16
    queued: int = 256
    queue_seconds: float = 10.0
    scrape_seconds: float = 60.0
    hurry_seconds: float = 3.0
    handshake_seconds: float = 5.0
    request_seconds: float = 10.0
    idle_seconds: float = 75.0
    stall_seconds: float = 8.0
    header_bytes: int = 1 << 15


_LOOK_SECONDS = 0.1
"""Interval between two checks of the slots while a client waits."""


class BusyError(Exception):
    """All slots were taken for as long as one may wait."""


class Slots:
    """Lets a few scrapes in at a time: first whose client holds the fewest slots, then in order.

    While others wait, the longest holder of a slot gives it up after ``hurry_seconds``, so a
    few slow readers cannot lock out the rest. Where too many wait already, one of the client
    that has the most of them makes room, so one client cannot lock out another.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free = limits.scrapes
        self._waiting: dict[asyncio.Future[bool], str] = {}
        """Turns to come with their clients, the oldest first: false for one that is refused."""
        self._held: dict[asyncio.Timeout, float] = {}
        """When each slot that is held was taken, the oldest first."""
        self._holders: Counter[str] = Counter()

    @asynccontextmanager
    async def one(self, client: str) -> AsyncIterator[None]:
        """Hold a slot while the context is open.

        Args:
            client: whom it is for.

        Raises:
            BusyError: none became free in time, or too many wait already.
            TimeoutError: it was held for too long.
        """
        if self._free:
            self._take(client)
        else:
            await self._turn(client)
        try:
            async with asyncio.timeout(self._limits.scrape_seconds) as patience:
                self._held[patience] = asyncio.get_running_loop().time()
                try:
                    yield
                finally:
                    self._held.pop(patience, None)
        finally:
            self._give_back(client)

    def _take(self, client: str) -> None:
        self._free -= 1
        self._holders[client] += 1

    def _give_back(self, client: str) -> None:
        """Give a slot to the next client."""
        self._free += 1
        self._holders[client] -= 1
        if not self._holders[client]:
            del self._holders[client]
        turns = [turn for turn in self._waiting if not turn.done()]
        if turns:
            turn = min(turns, key=lambda own: self._holders[self._waiting[own]])
            self._take(self._waiting[turn])
            turn.set_result(True)

    async def _turn(self, client: str) -> None:
        """Wait for a slot, which is taken then."""
        if len(self._waiting) >= self._limits.queued:
            self._make_room(client)
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = client
        hurry = asyncio.create_task(self._hurry(), name="scrape in a hurry")
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                if not await turn:
                    raise BusyError
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled() and turn.result():
                self._give_back(client)  # its turn came in the same moment
            if isinstance(error, TimeoutError):
                raise BusyError from error
            raise
        finally:
            self._waiting.pop(turn, None)
            hurry.cancel()

    def _make_room(self, client: str) -> None:
        """Refuse the last to come of the client of whom most wait.

        Raises:
            BusyError: that is this client, or no client has many more.
        """
        count = Counter(self._waiting.values())
        most, waiting = count.most_common(1)[0] if count else ("", 0)
        if waiting < count[client] + 2:
            raise BusyError
        last = next(turn for turn in reversed(self._waiting) if self._waiting[turn] == most)
        del self._waiting[last]
        if not last.done():
            last.set_result(False)

    async def _hurry(self) -> None:
        """Cut off one slot after the other that was held for too long while we wait."""
        clock = asyncio.get_running_loop().time
        while True:
            patience, since = next(iter(self._held.items()), (None, clock()))
            due = since + self._limits.hurry_seconds
            if patience is not None and due <= clock():
                self._held.pop(patience)
                patience.reschedule(clock())
            await asyncio.sleep(max(_LOOK_SECONDS, due - clock()))
