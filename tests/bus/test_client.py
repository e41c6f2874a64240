"""One connection: what it bounds, what it says when it fails, what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from twin.bus import BrokerRefusedError, BrokerUrl, Bus, Will, client, connect, keep_connected, link
from twin.errors import BusError, ConfigError

CONNACK = b"\x20\x02\x00\x00"
NOT_AUTHORIZED = b"\x20\x02\x00\x05"
SUBSCRIBE_REFUSED = b"\x90\x03\x00\x01\x80"
GOODBYE = b"\xe0\x00"


class FakeBroker:
    """A listener that gives one answer to each packet, then none, until the client leaves.

    The answer None is to hang up.
    """

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = answers
        self.heard: list[bytes] = []
        self.left = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        answers = iter(self._answers)
        while packet := await reader.read(4096):
            self.heard.append(packet)
            answer = next(answers, b"")
            if answer is None:
                break
            writer.write(answer)
        self.left.set()
        writer.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop turn until ``condition`` holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0)


@asynccontextmanager
async def fake_broker(*answers: bytes | None) -> AsyncIterator[tuple[BrokerUrl, FakeBroker]]:
    """Run a fake broker and yield its address; at the end all must have left it."""
    fake = FakeBroker(*answers)
    server = await asyncio.start_server(fake.talk, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield BrokerUrl("127.0.0.1", port, "user", "secret"), fake
        async with asyncio.timeout(5):
            await fake.left.wait()
    finally:
        server.close()


async def test_nobody_listens() -> None:
    """A broker that is not there is named with the reason and the remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = BrokerUrl("127.0.0.1", port, "user", "secret")
    with pytest.raises(BusError) as caught:
        async with connect(url, client_id="a"):
            pass
    assert str(caught.value) == (
        f"broker mqtt://user:***@127.0.0.1:{port} cannot be reached (Connection refused); "
        "start it or give another address"
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "a..b"])
async def test_host_unknown(host: str) -> None:
    """A host that has no address is a broker that cannot be reached."""
    with pytest.raises(BusError, match="cannot be reached"):
        async with connect(BrokerUrl(host, 1883), client_id="a"):
            pass


@pytest.mark.parametrize(
    ("code", "refused", "words"),
    [
        (2, True, "allow our client identifier"),
        (3, False, "cannot be reached"),
        (4, True, "'user' has no access"),
        (5, True, "'user' has no access"),
    ],
)
async def test_refused(code: int, refused: bool, words: str) -> None:
    """Each refusal has its remedy; only a broker that is merely busy is worth waiting for."""
    async with fake_broker(b"\x20\x02\x00" + bytes([code])) as (url, _):
        with pytest.raises(BusError, match=words) as caught:
            async with connect(url, client_id="a"):
                pass
    assert isinstance(caught.value, BrokerRefusedError) is refused
    assert "secret" not in str(caught.value)


async def test_refused_without_a_user() -> None:
    """Who gave no user is told that one is wanted."""
    async with fake_broker(NOT_AUTHORIZED) as (url, _):
        with pytest.raises(
            BrokerRefusedError, match="wants a user: give mqtt://user:password@host"
        ):
            async with connect(BrokerUrl(url.host, url.port), client_id="a"):
                pass


async def test_refusal_ends_keep_connected() -> None:
    """A wrong password is reported at once instead of being tried for ever."""
    async with fake_broker(NOT_AUTHORIZED) as (url, _):
        with pytest.raises(BusError, match="password is wrong"):
            await keep_connected(url, lambda _: asyncio.sleep(0), client_id="a")


async def test_subscription_refused() -> None:
    """A subscription that the broker does not allow is an error, not a silence."""
    async with fake_broker(CONNACK, SUBSCRIBE_REFUSED) as (url, _):
        with pytest.raises(BrokerRefusedError, match="refuses the subscription to twin/#"):
            async with connect(url, client_id="a") as bus:
                await bus.subscribe("twin/#")


async def test_mute_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that never answers is given up, and its connection closed."""
    monkeypatch.setattr(link, "ANSWER_SECONDS", 0.05)
    async with fake_broker() as (url, _):
        with pytest.raises(BusError, match=r"cannot be reached \(Operation timed out\)"):
            async with connect(url, client_id="a"):
                pass


async def test_broker_falls_mute() -> None:
    """A broker that stops answering is a lost connection, left without a goodbye."""

    async def publish(url: BrokerUrl) -> None:
        async with connect(url, client_id="a") as bus:
            assert isinstance(bus, client.Connection)
            bus._client.timeout = 0.5  # only from now on: it had time to let us in
            await bus.publish("x", b"payload", qos=1)

    async with fake_broker(CONNACK) as (url, fake):
        with pytest.raises(BusError, match="is lost"):
            await publish(url)
    assert fake.heard[-1].endswith(b"payload")


@pytest.mark.parametrize(
    "call",
    [
        lambda bus: bus.publish("x", b"", qos=1),
        lambda bus: bus.subscribe("x"),
        lambda bus: anext(bus.messages()),
    ],
)
async def test_broker_hangs_up(call: Callable[[Bus], Awaitable[object]]) -> None:
    """Whoever waits for a broker that hangs up is told at once."""
    async with fake_broker(CONNACK, None) as (url, _), connect(url, client_id="a") as bus:
        await bus.publish("x", b"")
        with pytest.raises(BusError, match=r"is lost \(closed from the other side\)"):
            await asyncio.wait_for(call(bus), 10)


@pytest.mark.parametrize("packets", [0, 1])
async def test_cancelled_while_connecting(packets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled before the broker answers, it does not wait and leaves no connection."""
    monkeypatch.setattr(link, "ANSWER_SECONDS", 60.0)  # far beyond the patience below
    async with fake_broker() as (url, fake):
        task = asyncio.create_task(connect(url, client_id="a").__aenter__())
        await asyncio.sleep(0)
        await until(lambda: len(fake.heard) == packets)
        task.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait([task])
        assert task.cancelled()


@pytest.mark.parametrize("turns", range(4))
async def test_cancelled_while_closing(broker: BrokerUrl, turns: int) -> None:
    """A cancellation is heeded also while the broker takes our goodbye."""
    leaving = asyncio.Event()

    async def work() -> None:
        async with connect(broker, client_id="a"):
            leaving.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await leaving.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=10)
    task.cancel()
    assert done == {task}


async def test_goodbye(caplog: pytest.LogCaptureFixture) -> None:
    """An orderly end says goodbye to the broker, which then forgets the Will."""
    will = Will("t", b"dead")
    async with fake_broker(CONNACK) as (url, fake), connect(url, client_id="a", will=will):
        pass
    assert fake.heard[-1] == GOODBYE
    assert caplog.record_tuples == []


async def test_reader_that_falls_behind(
    broker: BrokerUrl, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits to be read is bounded; what did not fit is counted and the rest is in order."""
    slow = connect(broker, client_id="sub", inbox=10_000)
    async with slow as sub, connect(broker, client_id="pub") as pub:
        await sub.subscribe("x", qos=1)
        for n in range(25):
            await pub.publish("x", n.to_bytes() * 1_000, qos=1)
        await until(lambda: sub.dropped == 15)
        messages = sub.messages()
        assert [(await anext(messages)).payload[0] for _ in range(10)] == list(range(10))
        await pub.publish("x", b"\xff", qos=1)
        assert (await anext(messages)).payload == b"\xff"
    assert sub.dropped == 15
    assert caplog.record_tuples == []


async def test_reads_what_came_before_the_loss(broker: BrokerUrl) -> None:
    """Messages that came in are still read when the connection is gone; then comes the error."""
    async with connect(broker, client_id="same") as bus:
        assert isinstance(bus, client.Connection)
        await bus.subscribe("x")
        for n in range(40):
            await bus.publish("x", str(n).encode())
        await until(lambda: bus.inbox.qsize() == 40)
        async with connect(broker, client_id="same"), asyncio.timeout(5):
            messages = bus.messages()
            assert [int((await anext(messages)).payload) for _ in range(40)] == list(range(40))
            with pytest.raises(BusError, match="is lost"):
                await anext(messages)


async def test_leaves_room_for_others(broker: BrokerUrl) -> None:
    """Neither publishing in a row nor reading a full inbox keeps the event loop to itself."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with connect(broker, client_id="a") as bus:
        assert isinstance(bus, client.Connection)
        await bus.subscribe("x")
        counting = asyncio.create_task(count())
        for _ in range(500):
            await bus.publish("x", b"")
        assert turns >= 500 // client.PUBLISHED_SHARE
        await until(lambda: bus.inbox.qsize() == 500)
        turns = 0
        messages = bus.messages()
        for _ in range(500):
            await anext(messages)
        assert turns >= 500 // client.FAIR_SHARE
        counting.cancel()
        await asyncio.wait([counting])


async def test_unnoticed_loss_is_quiet(broker: BrokerUrl, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that breaks while nobody uses it ends without a word from asyncio."""

    async def idle() -> None:
        async with connect(broker, client_id="same") as bus:
            assert isinstance(bus, client.Connection)
            async with connect(broker, client_id="same"):
                await until(lambda: bus.lost)

    await idle()
    gc.collect()
    await asyncio.sleep(0)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_ca_file_missing(tmp_path: Path) -> None:
    """A CA file that is not there is named, before anything is connected."""
    url = BrokerUrl("127.0.0.1", 1, tls=True, ca_file=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"CA file .*none\.pem.*No such file"):
        async with connect(url, client_id="a"):
            pass


async def test_ca_file_is_no_certificate(tmp_path: Path) -> None:
    """A CA file that holds no certificate is named."""
    wrong = tmp_path / "ca.pem"
    wrong.write_text("not a certificate")
    url = BrokerUrl("127.0.0.1", 1, tls=True, ca_file=wrong)
    with pytest.raises(ConfigError, match="cannot be read"):
        async with connect(url, client_id="a"):
            pass


async def test_takes_the_first_node_that_is_there(broker: BrokerUrl, unused_tcp_port: int) -> None:
    """A node that is away is passed over."""
    url = BrokerUrl("127.0.0.1", unused_tcp_port, others=(broker,))
    async with connect(url, client_id="test") as bus:
        await bus.publish("x", b"", qos=1)


async def test_a_refusal_is_not_passed_over(broker: BrokerUrl) -> None:
    """A node that refuses us speaks for its cluster."""
    async with fake_broker(NOT_AUTHORIZED) as (url, _):
        with pytest.raises(BrokerRefusedError):
            async with connect(replace(url, others=(broker,)), client_id="test"):
                pass


async def test_small_messages_go_together_and_in_order() -> None:
    """Those of one turn are one piece of the stream, before what is larger."""
    async with fake_broker(CONNACK) as (url, fake):
        async with connect(url, client_id="c") as bus:
            for number in range(5):
                await bus.publish(f"t/{number}", b"small")
            await bus.publish("t/large", bytes(5000))
            await bus.publish("t/last", b"small")
        await fake.left.wait()
    connected, *heard = fake.heard
    stream = b"".join(heard)
    assert connected[:1] == b"\x10"
    assert len(heard) < 5
    names = [*(f"t/{number}".encode() for number in range(5)), b"t/large", b"t/last", GOODBYE]
    places = [stream.index(name) for name in names]
    assert places == sorted(places)
    assert stream.count(b"small") == 6
