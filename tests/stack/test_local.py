"""The twin in one process: ports that are taken."""

from __future__ import annotations

import asyncio
import socket

import pytest

from twin.errors import ConfigError
from twin.site import Layout, load_site, parse_site
from twin.site.numbering import numbered_on
from twin.stack.local import LocalConfig, local_stack, local_stacks


def started(port: int, mqtt_port: int) -> None:
    """Start a twin on two ports, and end it at once."""

    async def run() -> None:
        config = LocalConfig(Layout(load_site("demo")), port=port, mqtt_port=mqtt_port)
        async with local_stack(config):
            pass

    asyncio.run(run())


def test_all_taken_ports_are_named() -> None:
    """With both ports taken both are named, and both options; with one of them that one."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        page, mqtt = one.getsockname()[1], two.getsockname()[1]
        both = f"ports {mqtt} and {page} of 127.0.0.1 are in use.*--mqtt-port and --port"
        with pytest.raises(ConfigError, match=both):
            started(page, mqtt)
        with pytest.raises(ConfigError, match=f"port {page} of 127.0.0.1 is in use.*with --port$"):
            started(page, 0)


def test_several_sites_share_a_broker() -> None:
    """The sites of a campus take their frames from one broker, each its own and no other's."""

    async def run() -> list[tuple[str, int, int]]:
        sites = numbered_on(
            [
                parse_site("{name: one, racks: 2, servers_per_rack: 1}", "one"),
                parse_site("{name: two, racks: 1, servers_per_rack: 1}", "two"),
            ],
            "campus",
        )
        configs = [LocalConfig(Layout(site), port=0, mqtt_port=0, speed=10.0) for site in sites]
        async with local_stacks(configs) as stacks:
            assert len({str(stack.broker) for stack in stacks}) == 1
            async with asyncio.timeout(60.0):
                while any(stack.aggregator.not_ready() for stack in stacks):  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.05)
            figures = [(stack.site, stack.aggregator.summary()) for stack in stacks]
        return [(name, own.racks_reporting, own.decode_errors) for name, own in figures]

    assert asyncio.run(run()) == [("one", 2, 0), ("two", 1, 0)]
