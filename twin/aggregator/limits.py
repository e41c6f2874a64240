"""Limits of the HTTP interface: per client and in total."""

from __future__ import annotations

import asyncio
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
        queued: pages of metrics that wait for their turn; the next one is told that we are busy.
        queue_seconds: how long one waits for its turn before it is told that we are busy.
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
"""Between two looks at who holds a slot, while somebody waits."""


class BusyError(Exception):
    """All slots were taken for as long as one may wait."""


class Slots:
    """Lets a few scrapes in at a time, in the order in which they came.

    While others wait, the longest holder of a slot gives it up after ``hurry_seconds``, so a
    few slow readers cannot lock out the rest.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free = asyncio.Semaphore(limits.scrapes)
        self._waiting = 0
        self._held: dict[asyncio.Timeout, float] = {}
        """When each slot that is held was taken, the oldest first."""

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a slot while the context is open.

        Raises:
            BusyError: none became free in time, or too many wait already.
            TimeoutError: it was held for too long.
        """
        if self._waiting >= self._limits.queued:
            raise BusyError
        await self._turn()
        try:
            async with asyncio.timeout(self._limits.scrape_seconds) as patience:
                self._held[patience] = asyncio.get_running_loop().time()
                try:
                    yield
                finally:
                    self._held.pop(patience, None)
        finally:
            self._free.release()

    async def _turn(self) -> None:
        """Wait for a slot."""
        hurry = asyncio.create_task(self._hurry(), name="scrape in a hurry")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise BusyError from error
        finally:
            self._waiting -= 1
            hurry.cancel()

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
