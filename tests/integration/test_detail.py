"""The detail on real servers: set over a broker, kept by it, and seen by a Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from twin.aggregator import Aggregator, AggregatorConfig
from twin.bus import connect
from twin.catalog import Level, UnitKind
from twin.catalog.broker import MOSQUITTO
from twin.errors import BusError
from twin.plant import Conditions, Plant
from twin.site import DetailPlan, Layout, count_series, parse_site, series_by_detail
from twin.stack.command import send_command
from twin.wire import Encoder, SetDetail, Topics

if TYPE_CHECKING:
    from tests.integration.conftest import Mosquitto

pytestmark = pytest.mark.integration

SITE = "{name: small, racks: 3, racks_per_array: 2, servers_per_rack: 1}"
PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: twin
    honor_labels: true
    http_sd_configs: [{{url: "{url}/sd", refresh_interval: 1s}}]
"""


@pytest.fixture
def layout() -> Layout:
    """Three racks in two arrays."""
    return Layout(parse_site(SITE, "small"))


@asynccontextmanager
async def _publishing(layout: Layout, mosquitto: Mosquitto) -> AsyncIterator[None]:
    """Publish frames of a healthy plant again and again."""
    plant, topics = Plant(layout), Topics("small")
    plant.step(1.0, Conditions.healthy(layout))
    encoders = {kind: Encoder(layout, kind) for kind in UnitKind}
    for encoder in encoders.values():
        encoder.load(plant.outputs())

    async def publish() -> None:
        async with connect(mosquitto.url, client_id="plant") as bus:
            for seq in range(1_000_000):
                for kind, encoder in encoders.items():
                    for unit in range(layout.units(kind)):
                        topic = topics.frame(kind, layout.unit_name(kind, unit))
                        await bus.publish(topic, encoder.encode(unit, float(seq), seq))
                await asyncio.sleep(0.5)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _levels(aggregator: Aggregator) -> list[str]:
    async with httpx.AsyncClient(base_url=aggregator.url) as client:
        figures = (await client.get("/api/summary")).json()
    return [array["detail"] for array in figures["arrays"]]


async def _until(expected: Any, probe: Callable[[], Any]) -> None:
    last = None
    try:
        async with asyncio.timeout(30.0):
            while (last := await probe()) != expected:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"{last!r} is not {expected!r}")


async def _set(mosquitto: Mosquitto, *settings: str, reset: bool = False) -> str:
    command = SetDetail(id="one", detail=settings, reset=reset)
    return (await send_command(mosquitto.url, "small", command)).detail


async def test_detail_outlives_the_aggregator(layout: Layout, mosquitto: Mosquitto) -> None:
    """The broker keeps a setting for the next aggregator, until it is reset."""
    config = AggregatorConfig(layout, mosquitto.url)
    async with Aggregator.running(config) as first:
        await first.subscribed()
        assert (await _set(mosquitto, "rack", "a002=site")).startswith("rack, a002=site: ")
        assert await _levels(first) == ["rack", "site"]
    async with Aggregator.running(config) as second:
        await second.subscribed()
        await _until(["rack", "site"], lambda: _levels(second))
        assert (await _set(mosquitto, reset=True)).startswith("gpu: ")
    async with Aggregator.running(config) as third:
        await third.subscribed()
        assert (await _set(mosquitto)).startswith("gpu: ")


async def test_two_aggregators_stay_alike(layout: Layout, mosquitto: Mosquitto) -> None:
    """A command reaches all that serve the site."""
    config = AggregatorConfig(layout, mosquitto.url)
    async with Aggregator.running(config) as one, Aggregator.running(config) as other:
        await one.subscribed()
        await other.subscribed()
        await _set(mosquitto, "a001=site")
        for aggregator in (one, other):
            await _until(["site", "gpu"], partial(_levels, aggregator))


async def test_nobody_answers(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an aggregator the error says who is missing."""
    monkeypatch.setattr("twin.stack.command._ANSWER_SECONDS", 0.2)
    with pytest.raises(BusError, match="no aggregator of site 'small' answered"):
        await _set(mosquitto, "rack")


async def test_prometheus_follows_the_detail(
    layout: Layout, mosquitto: Mosquitto, prometheus_server: Callable[[str], Any]
) -> None:
    """It reads all pages as OpenMetrics, finds exactly the series foretold, and drops the rest."""
    async with (
        Aggregator.running(AggregatorConfig(layout, mosquitto.url)) as aggregator,
        _publishing(layout, mosquitto),
    ):
        await _until([], lambda: asyncio.sleep(0, aggregator.not_ready()))
        server = await asyncio.to_thread(prometheus_server, PROMETHEUS.format(url=aggregator.url))

        async def query(expression: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = await asyncio.to_thread(server.query, expression)
            return found

        async def count() -> int:
            of_site = f'site="small", job!="{MOSQUITTO.job}"'
            found = await query(f'{{{of_site}, __name__!~"twin_.*|scrape_.*"}}')
            # Prometheus itself writes an up for each of its targets.
            own = [
                s for s in found if s["metric"]["__name__"] == "up" and "twin" in s["metric"]["job"]
            ]
            return len(found) - len(own)

        await _until(series_by_detail(layout)["gpu"], count)
        await _set(mosquitto, "rack", "a002=site")
        await _until(
            count_series(layout, DetailPlan.of_site(layout.site).changed(["rack", "a002=site"])),
            count,
        )
        name = "gpu_temperature_distribution_celsius"

        async def sites() -> list[str]:
            median = f"histogram_quantile(0.5, {Level.SITE}_{name}_bucket) > 20 < 100"
            return [found["metric"]["site"] for found in await query(median)]

        async def types() -> set[str]:
            metadata = await asyncio.to_thread(server.get, "/api/v1/metadata")
            return {found["type"] for found in metadata["data"].get(f"{Level.SITE}_{name}", [])}

        await _until(["small"], sites)
        await _until({"gaugehistogram"}, types)

        async def scraped() -> set[tuple[str | None, str]]:
            targets = await asyncio.to_thread(server.targets)
            return {(target["labels"].get("array"), target["health"]) for target in targets}

        await _until({(None, "up"), ("a001", "up")}, scraped)
