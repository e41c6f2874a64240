"""Bus cost: CPU time of a publish and a receive, and messages a second."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from twin.bench.broker import RunningBroker
from twin.bus import Bus, connect
from twin.errors import ServiceError

__all__ = ["BusCost", "measure_bus"]

_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BusCost:
    """Cost of one message of QoS 0.

    Attributes:
        broker: kind of the broker, which works in a process of its own.
        size_bytes: length of the payload.
        publish_us: CPU time of the publisher, µs.
        receive_us: CPU time of the subscriber, µs.
        messages_per_second: how many pass when publisher and subscriber share a core.
    """

    broker: str
    size_bytes: int
    publish_us: float
    receive_us: float
    messages_per_second: float


async def measure_bus(broker: RunningBroker, size: int, messages: int) -> BusCost:
    """Return what messages of that size cost.

    Args:
        broker: carries them.
        size: of the payload, bytes.
        messages: how many are sent for a figure.

    Raises:
        BusError: the broker is gone.
        ServiceError: it loses messages or takes too long.
    """
    payload = b"x" * size
    async with connect(broker.url, client_id="publisher") as publisher:
        await _publish(publisher, payload, messages // 10)  # warm up
        alone = time.process_time()
        await _publish(publisher, payload, messages)
        alone = time.process_time() - alone
        async with connect(broker.url, client_id="subscriber") as subscriber:
            await subscriber.subscribe("bench/#")
            cpu, wall = time.process_time(), time.perf_counter()
            try:
                async with asyncio.timeout(_DEADLINE_SECONDS), asyncio.TaskGroup() as group:
                    group.create_task(_receive(subscriber, messages), name="subscriber")
                    group.create_task(_publish(publisher, payload, messages), name="publisher")
            except TimeoutError as error:
                raise ServiceError(
                    f"{broker.kind} did not pass {messages} messages of {size} bytes within "
                    f"{_DEADLINE_SECONDS:g} s; is the machine busy with something else?"
                ) from error
            wall = time.perf_counter() - wall
            cpu = time.process_time() - cpu
    return BusCost(
        broker=broker.kind.value,
        size_bytes=size,
        publish_us=1e6 * alone / messages,
        receive_us=1e6 * max(0.0, cpu - alone) / messages,
        messages_per_second=messages / wall,
    )


async def _publish(bus: Bus, payload: bytes, count: int) -> None:
    for n in range(count):
        await bus.publish(f"bench/rack/r{n:04d}", payload)


async def _receive(bus: Bus, count: int) -> None:
    messages = bus.messages()
    for _ in range(count):
        await anext(messages)
