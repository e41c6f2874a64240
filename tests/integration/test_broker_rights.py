"""The shipped broker: its settings, its access list, and what a real Mosquitto makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import Mosquitto, free_port, started
from twin.bus import BrokerUrl, connect
from twin.compose.observing import check_observing
from twin.compose.online import check_online
from twin.compose.secrets import SecretsConfig, Vault
from twin.errors import BusError
from twin.wire import EmulatorStatus

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("broker rights")]

SHIPPED = Path(__file__).parents[2] / "deploy/mosquitto"
SITE, OTHER = "twin/v1/demo", "twin/v1/colossus-100k"
WRITERS = {
    f"{SITE}/rack/r0001": {"plant-0"},
    f"{SITE}/array/a001": {"plant-0"},
    f"{SITE}/racks/a001": {"plant-0"},
    f"{SITE}/plane/p1": {"plant-0"},
    f"{SITE}/service/s0001": {"plant-0"},
    f"{SITE}/megapack/mp001": {"plant-0"},
    f"{SITE}/genset/g01": {"plant-0"},
    f"{SITE}/grid": {"plant-0"},
    f"{SITE}/job/pretrain": {"plant-0"},
    f"{SITE}/meta/rack/r0001": {"plant-0"},
    f"{SITE}/faults": {"plant-0"},
    f"{SITE}/status/plant-0": {"plant-0"},
    f"{SITE}/status/plant-1": set(),
    f"{SITE}/status/guest": set(),
    f"{SITE}/shadow/a001": {"shadow"},
    f"{OTHER}/shadow/a001": set(),
    f"{SITE}/ack/1": {"plant-0", "aggregator"},
    f"{SITE}/detail": {"aggregator"},
    f"{SITE}/command/inject": {"control", "aggregator"},
    f"{SITE}/command/clear": {"control", "aggregator"},
    f"{SITE}/command/detail": {"control"},
    f"{OTHER}/rack/r0001": {"scale-0"},
    f"{OTHER}/grid": {"scale-0"},
    f"{OTHER}/status/scale-0": {"scale-0"},
    f"{OTHER}/status/plant-0": set(),
    f"{OTHER}/detail": {"aggregator-scale"},
    f"{OTHER}/ack/1": {"scale-0", "aggregator-scale"},
    f"{OTHER}/command/inject": {"control"},
    "twin/v2/demo/rack/r0001": set(),
    "elsewhere": set(),
    "$SYS/broker/version": set(),
}
"""Topic to everybody who may write it, when the page of the first aggregator may inject."""
_SITE_READERS = {"aggregator", "control", "guest"}
READERS = {
    f"{SITE}/rack/r0001": {*_SITE_READERS, "shadow", "redfish"},
    f"{SITE}/racks/a001": {*_SITE_READERS, "shadow", "redfish"},
    f"{SITE}/meta/rack/r0001": {*_SITE_READERS, "shadow", "redfish"},
    f"{SITE}/shadow/a001": {*_SITE_READERS, "shadow"},
    f"{SITE}/grid": {*_SITE_READERS, "shadow"},
    f"{SITE}/megapack/mp001": {*_SITE_READERS, "shadow"},
    f"{SITE}/genset/g01": {*_SITE_READERS, "shadow"},
    f"{SITE}/job/pretrain": {*_SITE_READERS, "shadow"},
    f"{SITE}/detail": _SITE_READERS,
    f"{SITE}/ack/1": _SITE_READERS,
    f"{SITE}/command/inject": {*_SITE_READERS, "plant-0"},
    f"{SITE}/status/plant-0": {*_SITE_READERS, "plant-0", "redfish"},
    f"{SITE}/status/plant-1": {*_SITE_READERS, "redfish"},
    f"{OTHER}/rack/r0001": {"aggregator-scale", "control", "guest"},
    f"{OTHER}/status/scale-0": {"aggregator-scale", "control", "guest", "scale-0"},
    f"{OTHER}/command/inject": {"aggregator-scale", "control", "guest", "scale-0"},
    "elsewhere": set(),
}
"""Topic to everybody who may read it."""
USERS = ("plant-0", "aggregator", "shadow", "redfish", "scale-0", "aggregator-scale", "control",
         "guest", "health")  # fmt: skip


class ShippedBroker(Mosquitto):
    """A Mosquitto with the files that the compose file gives it, and one user that may all."""

    def __init__(self, folder: Path, *, tls: bool = False, injects: bool = True) -> None:
        super().__init__(folder)
        names = ["localhost"] if tls else []
        config = SecretsConfig("demo", "colossus-100k", injects=injects, tls_names=names)
        # Mosquitto runs as who runs the tests.
        self.vault = Vault(folder / "secrets", lambda _path, _uid, _gid: None)
        self.vault.prepare(config)
        self.logins = {**self.vault.logins(), "tester": "all"}
        self.secrets = folder / "secrets"
        passwords, acl = (self.secrets / "broker" / name for name in ("passwords", "acl"))
        for path in (passwords, acl):
            path.chmod(0o600)
        self._add_tester(folder, passwords)
        acl.write_text(f"{acl.read_text()}\nuser tester\ntopic readwrite #\ntopic read $SYS/#\n")
        self._configure(folder, "tls" if tls else "plain")

    @staticmethod
    def _add_tester(folder: Path, passwords: Path) -> None:
        server = Mosquitto(folder / "tester", {"tester": "all"})
        passwords.write_text(passwords.read_text() + (server.folder / "passwords").read_text())

    def _configure(self, folder: Path, kind: str) -> None:
        own = (SHIPPED / kind / "listener.conf").read_text()
        own = own.replace("listener 1883 127.0.0.1", f"listener {free_port()} 127.0.0.1")
        for port in ("1883", "8883"):
            own = own.replace(f"listener {port} 0.0.0.0", f"listener {self.port} 127.0.0.1")
        listeners = folder / "listeners"
        listeners.mkdir()
        (listeners / "listener.conf").write_text(own.replace("/secrets/", f"{self.secrets}/"))
        text = (SHIPPED / "mosquitto.conf").read_text()
        text = text.replace("/mosquitto/config/listeners", str(listeners))
        text = text.replace("/secrets/", f"{self.secrets}/") + "user root\n"
        (folder / "mosquitto.conf").write_text(text)

    def of(self, user: str) -> BrokerUrl:
        """Return the address with the login of a user."""
        return self.login(user, self.logins[user])


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShippedBroker]:
    """Return the shipped broker, running."""
    with ExitStack() as servers:
        yield started(ShippedBroker(tmp_path_factory.mktemp("broker")), servers)


async def written(broker: ShippedBroker, users: tuple[str, ...]) -> dict[str, set[str]]:
    """Return who of ``users`` managed to write which topic."""
    found: dict[str, set[str]] = {topic: set() for topic in WRITERS}
    async with connect(broker.of("tester"), client_id="tester") as tester, asyncio.timeout(60):
        await tester.subscribe("#", qos=1)
        for user in users:
            async with connect(broker.of(user), client_id=user) as bus:
                for topic in WRITERS:
                    await bus.publish(topic, user.encode(), qos=1)
        await tester.publish("end", b"", qos=1)
        async for message in tester.messages():
            if message.topic == "end":
                return found
            found[message.topic].add(message.payload.decode())
    raise AssertionError


async def test_everybody_writes_what_is_theirs(broker: ShippedBroker) -> None:
    """Each topic reaches the broker from those who may write it, and from nobody else."""
    assert await written(broker, USERS) == WRITERS


async def test_a_page_without_injection_gives_no_command(tmp_path: Path) -> None:
    """Unless the page may inject, its aggregator may not either."""
    with ExitStack() as servers:
        broker = started(ShippedBroker(tmp_path, injects=False), servers)
        found = await written(broker, ("aggregator",))
    assert {topic for topic, users in found.items() if users} == {f"{SITE}/ack/1", f"{SITE}/detail"}


async def test_everybody_reads_what_concerns_them(broker: ShippedBroker) -> None:
    """Who subscribes to everything gets what he may read, and no more."""
    found: dict[str, set[str]] = {topic: set() for topic in READERS}
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        tester = await stack.enter_async_context(connect(broker.of("tester"), client_id="tester"))
        for user in USERS:
            bus = await stack.enter_async_context(connect(broker.of(user), client_id=user))
            await bus.subscribe("#", qos=1)
            await bus.subscribe("$SYS/broker/version", qos=1)
            for topic in READERS:
                await tester.publish(topic, b"x", qos=1)
            readable = [topic for topic, users in READERS.items() if user in users]
            last = readable[-1] if readable else "$SYS/broker/version"
            if readable:
                await tester.publish(last, b"end", qos=1)
            async for message in bus.messages():
                if message.topic == last and (message.payload == b"end" or not readable):
                    break
                if message.topic in found:
                    found[message.topic].add(user)
    assert found == READERS


@pytest.mark.parametrize(
    ("user", "password", "words"),
    [
        (None, None, "it wants a user"),
        ("guest", "guest", "the password is wrong"),
        ("admin", "", "the password is wrong or 'admin' has no access"),
        ("mosquitto", "mosquitto", "the password is wrong"),
    ],
)
async def test_a_stranger_is_refused(
    broker: ShippedBroker, user: str | None, password: str | None, words: str
) -> None:
    """Without a login that was made here nobody gets in."""
    with pytest.raises(BusError, match=words):
        async with connect(BrokerUrl("127.0.0.1", broker.port, user, password), client_id="x"):
            pass


async def test_an_emulator_is_online_when_the_broker_says_so(broker: ShippedBroker) -> None:
    """The health check sees an emulator that is online, one that is lost, and none."""
    async with connect(broker.of("plant-0"), client_id="plant") as bus:
        for state in ("online", "lost"):
            status = EmulatorStatus(emulator="plant-0", state=state, ticks=0, frames=0)
            await bus.publish(f"{SITE}/status/plant-0", status.encode(), qos=1, retain=True)
            if state == "online":
                await check_online(broker.of("plant-0"), "demo", "plant-0")
                continue
            with pytest.raises(BusError, match="plant-0 of site demo is lost at"):
                await check_online(broker.of("plant-0"), "demo", "plant-0")


async def test_an_observer_is_healthy_once_it_reports(broker: ShippedBroker) -> None:
    """The health check hears a report of the observer, and says so where none comes."""
    with pytest.raises(BusError, match="no observer has reported on site demo at"):
        await check_observing(broker.of("shadow"), "demo", wait=0.2)
    async with connect(broker.of("shadow"), client_id="shadow") as bus:
        check = asyncio.create_task(check_observing(broker.of("shadow"), "demo"))
        while not check.done():
            await bus.publish(f"{SITE}/shadow/a001", b"report", qos=1)
            await asyncio.wait([check], timeout=0.1)
        await check


async def test_tls(tmp_path: Path) -> None:
    """With the switch for TLS only who trusts the broker's CA gets in, and still needs a login."""
    with ExitStack() as servers:
        broker = ShippedBroker(tmp_path, tls=True)
        started(broker, servers)
        password, port = broker.logins["guest"], broker.port
        ca = broker.secrets / "public/ca.pem"
        good = f"mqtts://guest:{password}@localhost:{port}?ca={ca}"
        async with connect(BrokerUrl.parse(good), client_id="a") as bus:
            await bus.subscribe("twin/#", qos=1)
        for url, words in (
            (good.partition("?")[0], "is not trusted"),
            (f"mqtts://localhost:{port}?ca={ca}", "it wants a user"),
            (f"mqtt://guest:{password}@localhost:{port}", "cannot be reached"),
        ):
            with pytest.raises(BusError, match=words):
                async with connect(BrokerUrl.parse(url), client_id="b"):
                    pass
