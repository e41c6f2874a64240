"""The HTTP interface against clients that are slow, many, strangers or encrypted: real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from twin.aggregator import Aggregator, AggregatorConfig, CertificateFiles, Core, Limits, Token
from twin.aggregator.app import create_app
from twin.aggregator.server import UvicornServer, address, listen, serve_http
from twin.aggregator.tls import ServerCertificate
from twin.bus import BrokerUrl
from twin.catalog import UnitKind
from twin.site import Layout, load_site
from twin.wire import Encoder, Outputs, Topics

if TYPE_CHECKING:
    from tests.integration.conftest import Prometheus

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("http")]

PAGE = "/arrays/a001/metrics"
QUICK = Limits(request_seconds=0.3, idle_seconds=1, stall_seconds=0.5, queue_seconds=0.2)


@pytest.fixture(scope="module")
def core(outputs: Callable[[Layout], Outputs]) -> Core:
    """The demo site after one frame of every rack: a page of an array is some 10 MB."""
    core = Core(Layout(load_site("demo")))
    encoder, topics = Encoder(core.layout, UnitKind.RACK), Topics("demo")
    encoder.load(outputs(core.layout))
    for rack in range(core.layout.units(UnitKind.RACK)):
        topic = topics.frame(UnitKind.RACK, core.layout.unit_name(UnitKind.RACK, rack))
        core.handle(topic, encoder.encode(rack, 1.0, 1), retain=False, now=1.0)
    return core


@asynccontextmanager
async def serving(
    core: Core, limits: Limits, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Serve over a socket while the context is open; yield its address and port."""
    server = UvicornServer.of(create_app(core, limits=limits), limits, core.telemetry, tls)
    with listen("127.0.0.1", 0) as listener:
        task = asyncio.create_task(serve_http(server, listener, asyncio.Event()))
        try:
            yield address(listener, tls=tls is not None), listener.getsockname()[1]
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
def refused(core: Core) -> Callable[[str], int]:
    """Return a function that says how many were refused for a reason since the test began."""

    def tally(reason: str) -> int:
        return core.telemetry.tallies()["twin_http_refused_total"][reason]

    before = dict(core.telemetry.tallies()["twin_http_refused_total"])
    return lambda reason: tally(reason) - before[reason]


async def end_of(reader: asyncio.StreamReader) -> bytes:
    """Read until the other side closes."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"POST /api/inject HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /he",
    ],
    ids=["nothing", "half a header", "half a body", "half a second request"],
)
async def test_a_request_that_never_ends(
    core: Core, refused: Callable[[str], int], sent: bytes
) -> None:
    """A connection whose request does not come to its end is closed, however it trickles in."""
    async with serving(core, QUICK) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await end_of(reader)
        writer.close()
    assert refused("slow_request") <= 1
    assert refused("slow_request") == 1 or sent.endswith((b"{", b"/he"))


async def test_a_request_that_trickles(core: Core, refused: Callable[[str], int]) -> None:
    """A byte now and then does not buy more time."""
    async with serving(core, QUICK) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def trickle() -> None:
            writer.write(b"GET / HTTP/1.1\r\nX: ")
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.02)

        task = asyncio.create_task(trickle())
        await end_of(reader)
        task.cancel()
        await asyncio.wait([task])
        writer.close()
    assert refused("slow_request") == 1


async def test_an_idle_connection(core: Core) -> None:
    """A connection serves one request after the other, and is closed when none comes."""
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    async with serving(core, QUICK) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(request)
            assert b"200 OK" in await reader.readuntil(b"ok\n")
        assert await end_of(reader) == b""
        writer.close()


async def test_too_many_connections(core: Core, refused: Callable[[str], int]) -> None:
    """Where all clients wait for an answer, the next one is closed at once; those stand."""
    limits = Limits(connections=2, scrapes=1)
    async with serving(core, limits) as (_, port):
        with stuck(port) as first, stuck(port):
            await asyncio.to_thread(first.recv, 1)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await end_of(reader) == b""
            writer.close()
    assert refused("connections") == 1


async def test_idle_connections_make_room(core: Core, refused: Callable[[str], int]) -> None:
    """Who waits for nothing of ours goes first, the longest idle before the others."""
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    async with serving(core, Limits(connections=20)) as (url, port):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for reader, writer in idle:
            writer.write(request)
            assert b"200 OK" in await reader.readuntil(b"ok\n")
        more = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
        async with httpx.AsyncClient(timeout=30) as client:
            assert (await client.get(f"{url}/metrics")).status_code == 200
        for reader, _ in idle[:11]:
            assert await end_of(reader) == b""
        last, writer = idle[-1]
        writer.write(request)
        assert b"200 OK" in await last.readuntil(b"ok\n")
        for _, writer in (*idle, *more):
            writer.close()
    assert refused("evicted") == 11
    assert refused("connections") == 0


@pytest.mark.parametrize("how", ["silent", "idle", "busy"])
async def test_one_address_does_not_lock_out_another(
    core: Core, refused: Callable[[str], int], how: str
) -> None:
    """Whatever one address holds, others are let in, keep their connections and are served."""
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    limits = Limits(connections=12, scrapes=2, queued=4, hurry_seconds=0.2, stall_seconds=60)
    async with serving(core, limits) as (url, port), httpx.AsyncClient(timeout=30) as client:
        kept = [
            await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.0.{n}", 0))
            for n in (3, 4)
        ]
        greedy: list[socket.socket | asyncio.StreamWriter] = []

        async def ask_on_kept() -> None:
            for reader, writer in kept:
                writer.write(request)
                assert b"200 OK" in await reader.readuntil(b"ok\n")

        for _ in range(24):
            await ask_on_kept()  # a connection without requests is closed after some seconds
            if how == "busy":
                greedy.append(await asyncio.to_thread(stuck, port, "127.0.0.2"))
                continue
            near = ("127.0.0.2", 0)
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=near)
            greedy.append(writer)
            if how == "idle":
                writer.write(request)
                await reader.readuntil(b"ok\n")
        for _ in range(3):
            answer = await client.get(f"{url}/metrics", headers={"Connection": "close"})
            assert answer.status_code == 200
            await ask_on_kept()
        for _, writer in kept:
            writer.close()
        for own in greedy:
            own.close()
    assert refused("evicted") + refused("connections") >= 14


async def test_the_last_connection_of_an_address_stands(
    core: Core, refused: Callable[[str], int]
) -> None:
    """An idle connection that is its address's only one outlives a busy one of many."""
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    limits = Limits(connections=6, hurry_seconds=60, stall_seconds=60)
    async with serving(core, limits) as (_, port):
        kept = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.3", 0))
        greedy = [await asyncio.to_thread(stuck, port, "127.0.0.2") for _ in range(5)]
        for own in greedy[:2]:
            await asyncio.to_thread(own.recv, 1)
        new = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.4", 0))
        for reader, writer in (kept, new):
            writer.write(request)
            assert b"200 OK" in await reader.readuntil(b"ok\n")
            writer.close()
        for own in greedy:
            own.close()
    assert refused("evicted") == 1


async def test_an_idle_address_makes_room_for_a_new_one(
    core: Core, refused: Callable[[str], int]
) -> None:
    """Where every address has one connection, the longest idle one goes."""
    async with serving(core, Limits(connections=3)) as (_, port):
        ends = [
            await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.0.{n}", 0))
            for n in range(2, 6)
        ]
        assert await end_of(ends[0][0]) == b""
        for reader, writer in ends[1:]:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"200 OK" in await reader.readuntil(b"ok\n")
        for _, writer in ends:
            writer.close()
    assert refused("evicted") == 1


async def test_connections_without_a_handshake(
    core: Core,
    refused: Callable[[str], int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """TLS connections count from their first moment, are cut soon, and lock nobody out."""
    files = certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=files.certificate)
    limits = Limits(connections=10, handshake_seconds=1.0)
    before = len(asyncio.all_tasks())
    async with serving(core, limits, ServerCertificate(files).context) as (url, port):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        for _, writer in silent[::2]:
            writer.write(b"GET / HTTP/1.1\r\n\r\n" * 10)
        async with httpx.AsyncClient(verify=trusted, timeout=30) as client:
            assert (await client.get(f"{url}/healthz")).text == "ok\n"
        assert len(asyncio.all_tasks()) < before + 20
        for reader, writer in silent:
            await end_of(reader)
            writer.close()
    assert refused("evicted") + refused("handshake") == 40
    assert refused("evicted") >= 20
    assert caplog.records == []


async def test_a_client_without_trust(
    core: Core, refused: Callable[[str], int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A handshake that fails is counted and not logged, however many there are."""
    files = certificate(tmp_path)
    async with serving(core, Limits(), ServerCertificate(files).context) as (url, _):
        for _ in range(3):
            async with httpx.AsyncClient() as client:
                with pytest.raises(httpx.ConnectError):
                    await client.get(f"{url}/healthz")
        async with httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=files.certificate)
        ) as client:
            assert (await client.get(f"{url}/healthz")).text == "ok\n"
    assert refused("handshake") >= 1
    assert caplog.records == []


async def test_a_few_slow_readers(core: Core, refused: Callable[[str], int]) -> None:
    """More slow readers than there are slots delay a scraper, and do not lock it out."""
    limits = Limits(scrapes=3, hurry_seconds=0.5, stall_seconds=60.0)
    async with serving(core, limits) as (url, port), httpx.AsyncClient(timeout=60) as client:
        readers = [stuck(port) for _ in range(5)]
        answers = [await client.get(f"{url}{page}") for page in ("/metrics", PAGE)]
        for reader in readers:
            reader.close()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert refused("slow_reader") >= 3


async def test_more_than_may_wait(core: Core, refused: Callable[[str], int]) -> None:
    """Who would wait behind too many others is told so at once."""
    limits = Limits(scrapes=1, queued=1)
    async with serving(core, limits) as (url, port), httpx.AsyncClient(timeout=30) as client:
        with stuck(port) as first, stuck(port):
            await asyncio.to_thread(first.recv, 1)
            answer = await client.get(f"{url}/metrics")
    assert answer.status_code == 503
    assert refused("busy") >= 1


async def test_a_header_that_is_too_long(core: Core) -> None:
    """A header without an end is refused before it fills the memory."""
    async with serving(core, Limits()) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)
        assert b" 400 " in await end_of(reader)
        writer.close()


@pytest.mark.parametrize("size", [33_000, 60_000])
async def test_a_header_that_comes_at_once(core: Core, size: int) -> None:
    """A header above the limit is refused also when it comes in one piece."""
    header = {"X-Long": "x" * size}
    async with serving(core, Limits()) as (url, _), httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/healthz", headers=header)
        assert (await client.get(f"{url}/healthz", headers={"X-Long": "x" * 32_000})).is_success
    assert answer.status_code in {400, 431}


async def test_no_header_says_that_it_was_https(core: Core) -> None:
    """What a proxy would say is not believed of anybody: the targets stay plain HTTP."""
    async with serving(core, Limits()) as (url, port), httpx.AsyncClient() as client:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "1.2.3.4", "Host": "evil"}
        groups = (await client.get(f"{url}/sd", headers=headers)).json()
    assert {target for group in groups for target in group["targets"]} == {f"127.0.0.1:{port}"}
    assert not any("__scheme__" in group["labels"] for group in groups)


def stuck(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Return a connection from an address that asked for a large page and takes nothing of it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.bind((host, 0))
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return client


async def test_a_reader_that_takes_nothing(core: Core, refused: Callable[[str], int]) -> None:
    """Who does not take what he asked for is cut off, and the next one is served meanwhile."""
    limits = Limits(scrapes=1, stall_seconds=2.5)
    async with serving(core, limits) as (url, port), httpx.AsyncClient(timeout=30) as client:
        with stuck(port):
            answer = await client.get(f"{url}{PAGE}")
    assert answer.status_code == 200
    assert len(answer.content) > 1_000_000
    assert refused("slow_reader") == 1


async def test_a_reader_that_takes_too_long(core: Core, refused: Callable[[str], int]) -> None:
    """A scrape that takes longer than any scrape may is given up, though something is taken."""
    limits = Limits(scrapes=1, scrape_seconds=4.0)
    async with serving(core, limits) as (url, port), httpx.AsyncClient(timeout=30) as client:
        with stuck(port):
            answer = await client.get(f"{url}/metrics")
    assert answer.status_code == 200
    assert refused("slow_reader") >= 1


async def test_more_than_can_be_answered(core: Core, refused: Callable[[str], int]) -> None:
    """Who waits too long for his turn is told to come again; small answers need no turn."""
    limits = Limits(scrapes=1, queue_seconds=0.2)
    async with serving(core, limits) as (url, port), httpx.AsyncClient(timeout=30) as client:
        with stuck(port):
            answer = await client.get(f"{url}/metrics")
            health = await client.get(f"{url}/healthz")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "ask again later" in answer.text
        assert health.status_code == 200
    assert refused("busy") == 1


# -- TLS and tokens ----------------------------------------------------------------


def certificate(folder: Path, name: str = "localhost") -> CertificateFiles:
    """Make a certificate that is signed by itself."""
    files = CertificateFiles(folder / "cert.pem", folder / "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    command += f" -subj /CN={name} -addext subjectAltName=DNS:{name},IP:127.0.0.1"
    command += f" -keyout {files.key} -out {files.certificate}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return files


def shown(url: str) -> str:
    """Return the name in the certificate that a server shows."""
    host, port = url.removeprefix("https://").split(":")
    decoded = subprocess.run(
        ["openssl", "x509", "-noout", "-subject"],
        input=ssl.get_server_certificate((host, int(port))),
        capture_output=True,
        text=True,
        check=True,
    )
    return decoded.stdout.strip().rpartition(" ")[2]


def config(unused_port: int, **more: Any) -> AggregatorConfig:
    """Return a configuration without a broker."""
    layout, broker = Layout(load_site("demo")), BrokerUrl("127.0.0.1", unused_port)
    return AggregatorConfig(layout, broker, **more)


async def test_tls(tmp_path: Path, unused_port: int) -> None:
    """HTTPS shows the certificate of the file, understands no plain text, and /sd says so."""
    files = certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=files.certificate)
    async with (
        Aggregator.running(config(unused_port, tls=files)) as aggregator,
        httpx.AsyncClient(verify=trusted, base_url=aggregator.url) as client,
    ):
        assert aggregator.url.startswith("https://")
        assert (await client.get("/healthz")).text == "ok\n"
        groups = (await client.get("/sd")).json()
        assert {group["labels"]["__scheme__"] for group in groups} == {"https"}
        with pytest.raises(httpx.TransportError):
            await client.get(f"{aggregator.url.replace('https', 'http')}/healthz")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(files.certificate)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        async with httpx.AsyncClient(verify=old) as ancient:
            with pytest.raises(httpx.TransportError):
                await ancient.get(f"{aggregator.url}/healthz")


async def test_a_certificate_is_renewed(
    tmp_path: Path,
    unused_port: int,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[..., Any],
) -> None:
    """A certificate that is replaced is shown from the next look on, without a restart."""
    monkeypatch.setattr("twin.aggregator.service._TICK_SECONDS", 0.01)
    files = certificate(tmp_path)
    async with Aggregator.running(config(unused_port, tls=files)) as aggregator:
        assert await asyncio.to_thread(shown, aggregator.url) == "localhost"
        certificate(tmp_path, "renewed")
        await asyncio.to_thread(eventually, lambda: shown(aggregator.url) == "renewed")


PROMETHEUS = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: twin
    honor_labels: true
    authorization: &token {{credentials_file: {folder}/token}}
    tls_config: &trust {{ca_file: {folder}/cert.pem, server_name: localhost}}
    http_sd_configs:
      - {{url: "{url}/sd", refresh_interval: 1s, authorization: *token, tls_config: *trust}}
  - job_name: stranger
    scheme: https
    tls_config: *trust
    metrics_path: /metrics
    static_configs: [{{targets: ["{target}"]}}]
"""


async def test_prometheus_with_the_token(
    tmp_path: Path,
    unused_port: int,
    prometheus_server: Callable[[str], Prometheus],
    eventually: Callable[..., Any],
) -> None:
    """Prometheus finds and scrapes every target over TLS with the token, and none without."""
    files = certificate(tmp_path)
    (tmp_path / "token").write_text(f"{Token.random().value}\n")
    token = Token.of_file(tmp_path / "token")
    async with Aggregator.running(config(unused_port, tls=files, token=token)) as aggregator:
        target = aggregator.url.removeprefix("https://")
        text = PROMETHEUS.format(folder=tmp_path, url=aggregator.url, target=target)
        prometheus = await asyncio.to_thread(prometheus_server, text)

        def scraped() -> list[tuple[str, str, bool]]:
            return sorted(
                (target["scrapePool"], target["health"], "401" in target["lastError"])
                for target in prometheus.targets()
            )

        wanted = [("stranger", "down", True), *3 * [("twin", "up", False)]]
        await asyncio.to_thread(
            eventually, lambda: scraped() == wanted, why=lambda: repr(scraped())
        )
