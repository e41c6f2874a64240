"""Which token opens what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from twin.aggregator import Token
from twin.aggregator.access import Access, Guarded
from twin.aggregator.app import create_app

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

READ, COMMAND = Token("a-token-for-reading"), Token("a-token-for-faults")
PATHS = ("/", "/page/main.js", "/metrics", "/arrays/a001/metrics", "/sd", "/readyz", "/api/site",
         "/api/summary", "/api/racks/r0001", "/nothing", "/healthz/")  # fmt: skip


def client_of(feed: Feed, access: Access) -> httpx.AsyncClient:
    """Return a client of an application behind a guard."""
    app = Guarded(create_app(feed.core), access, feed.core.telemetry)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:9400")


@pytest.mark.parametrize("path", PATHS)
async def test_a_stranger_is_asked_for_the_token(feed: Feed, path: str) -> None:
    """Without the token nothing is told, not even what there is, and it is counted."""
    async with client_of(feed, Access(READ)) as client:
        answers = [await client.get(path), await client.get(path, auth=("twin", "wrong"))]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert "small" not in answers[0].text
    challenge = answers[0].headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert "Basic " in challenge
    assert feed.tally("twin_http_refused_total", "unauthorized") == 2


@pytest.mark.parametrize("path", ["/metrics", "/sd", "/api/site", "/"])
async def test_the_token_opens(feed: Feed, path: str) -> None:
    """A program's bearer token and a browser's password open the same, that for faults too."""
    feed.site()
    async with client_of(feed, Access(READ, COMMAND)) as client:
        for token in (READ, COMMAND):
            bearer = {"Authorization": f"Bearer {token.value}"}
            assert (await client.get(path, headers=bearer)).status_code == 200
            assert (await client.get(path, auth=("any", token.value))).status_code == 200


async def test_health_is_open(feed: Feed) -> None:
    """Whoever starts and stops containers may ask whether we live, without a token."""
    async with client_of(feed, Access(READ)) as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_without_a_token_all_is_open(feed: Feed) -> None:
    """Unless a token is set everything can be read; commands need theirs all the same."""
    access = Access(command=COMMAND)
    async with client_of(feed, access) as client:
        assert (await client.get("/sd")).status_code == 200
    assert not access.may_command(None)
    assert not Access().may_command(f"Bearer {COMMAND.value}")
