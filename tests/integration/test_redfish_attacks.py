"""What strangers and broken clients send to BMCs: each is answered or cut off, and none is felt."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from dataclasses import replace

import pytest

from tests.integration.test_redfish import (
    PASSWORD,
    PATIENCE_SECONDS,
    USER,
    ca_of,
    client,
    config,
    running,
)
from twin.aggregator import Limits
from twin.redfish import RedfishConfig

__all__ = ["config"]

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("redfish")]

BMC = "r0001-n1-bmc"
LOGIN = b"Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode())
SESSIONS = b"/redfish/v1/SessionService/Sessions"
TEST = b"/redfish/v1/EventService/Actions/EventService.SubmitTestEvent"
STREAM = b"/redfish/v1/EventService/SSE"


def request(
    path: bytes, method: bytes = b"GET", host: bytes = BMC.encode(), body: bytes = b"",
    **headers: bytes,
) -> bytes:  # fmt: skip
    """Return the bytes of a request that shows the login, unless it says other."""
    shown = {"Host": host, "Authorization": LOGIN, "Connection": b"close"}
    shown |= {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        shown["Content-Length"] = b"%d" % len(body)
    lines = [b"%b: %b" % (name.encode(), value) for name, value in shown.items() if value]
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, path), *lines, b"", body])


DEEP = b"[" * 30_000 + b"]" * 30_000
ATTACKS = {
    "a path upwards": (request(b"/redfish/v1/../../etc/passwd"), 404),
    "an escaped path upwards": (request(b"/redfish/v1/%2e%2e/%2e%2e/etc/passwd"), 404),
    "a NUL": (request(b"/redfish/v1/%00"), 404),
    "no UTF-8": (request(b"/redfish/v1/%ff%fe"), 404),
    "twenty thousand slashes": (request(b"/redfish/v1/Nothing" + b"/" * 20_000 + b"x"), 404),
    "another host": (request(b"/redfish/v1/", host=b"evil.net"), 421),
    "half an address": (request(b"/redfish/v1/", host=b"[::1"), 421),
    "half an address for the list": (request(b"/sd", host=b"[::1"), 200),
    "no port": (request(b"/sd", host=b"x:port"), 200),
    "a long host": (request(b"/redfish/v1/", host=b"a" * 30_000), 421),
    "a login that is no ASCII": (
        request(b"/redfish/v1/Systems", Authorization=b"Basic \xff\xff"), 401),
    "a token that is no ASCII": (
        request(b"/redfish/v1/Systems", Authorization=b"", X_Auth_Token=b"\xe9\xff"), 401),
    "lists in lists": (request(SESSIONS, b"POST", body=DEEP), 400),
    "half a character": (
        request(SESSIONS, b"POST", body=b'{"UserName":"\\ud800","Password":"x"}'), 400),
    "a number for ever": (
        request(SESSIONS, b"POST", body=b'{"UserName":' + b"9" * 5000 + b"}"), 400),
    "a body that is too long": (request(SESSIONS, b"POST", body=b"x" * 70_000), 413),
    "a test event of lists": (
        request(TEST, b"POST", body=b'{"MessageId":"a","MessageArgs":%b}' % DEEP), 400),
    "a filter of brackets": (request(STREAM + b"?$filter=" + b"(" * 5000), 400),
    "a filter of clauses": (request(STREAM + b"?$filter=" + b"a%20eq%20b%20or%20" * 1500), 400),
    "levels without end": (request(b"/redfish/v1/?$expand=*($levels=" + b"9" * 90 + b")"), 400),
    "a method of its own": (request(b"/redfish/v1/", b"A" * 5000), 405),
    "less than nothing": (request(SESSIONS, b"POST", Content_Length=b"-5"), 400),
    "a header that is too long": (request(b"/redfish/v1/", X=b"x" * 40_000), 431),
}  # fmt: skip
"""What is sent, and the status of the answer."""


async def said(port: int, sent: bytes, context: ssl.SSLContext | None) -> bytes:
    """Return what comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(sent)
    return await rest(reader, writer)


async def rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return what comes until a connection is closed, or cut off."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await reader.read(-1)
    except (ConnectionError, ssl.SSLError):
        return b""
    finally:
        writer.close()


async def test_nothing_that_is_sent_is_felt(config: RedfishConfig) -> None:
    """Each request is answered with its status in few words, and a BMC answers afterwards."""
    common = replace(config, first_port=None)
    async with running(common) as (_, service), client(common, service) as ask:
        port = int(service.url.rpartition(":")[2])
        context = ssl.create_default_context(cafile=ca_of(common))
        wrong = {}
        for name, (sent, status) in ATTACKS.items():
            answer = await said(port, sent, context)
            if not answer.startswith(b"HTTP/1.1 %d " % status) or (
                status >= 400 and len(answer) > 4096
            ):
                wrong[name] = (status, len(answer), answer[:40])
        assert wrong == {}
        for sent in (request(b"/redfish/v1/"), os.urandom(2000)):
            assert b"HTTP" not in await said(port, sent, None), "it speaks TLS only"
        root = await ask.get("/redfish/v1/", headers={"Host": BMC})
        assert root.status_code == 200


async def test_who_never_ends_a_request_locks_out_nobody(config: RedfishConfig) -> None:
    """With more half requests than places a client is still answered, and they are cut off."""
    limits = Limits(connections=16, request_seconds=1.0)
    common = replace(config, first_port=None, limits=limits)
    async with running(common) as (_, service), client(common, service) as ask:
        port = int(service.url.rpartition(":")[2])
        context = ssl.create_default_context(cafile=ca_of(common))
        half = request(b"/redfish/v1/")[:-4]
        slow = []
        for _ in range(40):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(half)
            slow.append((reader, writer))
        root = await ask.get("/redfish/v1/", headers={"Host": BMC})
        assert root.status_code == 200
        assert {await rest(*own) for own in slow} == {b""}
        text = service.core.own.render().decode()
        cut = 'twin_redfish_connections_cut_total{reason="%s"} 0.0'
        assert cut % "evicted" not in text
        assert cut % "slow_request" not in text
