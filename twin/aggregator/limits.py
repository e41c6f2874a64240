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
        connections: open connections; the next one is closed at once.
        scrapes: pages of metrics that are made and sent at a time; others wait their turn,
            because each holds its text until it is sent: 10 MB of an array.
        queue_seconds: how long one waits for its turn before it is told that we are busy.
        scrape_seconds: how long one page may take to be sent; no scrape lasts longer.
        request_seconds: how long a request may take to arrive, with its body.
        idle_seconds: how long a connection may wait for its next request.
        stall_seconds: how long a client may leave what it was sent untaken.
        header_bytes: greatest size of a request's header.
    """

    connections: int = 512
    scrapes: int = 16
    queue_seconds: float = 10.0
    scrape_seconds: float = 120.0
    request_seconds: float = 10.0
    idle_seconds: float = 75.0
    stall_seconds: float = 30.0
    header_bytes: int = 1 << 15


class BusyError(Exception):
    """All slots were taken for as long as one may wait."""


class Slots:
    """Lets a few scrapes in at a time, in the order in which they came."""

    def __init__(self, limits: Limits) -> None:
        self._free = asyncio.Semaphore(limits.scrapes)
        self._patience = limits.queue_seconds

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a slot while the context is open.

        Raises:
            BusyError: none became free in time.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError as error:
            raise BusyError from error
        try:
            yield
        finally:
            self._free.release()
