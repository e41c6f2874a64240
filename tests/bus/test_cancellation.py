"""A task that is cancelled while it talks to the broker ends."""

from __future__ import annotations

import asyncio

import pytest

from twin.bus import BrokerUrl
from twin.bus.client import Connection, connect


@pytest.mark.parametrize("turns", range(4))
async def test_cancellation_that_comes_with_the_answer_is_heeded(
    broker: BrokerUrl, turns: int
) -> None:
    """asyncio.wait_for of Python 3.11 would swallow it, and nobody could stop the task again."""

    async def work() -> None:
        await bus.publish("t", b"", qos=1)
        await asyncio.Event().wait()

    async with connect(broker, client_id="c") as bus:
        assert isinstance(bus, Connection)
        pending = bus._client._pending_publishes
        task = asyncio.create_task(work())
        while not pending:  # noqa: ASYNC110 - aiomqtt tells nobody when it waits
            await asyncio.sleep(0)
        next(iter(pending.values())).set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10)
        task.cancel()
        assert done == {task}
