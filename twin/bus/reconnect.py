"""Reconnection: a connection to a broker, kept as long as there is work on it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import structlog

from twin.bus.client import BrokerRefusedError, connect
from twin.bus.link import INBOX_BYTES
from twin.bus.model import Bus, Will
from twin.bus.url import BrokerUrl
from twin.errors import BusError

__all__ = ["Backoff", "Reconnector", "keep_connected"]

Session = Callable[[Bus], Awaitable[None]]

LOG_EVERY_SECONDS = 60.0
"""At most one line about the broker's absence in this time."""
ELECTION_SECONDS = 60.0
"""How long a cluster may refuse subscriptions from the start: after the loss of a node NATS does
until JetStream has new leaders, up to 23 s here (docs/broker-clusters.md), twice that on a busy
machine."""

_log = structlog.get_logger("twin.bus")


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before each attempt to connect again, in seconds.

    The n-th wait is drawn evenly from the upper half of ``first * factor**n``, at most
    ``limit``: thousands of clients of one broker do not come back in one instant.

    Attributes:
        first: longest first wait.
        factor: growth from wait to wait.
        limit: longest wait of all.
        stable: a connection that lasted this long was a good one: the waits begin anew.
            A shorter one counts as a failure, so that two clients of the same name do
            not throw each other out at full speed.
    """

    first: float = 0.5
    factor: float = 2.0
    limit: float = 15.0
    stable: float = 10.0

    def waits(self, rng: random.Random, nodes: int = 1) -> Iterator[float]:
        """Return the waits of one outage, without an end.

        Of several ``nodes`` each is tried once before the waits grow: one that is away says
        nothing about the next.
        """
        longest = min(self.first, self.limit)
        while True:
            for _ in range(nodes):
                yield rng.uniform(longest / 2, longest)
            longest = min(longest * self.factor, self.limit)


_BACKOFF = Backoff()


async def keep_connected(
    url: BrokerUrl,
    session: Session,
    *,
    client_id: str,
    will: Will | None = None,
    on_state: Callable[[bool], None] | None = None,
    backoff: Backoff = _BACKOFF,
    inbox: int = INBOX_BYTES,
) -> None:
    """Connect and run ``session`` on the connection; do so again whenever it is lost.

    Returns when ``session`` returns. A session notices the loss as the BusError of its
    next call; it subscribes anew each time. It may run tasks in a group: a group whose
    errors are all BusError is a loss like any other.

    Of several brokers it stays with the one that has it, and goes to the next when that is
    lost; after the last comes the first.

    A broker that refuses us from the start ends it. One that refuses us after it had us is
    tried again: a password may be changed on both sides one after the other. So is, for
    :data:`ELECTION_SECONDS`, a cluster that lets us in from the start but refuses what the
    session subscribes to: it may not have agreed yet on who leads.

    Args:
        url: the broker, or the nodes of its cluster.
        session: what to do with a connection.
        client_id: MQTT client identifier, unique at the broker; also the seed of the jitter.
        will: what the broker publishes when we vanish.
        on_state: told True when a connection stands, False when it is gone.
        backoff: how long to wait between attempts.
        inbox: bytes that messages which were not read yet take at most.

    Raises:
        BusError: the broker refuses us from the start, which waiting does not cure.
        ConfigError: the CA file of ``url`` cannot be read.
    """
    reconnector = Reconnector(
        [partial(connect, node, client_id=client_id, will=will, inbox=inbox) for node in url.nodes],
        session,
        broker=str(url),
        rng=random.Random(client_id),  # noqa: S311 - jitter, no cryptography
        on_state=on_state,
        backoff=backoff,
    )
    await reconnector.run()


class Reconnector:
    """The loop of :func:`keep_connected`, with the connection and the time given from outside."""

    def __init__(
        self,
        dials: Sequence[Callable[[], AbstractAsyncContextManager[Bus]]],
        session: Session,
        *,
        broker: str,
        rng: random.Random,
        on_state: Callable[[bool], None] | None = None,
        backoff: Backoff = _BACKOFF,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dials = dials
        self._session = session
        self._rng = rng
        self._on_state = on_state or (lambda _: None)
        self._backoff = backoff
        self._sleep = sleep
        self._clock = clock
        self._journal = _Journal(broker, clock)
        self._had = False
        """Whether a connection stood that was then lost."""
        self._refused_since: float | None = None
        """When a cluster began to refuse what we subscribe to, without ever having had us."""

    async def run(self) -> None:
        """Run sessions until one returns."""
        waits = self._waits()
        for dial in cycle(self._dials):
            started = self._clock()
            failure = await self._attempt(dial)
            if failure is None:
                return
            if self._clock() - started >= self._backoff.stable:
                waits = self._waits()
            wait = next(waits)
            self._journal.lost(failure, wait)
            await self._sleep(wait)

    def _waits(self) -> Iterator[float]:
        return self._backoff.waits(self._rng, len(self._dials))

    async def _attempt(
        self, dial: Callable[[], AbstractAsyncContextManager[Bus]]
    ) -> BusError | None:
        """Run one session; return why its connection is gone, None if it ended by itself."""
        failures: list[BusError] = []
        stood = False
        try:
            async with dial() as bus:
                stood = True
                self._journal.connected()
                self._on_state(True)
                try:
                    await self._session(bus)
                finally:
                    self._on_state(False)
        except* BusError as group:
            failures = list(_leaves(group))
        refusals = [failure for failure in failures if isinstance(failure, BrokerRefusedError)]
        if refusals and not self._had and not (stood and self._may_elect()):
            raise refusals[0]
        self._had |= stood and not refusals
        return failures[0] if failures else None

    def _may_elect(self) -> bool:
        """Return whether a refused subscription may be that of a cluster without a leader."""
        if len(self._dials) == 1:
            return False
        now = self._clock()
        if self._refused_since is None:
            self._refused_since = now
        return now - self._refused_since < ELECTION_SECONDS


class _Journal:
    """Says when the broker goes and comes, at a limited rate."""

    def __init__(self, broker: str, clock: Callable[[], float]) -> None:
        self._broker = broker
        self._clock = clock
        self._said: float | None = None
        self._unsaid = 0
        self._news = True

    def lost(self, failure: BusError, wait: float) -> None:
        now = self._clock()
        if self._said is not None and now - self._said < LOG_EVERY_SECONDS:
            self._unsaid += 1
            return
        _log.warning(
            "broker away",
            broker=self._broker,
            error=str(failure),
            retry_in=round(wait, 2),
            not_logged=self._unsaid,
        )
        self._said, self._unsaid, self._news = now, 0, True

    def connected(self) -> None:
        if self._news:
            _log.info("broker connected", broker=self._broker)
            self._news = False


def _leaves(group: BaseExceptionGroup[BusError]) -> Iterator[BusError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
