"""What of MQTT each clustered broker has: the table of docs/broker-clusters.md, cell by cell."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from twin.bus import BrokerUrl, Bus, InboundMessage, Will, connect
from twin.errors import BusError

if TYPE_CHECKING:
    from tests.integration.brokers.clusters import Cluster

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.xdist_group("brokers")]

SETTLE_SECONDS = 2.0
"""How long a message that must not come is waited for; what comes takes milliseconds."""
PATIENCE_SECONDS = 20.0
LARGE = 900_000
"""Bytes: above any frame of the twin, below the megabyte that NATS takes by default."""


def topic() -> str:
    """Return a topic that no other test uses."""
    return f"probe/{secrets.token_hex(4)}"


async def heard(bus: Bus, seconds: float = SETTLE_SECONDS) -> InboundMessage | None:
    """Return the next message, None when there is none."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(bus.messages())
    except TimeoutError:
        return None


async def retained(cluster: Cluster, there: int, wildcard: bool) -> bool:
    """Publish a retained message on node 0 and return whether a newcomer on a node is told it."""
    name = topic()
    async with connect(cluster.nodes[0].url, client_id="publisher") as bus:
        await bus.publish(f"{name}/x", b"kept", qos=1, retain=True)
        await asyncio.sleep(SETTLE_SECONDS / 4)  # NATS tells its other nodes a moment later
        async with connect(cluster.nodes[there].url, client_id="newcomer") as other:
            await other.subscribe(f"{name}/{'#' if wildcard else 'x'}", qos=1)
            message = await heard(other)
    return message is not None and message.payload == b"kept" and message.retain


async def retained_here(cluster: Cluster) -> bool:
    """A retained message, asked for by its name on the node that took it."""
    return await retained(cluster, 0, wildcard=False)


async def retained_there(cluster: Cluster) -> bool:
    """A retained message, asked for by its name on another node."""
    return await retained(cluster, 1, wildcard=False)


async def retained_by_wildcard(cluster: Cluster) -> bool:
    """A retained message, asked for by a filter."""
    return await retained(cluster, 0, wildcard=True)


async def vanish(url: BrokerUrl, will: Will) -> None:
    """Connect, and leave without a goodbye."""
    async with connect(url, client_id="dying", will=will):
        raise BusError


async def will_across_nodes(cluster: Cluster) -> bool:
    """The Last Will of a client that is cut off, heard on another node."""
    name = topic()
    async with connect(cluster.nodes[1].url, client_id="mourner") as bus:
        await bus.subscribe(name, qos=1)
        with suppress(BusError):
            await vanish(cluster.nodes[0].url, Will(name, b"gone"))
        message = await heard(bus)
    return message is not None and message.payload == b"gone"


async def one_client_a_name(cluster: Cluster) -> bool:
    """A second client of the same name, on another node, ends the first one's connection."""
    name = topic().replace("/", "-")
    async with connect(cluster.nodes[0].url, client_id=name) as first:
        await first.subscribe(name)
        async with connect(cluster.nodes[1].url, client_id=name):
            try:
                await heard(first, PATIENCE_SECONDS / 4)
            except BusError:
                return True
    return False


async def large_message(cluster: Cluster) -> bool:
    """A message of almost a megabyte, from node to node."""
    name = topic()
    async with connect(cluster.nodes[1].url, client_id="reader") as reader:
        await reader.subscribe(name)
        async with connect(cluster.nodes[0].url, client_id="writer") as writer:
            await writer.publish(name, b"x" * LARGE, qos=1)
            message = await heard(reader, PATIENCE_SECONDS)
    return message is not None and len(message.payload) == LARGE


async def mqtt_5(cluster: Cluster) -> bool:
    """A client of MQTT 5."""
    try:
        async with aiomqtt.Client(
            "127.0.0.1", cluster.nodes[0].port, protocol=aiomqtt.ProtocolVersion.V5, timeout=5
        ):
            return True
    except aiomqtt.MqttError:
        return False


async def shared_subscription(cluster: Cluster) -> bool:
    """Two subscribers to $share/g/… of whom each message reaches exactly one."""
    name, received = topic(), 0
    async with (
        connect(cluster.nodes[0].url, client_id="a") as a,
        connect(cluster.nodes[1].url, client_id="b") as b,
        connect(cluster.nodes[2].url, client_id="publisher") as bus,
    ):
        try:
            for member in (a, b):
                await member.subscribe(f"$share/group/{name}")
        except BusError:
            return False
        for _ in range(4):
            await bus.publish(name, b"", qos=1)
        for member in (a, b):
            while await heard(member, SETTLE_SECONDS / 2):
                received += 1
    return received == 4


HAS: dict[Callable[[Cluster], Awaitable[bool]], dict[str, bool]] = {
    retained_here: {"rabbitmq": True, "nats": True},
    retained_there: {"rabbitmq": False, "nats": True},
    retained_by_wildcard: {"rabbitmq": False, "nats": True},
    will_across_nodes: {"rabbitmq": True, "nats": True},
    one_client_a_name: {"rabbitmq": True, "nats": True},
    large_message: {"rabbitmq": True, "nats": True},
    mqtt_5: {"rabbitmq": False, "nats": False},
    shared_subscription: {"rabbitmq": False, "nats": False},
}
MEASURED = {"rabbitmq": (3, 10), "nats": (2, 9)}
"""The versions of the table, which Debian 12 ships."""
NEEDED = {will_across_nodes, one_client_a_name, large_message}
"""What the twin cannot do without; any version must have it."""


@pytest.mark.parametrize("capability", HAS, ids=lambda capability: capability.__name__)
async def test_capability(
    cluster: Cluster, capability: Callable[[Cluster], Awaitable[bool]]
) -> None:
    """The broker has or lacks what the table says; of another version, what the twin needs."""
    if cluster.version != MEASURED[cluster.kind] and capability not in NEEDED:
        pytest.skip(f"{cluster.kind} {cluster.version} is not the version of the table")
    deadline, wanted = time.monotonic() + PATIENCE_SECONDS, HAS[capability][cluster.kind]
    has = await capability(cluster)
    # On a busy machine what comes may come too late; it is on a new topic that it is tried again.
    while wanted and not has and time.monotonic() < deadline:
        has = await capability(cluster)
    assert has is wanted, capability.__doc__
