"""The private parts of aiomqtt and paho that the link uses: what an upgrade must not change."""

from __future__ import annotations

import hashlib
import inspect
from importlib.metadata import version

import aiomqtt
import paho.mqtt.client as paho

READ = {
    aiomqtt.Client.__aenter__: "4ce04cfce6dbec0b",
    aiomqtt.Client.__aexit__: "55f5a92b7618d780",
    aiomqtt.Client._on_socket_open: "10263ff51d823e74",
    aiomqtt.Client._on_disconnect: "06c47e2b6a3c8b6b",
    paho.Client._sock_close: "638e9c4e5a7f32ae",
    paho.Client.loop_read: "4fa11ca2d451dbec",
    paho.Client.loop_write: "57c360e5ae749fd9",
    paho.Client.want_write: "dc5eaf22e9d3a4ca",
    paho.Client._packet_queue: "e298fa9ab31e5f79",
    paho.Client._packet_handle: "ac4c129ed409db42",
    paho.Client._packet_write: "d097b7b51bed128d",
    paho.Client._loop_rc_handle: "ee5ad3b7849433a4",
    paho.Client._call_socket_register_write: "bb825cf9532d2745",
    paho.Client._create_socket_connection: "fb7815d85a2c9461",
}
"""What was read when `twin/bus/link.py` was written against it, by a digest of its source."""


def test_the_versions_that_were_read() -> None:
    """Another version is read first: every use of a private name in `twin/bus/link.py`."""
    assert (version("aiomqtt"), version("paho-mqtt")) == ("2.5.1", "2.2.0")


def test_the_sources_that_were_read() -> None:
    """A copy that was changed by whoever packaged it is found out too."""
    changed = [read.__qualname__ for read, digest in READ.items() if _digest(read) != digest]
    assert changed == []


def test_the_attributes_that_are_used() -> None:
    """A client has what the link takes of it before there is a connection."""
    made = aiomqtt.Client.__init__.__code__.co_names
    assert {"_client", "_disconnected", "_misc_task"} <= set(made)


def _digest(read: object) -> str:
    source = inspect.getsource(read)  # type: ignore[arg-type]  # all are functions
    return hashlib.sha256(source.encode()).hexdigest()[:16]
