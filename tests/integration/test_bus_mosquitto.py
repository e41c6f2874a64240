"""The bus against a real Mosquitto: restarts, refusals, Wills, certificates."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from twin.bus import Backoff, BrokerUrl, Bus, InboundMessage, connect, keep_connected
from twin.errors import BusError

if TYPE_CHECKING:
    from tests.integration.conftest import Mosquitto

pytestmark = pytest.mark.integration

QUICK = Backoff(first=0.1, limit=0.2)
ACL = """
user reader
topic read twin/v1/demo/rack/#
user writer
topic readwrite twin/#
"""
USERS = {"reader": "r: /?#@%", "writer": "w"}
VICTIM = """
import asyncio, sys
from twin.bus import BrokerUrl, Will, connect

async def main():
    url = BrokerUrl.parse(sys.argv[1])
    async with connect(url, client_id="victim", will=Will("status/victim", b"dead")) as bus:
        await bus.publish("status/victim", b"alive", qos=1, retain=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
"""An emulator that is about to be killed."""


async def receive(bus: Bus, count: int) -> list[InboundMessage]:
    """Return the next ``count`` messages."""
    messages = bus.messages()
    async with asyncio.timeout(20):
        return [await anext(messages) for _ in range(count)]


async def in_thread(call: Callable[[], None]) -> None:
    """Start or stop a server without stopping this event loop."""
    await asyncio.to_thread(call)


@pytest.mark.parametrize("size", [1, 25_000, 1_000_000])
async def test_delivers(mosquitto: Mosquitto, size: int) -> None:
    """What is published arrives unchanged."""
    async with (
        connect(mosquitto.url, client_id="sub") as sub,
        connect(mosquitto.url, client_id="pub") as pub,
    ):
        await sub.subscribe("twin/#", qos=1)
        await pub.publish("twin/x", b"x" * size, qos=1)
        assert await receive(sub, 1) == [InboundMessage("twin/x", b"x" * size, retain=False)]


async def test_reconnects_and_subscribes_again(mosquitto: Mosquitto) -> None:
    """A broker that is killed and comes back finds its clients and their subscriptions again."""
    states: list[bool] = []
    received: asyncio.Queue[InboundMessage] = asyncio.Queue()

    async def listen(bus: Bus) -> None:
        await bus.subscribe("x", qos=1)
        await bus.publish("x", b"subscribed", qos=1)
        async for message in bus.messages():
            received.put_nowait(message)

    task = asyncio.create_task(
        keep_connected(
            mosquitto.url, listen, client_id="sub", on_state=states.append, backoff=QUICK
        )
    )
    async with asyncio.timeout(30):
        for kill in (mosquitto.kill, mosquitto.stop):
            assert (await received.get()).payload == b"subscribed"
            await in_thread(kill)
            await in_thread(mosquitto.start)
        assert (await received.get()).payload == b"subscribed"
        async with connect(mosquitto.url, client_id="pub") as pub:
            await pub.publish("x", b"still here", qos=1)
        assert (await received.get()).payload == b"still here"
    assert states == [True, False, True, False, True]
    task.cancel()
    await asyncio.wait([task])
    assert states[-1] is False


async def test_publisher_notices_the_loss(mosquitto: Mosquitto) -> None:
    """Who only publishes notices the loss at its next message."""
    connected = asyncio.Event()
    runs = 0

    async def speak(bus: Bus) -> None:
        nonlocal runs
        runs += 1
        connected.set()
        while runs < 2:
            await bus.publish("x", b"x" * 25_000)

    task = asyncio.create_task(keep_connected(mosquitto.url, speak, client_id="pub", backoff=QUICK))
    async with asyncio.timeout(20):
        await connected.wait()
        await in_thread(mosquitto.kill)
        await in_thread(mosquitto.start)
        await task
    assert runs == 2


async def test_waits_for_a_broker_that_is_not_there_yet(mosquitto: Mosquitto) -> None:
    """Clients may start before the broker does."""
    await in_thread(mosquitto.stop)
    served = asyncio.Event()

    async def session(bus: Bus) -> None:
        await bus.publish("x", b"")
        served.set()

    task = asyncio.create_task(
        keep_connected(mosquitto.url, session, client_id="early", backoff=QUICK)
    )
    await in_thread(mosquitto.start)
    async with asyncio.timeout(10):
        await task
    assert served.is_set()


async def test_will_after_a_kill(mosquitto: Mosquitto) -> None:
    """An emulator that is killed is announced dead at once, and to those who come later."""
    async with connect(mosquitto.url, client_id="sub") as sub:
        await sub.subscribe("status/+", qos=1)
        victim = await asyncio.create_subprocess_exec(
            sys.executable, "-c", VICTIM, str(mosquitto.url)
        )
        assert [m.payload for m in await receive(sub, 1)] == [b"alive"]
        victim.kill()
        await victim.wait()
        assert [m.payload for m in await receive(sub, 1)] == [b"dead"]
    async with connect(mosquitto.url, client_id="late") as late:
        await late.subscribe("status/+", qos=1)
        assert await receive(late, 1) == [InboundMessage("status/victim", b"dead", retain=True)]


async def test_same_name_takes_over(mosquitto: Mosquitto) -> None:
    """A second client of the same identifier throws the first one out, which is told."""
    async with (
        connect(mosquitto.url, client_id="same") as first,
        connect(mosquitto.url, client_id="same"),
    ):
        with pytest.raises(BusError, match="is lost"):
            await receive(first, 1)


async def test_frozen_broker(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that hangs is a lost connection as soon as it owes an answer for too long."""
    monkeypatch.setattr("twin.bus.link.ANSWER_SECONDS", 3.0)
    async with asyncio.timeout(30), connect(mosquitto.url, client_id="a") as bus:
        os.kill(mosquitto.pid, signal.SIGSTOP)
        try:
            with pytest.raises(BusError, match=r"is lost \(Operation timed out\)"):
                await bus.publish("x", b"", qos=1)
        finally:
            os.kill(mosquitto.pid, signal.SIGCONT)


async def use(url: BrokerUrl, session: Callable[[Bus], Awaitable[None]]) -> None:
    """Run ``session`` on one connection."""
    async with connect(url, client_id="a") as bus:
        await session(bus)


async def idle(_: Bus) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("user", "password", "words"),
    [
        ("writer", "wrong", "the password is wrong or 'writer' has no access"),
        ("nobody", "w", "the password is wrong or 'nobody' has no access"),
        (None, None, "it wants a user: give mqtt://user:password@host:port"),
    ],
)
async def test_wrong_password(
    mosquitto_server: Callable[..., Mosquitto],
    user: str | None,
    password: str | None,
    words: str,
) -> None:
    """Wrong credentials end keep_connected at once, with the broker and the remedy named."""
    server = mosquitto_server(USERS, ACL)
    url = BrokerUrl("127.0.0.1", server.port, user, password)
    with pytest.raises(BusError, match=words) as caught:
        await keep_connected(url, idle, client_id="a")
    assert str(url) in str(caught.value)


async def test_credentials_and_rights(mosquitto_server: Callable[..., Mosquitto]) -> None:
    """A user reads what the broker's ACL lets him read, and his odd password is understood."""
    server = mosquitto_server(USERS, ACL)
    reader_url = BrokerUrl.parse(f"mqtt://reader:r%3A%20%2F%3F%23%40%25@127.0.0.1:{server.port}")
    async with (
        connect(reader_url, client_id="reader") as reader,
        connect(server.login("writer", "w"), client_id="writer") as writer,
    ):
        await reader.subscribe("twin/v1/demo/#", qos=1)
        await writer.publish("twin/v1/demo/secret", b"no", qos=1)
        await writer.publish("twin/v1/demo/rack/r0001", b"yes", qos=1)
        assert [m.payload for m in await receive(reader, 1)] == [b"yes"]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return the files of a certificate for localhost, signed by itself, and of its key."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return certificate, key


async def test_tls(
    mosquitto_server: Callable[..., Mosquitto], certificate: tuple[Path, Path]
) -> None:
    """An encrypted connection stands only with a broker whose certificate the CA signed."""
    server = mosquitto_server(tls=certificate)
    trusted = BrokerUrl.parse(f"mqtts://localhost:{server.port}?ca={certificate[0]}")
    async with connect(trusted, client_id="a") as bus:
        await bus.subscribe("x")
        await bus.publish("x", b"x" * 1_000_000)
        assert len((await receive(bus, 1))[0].payload) == 1_000_000
    for url, words in [
        (f"mqtts://localhost:{server.port}", "is not trusted.*give the CA"),
        (f"mqtts://127.0.0.1:{server.port}?ca={certificate[0]}", "another name"),
    ]:
        with pytest.raises(BusError, match=words):
            await use(BrokerUrl.parse(url), idle)
