"""The twin in one process: ports that are taken."""

from __future__ import annotations

import asyncio
import socket

import pytest

from twin.errors import ConfigError
from twin.site import Layout, load_site
from twin.stack.local import LocalConfig, local_stack


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
