"""The HTTP interface, without a socket."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from twin.aggregator.app import by_turns, create_app
from twin.aggregator.negotiation import PLAIN
from twin.aggregator.shard_assignment import Addresses
from twin.catalog import GPU, UnitKind

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from tests.aggregator.conftest import Feed

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
Get = Callable[..., Awaitable[httpx.Response]]


@pytest_asyncio.fixture
async def client(feed: Feed) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which asks for nothing compressed."""
    app = create_app(feed.core, broker="mqtt://broker:1883")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=("192.0.2.7", 50_000)),
        base_url="http://twin.example:9400",
        headers={"Accept-Encoding": "identity"},
    ) as client:
        yield client


async def test_metrics(feed: Feed, client: httpx.AsyncClient) -> None:
    """The page is what the core renders, as the text format 0.0.4."""
    feed.site()
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == PLAIN
    assert "version=0.0.4" in PLAIN
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"twin_unit_reporting", "megapack_power_watts", "rack_it_power_watts"} <= names


async def test_a_large_page_leaves_frames_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each piece beyond a tenth of a second twice its time is left to frames."""
    now, slept = 50.0, list[float]()

    def work() -> Iterator[int]:
        nonlocal now
        for seconds in (0.0625, 0.25, 0.5):
            now += seconds
            yield 1

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("twin.aggregator.app.time.perf_counter", lambda: now)
    monkeypatch.setattr("twin.aggregator.app.asyncio.sleep", sleep)
    assert [piece async for piece in by_turns(work())] == [1, 1, 1]
    assert slept == [0.0, 0.5, 1.0]


async def test_array_metrics(feed: Feed, client: httpx.AsyncClient) -> None:
    """An array's page has its racks in full."""
    feed.site()
    answer = await client.get("/arrays/a002/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == PLAIN
    assert answer.content == bytes(feed.core.array(1))


@pytest.mark.parametrize("name", ["a003", "a000", "x", "a1"])
async def test_unknown_array(client: httpx.AsyncClient, name: str) -> None:
    """404 and a sentence that names what there is."""
    answer = await client.get(f"/arrays/{name}/metrics")
    assert answer.status_code == 404
    assert answer.text == f"Site small has no array {name!r}; the last is a002.\n"


async def test_large_bodies_are_streamed_whole(
    feed: Feed, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that is sent in pieces is the same body."""
    monkeypatch.setattr("twin.aggregator.app._PIECE_BYTES", 1_000)
    feed.site()
    answer = await client.get("/arrays/a001/metrics")
    assert "content-length" not in answer.headers
    assert answer.content == bytes(feed.core.array(0))


@pytest.mark.parametrize("piece", [1_000, 1 << 18])
async def test_gzip_when_asked_for(
    feed: Feed, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """A client that accepts gzip gets it, and reads the same text."""
    monkeypatch.setattr("twin.aggregator.app._PIECE_BYTES", piece)
    feed.site()
    request = client.build_request(
        "GET", "/arrays/a001/metrics", headers={"Accept-Encoding": "deflate, gzip;q=0.5"}
    )
    answer = await client.send(request, stream=True)
    raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == bytes(feed.core.array(0))


@pytest.mark.parametrize(
    ("peer", "compress"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True),
     ("192.0.2.7", False)],
)  # fmt: skip
async def test_no_gzip_where_it_saves_nothing(feed: Feed, peer: str, compress: bool) -> None:
    """A client on this machine, and any client of a server told so, gets the text as it is."""
    app = create_app(feed.core, compress=compress)
    transport = httpx.ASGITransport(app, client=(peer, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://twin.example") as client:
        answer = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("accepted", ["identity", "", "br", "gzip;q=0", "gzip; q=0.0, br"])
async def test_no_gzip_unless_asked_for(client: httpx.AsyncClient, accepted: str) -> None:
    """A client that does not accept gzip, or refuses it, gets plain text."""
    answer = await client.get("/metrics", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept, Accept-Encoding"


async def test_openmetrics_when_negotiated(feed: Feed, client: httpx.AsyncClient) -> None:
    """A client that prefers OpenMetrics gets it of both pages, up to its end."""
    feed.site()
    wanted = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    for path in ("/metrics", "/arrays/a001/metrics"):
        answer = await client.get(path, headers=wanted)
        assert answer.headers["content-type"] == OPENMETRICS
        assert answer.text.endswith("\n# EOF\n")
        assert list(openmetrics_families(answer.text))  # type: ignore[no-untyped-call]  # no types there


async def test_openmetrics_of_a_silent_array(client: httpx.AsyncClient) -> None:
    """Without a series there is still an end, or a scrape would fail."""
    answer = await client.get("/arrays/a001/metrics", headers={"Accept": OPENMETRICS})
    assert answer.text == "# EOF\n"


@pytest.mark.parametrize("path", ["/metrics", "/arrays/a001/metrics", "/sd", "/healthz"])
async def test_head_is_get_without_the_body(
    feed: Feed, client: httpx.AsyncClient, path: str
) -> None:
    """Who asks for the headers gets those of the page, and no scrape is counted."""
    feed.site()
    head = await client.head(path)
    assert head.status_code == 200
    assert head.content == b""
    assert not feed.core.telemetry.tallies()["twin_http_scrape_series_total"]
    got = await client.get(path)
    ours = {"content-type", "vary", "content-encoding"}
    assert {k: v for k, v in head.headers.items() if k in ours} == {
        k: v for k, v in got.headers.items() if k in ours
    }


async def test_head_of_an_unknown_array(client: httpx.AsyncClient) -> None:
    """What is not there is not there for HEAD either."""
    assert (await client.head("/arrays/a009/metrics")).status_code == 404


async def test_array_at_site_detail_is_an_empty_page(feed: Feed, client: httpx.AsyncClient) -> None:
    """A Prometheus that still scrapes it sees an end of its series, not a failure."""
    feed.site()
    feed.detail("a001=site")
    answer = await client.get("/arrays/a001/metrics")
    assert (answer.status_code, answer.text) == (200, "")
    groups = (await client.get("/sd")).json()
    assert [group["labels"].get("array") for group in groups] == [None, "a002"]


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("localhost:19400", "localhost:19400"),
        ("127.0.0.1:9400", "127.0.0.1:9400"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:9400", "[::1]:9400"),
        ("10.0.0.7:9400", "10.0.0.7:9400"),
        ("10.0.0.8:9400", "10.0.0.7:9400"),
        ("evil.example:9400", "10.0.0.7:9400"),
        ("169.254.169.254", "10.0.0.7:9400"),
        ("localhost:99999", "10.0.0.7:9400"),
        ("localhost/x", "10.0.0.7:9400"),
        ("u@localhost", "10.0.0.7:9400"),
        ("{shard}", "10.0.0.7:9400"),
        ("[", "10.0.0.7:9400"),
        ("", "10.0.0.7:9400"),
    ],
)
async def test_discovery_gives_an_address_of_ours(feed: Feed, host: str, target: str) -> None:
    """Whoever came by a name or an address of ours goes on by it; no header sends it elsewhere."""
    app = create_app(feed.core)

    async def local(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "server": ("10.0.0.7", 9400)}, receive, send)

    transport = httpx.ASGITransport(local)
    headers = {"Host": host, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        groups = (await client.get("/sd", headers=headers)).json()
    assert {target for group in groups for target in group["targets"]} == {target}
    assert not any("__scheme__" in group["labels"] for group in groups)
    assert len(groups) == 3


async def test_discovery_gives_the_advertised_address(feed: Feed) -> None:
    """Behind a proxy the address can be set."""
    transport = httpx.ASGITransport(create_app(feed.core, advertise=Addresses("aggregator:80")))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/sd")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()[0]["targets"] == ["aggregator:80"]


async def test_health_and_readiness(feed: Feed, client: httpx.AsyncClient) -> None:
    """Alive from the start, ready when every rack has reported."""
    assert (await client.get("/healthz")).status_code == 200
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "The broker is not connected." in answer.text
    feed.core.connected(connected=True)
    feed.site()
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.text) == (200, "ready\n")


async def test_summary(feed: Feed, client: httpx.AsyncClient) -> None:
    """The key figures as JSON, with null where nothing is reported."""
    feed.frame(UnitKind.RACK, 0)
    figures = (await client.get("/api/summary")).json()
    assert figures["racks_reporting"] == 1
    assert figures["grid_import_watts"] is None
    assert figures["arrays"][0]["name"] == "a001"


async def test_page(client: httpx.AsyncClient) -> None:
    """The page comes with a policy that lets it ask nobody but us."""
    answer = await client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "mqtt://broker:1883" in answer.text


async def test_scrapes_are_counted(feed: Feed, client: httpx.AsyncClient) -> None:
    """Duration and series of every scrape are counted by endpoint."""
    feed.site()
    for array in ("a001", "a001", "a002"):
        await client.get(f"/arrays/{array}/metrics")
    rendered = 2 * feed.core.array(0).series + feed.core.array(1).series
    lines = feed.lines()
    assert f'twin_http_scrape_series_total{{endpoint="array"}} {float(rendered)}' in lines
    assert 'twin_http_scrape_duration_seconds_count{endpoint="array"} 3.0' in lines


async def test_silent_rack_disappears_from_http(feed: Feed, client: httpx.AsyncClient) -> None:
    """After the timeout a scrape has nothing of a silent rack."""
    feed.site()
    feed.wait(6.0)
    assert (await client.get("/arrays/a001/metrics")).text == ""
    assert GPU["gpu_temp"].metric not in (await client.get("/metrics")).text


@pytest.mark.parametrize("path", ["/metrics", "/sd", "/api/summary", "/"])
async def test_nothing_can_be_written(client: httpx.AsyncClient, path: str) -> None:
    """Data flows one way: there is nothing to post to."""
    assert (await client.post(path)).status_code == 405
