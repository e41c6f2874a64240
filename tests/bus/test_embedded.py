"""The broker inside the process: what it delivers and what it survives."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from twin.bus import BrokerUrl, Bus, InboundMessage, Will, connect, embedded, link
from twin.bus.embedded import embedded_broker
from twin.errors import BusError, ConfigError

PATIENCE = 60.0
"""How long anything may take: the machine may be busy."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients that do not give up a broker in the same process which has much to do."""
    monkeypatch.setattr(link, "ANSWER_SECONDS", PATIENCE)


async def receive(bus: Bus, count: int) -> list[InboundMessage]:
    """Return the next ``count`` messages."""
    messages = bus.messages()
    async with asyncio.timeout(PATIENCE):
        return [await anext(messages) for _ in range(count)]


async def silent(bus: Bus) -> bool:
    """Return whether nothing came in, once the broker is done with all that ``bus`` sent."""
    await bus.subscribe("probe/silence")
    await bus.publish("probe/silence", b"")
    return (await receive(bus, 1))[0].topic == "probe/silence"


def packet(kind: int, body: bytes) -> bytes:
    """Return a short MQTT packet."""
    return bytes([kind, len(body)]) + body


def text(value: str) -> bytes:
    """Return an MQTT string."""
    return struct.pack("!H", len(value)) + value.encode()


async def stubborn(url: BrokerUrl, client_id: str, topic_filter: str) -> asyncio.StreamWriter:
    """Return a client that subscribes and then never reads."""
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=1)
    hello = text("MQTT") + bytes([4, 2]) + struct.pack("!H", 60) + text(client_id)
    writer.write(packet(0x10, hello))
    assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
    writer.write(packet(0x82, struct.pack("!H", 1) + text(topic_filter) + b"\0"))
    assert await reader.readexactly(5) == b"\x90\x03\x00\x01\x00"
    return writer


@pytest.mark.parametrize("size", [0, 1, 200, 25_000, 1_000_000])
async def test_delivers(broker: BrokerUrl, size: int) -> None:
    """What is published arrives unchanged, whatever its size."""
    payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with connect(broker, client_id="sub") as sub, connect(broker, client_id="pub") as pub:
        await sub.subscribe("a/b")
        await pub.publish("a/b", payload)
        assert await receive(sub, 1) == [InboundMessage("a/b", payload, retain=False)]


@pytest.mark.parametrize("qos", [0, 1])
async def test_keeps_the_order(broker: BrokerUrl, qos: int) -> None:
    """Messages of one publisher arrive all and in order."""
    async with connect(broker, client_id="sub") as sub, connect(broker, client_id="pub") as pub:
        await sub.subscribe("#", qos=qos)
        for n in range(300):
            await pub.publish(f"rack/r{n % 7}", str(n).encode(), qos=qos)
        assert [int(m.payload) for m in await receive(sub, 300)] == list(range(300))


@pytest.mark.parametrize(
    ("topic_filter", "expected"),
    [
        ("twin/v1/demo/rack/r0001", ["twin/v1/demo/rack/r0001"]),
        ("twin/v1/demo/rack/+", ["twin/v1/demo/rack/r0001", "twin/v1/demo/rack/r0002"]),
        ("twin/v1/+/grid", ["twin/v1/demo/grid"]),
        (
            "twin/v1/demo/#",
            ["twin/v1/demo/rack/r0001", "twin/v1/demo/grid", "twin/v1/demo/rack/r0002"],
        ),
    ],
)
async def test_wildcards(broker: BrokerUrl, topic_filter: str, expected: list[str]) -> None:
    """A filter selects the topics that MQTT says it does."""
    async with connect(broker, client_id="sub") as sub, connect(broker, client_id="pub") as pub:
        await sub.subscribe(topic_filter)
        for topic in ("rack/r0001", "grid", "rack/r0002", "meta/rack/r0001/x"):
            if topic_filter != "twin/v1/demo/#" or "meta" not in topic:
                await pub.publish(f"twin/v1/demo/{topic}", b"x")
        assert [m.topic for m in await receive(sub, len(expected))] == expected
        assert await silent(sub)


def long_packet(kind: int, size: int, body: bytes = b"") -> bytes:
    """Return the beginning of an MQTT packet that says it has ``size`` bytes."""
    head, left = [kind], size
    while left > 0x7F:
        head.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*head, left]) + body


def hello(client_id: str) -> bytes:
    """Return the packet by which a client connects."""
    return packet(0x10, text("MQTT") + bytes([4, 2]) + struct.pack("!H", 60) + text(client_id))


async def ended(reader: asyncio.StreamReader) -> None:
    """Wait until the broker has thrown a client out."""
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionError):
            await reader.read()


@pytest.mark.parametrize(
    "sent",
    [
        long_packet(0x10, 200 << 20),
        hello("x") + long_packet(0x31, (1 << 20) + 1, text("twin/v1/demo/meta/rack/r0001")),
        hello("x") + long_packet(0x30, 200 << 20, text("a") + bytes(100_000)),
        hello("x") + long_packet(0x82, 200 << 20, bytes(100_000)),
        hello("x") + b"\x30\xff\xff\xff\xff\x01" + bytes(1_000),
        hello("x") + packet(0x30, text("twin")[:3]) + packet(0x30, text("hidden") + b"x"),
    ],
    ids=["connect", "retained", "publish", "subscribe", "length", "too short inside"],
)
async def test_throws_out_whose_packet_is_too_large(broker: BrokerUrl, sent: bytes) -> None:
    """A packet that says it is above a MiB, or less than it must be, ends the connection."""
    with capture_logs() as logs:
        async with connect(broker, client_id="all") as others:
            await others.subscribe("#")
            reader, writer = await asyncio.open_connection(broker.host, broker.port)
            writer.write(sent)
            await ended(reader)
            writer.close()
            assert await silent(others)
    assert "client thrown out" in logs[0]["event"]


async def test_throws_out_who_does_not_end_a_packet(
    broker: BrokerUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a connection without a packet nor one with half of it stays; idle ones do."""
    monkeypatch.setattr(embedded, "PACKET_SECONDS", 0.5)
    async with connect(broker, client_id="idle") as idle:
        for sent in (b"", b"\x10", hello("y")[:6], hello("z") + long_packet(0x30, 1 << 20, b"ab")):
            reader, writer = await asyncio.open_connection(broker.host, broker.port)
            writer.write(sent)
            await ended(reader)
            writer.close()
        assert await silent(idle)


async def test_half_packets_take_little_memory(broker: BrokerUrl) -> None:
    """What many clients have not ended holds no more than a packet each."""
    tracemalloc.start()
    try:
        clients = [await asyncio.open_connection(broker.host, broker.port) for _ in range(20)]
        for number, (_, writer) in enumerate(clients):
            writer.write(hello(f"c{number}") + long_packet(0x30, 200 << 20, text("a")))
            writer.write(bytes(4 << 20))
        for reader, writer in clients:
            await ended(reader)
            writer.close()
        assert tracemalloc.get_traced_memory()[1] < 160 << 20  # 80 MiB are the senders' own
    finally:
        tracemalloc.stop()


async def test_turns_away_too_many(broker: BrokerUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit of connections the next one is closed, and one line says so."""
    monkeypatch.setattr(embedded, "CONNECTIONS", 2)
    with capture_logs() as logs:
        async with connect(broker, client_id="a") as first, connect(broker, client_id="b"):
            for _ in range(5):
                reader, writer = await asyncio.open_connection(broker.host, broker.port)
                await ended(reader)
                writer.close()
            assert await silent(first)
    assert [line["event"] for line in logs] == ["MQTT client turned away, too many are here"]


async def test_retains_no_more_than_fits(
    broker: BrokerUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit a message is delivered but not kept; what is kept may be replaced."""
    monkeypatch.setattr(embedded, "RETAINED_BYTES", 100)
    async with connect(broker, client_id="pub") as pub, connect(broker, client_id="sub") as sub:
        for topic in ("a", "b", "a"):
            await pub.publish(topic, bytes(60), qos=1, retain=True)
        assert await silent(pub)
        await sub.subscribe("+", qos=1)
        assert [message.topic for message in await receive(sub, 1)] == ["a"]
        assert await silent(sub)


def test_takes_as_large_packets_as_mosquitto() -> None:
    """The embedded broker and the one of the compose file have the same limit."""
    folder = Path(__file__).parents[2] / "deploy/mosquitto"
    lines = (folder / "mosquitto.conf").read_text(encoding="utf-8").splitlines()
    assert f"max_packet_size {embedded.MAX_PACKET_BYTES}" in lines


async def test_retains(broker: BrokerUrl) -> None:
    """A retained message is given to who subscribes later, until an empty one clears it."""
    async with connect(broker, client_id="pub") as pub, connect(broker, client_id="sub") as sub:
        await pub.publish("meta/r1", b"old", qos=1, retain=True)
        await pub.publish("meta/r1", b"new", qos=1, retain=True)
        await pub.publish("meta/r2", b"gone", qos=1, retain=True)
        await pub.publish("meta/r2", b"", qos=1, retain=True)
        assert await silent(pub)
        await sub.subscribe("meta/+", qos=1)
        assert await receive(sub, 1) == [InboundMessage("meta/r1", b"new", retain=True)]
        assert await silent(sub)


async def test_retained_messages_go_to_subscribers_only(broker: BrokerUrl) -> None:
    """Who connects is not given what others have subscribed to."""
    async with connect(broker, client_id="pub") as pub, connect(broker, client_id="all") as others:
        await pub.publish("meta/r1", b"private", qos=1, retain=True)
        assert await silent(pub)
        await others.subscribe("#")
        async with connect(broker, client_id="new") as new:
            assert await silent(new)


async def test_many_retained_messages(broker: BrokerUrl) -> None:
    """The metadata of a whole site reaches a subscriber in one go."""
    payload = b"x" * 5_000
    async with connect(broker, client_id="pub") as pub, connect(broker, client_id="sub") as sub:
        for n in range(1_563):
            await pub.publish(f"meta/rack/r{n:04d}", payload, retain=True)
        assert await silent(pub)
        await sub.subscribe("meta/rack/+")
        topics = {m.topic for m in await receive(sub, 1_563)}
        assert len(topics) == 1_563


async def test_will_after_an_error(broker: BrokerUrl) -> None:
    """Who ends by an error is announced dead, to those who listen and to those who come."""

    async def fail() -> None:
        async with connect(broker, client_id="em", will=Will("status/em", b"dead")) as em:
            await em.publish("status/em", b"alive", qos=1, retain=True)
            raise ZeroDivisionError

    async with connect(broker, client_id="sub") as sub:
        await sub.subscribe("status/+", qos=1)
        with pytest.raises(ZeroDivisionError):
            await fail()
        assert [m.payload for m in await receive(sub, 2)] == [b"alive", b"dead"]
    async with connect(broker, client_id="late") as late:
        await late.subscribe("status/+", qos=1)
        assert await receive(late, 1) == [InboundMessage("status/em", b"dead", retain=True)]


async def test_no_will_after_an_orderly_end(broker: BrokerUrl) -> None:
    """Who says goodbye, or is cancelled, is not announced dead."""
    will = Will("status/em", b"dead")
    async with connect(broker, client_id="sub") as sub:
        await sub.subscribe("status/+", qos=1)
        async with connect(broker, client_id="em", will=will):
            pass

        async def run() -> None:
            async with connect(broker, client_id="em", will=will) as em:
                await em.publish("status/em", b"alive")
                await asyncio.Event().wait()

        task = asyncio.create_task(run())
        assert [m.payload for m in await receive(sub, 1)] == [b"alive"]
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await silent(sub)


async def test_same_name_throws_the_first_out(broker: BrokerUrl) -> None:
    """A second client of the same identifier takes over; the first one is told by its loss."""
    async with connect(broker, client_id="same") as second_hand:
        await second_hand.subscribe("x")
        async with connect(broker, client_id="same") as heir:
            with pytest.raises(BusError, match="is lost"):
                await receive(second_hand, 1)
            await heir.subscribe("x")
            await heir.publish("x", b"mine")
            assert await receive(heir, 1) == [InboundMessage("x", b"mine", retain=False)]


async def test_a_stuck_subscriber_harms_nobody(
    broker: BrokerUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stops reading is thrown out at a bound; everybody else gets every message."""
    monkeypatch.setattr(embedded, "BACKLOG_BYTES", 2_000_000)
    stuck = await stubborn(broker, "stuck", "rack/#")
    payload = b"x" * 25_000
    async with connect(broker, client_id="sub") as sub, connect(broker, client_id="pub") as pub:
        await sub.subscribe("rack/#")
        with capture_logs() as logs:
            for n in range(400):
                await pub.publish(f"rack/r{n % 16}", payload)
            assert len(await receive(sub, 400)) == 400
    thrown_out = [entry for entry in logs if "thrown out" in entry["event"]]
    assert len(thrown_out) == 1
    assert 2_000_000 < thrown_out[0]["bytes"] < 2_000_000 + 3 * len(payload)
    stuck.close()


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x10\xff\xff\xff\xff\xff",
        packet(0x10, text("MQTT") + b"\xff\xff\xff\xff"),
        b"\x00" * 64,
    ],
)
async def test_strangers_harm_nobody(
    broker: BrokerUrl, noise: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not MQTT ends in a closed connection and nothing else, not even in a log line."""
    async with connect(broker, client_id="sub") as sub:
        await sub.subscribe("x")
        reader, writer = await asyncio.open_connection(broker.host, broker.port)
        writer.write(noise)
        writer.write_eof()
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()
        await sub.publish("x", b"still there")
        assert await receive(sub, 1) == [InboundMessage("x", b"still there", retain=False)]
    assert caplog.record_tuples == []


async def test_starts_fast_and_frees_its_port() -> None:
    """It costs less than a second of the processor, says where it is, and leaves nothing behind."""
    started = time.process_time()
    async with embedded_broker("127.0.0.1", 0) as url:
        assert time.process_time() - started < 1.0
        assert url.host == "127.0.0.1"
        async with connect(url, client_id="a"):
            pass
    async with embedded_broker("127.0.0.1", url.port) as again:
        assert again == url
    with pytest.raises(BusError, match="cannot be reached"):
        async with connect(url, client_id="a"):
            pass


async def test_ends_with_clients_inside(caplog: pytest.LogCaptureFixture) -> None:
    """Its end is the loss of the connection for all, also for who is stuck or never spoke."""
    async with embedded_broker("127.0.0.1", 0) as url:
        stuck = await stubborn(url, "stuck", "#")
        reader, silent_one = await asyncio.open_connection(url.host, url.port)
        context = connect(url, client_id="a")
        bus = await context.__aenter__()
        await bus.publish("x", b"x" * 1_000_000)
    with pytest.raises(BusError, match="is lost"):
        await receive(bus, 1)
    with pytest.raises(BusError, match="is lost"):
        await bus.publish("x", b"")
    await context.__aexit__(None, None, None)
    async with asyncio.timeout(5):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    silent_one.close()
    stuck.close()
    assert caplog.record_tuples == []


async def test_port_taken() -> None:
    """A port that is taken is named, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is in use.*--mqtt-port"):
            async with embedded_broker("127.0.0.1", port):
                pass


async def test_address_of_another_machine() -> None:
    """An address that is not this machine's is refused in words."""
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0"):
        async with embedded_broker("192.0.2.1", 0):
            pass


@pytest.mark.parametrize(
    ("host", "reachable"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("::1", "::1"), ("localhost", "localhost")],  # noqa: S104 - what a user may type
)
async def test_address_for_clients(host: str, reachable: str) -> None:
    """The address it gives can be connected to, also when it listens everywhere."""
    async with embedded_broker(host, 0) as url:
        assert url.host == reachable
        async with connect(url, client_id="a") as bus:
            assert await silent(bus)
