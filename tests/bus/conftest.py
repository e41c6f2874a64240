"""A broker in the test's own event loop, and a guard against tasks left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from twin.bus import BrokerUrl
from twin.bus.embedded import embedded_broker


@pytest.fixture(autouse=True)
async def no_tasks_left() -> AsyncIterator[None]:
    """Fail a test that leaves a task behind."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=10)
    assert not left


@pytest.fixture
async def broker() -> AsyncIterator[BrokerUrl]:
    """Return the address of an embedded broker."""
    async with embedded_broker("127.0.0.1", 0) as url:
        yield url
