"""The page's addresses, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from twin.aggregator import Token
from twin.aggregator.access import Access
from twin.aggregator.app import create_app
from twin.aggregator.command_client import CommandClient
from twin.aggregator.page import LivePage
from twin.aggregator.shard_assignment import Addresses
from twin.errors import BusError
from twin.faults import FAULTS
from twin.wire import Ack, Clear, Inject

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

HOST = "127.0.0.1:9400"
TOKEN = Token("a-token-for-faults")
OURS = {
    "X-Twin-Command": "test",
    "Content-Type": "application/json",
    "Authorization": f"Bearer {TOKEN.value}",
}


class FakeDesk(CommandClient):
    """Takes commands and answers as told."""

    def __init__(self) -> None:
        super().__init__("small")
        self.taken: list[Inject | Clear] = []
        self.accepted = True
        self.away = False

    async def send(self, command: Inject | Clear) -> Ack:
        """Note the command."""
        if self.away:
            raise BusError("the broker is not connected, so no command can be sent; try again")
        self.taken.append(command)
        return Ack(id=command.id, accepted=self.accepted, detail="as told")


@pytest.fixture
def desk() -> FakeDesk:
    """Where commands arrive."""
    return FakeDesk()


def client_of(feed: Feed, desk: CommandClient | None) -> httpx.AsyncClient:
    """Return a client of a page on which commands are allowed if there is a desk."""
    access = Access(command=None if desk is None else TOKEN)
    page = LivePage(feed.core, "mqtt://broker:1883", "twin.example:9400", desk, access)
    app = create_app(feed.core, advertise=Addresses("twin.example:9400"), page=page)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HOST}")


@pytest_asyncio.fixture
async def client(feed: Feed, desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may give commands."""
    async with client_of(feed, desk) as client:
        yield client


async def test_files(client: httpx.AsyncClient) -> None:
    """Files come with their type, compressed, and are asked for again by their tag only."""
    answer = await client.get("/page/main.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text.startswith("// The live page")
    again = await client.get("/page/main.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get("/page/style.css")).headers["content-type"].startswith("text/css")
    assert (await client.get("/page/../app.py")).status_code == 404
    assert (await client.get("/page/absent.js")).status_code == 404


async def test_site(feed: Feed, client: httpx.AsyncClient) -> None:
    """What does not change names every rack and array, the charts and the faults."""
    site = (await client.get("/api/site")).json()
    assert site["racks"] == ["r0001", "r0002", "r0003"]
    assert site["arrays"] == ["a001", "a002"]
    lines = [line["key"] for chart in site["charts"] for line in chart["lines"]]
    assert len(lines) == len(feed.core.live.rows(None)[1])
    assert site["allow_inject"] is True
    assert [fault["fault"] for fault in site["faults"]] == list(FAULTS)


async def test_rack(feed: Feed, client: httpx.AsyncClient) -> None:
    """A rack is told by its name; one that the site does not have is a sentence."""
    feed.site()
    assert (await client.get("/api/racks/r0003")).json()["array"] == "a002"
    answer = await client.get("/api/racks/r0004")
    assert answer.status_code == 404
    assert answer.text == "Site small has no rack 'r0004'; the last is r0003.\n"


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("signal=mood", 404, "choose temperature, power, flow, network, surprise, trouble"),
        ("rack=r9999", 404, "has no rack 'r9999'"),
        ("since=soon", 400, "since and event are numbers"),
        ("event=x", 400, "since and event are numbers"),
    ],
)
async def test_wrong_streams(
    client: httpx.AsyncClient, query: str, status: int, words: str
) -> None:
    """A stream of something that does not exist is refused in a sentence."""
    answer = await client.get(f"/api/stream?{query}")
    assert answer.status_code == status
    assert words in answer.text


async def test_inject(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    """A fault is sent as the command line would send it, and the answer comes back."""
    fault = {"fault": "nic-flap", "target": "r0001/n1/nic0", "duration": 60,
             "parameters": {"period": 20}}  # fmt: skip
    answer = await client.post("/api/inject", json=fault, headers=OURS)
    assert answer.status_code == 200
    assert answer.json()["detail"] == "as told"
    (command,) = desk.taken
    assert isinstance(command, Inject)
    assert command.model_dump(exclude={"id", "v"}) == {**fault, "duration": 60.0}
    assert command.id.startswith("page-")


async def test_clear(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    """Faults are cleared by kind and target."""
    await client.post("/api/clear", json={"target": "r0001", "fault": "nic-flap"}, headers=OURS)
    (command,) = desk.taken
    assert isinstance(command, Clear)
    assert (command.fault, command.target) == ("nic-flap", "r0001")


async def test_refused_by_the_emulator(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    """What the emulator refuses is told with its words."""
    desk.accepted = False
    answer = await client.post("/api/inject", json={"fault": "x", "target": "y"}, headers=OURS)
    assert (answer.status_code, answer.json()["accepted"]) == (422, False)
    assert answer.json()["detail"] == "as told"


async def test_no_broker(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    """Without a broker a command is refused in a sentence."""
    desk.away = True
    answer = await client.post("/api/inject", json={"fault": "x", "target": "y"}, headers=OURS)
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("The broker is not connected")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "A command is a JSON object."),
        (b"[1]", 400, "A command is a JSON object."),
        (b'{"fault": 7, "target": "r0001"}', 422, "fault: "),
        (b'{"fault": "x", "target": "y", "more": 1}', 422, "more: "),
        (b'"' + b"x" * 20_000 + b'"', 413, "at most 16384 bytes"),
    ],
)
async def test_wrong_commands(
    client: httpx.AsyncClient, desk: FakeDesk, body: bytes, status: int, words: str
) -> None:
    """What is no command is refused in a sentence and never sent."""
    answer = await client.post("/api/inject", content=body, headers=OURS)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert desk.taken == []


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"Content-Type": "application/json"}, 403, "X-Twin-Command"),
        ({**OURS, "Authorization": ""}, 403, "needs the token for faults"),
        ({**OURS, "Authorization": "Bearer a-token-for-reading"}, 403, "needs the token"),
        ({**OURS, "Authorization": "Basic YTpi"}, 403, "needs the token"),
        ({**OURS, "Content-Type": "text/plain"}, 415, "Content-Type: application/json"),
        ({**OURS, "Origin": "http://evil.example"}, 403, "another page"),
        ({**OURS, "Origin": "null"}, 403, "another page"),
        ({**OURS, "Sec-Fetch-Site": "cross-site"}, 403, "another page"),
        ({**OURS, "Sec-Fetch-Site": "same-site"}, 403, "another page"),
        ({**OURS, "Host": "evil.example:9400"}, 403, "not an address of this machine"),
        ({**OURS, "Host": "127.0.0.1.evil.example"}, 403, "not an address of this machine"),
        ({**OURS, "Host": "[::1"}, 403, "not an address of this machine"),
        ({**OURS, "Origin": "http://["}, 403, "another page"),
        ({**OURS, "X-Twin-Command": ""}, 403, "X-Twin-Command"),
    ],
)
async def test_foreign_commands(
    client: httpx.AsyncClient, desk: FakeDesk, headers: dict[str, str], status: int, words: str
) -> None:
    """What a foreign page or a stranger can send is refused, whatever it says."""
    body = b'{"fault": "pump-failure", "target": "r0001/pump1"}'
    answer = await client.post("/api/inject", content=body, headers=headers)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert desk.taken == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost:9400", "Origin": "http://localhost:9400"},
        {"Host": "[::1]:9400"},
        {"Host": "twin.example:9400", "Origin": "https://twin.example:9400"},
    ],
)
async def test_our_own_page(
    client: httpx.AsyncClient, desk: FakeDesk, headers: dict[str, str]
) -> None:
    """Our own page is heard under every name of this machine and under the advertised one."""
    fault = {"fault": "pump-failure", "target": "r0001/pump1"}
    answer = await client.post("/api/inject", json=fault, headers={**OURS, **headers})
    assert answer.status_code == 200
    assert len(desk.taken) == 1


async def test_commands_are_off_by_default(feed: Feed) -> None:
    """Unless it was allowed nobody can inject, and the answer says how to allow it."""
    async with client_of(feed, None) as client:
        site = (await client.get("/api/site")).json()
        for path in ("/api/inject", "/api/clear"):
            answer = await client.post(path, json={"fault": "x", "target": "y"}, headers=OURS)
            assert answer.status_code == 403
            assert "--allow-inject" in answer.json()["detail"]
            assert (await client.get(path)).status_code == 405
    assert (site["allow_inject"], site["faults"]) == (False, [])
