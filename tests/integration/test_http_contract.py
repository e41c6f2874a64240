"""The HTTP interface against its own description: what is allowed, and what is not.

Schemathesis makes requests from docs/openapi.yaml, valid ones and others, sends them over a
socket and compares the answers with what the description promises.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from twin.aggregator import Core, Limits, Token
from twin.aggregator.access import Access, Guarded
from twin.aggregator.app import create_app
from twin.aggregator.command_client import CommandClient
from twin.aggregator.page import LivePage
from twin.aggregator.server import UvicornServer, address, listen, serve_http
from twin.catalog import UnitKind
from twin.docs.openapi import document
from twin.site import Layout, parse_site
from twin.wire import Ack, Clear, Encoder, Inject, Outputs, Topics

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("http contract")]

EXAMPLES = int(os.environ.get("TWIN_HTTP_EXAMPLES", "12"))
SITE = "{name: small, racks: 2, servers_per_rack: 1, server: {gpus: 2, nics: 2}}"
READ, COMMAND = Token("a-token-for-reading"), Token("a-token-for-faults")
SHOWN = {"Authorization": f"Bearer {COMMAND.value}"}
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    negative_data_rejection,
)
# From a fixture, as the cases that cover it take seconds to find: once, and not in every worker.
# The stream has no end; tests/aggregator/page/test_stream.py has it.
CONTRACT = schemathesis.pytest.from_fixture("contract").exclude(path="/api/stream")


class WillingDesk(CommandClient):
    """Accepts every command."""

    async def send(self, command: Inject | Clear) -> Ack:
        """Say yes."""
        return Ack(id=command.id, accepted=True, detail="as you like")


@pytest.fixture(scope="module")
def url(outputs: Callable[[Layout], Outputs]) -> Iterator[str]:
    """A served site whose racks have all reported."""
    core = Core(Layout(parse_site(SITE, "small")))
    encoder, topics = Encoder(core.layout, UnitKind.RACK), Topics("small")
    encoder.load(outputs(core.layout))
    core.connected(True)
    for rack in range(2):
        topic = topics.frame(UnitKind.RACK, core.layout.unit_name(UnitKind.RACK, rack))
        core.handle(topic, encoder.encode(rack, 1.0, 1), retain=False, now=1.0)
    access = Access(READ, COMMAND)
    page = LivePage(core, "mqtt://broker", None, WillingDesk("small"), access)
    app = Guarded(create_app(core, page=page), access, core.telemetry)
    loop, closing = asyncio.new_event_loop(), asyncio.Event()
    with listen("127.0.0.1", 0) as listener:
        server = UvicornServer.of(app, Limits(), core.telemetry, None)
        serving = loop.create_task(serve_http(server, listener, closing))
        thread = threading.Thread(target=loop.run_until_complete, args=(serving,))
        thread.start()
        try:
            yield address(listener, tls=False)
        finally:
            server.should_exit = True
            thread.join()
            loop.close()


@pytest.fixture(scope="module")
def contract() -> BaseSchema:
    """The description of the interface."""
    return schemathesis.openapi.from_dict(document())


@CONTRACT.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_contract(case: schemathesis.Case[Any], url: str) -> None:
    """Every answer is one that the description promises, whatever is asked."""
    # Schemathesis would send by requests, which grafana-client's urllib3 breaks here.
    asked = case.as_transport_kwargs(base_url=url)
    asked["headers"] = {**asked["headers"], **SHOWN}
    asked = {
        name: value
        for name, value in asked.items()
        if name in {"method", "url", "headers", "params", "json", "data"}
    }
    if isinstance(asked.get("data"), str | bytes):
        asked["content"] = asked.pop("data")
    with httpx.Client(timeout=60) as client:
        case.validate_response(client.request(**asked), checks=list(CHECKS))
