"""Shards on a real broker: complete, nothing twice, and what happens when one is lost or added."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest

from twin.aggregator import Aggregator, AggregatorConfig
from twin.bus import BrokerUrl, connect
from twin.catalog import UnitKind
from twin.catalog.broker import MOSQUITTO
from twin.emulator import Emulator, EmulatorConfig
from twin.errors import BusError
from twin.site import FACILITY, Layout, Shard, parse_site, series_by_detail
from twin.wire import EmulatorStatus, Topics, decode_message

if TYPE_CHECKING:
    from tests.integration.conftest import Mosquitto

pytestmark = pytest.mark.integration

SITE = """
name: sharded
racks: 12
racks_per_array: 2
halls: 2
servers_per_rack: 1
server: {gpus: 2, nics: 2, psus: 2}
megapacks: {count: 1}
gensets: {count: 1}
"""
LAYOUT = Layout(parse_site(SITE, "sharded"))
TOPICS = Topics("sharded")
INTERVAL = 1.0
PATIENCE = 90.0
OWN = ("twin_unit_", "twin_simulation", "twin_emulator", "twin_fault")
"""What an aggregator says of the site; the rest of ``twin_`` it says of itself."""
BROKER = tuple(metric.name for metric in MOSQUITTO.metrics)
"""What the broker says of itself, as much of it and as often as it will."""
BESIDE = ("twin_", *BROKER)
"""What is not telemetry of the site."""
OF_EMULATORS = ("twin_unit_restarts", "twin_emulator", "twin_fault")
APART = (*OF_EMULATORS, *BROKER)
"""What comes and goes."""


class Cluster:
    """Emulators and aggregators on one broker, each with a connection of its own."""

    def __init__(self, broker: BrokerUrl, folder: Path, port: int) -> None:
        self.broker = broker
        self.folder = folder
        self.advertise = f"127.0.1.1{{shard}}:{port}"
        self.port = port
        self.emulators: dict[str, tuple[Emulator, asyncio.Task[None]]] = {}
        self.aggregators: dict[int, tuple[Aggregator, AsyncExitStack]] = {}

    def emulate(self, shard: Shard | str) -> Emulator:
        """Start the emulator of a shard."""
        name = f"shard-{shard.index}" if isinstance(shard, Shard) else shard
        state = self.folder / "state"
        config = EmulatorConfig(LAYOUT, name=name, seed=3, state=state, shard=shard)
        emulator = Emulator(config)
        task = asyncio.create_task(emulator.run(self.broker, asyncio.Event()), name=name)
        self.emulators[name] = emulator, task
        return emulator

    async def lose(self, name: str) -> None:
        """End an emulator in the middle of whatever it does, without a last word."""
        _, task = self.emulators.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def aggregate(self, shard: Shard) -> Aggregator:
        """Start the aggregator of a shard."""
        stack = AsyncExitStack()
        config = AggregatorConfig(
            LAYOUT,
            self.broker,
            host=f"127.0.1.1{shard.index}",
            port=self.port,
            advertise=self.advertise,
            shard=shard,
        )
        aggregator = await stack.enter_async_context(Aggregator.running(config))
        await aggregator.subscribed()
        self.aggregators[shard.index] = aggregator, stack
        return aggregator

    async def close(self, index: int) -> None:
        """End the aggregator of a shard."""
        _, stack = self.aggregators.pop(index)
        await stack.aclose()

    async def up(self, shards: int) -> None:
        """Start a site in so many shards and wait until all of it is exposed."""
        for index in range(shards):
            await self.aggregate(Shard(index, shards))
        for index in range(shards):
            self.emulate(Shard(index, shards))
        self.emulate(FACILITY)
        await until(self.ready)

    def ready(self) -> bool:
        """Whether every aggregator has all its racks, and the first the parts of the others."""
        return all(not a.not_ready() for a, _ in self.aggregators.values())

    async def down(self) -> None:
        """End everything."""
        for name in list(self.emulators):
            await self.lose(name)
        for index in list(self.aggregators):
            await self.close(index)

    async def scrape(self) -> list[str]:
        """Return the series of all targets that ``/sd`` names, as a Prometheus would get them."""
        lines: list[str] = []
        first = next(iter(self.aggregators.values()))[0]
        async with httpx.AsyncClient(timeout=30.0) as client:
            for group in (await client.get(f"{first.url}/sd")).json():
                path = group["labels"]["__metrics_path__"]
                answer = await client.get(f"http://{group['targets'][0]}{path}")
                answer.raise_for_status()
                lines += [line for line in answer.text.splitlines() if not line.startswith("#")]
        return [line for line in lines if not line.startswith("twin_") or line.startswith(OWN)]


async def until(probe: Callable[[], Any]) -> None:
    """Wait until ``probe`` returns something true."""
    async with asyncio.timeout(PATIENCE):
        while not probe():  # noqa: ASYNC110 - nothing tells of what a probe asks
            await asyncio.sleep(0.05)


async def whole(cluster: Cluster) -> list[str]:
    """Wait until every series is exposed, and the sums of the site are; return the lines."""
    expected = series_by_detail(LAYOUT)["gpu"]
    gpus = f'site_gpus_reporting{{site="sharded"}} {LAYOUT.site.gpus}'
    async with asyncio.timeout(PATIENCE):
        while True:
            lines = await cluster.scrape()
            if sum(not line.startswith(BESIDE) for line in lines) == expected and gpus in lines:
                return lines
            await asyncio.sleep(0.2)


def names(lines: list[str]) -> Counter[str]:
    """Return the series of the site among some lines, without those that come and go."""
    found = Counter(line.rsplit(" ", 1)[0] for line in lines)
    return Counter({n: c for n, c in found.items() if not n.startswith(APART)})


class Ears:
    """Hears what is on the bus.

    Attributes:
        frames: of each rack, simulated time and running number of each frame.
        statuses: last status of each emulator.
    """

    def __init__(self) -> None:
        self.frames: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self.statuses: dict[str, EmulatorStatus] = {}

    def gap(self, racks: list[str]) -> float:
        """Return the longest time between two frames of one of these racks."""
        return max(
            later[0] - sooner[0]
            for rack in racks
            for sooner, later in zip(self.frames[rack], self.frames[rack][1:], strict=False)
        )

    def doubled(self) -> list[str]:
        """Return the racks of which there were two frames of the same time."""
        return [
            rack
            for rack, frames in self.frames.items()
            if len({ts for ts, _ in frames}) != len(frames)
        ]


@asynccontextmanager
async def listening(broker: BrokerUrl) -> AsyncIterator[Ears]:
    """Hear the bus while the context is open."""
    ears = Ears()

    async def hear() -> None:
        with suppress(BusError):
            async for message in bus.messages():
                address = TOPICS.parse(message.topic)
                if address is not None and address.kind == "rack":
                    frame: Mapping[str, Any] = orjson.loads(message.payload)
                    ears.frames[address.name].append((frame["ts"], frame["seq"]))
                elif address is not None and address.kind == "status":
                    ears.statuses[address.name] = decode_message(EmulatorStatus, message.payload)

    async with connect(broker, client_id="ears") as bus:
        await bus.subscribe(TOPICS.frames(UnitKind.RACK))
        await bus.subscribe(TOPICS.status("+"))
        task = asyncio.create_task(hear())
        try:
            yield ears
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def cluster(mosquitto: Mosquitto, tmp_path: Path, unused_port: int) -> AsyncIterator[Cluster]:
    """A broker with nobody on it yet."""
    found = Cluster(mosquitto.url, tmp_path, unused_port)
    try:
        yield found
    finally:
        await found.down()


def racks_of(shard: Shard) -> list[str]:
    """Return the names of a shard's racks."""
    return [
        LAYOUT.unit_name(UnitKind.RACK, rack)
        for array in shard.arrays(LAYOUT.site.arrays)
        for rack in LAYOUT.racks_of(array)
    ]


async def test_shards_expose_the_whole_site_once(cluster: Cluster) -> None:
    """Three emulators, the facility and three aggregators: every series there, none twice."""
    await cluster.up(3)
    lines = await whole(cluster)
    found = Counter(line.rsplit(" ", 1)[0] for line in lines)
    doubled = [name for name, count in found.items() if count > 1]
    assert [name for name in doubled if not name.startswith(OF_EMULATORS)] == []


async def test_a_lost_emulator_is_replaced_without_a_seam(cluster: Cluster) -> None:
    """Its racks miss no more than two intervals beside the time it was down, and nothing falls."""
    await cluster.up(2)
    racks = racks_of(Shard(1, 2))
    async with listening(cluster.broker) as ears:
        await until(lambda: len(ears.frames[racks[0]]) > 3)
        await cluster.emulators["shard-1"][0]._save()
        await until(lambda: len(ears.frames[racks[0]]) > 6)
        energy = await _energies(cluster)
        heard = len(ears.frames[racks[-1]])
        await until(lambda: len(ears.frames[racks[-1]]) > heard)
        before = {rack: ears.frames[rack][-1] for rack in racks}
        began, lost = time.monotonic(), time.time()
        await cluster.lose("shard-1")
        emulator = cluster.emulate(Shard(1, 2))
        await asyncio.wait_for(emulator.connected.wait(), PATIENCE)
        back = time.time()
        await until(lambda: emulator.pacer.ticks > 0)
        down = time.monotonic() - began
        await until(lambda: all(ears.frames[rack][-1][0] > before[rack][0] + 3 for rack in racks))
        assert ears.gap(racks) <= 2 * INTERVAL + down
        # It catches up within an interval, and ticks on the next whole second.
        first = min(ts for rack in racks for ts, _ in ears.frames[rack] if ts > lost)
        assert first <= math.ceil(back) + INTERVAL
        assert ears.doubled() == []
        assert all(ears.frames[rack][-1][1] > before[rack][1] for rack in racks)
    after = await _energies(cluster)
    assert set(after) == set(energy)
    assert all(after[name] > value for name, value in energy.items())


async def _energies(cluster: Cluster) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in await cluster.scrape()]
    wanted = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{"
    return {name: float(value) for name, value in lines if name.startswith(wanted)}


async def test_without_the_facility_the_shards_go_on(cluster: Cluster) -> None:
    """Frames keep coming, and a new facility comes to the same jobs as theirs."""
    await cluster.up(2)
    shard = cluster.emulators["shard-0"][0].core
    async with listening(cluster.broker) as ears:
        await until(lambda: len(ears.frames["r0001"]) > 2)
        await cluster.lose("facility")
        seen = len(ears.frames["r0001"])
        await until(lambda: len(ears.frames["r0001"]) > seen + 2)
        facility = cluster.emulate(FACILITY).core
        await until(
            lambda: "facility" in ears.statuses and facility.frames.sequence[UnitKind.GRID][0]
        )
        await until(
            lambda: (
                facility.now == shard.now
                and facility.plant.jobs.standings == shard.plant.jobs.standings
            )
        )


async def test_a_lost_aggregator_is_replaced(cluster: Cluster) -> None:
    """The others go on; a new one serves its arrays with the next frames: the site is whole."""
    await cluster.up(2)
    before = names(await whole(cluster))
    await cluster.close(1)
    first = cluster.aggregators[0][0]
    assert not first.not_ready()
    await cluster.aggregate(Shard(1, 2))
    await until(cluster.ready)
    assert names(await whole(cluster)) == before


async def test_growing_moves_the_fewest_arrays_and_doubles_nothing(cluster: Cluster) -> None:
    """A third shard takes its arrays from the others, of emulators and of aggregators."""
    await cluster.up(2)
    before = names(await whole(cluster))
    moved = racks_of(Shard(2, 3))
    async with listening(cluster.broker) as ears:
        await until(lambda: len(ears.frames[moved[0]]) > 3)
        third = cluster.emulate(Shard(2, 3))
        await asyncio.wait_for(third.connected.wait(), PATIENCE)
        await until(lambda: third.published > 6 * len(moved))
        assert ears.doubled() == []
        assert ears.gap(moved) <= 2 * INTERVAL
        stayed = [rack for rack in ears.frames if rack not in moved]
        assert all(
            later[1] == sooner[1] + 1
            for rack in stayed
            for sooner, later in zip(ears.frames[rack], ears.frames[rack][1:], strict=False)
        )
    await cluster.aggregate(Shard(2, 3))
    await until(cluster.ready)
    array = LAYOUT.unit_name(UnitKind.ARRAY, Shard(2, 3).arrays(LAYOUT.site.arrays)[0])
    async with httpx.AsyncClient() as client, asyncio.timeout(PATIENCE):
        url = f"{cluster.aggregators[0][0].url}/arrays/{array}/metrics"
        while not (await client.get(url)).is_redirect:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)
        assert (await client.get(url, follow_redirects=True)).text.count("\n") > 100
    assert names(await whole(cluster)) == before
    assert max(before.values()) == 1
