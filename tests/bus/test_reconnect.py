"""Connections that are lost and had again, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from twin.bus import Backoff, BrokerRefusedError, Bus, InboundMessage
from twin.bus.reconnect import ELECTION_SECONDS, Reconnector
from twin.errors import BusError

if TYPE_CHECKING:
    from collections.abc import Iterator

Session = Callable[[Bus], Awaitable[None]]


def seeded(seed: int | str) -> random.Random:
    """Return the jitter of a client."""
    return random.Random(seed)  # noqa: S311 - jitter, no cryptography


class World:
    """A broker that fails on demand, and a clock that only sleep moves."""

    def __init__(self, *failures: BusError | None) -> None:
        self.failures: Iterator[BusError | None] = iter(failures)
        self.now = 0.0
        self.waits: list[float] = []
        self.states: list[bool] = []
        self.open = 0

    @asynccontextmanager
    async def dial(self) -> AsyncIterator[Bus]:
        """Fail, or connect."""
        failure = next(self.failures, None)
        if failure is not None:
            raise failure
        self.open += 1
        try:
            yield NoBus()
        finally:
            self.open -= 1

    async def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.waits.append(seconds)
        self.now += seconds

    async def keep(self, session: Session, backoff: Backoff | None = None, nodes: int = 1) -> None:
        """Run ``session`` as keep_connected does with that many nodes."""
        await Reconnector(
            [self.dial] * nodes,
            session,
            broker="mqtt://host:1883",
            rng=seeded("client"),
            on_state=self.states.append,
            backoff=backoff or Backoff(),
            sleep=self.sleep,
            clock=lambda: self.now,
        ).run()


class NoBus:
    """A bus that these sessions never use."""

    dropped = waiting = 0
    congested = False
    blocked = 0.0

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> None:
        """Do nothing."""

    async def subscribe(self, topic_filter: str, *, qos: int = 0) -> None:
        """Do nothing."""

    def messages(self) -> AsyncIterator[InboundMessage]:
        """Have none."""
        raise NotImplementedError

    def more(self, most: int) -> list[InboundMessage]:
        """Have none."""
        raise NotImplementedError


async def content(_: Bus) -> None:
    """End at once."""


def away() -> BusError:
    """Return what a broker that is away gives."""
    return BusError("nobody there")


@given(
    first=st.floats(0.01, 10),
    factor=st.floats(1, 4),
    limit=st.floats(0.01, 60),
    seed=st.integers(),
)
def test_waits_are_bounded(first: float, factor: float, limit: float, seed: int) -> None:
    """Each wait lies in the upper half of an exponential that ends at the limit."""
    backoff = Backoff(first, factor, limit)
    for n, wait in enumerate(islice(backoff.waits(seeded(seed)), 20)):
        longest = min(first * factor**n, limit)
        assert longest / 2 * 0.999 <= wait <= longest * 1.001


def test_waits_follow_the_seed() -> None:
    """The same seed waits alike, so that a run repeats; another one does not."""
    a, again, b = (list(islice(Backoff().waits(seeded(seed)), 8)) for seed in ("a", "a", "b"))
    assert a == again
    assert a != b


async def test_returns_with_the_session() -> None:
    """When the session is done, so is the connection."""
    world = World()
    await world.keep(content)
    assert (world.states, world.waits, world.open) == ([True, False], [], 0)


async def test_waits_longer_and_longer_for_a_broker() -> None:
    """A broker that is away is asked at growing intervals until it is there."""
    world = World(*[away()] * 6, None)
    await world.keep(content)
    assert world.states == [True, False]
    assert world.waits == list(islice(Backoff().waits(seeded("client")), 6))
    assert world.waits[-1] > 4 * world.waits[0]


async def test_runs_the_session_on_each_connection() -> None:
    """A lost connection is replaced and the session begins anew on it."""
    world = World()
    runs = 0

    async def session(_: Bus) -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise away()

    await world.keep(session)
    assert runs == 3
    assert world.states == [True, False] * 3
    assert world.open == 0


async def test_a_good_connection_resets_the_wait() -> None:
    """After a connection that lasted, the first wait is short again; after others it grows."""
    world = World()
    lives = iter([1.0, 1.0, 1.0, 60.0, 1.0])

    async def session(_: Bus) -> None:
        life = next(lives, None)
        if life is not None:
            world.now += life
            raise away()

    backoff = Backoff(first=1.0, factor=2.0, limit=60.0, stable=10.0)
    await world.keep(session, backoff)
    longest = [1.0, 2.0, 4.0, 1.0, 2.0]
    assert all(top / 2 <= wait <= top for top, wait in zip(longest, world.waits, strict=True))


async def test_a_group_of_losses_is_a_loss() -> None:
    """Tasks of a session that all lose the bus are one lost connection."""
    world = World()
    runs = 0

    async def lose() -> None:
        raise away()

    async def session(_: Bus) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            async with asyncio.TaskGroup() as group, asyncio.TaskGroup() as inner:
                group.create_task(lose())
                inner.create_task(lose())

    await world.keep(session)
    assert runs == 2


async def test_other_errors_of_the_session_go_through() -> None:
    """What is not the broker's fault is not retried, alone or beside a loss."""
    world = World()

    async def broken(_: Bus) -> None:
        raise ValueError("mine")

    async def both(_: Bus) -> None:
        raise ExceptionGroup("tasks", [away(), ValueError("mine")])

    with pytest.raises(ValueError, match="mine"):
        await world.keep(broken)
    with pytest.raises(ExceptionGroup) as caught:
        await world.keep(both)
    assert [str(error) for error in caught.value.exceptions] == ["mine"]
    assert (world.waits, world.open) == ([], 0)


async def test_a_refusal_is_final() -> None:
    """A broker that does not let us in is not asked again."""
    world = World(away(), BrokerRefusedError("wrong password"))
    with pytest.raises(BusError, match="wrong password"):
        await world.keep(content)
    assert len(world.waits) == 1


async def test_cancellation_ends_the_session() -> None:
    """Cancelled, the session is cancelled and the connection closed, with nothing retried."""
    world = World()
    running = asyncio.Event()

    async def session(_: Bus) -> None:
        running.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(world.keep(session))
    await running.wait()
    assert (world.open, world.states) == (1, [True])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (world.open, world.states, world.waits) == (0, [True, False], [])


async def test_log_is_limited() -> None:
    """A broker that stays away is said once a minute, with the number of times unsaid."""
    world = World(*[away()] * 12, None)
    backoff = Backoff(first=10.0, factor=1.0, limit=10.0)
    with capture_logs() as logs:
        await world.keep(content, backoff)
    lost = [entry for entry in logs if entry["event"] == "broker away"]
    assert 1 < len(lost) <= 1 + sum(world.waits) / 60
    assert lost[0]["error"] == "nobody there"
    assert lost[0]["broker"] == "mqtt://host:1883"
    assert sum(entry["not_logged"] for entry in lost) + len(lost) <= 12
    assert [entry["event"] for entry in logs][-1] == "broker connected"
    assert sum(entry["event"] == "broker connected" for entry in logs) == 1


async def test_goes_round_the_nodes() -> None:
    """After a loss the next node is tried, after the last the first; waits grow by round."""
    tried: list[str] = []

    def dial_of(name: str) -> Callable[[], AbstractAsyncContextManager[Bus]]:
        @asynccontextmanager
        async def dial() -> AsyncIterator[Bus]:
            tried.append(name)
            if len(tried) < 6:
                raise away()
            yield NoBus()

        return dial

    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    await Reconnector(
        [dial_of(name) for name in "abc"],
        content,
        broker="mqtt://a,mqtt://b,mqtt://c",
        rng=seeded("client"),
        backoff=Backoff(first=1.0, factor=2.0, limit=60.0),
        sleep=sleep,
        clock=lambda: 0.0,
    ).run()
    assert tried == ["a", "b", "c", "a", "b", "c"]
    assert [wait > 1.0 for wait in waits] == [False, False, False, True, True]


async def test_a_refusal_after_good_times_is_a_loss() -> None:
    """Who was let in once and is refused later tries again."""
    world, sessions = World(None, BrokerRefusedError("no leader"), None), 0

    async def session(_: Bus) -> None:
        nonlocal sessions
        sessions += 1
        if sessions == 1:
            raise away()

    await world.keep(session)
    assert sessions == 2
    assert len(world.waits) == 2


async def test_a_refused_subscription_is_no_good_time() -> None:
    """Who is let in but refused what it asks for gives up at once."""

    async def session(_: Bus) -> None:
        raise BrokerRefusedError("no right to read")

    with pytest.raises(BrokerRefusedError):
        await World().keep(session)


async def test_a_cluster_may_refuse_until_it_has_a_leader() -> None:
    """A subscription that a cluster refuses from the start is tried again until it is taken."""
    world, refusals = World(), iter([BrokerRefusedError("no leader")] * 5)

    async def session(_: Bus) -> None:
        for refusal in refusals:
            raise refusal

    await world.keep(session, nodes=3)
    assert len(world.waits) == 5


async def test_a_cluster_that_goes_on_refusing_means_it() -> None:
    """After the longest election the refusal of a cluster is final, with what it refused."""
    world = World()

    async def session(_: Bus) -> None:
        raise BrokerRefusedError("no right to read")

    with pytest.raises(BrokerRefusedError, match="no right to read"):
        await world.keep(session, nodes=3)
    assert ELECTION_SECONDS <= world.now < ELECTION_SECONDS + Backoff().limit


async def test_a_cluster_that_refuses_our_password_means_it() -> None:
    """Who is not let in by a node of a cluster gives up at once."""
    world = World(BrokerRefusedError("wrong password"))
    with pytest.raises(BrokerRefusedError, match="wrong password"):
        await world.keep(content, nodes=3)
    assert world.waits == []
