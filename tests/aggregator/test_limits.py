"""Turns of scrapes: clients take them in order, and none takes those of another."""

from __future__ import annotations

import asyncio

import pytest

from twin.aggregator.limits import BusyError, Limits, Slots

FEW = Limits(scrapes=2, queued=6, queue_seconds=5.0, hurry_seconds=60.0)


class Scrapes:
    """Scrapes that are held until they are let go."""

    def __init__(self, limits: Limits) -> None:
        self.slots = Slots(limits)
        self.began: list[str] = []
        self.refused: list[str] = []
        self._go: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, client: str, *names: str) -> None:
        """Let a client ask for pages, each under a name."""
        for name in names:
            self._go[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._scrape(client, name))
            await self._settle()

    async def end(self, *names: str) -> None:
        """Let scrapes come to their end."""
        for name in names:
            self._go[name].set()
            await self._tasks[name]
            await self._settle()

    async def over(self, name: str) -> None:
        """Wait until a scrape is over by itself."""
        async with asyncio.timeout(5):
            await self._tasks[name]

    async def give_up(self, name: str) -> None:
        """Let a client go away."""
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks[name]])
        await self._settle()

    async def _scrape(self, client: str, name: str) -> None:
        try:
            async with self.slots.one(client):
                self.began.append(name)
                await self._go[name].wait()
        except BusyError:
            self.refused.append(name)

    @staticmethod
    async def _settle() -> None:
        for _ in range(10):
            await asyncio.sleep(0)


async def test_who_holds_no_slot_is_next() -> None:
    """A client that waits behind many of another's has the next slot; its own keep their order."""
    scrapes = Scrapes(FEW)
    await scrapes.ask("a", "a1", "a2", "a3", "a4", "a5")
    await scrapes.ask("b", "b1", "b2")
    assert scrapes.began == ["a1", "a2"]
    await scrapes.end("a1", "a2")
    assert scrapes.began == ["a1", "a2", "b1", "a3"]
    await scrapes.end("a3", "b1", "a4", "b2", "a5")
    assert scrapes.began == ["a1", "a2", "b1", "a3", "a4", "b2", "a5"]
    assert scrapes.refused == []


async def test_a_full_queue_makes_room_for_another_client() -> None:
    """The last of the client that waits most is refused, but for no client that waits as much."""
    scrapes = Scrapes(FEW)
    await scrapes.ask("a", *(f"a{i}" for i in range(9)))
    assert scrapes.refused == ["a8"]
    await scrapes.ask("b", "b1", "b2", "b3", "b4")
    assert scrapes.refused == ["a8", "a7", "a6", "a5", "b4"]
    await scrapes.end("a0", "a1", "b1", "b2", "a2", "b3", "a3", "a4")
    assert len(scrapes.began) == 8


async def test_who_goes_away_takes_no_slot_along() -> None:
    """A client that leaves while it waits, or while it is served, gives its turn to the next."""
    scrapes = Scrapes(FEW)
    await scrapes.ask("a", "a1", "a2", "a3", "a4")
    await scrapes.give_up("a3")
    await scrapes.give_up("a1")
    assert scrapes.began == ["a1", "a2", "a4"]
    await scrapes.end("a2", "a4")
    await scrapes.ask("b", "b1", "b2", "b3")
    assert scrapes.began[-2:] == ["b1", "b2"]
    await scrapes.end("b1", "b2", "b3")


async def test_who_waits_too_long_is_refused() -> None:
    """A turn that does not come in time is refused, and the slot goes on to the next."""
    scrapes = Scrapes(Limits(scrapes=1, queue_seconds=0.01, hurry_seconds=60.0))
    await scrapes.ask("a", "a1", "a2")
    await scrapes.over("a2")
    assert scrapes.refused == ["a2"]
    await scrapes.end("a1")
    await scrapes.ask("a", "a3")
    assert scrapes.began == ["a1", "a3"]
    await scrapes.end("a3")


def test_no_queue_at_all() -> None:
    """Where nobody may wait, the next one is refused."""

    async def ask() -> None:
        slots = Slots(Limits(scrapes=1, queued=0))
        async with slots.one("a"):
            with pytest.raises(BusyError):
                async with slots.one("b"):
                    pass

    asyncio.run(ask())
