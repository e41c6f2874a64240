"""Publishing to brokers that are quick, slow, stuck or away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from twin.bus import InboundMessage
from twin.catalog import UnitKind
from twin.emulator import Pacer
from twin.emulator.config import EmulatorConfig
from twin.emulator.delivery import Delivery
from twin.emulator.frame_source import FrameSource
from twin.errors import BusError, ConfigError
from twin.faults import Gateways
from twin.plant import Conditions, Plant
from twin.site import Layout, parse_site
from twin.wire import BlockDecoder, Codec, Decoder, Outputs, Topics

SITE = """
name: small
racks: 12
racks_per_array: 4
servers_per_rack: 2
pdus_per_rack: 1
server: {gpus: 2, nics: 2, psus: 2}
megapacks: {count: 2}
gensets: {count: 1}
"""
LAYOUT = Layout(parse_site(SITE, "small"))
FRAMES = sum(LAYOUT.units(kind) for kind in UnitKind)
PERIOD = 0.01
"""A short one, because patience with a broker is real time."""


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Broker:
    """Stands in for a connection whose broker takes some messages and then no more.

    Attributes:
        room: messages that it still takes.
        taken: topics and payloads of those that it took.
        blocked: seconds that publishers waited.
    """

    def __init__(self, room: int = 10**6) -> None:
        self.room = room
        self.taken: list[tuple[str, bytes]] = []
        self.blocked = 0.0
        self.relief = asyncio.Event()
        self.on_wait: Callable[[], None] = lambda: None

    dropped = waiting = 0

    @property
    def congested(self) -> bool:
        """Whether a publisher has to wait."""
        return self.room <= 0

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> None:
        """Take a message, once there is room for it."""
        assert (qos, retain) == (0, False)
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            while self.congested:
                self.on_wait()
                await self.relief.wait()
        finally:
            self.blocked += clock() - began
        self.room -= 1
        self.taken.append((topic, payload))

    async def subscribe(self, topic_filter: str, *, qos: int = 0) -> None:
        """Nobody subscribes here."""

    def messages(self) -> AsyncIterator[InboundMessage]:
        """Nobody reads here."""
        raise NotImplementedError

    def more(self, most: int) -> list[InboundMessage]:
        """Have none."""
        raise NotImplementedError


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    """What the plant gives after a step."""
    plant = Plant(LAYOUT, 0, "training", 0.0)
    plant.step(1.0, Conditions.healthy(LAYOUT))
    return plant.outputs()


@pytest.fixture
def time() -> Time:
    """A clock at 1000 s."""
    return Time()


GROUPED = Layout(parse_site(SITE + "telemetry: {racks_per_message: 3}\n", "small"))
"""Arrays of four racks, of which three travel in one message and one in another."""


def delivery(
    time: Time, *, codec: Codec = Codec.CBOR, patient: bool = False, layout: Layout = LAYOUT
) -> Delivery:
    """Return a delivery with a pacer on that clock."""
    pacer = Pacer(PERIOD, clock=time.clock, sleep=time.sleep)
    return Delivery(FrameSource(layout, codec, seed=0), pacer, patient=patient)


async def tick(delivery: Delivery, outputs: Outputs, gateways: Gateways | None = None) -> None:
    """Deliver one tick."""
    await delivery._pacer.tick()
    delivery._frames.advance(lambda: outputs, 50.0, gateways or Gateways.healthy(LAYOUT))
    await delivery.deliver()


@pytest.mark.parametrize("codec", Codec)
async def test_every_unit_has_its_frame(outputs: Outputs, time: Time, codec: Codec) -> None:
    """A quick broker gets one frame of every unit, in the codec that was asked for."""
    publish, broker = delivery(time, codec=codec), Broker()
    publish.bus = broker
    await tick(publish, outputs)
    await tick(publish, outputs)

    topics = Topics("small")
    expected = [
        topics.frame(kind, LAYOUT.unit_name(kind, unit))
        for kind in UnitKind
        for unit in range(LAYOUT.units(kind))
    ]
    assert [topic for topic, _ in broker.taken] == expected * 2
    first, second = (
        Decoder(LAYOUT, UnitKind.RACK).decode(broker.taken[place][1]) for place in (0, FRAMES)
    )
    assert (first.seq, second.seq, first.ts) == (0, 1, 50.0)
    assert (broker.taken[0][1][:1] == b"{") is (codec is Codec.JSON)
    assert (publish.published, publish.unsent, publish.overdue) == (2 * FRAMES, 0, 0)
    assert publish.blocked == 0.0


async def test_frames_are_spread(outputs: Outputs, time: Time) -> None:
    """The last frames leave after half of the interval and well before its end."""
    publish = delivery(time)
    publish.bus = Broker()
    await tick(publish, outputs)
    await tick(publish, outputs)
    assert 1.4 * PERIOD < time.now - 1000.0 < 1.7 * PERIOD


async def test_the_first_frames_do_not_wait_for_their_turn(outputs: Outputs, time: Time) -> None:
    """Those of the first tick leave at once, where there are few; those of the next are spread."""
    pacer = Pacer(10.0, clock=time.clock, sleep=time.sleep)
    publish = Delivery(FrameSource(LAYOUT, Codec.CBOR, seed=0), pacer, patient=False)
    publish.bus = Broker()
    await tick(publish, outputs)
    assert time.now - 1000.0 < 0.2
    await tick(publish, outputs)
    assert 14.0 < time.now - 1000.0 < 17.0


async def test_many_first_frames_have_their_time(outputs: Outputs, time: Time) -> None:
    """A first tick is as long as its frames need at a rate that everybody bears, not shorter."""
    pacer = Pacer(FRAMES * 1e-4, clock=time.clock, sleep=time.sleep)
    publish = Delivery(FrameSource(LAYOUT, Codec.CBOR, seed=0), pacer, patient=False)
    publish.bus = Broker()
    await tick(publish, outputs)
    assert 1.3 * pacer.period < time.now - 1000.0 < 2.0 * pacer.period
    await tick(publish, outputs)
    assert pacer.late_ticks == 0


async def test_stuck_broker_costs_frames_and_says_so(outputs: Outputs, time: Time) -> None:
    """What it does not take within the tick is dropped and counted, and leaves a gap."""
    publish, broker = delivery(time), Broker(room=5)
    publish.bus = broker
    await tick(publish, outputs)
    assert (publish.published, publish.overdue, publish.unsent) == (5, FRAMES - 5, 0)
    assert publish.blocked >= 0.25 * PERIOD
    assert {n for numbers in publish._frames.sequence.values() for n in numbers} == {1}


async def test_slow_broker_starves_nobody(outputs: Outputs, time: Time) -> None:
    """Each tick begins with the unit that went without, so that all have their turn."""
    publish, broker = delivery(time), Broker()
    publish.bus = broker
    for _ in range(-(-FRAMES // 5)):
        broker.room = 5
        await tick(publish, outputs)
    assert len({topic for topic, _ in broker.taken}) == FRAMES


async def test_broker_that_recovers_in_time_costs_nothing(outputs: Outputs, time: Time) -> None:
    """A short jam is waited out, and the wait is told."""
    publish, broker = delivery(time), Broker(room=5)
    publish.bus = broker

    def recover() -> None:
        broker.room = FRAMES
        broker.relief.set()

    broker.on_wait = recover
    await tick(publish, outputs)
    assert (publish.published, publish.overdue) == (FRAMES, 0)
    assert publish.blocked > 0.0


async def test_queue_is_told_while_the_broker_is_stuck(outputs: Outputs, time: Time) -> None:
    """At the end of the period all that was not taken is due."""
    publish, broker = delivery(time), Broker(room=5)
    publish.bus = broker
    queued = []

    def look() -> None:
        queued.append(publish.queued)
        time.now = 1000.0 + PERIOD
        queued.append(publish.queued)

    broker.on_wait = look
    await tick(publish, outputs)
    assert queued[0] <= 8
    assert queued[1] == FRAMES - 5
    assert publish.queued == 0


async def test_patient_publisher_drops_nothing(outputs: Outputs, time: Time) -> None:
    """Told to slow down, it waits for the broker for as long as it takes."""
    publish, broker = delivery(time, patient=True), Broker(room=5)
    publish.bus = broker
    waits = 0

    def later() -> None:
        nonlocal waits
        waits += 1
        time.now += 10 * PERIOD
        broker.room = 5
        asyncio.get_running_loop().call_soon(broker.relief.set)

    broker.on_wait = later
    await tick(publish, outputs)
    assert waits > 1
    assert (publish.published, publish.overdue) == (FRAMES, 0)


async def test_broker_away(outputs: Outputs, time: Time) -> None:
    """Without a connection frames are counted by another reason, and time goes on."""
    publish = delivery(time)
    await tick(publish, outputs)
    assert (publish.published, publish.unsent, publish.overdue) == (0, FRAMES, 0)


async def test_connection_that_breaks(outputs: Outputs, time: Time) -> None:
    """A connection that is lost under way costs the frames that it did not take."""
    publish, broker = delivery(time), Broker(room=5)
    publish.bus = broker

    def lose() -> None:
        publish.bus = None
        raise BusError("lost")

    broker.on_wait = lose
    await tick(publish, outputs)
    assert (publish.published, publish.unsent) == (5, FRAMES - 5)


async def test_silent_and_lossy_gateways(outputs: Outputs, time: Time) -> None:
    """A silent gateway sends no frame and counts none; a lossy one leaves a gap."""
    publish, broker = delivery(time), Broker()
    publish.bus = broker
    gateways = Gateways.healthy(LAYOUT)
    gateways.reporting[0], gateways.frame_loss[1], gateways.clock_skew[2] = False, 1.0, 7.0
    await tick(publish, outputs, gateways)
    topics = {topic for topic, _ in broker.taken}
    assert {"twin/v1/small/rack/r0001", "twin/v1/small/rack/r0002"}.isdisjoint(topics)
    assert publish._frames.sequence[UnitKind.RACK][:3] == [0, 1, 1]
    assert (publish.published, publish.unsent, publish.overdue) == (FRAMES - 2, 0, 0)
    ahead = dict(broker.taken)["twin/v1/small/rack/r0003"]
    assert Decoder(LAYOUT, UnitKind.RACK).decode(ahead).ts == 57.0


async def test_racks_of_an_array_travel_together(outputs: Outputs, time: Time) -> None:
    """Where the site asks for it, an array's racks are in blocks, and each frame is counted."""
    publish, broker = delivery(time, layout=GROUPED), Broker()
    publish.bus = broker
    await tick(publish, outputs)
    topics, decoder = Topics("small"), BlockDecoder(GROUPED)
    arrays = [topics.blocks(f"a00{array}") for array in (1, 2, 3)]
    taken = [(topic, payload) for topic, payload in broker.taken if topic in arrays]
    assert [topic for topic, _ in taken] == [topic for topic in arrays for _ in range(2)]
    blocks = [decoder.decode(payload).racks for _, payload in taken[:2]]
    assert blocks == [("r0001", "r0002", "r0003"), ("r0004",)]
    assert not any("/rack/" in topic for topic, _ in broker.taken)
    assert publish.published == FRAMES


async def test_json_frames_travel_alone(outputs: Outputs, time: Time) -> None:
    """Frames that are made to be read by eye stay one a message."""
    publish, broker = delivery(time, codec=Codec.JSON, layout=GROUPED), Broker()
    publish.bus = broker
    await tick(publish, outputs)
    assert len(broker.taken) == FRAMES


async def test_silent_lossy_and_late_gateways_in_a_block(outputs: Outputs, time: Time) -> None:
    """A silent rack is left out, a lost frame leaves a gap, and a wrong clock is its rack's own."""
    publish, broker = delivery(time, layout=GROUPED), Broker()
    publish.bus = broker
    gateways = Gateways.healthy(LAYOUT)
    gateways.reporting[[0, 4, 5, 6]] = False
    gateways.frame_loss[1] = 1.0
    gateways.clock_skew[2] = 7.0
    await tick(publish, outputs, gateways)
    await tick(publish, outputs)
    decoder, rounds = BlockDecoder(GROUPED), []
    for topic, payload in broker.taken:
        if topic.endswith(("racks/a001", "racks/a002")):
            block = decoder.decode(payload)
            stamps = zip(block.ts.tolist(), block.seq.tolist(), strict=True)
            rounds.append(dict(zip(block.racks, stamps, strict=True)))
    late = (57.0, 0)
    assert rounds[:3] == [{"r0003": late}, {"r0004": (50.0, 0)}, {"r0008": (50.0, 0)}]
    assert rounds[3] == {"r0001": (50.0, 0), "r0002": (50.0, 1), "r0003": (50.0, 1)}
    assert publish.published == 2 * FRAMES - 5


async def test_a_block_that_is_not_taken_costs_all_its_frames(outputs: Outputs, time: Time) -> None:
    """What a stuck broker does not take is counted in frames, not in messages."""
    publish, broker = delivery(time, layout=GROUPED), Broker(room=1)
    publish.bus = broker
    await tick(publish, outputs)
    assert (publish.published, publish.overdue) == (3, FRAMES - 3)


def test_messages_that_no_reader_takes_are_refused() -> None:
    """More racks than fit into a megabyte are refused with how many do."""
    text = "name: large\nracks: 64\nracks_per_array: 64\ntelemetry: {racks_per_message: 64}\n"
    large = Layout(parse_site(text, "large"))
    with pytest.raises(ConfigError, match=r"racks_per_message is 64.* at most 2\d fit"):
        EmulatorConfig(large, codec=Codec.CBOR)
    assert EmulatorConfig(large, codec=Codec.JSON).layout is large
