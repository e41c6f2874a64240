"""A broker that delivers frames and no statuses any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.aggregator.test_service import FakeBus
from twin.aggregator.command_client import CommandClient
from twin.aggregator.service import ingest
from twin.bus import InboundMessage
from twin.catalog import UnitKind
from twin.errors import BusError

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed


def hear(feed: Feed, seconds: int, *, frames: bool, statuses: bool) -> None:
    """Let two seconds at a time pass."""
    for _ in range(0, seconds, 2):
        if statuses:
            feed.status()
        if frames:
            feed.site(ts=feed.now, seq=int(feed.now))
        feed.wait(2.0)


@pytest.mark.parametrize(
    ("before", "frames", "statuses", "overdue"),
    [(4, True, False, True), (4, True, True, False), (4, False, False, False),
     (0, True, False, False)],
    ids=["only frames", "both", "neither", "never a status"],
)  # fmt: skip
def test_statuses_that_stay_away_while_frames_come(
    feed: Feed, before: int, frames: bool, statuses: bool, overdue: bool
) -> None:
    """Only frames without the statuses that came before mean that a connection is of no use."""
    feed.core.connected(connected=True)
    hear(feed, before, frames=True, statuses=True)
    hear(feed, 60, frames=frames, statuses=statuses)
    assert feed.core.undelivered is overdue


async def test_such_a_connection_is_given_up(feed: Feed) -> None:
    """The next message ends it, and a new connection begins without a grudge."""
    feed.core.connected(connected=True)
    hear(feed, 4, frames=True, statuses=True)
    hear(feed, 60, frames=True, statuses=False)
    rack = InboundMessage(
        feed.topic(UnitKind.RACK, 0), feed.payload(UnitKind.RACK, 0, feed.now, 99), retain=False
    )
    with pytest.raises(BusError, match="no statuses any more"):
        await ingest(feed.core, FakeBus([rack]), CommandClient("small"))
    feed.core.connected(connected=False)
    feed.core.connected(connected=True)
    feed.wait(60.0)
    assert not feed.core.undelivered
