"""Blocks in the aggregator: stored as one, and each rack counted by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cbor2
import numpy as np
import pytest

from tests.aggregator.conftest import SMALL, Feed
from twin.aggregator import Core
from twin.aggregator.shard_assignment import ShardAssignment
from twin.aggregator.store import Missing
from twin.catalog import UnitKind
from twin.site import Layout, Shard, parse_site
from twin.wire import BlockEncoder, BlockRow, Outputs, Topics

INGESTED = "twin_frames_ingested_total"
LOST = "twin_frames_lost_total"
RACKS = ("r0001", "r0002")
Stamps = Mapping[int, tuple[float, int]]


class BlockFeed(Feed):
    """Publishes blocks of the first array."""

    def block(self, stamps: Stamps, names: tuple[str, ...] = RACKS) -> bytes:
        """Return a block of the array's racks."""
        encoder = BlockEncoder(self.layout, [BlockRow(0, names)])
        encoder.load(self.outputs)
        return encoder.encode(0, stamps)

    def racks(self, stamps: Stamps, *, array: str = "a001", retain: bool = False) -> None:
        """Publish a block of the array's racks."""
        self.send(Topics("small").blocks(array), self.block(stamps), retain=retain)

    def tick(self, tick: int) -> None:
        """Publish the block of a second."""
        self.racks({place: (float(tick), tick) for place in (0, 1)})

    def refused(self) -> dict[str, int]:
        """Return how many were refused, by reason."""
        counts = self.core.telemetry.tallies()["twin_messages_refused_total"]
        return {reason: count for reason, count in counts.items() if count}


@pytest.fixture
def blocks(layout: Layout, outputs: Callable[[Layout], Outputs]) -> BlockFeed:
    """A core of the small site and who publishes blocks for it."""
    return BlockFeed(Core(layout), outputs(layout))


def ingested(feed: BlockFeed) -> int:
    """Return how many frames of racks were taken over."""
    return feed.tally(INGESTED, "rack")


def test_blocks_are_exposed_as_frames_are(blocks: BlockFeed, feed: Feed) -> None:
    """An array that sends blocks shows the page of one that sends frames."""
    for second in (1, 2, 3):
        blocks.tick(second)
        for rack in (0, 1):
            feed.frame(UnitKind.RACK, rack, ts=float(second), seq=second)
    assert blocks.lines(0) == feed.lines(0)
    assert ingested(blocks) == feed.tally(INGESTED, "rack") == 6
    mine, theirs = (own.core.store.units[UnitKind.RACK] for own in (blocks, feed))
    for name in ("ts", "seq", "reporting", "received"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), name)
    assert (mine.pace, mine.paced) == (theirs.pace, theirs.paced)
    assert not blocks.refused()


def test_blocks_that_nobody_reads_are_replaced(blocks: BlockFeed, feed: Feed) -> None:
    """Read after any number of blocks, also of some of the racks, a page shows the last ones."""
    for second in (1, 2, 3):
        blocks.tick(second)
    blocks.racks({1: (4.0, 4)})
    blocks.racks({0: (5.0, 4)})
    blocks.racks({0: (6.0, 5), 1: (6.0, 5)})
    blocks.racks({1: (7.0, 6)})
    for rack, seconds in ((0, (1, 2, 3, 5, 6)), (1, (1, 2, 3, 4, 6, 7))):
        for number, second in enumerate(seconds, 1):
            feed.frame(UnitKind.RACK, rack, ts=float(second), seq=number)
    assert blocks.lines(0) == feed.lines(0)
    values, others = blocks.core.store.values, feed.core.store.values
    for device, group in values.items():
        np.testing.assert_array_equal(group, others[device], device)


def test_blocks_may_be_settled_part_by_part(blocks: BlockFeed, feed: Feed) -> None:
    """Converted step by step, with blocks that come in between, a page shows the last ones."""
    store = blocks.core.store
    assert list(store.settling()) == []
    for second in (1, 2, 10):
        blocks.tick(second)
        for rack in (0, 1):
            feed.frame(UnitKind.RACK, rack, ts=float(second), seq=second)
        steps = store.settling()
        assert next(steps, 1) is None
        if second == 2:
            blocks.tick(9)
            for rack in (0, 1):
                feed.frame(UnitKind.RACK, rack, ts=9.0, seq=9)
        assert list(steps) == []
    assert blocks.lines(0) == feed.lines(0)


def test_a_lost_rack_shows_nothing_of_a_block_that_waits(blocks: BlockFeed) -> None:
    """When the emulators are gone, what was taken over and never read is gone as well."""
    blocks.tick(1)
    blocks.tick(2)
    blocks.core.store.lose(Missing.WILL)
    assert all(np.isnan(values).all() for values in blocks.core.store.values.values())


def test_a_whole_block_after_a_gap_is_as_its_frames(blocks: BlockFeed, feed: Feed) -> None:
    """Frames lost with a block are counted, and its racks keep their pace, as those of frames."""
    for second, number in ((1, 1), (2, 2), (5, 5), (6, 6), (20, 20), (21, 21)):
        blocks.racks({place: (float(second), number) for place in (0, 1)})
        for rack in (0, 1):
            feed.frame(UnitKind.RACK, rack, ts=float(second), seq=number)
    assert blocks.tally(LOST, "rack") == feed.tally(LOST, "rack") == 2 * (2 + 13)
    mine, theirs = (own.core.store.units[UnitKind.RACK] for own in (blocks, feed))
    assert (mine.pace, mine.paced) == (theirs.pace, theirs.paced)
    assert blocks.lines(0) == feed.lines(0)


def test_the_first_block_of_racks_is_taken_as_one(
    blocks: BlockFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site's first tick is no heavier than the next: its blocks are not taken apart by rack."""

    def apart(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("twin.aggregator.block_ingest.BlockIngest._take_each", apart)
    blocks.tick(1)
    blocks.tick(2)
    assert blocks.core.store.units[UnitKind.RACK].reporting.tolist() == [True, True, False]
    assert ingested(blocks) == 4
    assert not blocks.refused()


def test_gaps_are_counted_by_rack(blocks: BlockFeed) -> None:
    """Of two racks in a block, one lost three frames on its way and the other none."""
    blocks.tick(1)
    blocks.racks({0: (2.0, 5), 1: (2.0, 2)})
    assert blocks.tally(LOST, "rack") == 3
    assert ingested(blocks) == 4


def test_a_rack_that_is_not_in_the_block_is_missed(blocks: BlockFeed) -> None:
    """A silent rack falls silent here too, and its neighbour goes on."""
    blocks.tick(1)
    blocks.status()
    for second in range(2, 9):
        blocks.wait(1.0)
        blocks.racks({1: (float(second), second)})
    units = blocks.core.store.units[UnitKind.RACK]
    assert units.reporting.tolist() == [False, True, False]
    assert dict(units.missing())[0] is Missing.TIMEOUT


def test_what_was_seen_is_refused_by_rack(blocks: BlockFeed) -> None:
    """The same block again counts each rack's duplicate; an older time counts for its rack."""
    blocks.tick(1)
    blocks.tick(1)
    assert blocks.refused() == {"duplicate": 2}
    blocks.racks({0: (0.5, 9), 1: (2.0, 2)})
    assert blocks.refused() == {"duplicate": 2, "stale": 1}
    assert ingested(blocks) == 3


def test_time_of_the_future_is_its_rack_s_only(blocks: BlockFeed) -> None:
    """A gateway whose clock is years ahead is refused; the others of its block are not."""
    blocks.tick(1)
    blocks.clock(simulated=1.0)
    blocks.racks({0: (2.0, 2), 1: (1e9, 2)})
    assert blocks.refused() == {"value": 1}
    assert ingested(blocks) == 3


def test_a_wrong_value_is_its_rack_s_only(blocks: BlockFeed) -> None:
    """The rack with a value out of range is refused by name; its neighbour's values are taken."""
    tree = cbor2.loads(blocks.block({0: (1.0, 1), 1: (1.0, 1)}))
    column = np.frombuffer(tree["gpu"]["gpu_temp"].value, "<f4").copy()
    column[0] = 1e6
    tree["gpu"]["gpu_temp"] = cbor2.CBORTag(85, column.tobytes())
    blocks.send(Topics("small").blocks("a001"), cbor2.dumps(tree))
    assert blocks.refused() == {"value": 1}
    units = blocks.core.store.units[UnitKind.RACK]
    assert units.reporting.tolist() == [False, True, False]
    blocks.wait(1.0)
    assert dict(units.missing())[0] is Missing.DECODE_ERROR


def test_strange_racks_and_arrays_are_foreign(blocks: BlockFeed) -> None:
    """A topic's array may speak for its own racks, and for no other."""
    stamps = {0: (1.0, 1), 1: (1.0, 1)}
    topics = Topics("small")
    blocks.send(topics.blocks("a001"), blocks.block(stamps, ("r0001", "r0003")))
    assert blocks.refused() == {"foreign": 1}
    assert blocks.core.store.units[UnitKind.RACK].reporting.tolist() == [True, False, False]
    blocks.racks(stamps, array="a002")
    blocks.racks(stamps, array="a009")
    assert blocks.refused() == {"foreign": 4}


def test_what_is_no_block_is_said_of_the_whole_array(blocks: BlockFeed) -> None:
    """A message that names no rack is counted once, and its array's racks are undecodable."""
    for payload in (b"", b"{}", b"\xa0", b"\xff" * 100, blocks.block({0: (1.0, 1)})[:-3]):
        blocks.send(Topics("small").blocks("a001"), payload)
    assert sum(blocks.refused().values()) == 5
    blocks.wait(1.0)
    missing = dict(blocks.core.store.units[UnitKind.RACK].missing())
    assert missing == {0: Missing.DECODE_ERROR, 1: Missing.DECODE_ERROR, 2: Missing.NEVER_SEEN}


def test_retained_blocks_are_stale(blocks: BlockFeed) -> None:
    """A block that the broker kept is of an unknown age."""
    blocks.racks({0: (1.0, 1), 1: (1.0, 1)}, retain=True)
    assert blocks.refused() == {"stale": 1}
    assert ingested(blocks) == 0


def test_released_racks_are_left_to_others(blocks: BlockFeed) -> None:
    """A rack that another aggregator has now is not stored; the others of its block are."""
    blocks.tick(1)
    store = blocks.core.store
    store.release(UnitKind.RACK, np.array([True, False, False]))
    blocks.tick(2)
    assert store.units[UnitKind.RACK].reporting.tolist() == [False, True, False]
    assert ingested(blocks) == 3


def test_a_shard_takes_the_blocks_of_its_arrays(outputs: Callable[[Layout], Outputs]) -> None:
    """An aggregator of several asks for its own arrays' blocks, and refuses another's."""
    text = f"{SMALL}telemetry: {{racks_per_message: 2}}\n"
    layout = Layout(parse_site(text, "small"))
    division = ShardAssignment(layout, Shard(1, 2))
    core, topics = Core(layout, None, division), Topics("small")
    blocks = {topics.blocks(array) for array in ("a001", "a002")}
    assert blocks & set(division.filters()) == {topics.blocks("a002")}
    encoder = BlockEncoder(layout, [BlockRow(2, ("r0003",)), BlockRow(0, RACKS)])
    encoder.load(outputs(layout))
    core.handle(topics.blocks("a002"), encoder.encode(0, {0: (1.0, 1)}), False, 1.0)
    core.handle(topics.blocks("a001"), encoder.encode(1, {0: (1.0, 1)}), False, 1.0)
    assert core.store.units[UnitKind.RACK].reporting.tolist() == [True]
    assert core.telemetry.tallies()["twin_messages_refused_total"]["foreign"] == 1
