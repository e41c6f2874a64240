"""The bundled broker with users: its configuration and the ACL of the examples, in a Mosquitto."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from twin.aggregator import Aggregator, AggregatorConfig, Token
from twin.bus import BrokerRefusedError, BrokerUrl, InboundMessage, connect
from twin.emulator import Emulator, EmulatorConfig
from twin.redfish import Login, RedfishCore
from twin.site import Layout, parse_site
from twin.wire import Topics

if TYPE_CHECKING:
    from tests.integration.helm.conftest import Rendered

pytestmark = [pytest.mark.integration, pytest.mark.full]

SITE = "{name: small, racks: 2, servers_per_rack: 1, server: {gpus: 2, nics: 2}}"
USERS = ("emulator", "aggregator", "shadow", "redfish")
LISTENER = "listener 1883 0.0.0.0"


@pytest.fixture
def broker(
    render: Callable[..., Rendered], chart: Path, eventually: Callable[..., Any], tmp_path: Path
) -> Iterator[BrokerUrl]:
    """Run Mosquitto as the chart would; the password of every user is its name."""
    text: str = render("--set", "mosquitto.users=users").one("ConfigMap", "r-twin-mosquitto")[
        "data"
    ]["mosquitto.conf"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    assert LISTENER in text
    text = text.replace(LISTENER, f"listener {port} 127.0.0.1\nuser root")
    text = text.replace("/run/secrets/mosquitto", str(tmp_path))
    (tmp_path / "mosquitto.conf").write_text(text, encoding="utf-8")
    (tmp_path / "acl").write_bytes((chart / "examples/mosquitto.acl").read_bytes())
    (tmp_path / "passwords").touch(mode=0o600)
    (tmp_path / "acl").chmod(0o600)
    for user in USERS:
        subprocess.run(
            ["mosquitto_passwd", "-b", str(tmp_path / "passwords"), user, user], check=True
        )
    process = subprocess.Popen(["mosquitto", "-c", str(tmp_path / "mosquitto.conf")])

    def listening() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(listening)
        yield BrokerUrl("127.0.0.1", port)
    finally:
        process.terminate()
        process.wait()


def login(broker: BrokerUrl, user: str) -> BrokerUrl:
    """Return the broker's address for a user."""
    return BrokerUrl(broker.host, broker.port, user, user)


async def test_the_rights_suffice(broker: BrokerUrl) -> None:
    """With the rights of the example an emulator and an aggregator bring a site up."""
    layout, stop = Layout(parse_site(SITE, "small")), asyncio.Event()
    config = AggregatorConfig(layout, login(broker, "aggregator"))
    async with Aggregator.running(config) as aggregator, asyncio.timeout(60):
        emulator = Emulator(EmulatorConfig(layout=layout, interval=0.5))
        running = asyncio.create_task(emulator.run(login(broker, "emulator"), stop))
        while aggregator.not_ready():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)
        stop.set()
        await running


async def test_nobody_else_comes_in(broker: BrokerUrl) -> None:
    """Who has no user is refused."""
    with pytest.raises(BrokerRefusedError, match="it wants a user"):
        async with connect(broker, client_id="stranger"):
            pass


async def test_an_aggregator_cannot_feign_a_rack(broker: BrokerUrl) -> None:
    """What an aggregator says on the topic of a rack reaches nobody; a command does."""
    async with (
        connect(login(broker, "emulator"), client_id="reader") as reader,
        connect(login(broker, "aggregator"), client_id="writer") as writer,
    ):
        await reader.subscribe("twin/v1/small/#", qos=1)
        await writer.publish("twin/v1/small/rack/r0001", b"feigned", qos=1)
        await writer.publish("twin/v1/small/command/clear", b"said", qos=1)
        async with asyncio.timeout(20):
            message: InboundMessage = await anext(reader.messages())
        assert (message.topic, message.payload) == ("twin/v1/small/command/clear", b"said")


async def test_an_observer_reads_frames_and_writes_reports_alone(broker: BrokerUrl) -> None:
    """It hears a rack, its report is heard, and it cannot feign a frame."""
    async with (
        connect(login(broker, "aggregator"), client_id="reader") as reader,
        connect(login(broker, "emulator"), client_id="rack") as rack,
        connect(login(broker, "shadow"), client_id="observer") as observer,
        asyncio.timeout(20),
    ):
        await reader.subscribe("twin/v1/small/#", qos=1)
        await observer.subscribe("twin/v1/small/rack/+", qos=1)
        await rack.publish("twin/v1/small/rack/r0001", b"frame", qos=1)
        assert (await anext(observer.messages())).payload == b"frame"
        await observer.publish("twin/v1/small/rack/r0001", b"feigned", qos=1)
        await observer.publish("twin/v1/small/shadow/a001", b"report", qos=1)
        heard = reader.messages()
        assert [(await anext(heard)).payload for _ in range(2)] == [b"frame", b"report"]


async def test_the_bmcs_only_read(broker: BrokerUrl) -> None:
    """Their process hears racks, their names and who publishes them, and can say nothing."""
    async with (
        connect(login(broker, "aggregator"), client_id="reader") as reader,
        connect(login(broker, "emulator"), client_id="rack") as rack,
        connect(login(broker, "redfish"), client_id="bmcs") as bmcs,
        asyncio.timeout(20),
    ):
        await reader.subscribe("twin/v1/small/#", qos=1)
        core = RedfishCore(Layout(parse_site(SITE, "small")), Login("admin", Token.random()))
        for wanted in core.subscriptions(Topics("small")):
            await bmcs.subscribe(wanted, qos=1)
        heard = bmcs.messages()
        for topic in ("rack/r0001", "meta/rack/r0001", "status/e"):
            await rack.publish(f"twin/v1/small/{topic}", topic.encode(), qos=1)
            assert (await anext(heard)).payload == topic.encode()
        for topic in ("rack/r0001", "command/clear", "status/e"):
            await bmcs.publish(f"twin/v1/small/{topic}", b"feigned", qos=1)
        await rack.publish("twin/v1/small/rack/r0002", b"last", qos=1)
        said = reader.messages()
        assert b"feigned" not in [(await anext(said)).payload for _ in range(4)]
