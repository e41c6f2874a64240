"""The courier: posts the events of subscriptions to their destinations, and never waits for one."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import httpx
import structlog

from twin.redfish.core import RedfishCore
from twin.redfish.directory import Bmc
from twin.redfish.subscriptions import Subscription

__all__ = ["deliver"]

_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0
"""How long a destination may take."""
_MOST_AT_A_TIME = 32

_log = structlog.get_logger(__name__)


async def deliver(core: RedfishCore) -> None:
    """Send what is due until cancelled."""
    async with AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=_MOST_AT_A_TIME, max_keepalive_connections=0)
        # What stands in the environment or in an answer leads nowhere: neither a proxy nor a
        # redirect was allowed.
        trusting, strict = [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    verify=verify, timeout=_PATIENCE_SECONDS, limits=limits,
                    follow_redirects=False, trust_env=False,
                )
            )
            for verify in (False, True)
        ]  # fmt: skip
        places = asyncio.Semaphore(_MOST_AT_A_TIME)
        running = await stack.enter_async_context(asyncio.TaskGroup())
        while True:
            for bmc, own in core.events.subscribed():
                payload = core.due(bmc, own, time.monotonic())
                if payload is not None:
                    client = strict if own.wish.verify else trusting
                    running.create_task(_send(core, bmc, own, payload, client, places))
                await asyncio.sleep(0)
            await asyncio.sleep(_LOOK_SECONDS)


async def _send(
    core: RedfishCore,
    bmc: Bmc,
    own: Subscription,
    payload: bytes,
    client: httpx.AsyncClient,
    places: asyncio.Semaphore,
) -> None:
    async with places:
        taken = await _post(own, payload, client)
    core.sent(bmc, own, time.monotonic(), taken=taken)


async def _post(own: Subscription, payload: bytes, client: httpx.AsyncClient) -> bool:
    """Return whether a destination took a payload; its answer is not read."""
    headers = {**dict(own.wish.headers), "Content-Type": "application/json"}
    post = client.stream("POST", own.wish.destination, content=payload, headers=headers)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), post as answer:
            return answer.is_success
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
        _log.warning("destination of events cannot be reached", subscription=own.path,
                     error=type(error).__name__)  # fmt: skip
        return False
