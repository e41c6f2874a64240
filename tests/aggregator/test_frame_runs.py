"""Runs of small frames in the aggregator: taken over as one, with what each would have done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tests.aggregator.conftest import SMALL, Feed
from twin.aggregator import Core
from twin.bus import InboundMessage
from twin.catalog import UnitKind
from twin.site import Layout, parse_site
from twin.wire import Codec, Encoder, Outputs, Topics

LAYOUT = Layout(parse_site(SMALL.replace("{count: 2}", "{count: 6}"), "small"))
PACKS = range(6)
RUN = [(second, second) for second in (1, 2, 3)]


class Pair:
    """Two cores of one site: one takes runs, and the other the same frames one by one."""

    def __init__(self, outputs: Outputs) -> None:
        self.runs, self.frames = Core(LAYOUT), Core(LAYOUT)
        self._topics = Topics("small")
        self._encoder = Encoder(LAYOUT, UnitKind.MEGAPACK, Codec.CBOR)
        self._encoder.load(outputs)
        self.now = 1_000.0

    def message(self, pack: int, ts: float, seq: int, *, retain: bool = False) -> InboundMessage:
        """Return a frame of a Megapack."""
        name = LAYOUT.unit_name(UnitKind.MEGAPACK, pack)
        topic = self._topics.frame(UnitKind.MEGAPACK, name)
        return InboundMessage(topic, self._encoder.encode(pack, ts, seq), retain=retain)

    def tick(self, ts: float, seq: int) -> int:
        """Send a frame of every Megapack to both; return how many were taken as one."""
        return self.send([self.message(pack, ts, seq) for pack in PACKS])

    def send(self, messages: Sequence[InboundMessage]) -> int:
        """Send messages to both; return how many of them the first took as one."""
        self.now += 1.0
        count = self.runs.run(messages, 0, self.now, self.now)
        for core, some in ((self.runs, messages[count:]), (self.frames, messages)):
            for own in some:
                core.handle(own.topic, own.payload, own.retain, self.now, self.now)
        return count

    def equal(self) -> None:
        """Compare all that the two know."""
        mine, theirs = (core.store.units[UnitKind.MEGAPACK] for core in (self.runs, self.frames))
        for name in ("ts", "seq", "reporting", "received", "refused"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), name)
        assert (mine.pace, mine.paced) == (theirs.pace, theirs.paced)
        assert self.runs.telemetry.tallies() == self.frames.telemetry.tallies()
        assert self.runs.metrics().series == self.frames.metrics().series
        for device, values in self.runs.store.values.items():
            np.testing.assert_array_equal(values, self.frames.store.values[device], device)


@pytest.fixture
def pair(outputs: Callable[[Layout], Outputs]) -> Pair:
    """Two cores of a site with six Megapacks."""
    return Pair(outputs(LAYOUT))


def test_a_run_is_what_its_frames_are(pair: Pair) -> None:
    """Taken as one, all units show and count what they would one by one."""
    taken = [pair.tick(ts, seq) for ts, seq in (*RUN, (7, 7), (30, 30))]
    assert taken == [0, 6, 6, 6, 6]
    pair.equal()
    assert pair.runs.telemetry.tallies()["twin_frames_lost_total"]["megapack"] == 6 * (3 + 22)


def test_what_is_out_of_the_usual_is_each_frame_s_own(pair: Pair) -> None:
    """A duplicate, an older time and a wrong value go the way of single frames."""
    for ts, seq in RUN:
        pair.tick(ts, seq)
    assert pair.tick(3, 3) == 0
    assert pair.tick(2.5, 4) == 0
    assert pair.send([pair.message(pack, 5, 5 + 2 * (pack == 1)) for pack in PACKS]) == 6
    broken = pair.message(2, 6, 8)
    payload = broken.payload[:-4] + np.float32(np.inf).tobytes()
    messages = [pair.message(pack, 6, 8) for pack in PACKS]
    messages[2] = InboundMessage(broken.topic, payload, retain=False)
    assert pair.send(messages) == 0
    pair.equal()
    refused = pair.runs.telemetry.tallies()["twin_messages_refused_total"]
    assert (refused["duplicate"], refused["stale"], refused["value"]) == (6, 6, 1)


def test_runs_end_where_another_unit_comes(pair: Pair) -> None:
    """Neighbours in order are a run; others, few, or retained ones are not."""
    for ts, seq in RUN:
        pair.tick(ts, seq)
    order = [pair.message(pack, 4, 4) for pack in (1, 2, 3, 4, 0, 5)]
    assert pair.send(order) == 4
    assert pair.send([pair.message(pack, 5, 5) for pack in (0, 1, 2)]) == 0
    assert pair.send([pair.message(pack, 6, 6, retain=pack == 2) for pack in PACKS]) == 0
    pair.equal()


def test_silent_and_released_units_are_taken_by_themselves(pair: Pair) -> None:
    """A unit that fell silent is heard again, and one that another aggregator has is not stored."""
    for ts, seq in RUN:
        pair.tick(ts, seq)
    for core in (pair.runs, pair.frames):
        core.tick(pair.now + 60.0, pair.now + 60.0)
    assert pair.tick(64, 4) == 0
    for core in (pair.runs, pair.frames):
        core.store.release(UnitKind.MEGAPACK, np.array([False, True] * 3))
    assert pair.tick(65, 5) == 0
    pair.equal()


def test_whatever_is_wrong_with_a_run_ends_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a run cannot be taken for an unforeseen reason, its frames still are."""
    for ts, seq in RUN:
        pair.tick(ts, seq)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("twin.wire.Decoder.rows", broken)
    assert pair.tick(4, 4) == 0
    pair.equal()


def test_any_flipped_bit_is_judged_as_by_itself(pair: Pair) -> None:
    """A run with a frame that was damaged anywhere counts and keeps what its frames would."""
    rng = np.random.default_rng(5)
    for ts, seq in RUN:
        pair.tick(ts, seq)
    size = len(pair.message(0, 4, 4).payload)
    for tick, place in enumerate(rng.choice(size, 80, replace=False).tolist(), 4):
        messages = [pair.message(pack, tick, tick) for pack in PACKS]
        payload = bytearray(messages[2].payload)
        payload[place] ^= 1 << int(rng.integers(8))
        messages[2] = InboundMessage(messages[2].topic, bytes(payload), retain=False)
        pair.send(messages)
    pair.equal()


def test_json_is_taken_frame_by_frame(feed: Feed) -> None:
    """Only frames in the twin's own CBOR are a run."""
    feed.site()
    payload = feed.payload(UnitKind.MEGAPACK, 0)
    messages = [InboundMessage(feed.topic(UnitKind.MEGAPACK, 0), payload, retain=False)] * 5
    assert feed.core.run(messages, 0, feed.now, feed.now) == 0
