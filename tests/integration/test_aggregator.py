"""The aggregator on a real broker: reconnect, Last Will, and what survives neither."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import httpx
import pytest

from twin.aggregator import Aggregator, AggregatorConfig
from twin.bus import Bus, Will, connect
from twin.bus.embedded import embedded_broker
from twin.catalog import SERVER, UnitKind
from twin.catalog.broker import BROKER_TOPICS
from twin.site import Layout, parse_site
from twin.wire import EmulatorStatus, Encoder, Outputs, Topics

if TYPE_CHECKING:
    from tests.integration.conftest import Mosquitto

pytestmark = pytest.mark.integration

SITE = "{name: small, racks: 2, servers_per_rack: 1, server: {gpus: 2, nics: 2}}"
TOPICS = Topics("small")
LOST = Will(TOPICS.status("plant-0"), EmulatorStatus(emulator="plant-0", state="lost").encode())
UP = SERVER["up_dcgm"].metric


@pytest.fixture
def layout() -> Layout:
    """Two racks."""
    return Layout(parse_site(SITE, "small"))


@pytest.fixture
def publish(
    layout: Layout, outputs: Callable[[Layout], Outputs]
) -> Callable[[Bus, int], Awaitable[None]]:
    """Return a function that publishes a status and one frame of every rack."""
    encoder = Encoder(layout, UnitKind.RACK)
    encoder.load(outputs(layout))

    async def publish(bus: Bus, seq: int) -> None:
        status = EmulatorStatus(emulator="plant-0", state="online")
        await bus.publish(TOPICS.status("plant-0"), status.encode(), qos=1, retain=True)
        for rack in range(2):
            topic = TOPICS.frame(UnitKind.RACK, layout.unit_name(UnitKind.RACK, rack))
            await bus.publish(topic, encoder.encode(rack, float(seq), seq), qos=1)

    return publish


async def _until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(30.0):
        while not probe():  # noqa: ASYNC110 - nothing tells of what a probe asks
            await asyncio.sleep(0.02)


async def _series(aggregator: Aggregator, path: str) -> list[str]:
    async with httpx.AsyncClient(base_url=aggregator.url) as client:
        text = (await client.get(path)).text
    return [line for line in text.splitlines() if not line.startswith("#")]


def _named(lines: Iterable[str], prefix: str) -> list[str]:
    return [line for line in lines if line.startswith(prefix)]


async def test_last_will_ends_all_series_at_once(
    layout: Layout, mosquitto: Mosquitto, publish: Callable[[Bus, int], Awaitable[None]]
) -> None:
    """When an emulator dies, its series are gone long before any timeout, and a metric says why."""
    config = AggregatorConfig(layout, mosquitto.url)

    async def die() -> None:
        async with connect(mosquitto.url, client_id="plant-0", will=LOST) as bus:
            await publish(bus, 1)
            await _until(lambda: aggregator.summary().racks_reporting == 2)
            assert _named(await _series(aggregator, "/arrays/a001/metrics"), UP + "{")
            raise ConnectionAbortedError

    async with Aggregator.running(config) as aggregator:
        await aggregator.subscribed()
        with pytest.raises(ConnectionAbortedError):
            await die()
        async with asyncio.timeout(3.0):
            await _until(lambda: aggregator.summary().racks_reporting == 0)
        assert await _series(aggregator, "/arrays/a001/metrics") == []
        own = await _series(aggregator, "/metrics")
        assert 'twin_emulator_up{emulator="plant-0"} 0' in own
        missing = _named(own, 'twin_unit_missing{kind="rack"')
        assert ['reason="will"' in line for line in missing] == [True, True]


async def test_broker_that_restarts_is_found_again(
    layout: Layout, mosquitto: Mosquitto, publish: Callable[[Bus, int], Awaitable[None]]
) -> None:
    """The aggregator says that the broker is away, comes back by itself and counts the gap."""
    config = AggregatorConfig(layout, mosquitto.url)
    async with Aggregator.running(config) as aggregator:
        await aggregator.subscribed()
        async with connect(mosquitto.url, client_id="plant-0") as bus:
            await publish(bus, 1)
            await _until(lambda: aggregator.not_ready() == [])
        mosquitto.stop()
        await _until(lambda: "The broker is not connected." in aggregator.not_ready())
        assert _named(await _series(aggregator, "/metrics"), "twin_emulator_up") == []
        mosquitto.start()
        # Not until nothing is wrong: on a slow machine the racks have fallen silent meanwhile.
        await _until(lambda: "The broker is not connected." not in aggregator.not_ready())
        async with connect(mosquitto.url, client_id="plant-0") as bus:
            await publish(bus, 4)
            await _until(lambda: aggregator.summary().frames_ingested == 4)
        assert aggregator.summary().frames_lost == 2 * 2


async def test_a_mosquitto_tells_of_itself(layout: Layout, mosquitto: Mosquitto) -> None:
    """What Mosquitto publishes of itself is there as mosquitto-exporter shows it, all of it."""
    heard: set[str] = set()
    async with (
        asyncio.timeout(60.0),
        Aggregator.running(AggregatorConfig(layout, mosquitto.url)) as aggregator,
        connect(mosquitto.url, client_id="reader") as bus,
    ):
        await aggregator.subscribed()
        await bus.subscribe("$SYS/#", qos=1)
        async for message in bus.messages():
            heard.add(message.topic)
            if {"$SYS/broker/uptime", "$SYS/broker/load/bytes/sent/15min"} <= heard:
                break
        left = {topic.removeprefix("$SYS/broker/") for topic in heard - BROKER_TOPICS.keys()}
        assert left <= {"version", "timestamp", "clients/active", "clients/inactive"}
        names = {BROKER_TOPICS[topic].name for topic in heard & BROKER_TOPICS.keys()}
        labels = '{job="mosquitto-exporter",instance="mosquitto-exporter:9234",site="small"} '
        shown: set[str] = set()
        while not names <= shown:
            shown = {
                name
                for line in await _series(aggregator, "/metrics")
                for name, found, _ in [line.partition(labels)]
                if found
            }


async def test_the_embedded_broker_tells_nothing(layout: Layout) -> None:
    """The embedded broker has no figures, and nobody is the worse for asking."""
    async with (
        embedded_broker("127.0.0.1", 0) as url,
        Aggregator.running(AggregatorConfig(layout, url)) as aggregator,
    ):
        await aggregator.subscribed()
        async with connect(url, client_id="reader") as bus:
            # Asked after ours, and answered after it.
            await bus.subscribe("$SYS/broker/#", qos=1)
        assert "The broker is not connected." not in aggregator.not_ready()
        assert _named(await _series(aggregator, "/metrics"), "broker_") == []
