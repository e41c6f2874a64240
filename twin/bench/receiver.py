"""Cost of a process that turns MQTT messages into a metrics page: ours or another's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from twin.bench.process import Child, cpu_seconds, listens, peak_bytes, until
from twin.bus import BrokerUrl, Bus, connect
from twin.clients.http import fetch
from twin.errors import ServiceError

__all__ = ["Receiver", "Sent", "measure_receiver", "read_page"]

_QUIET_SECONDS = 1.0
_QUIET_CORES = 0.02
"""Share of a core below which a process is idle."""
_SCRAPES = 5
_TRIES = 20
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What a receiver is sent.

    Attributes:
        rounds: times that everything is sent.
        messages: in so many messages altogether.
        samples: with so many values.
    """

    rounds: int
    messages: int
    samples: int


@dataclass(frozen=True, slots=True)
class Receiver:
    """What a receiving process took.

    Attributes:
        messages: messages that it was sent.
        samples: values in them.
        series: series on its page.
        us_per_message: CPU time for a message, µs.
        us_per_sample: CPU time for a value taken over, µs.
        us_per_series: CPU time for a series scraped, µs.
        rss_mib: its greatest resident set, MiB.
    """

    messages: int
    samples: int
    series: int
    us_per_message: float
    us_per_sample: float
    us_per_series: float
    rss_mib: int


async def measure_receiver(
    broker: BrokerUrl,
    child: Child,
    url: str,
    send: Callable[[Bus, int], Awaitable[None]],
    sent: Sent,
) -> Receiver:
    """Return what a process takes; the first values and the first scrape do not count.

    Args:
        broker: carries the messages.
        child: the process.
        url: its page.
        send: sends so many rounds.
        sent: what all rounds have together.

    Raises:
        ServiceError: it ended, or exposes no value that it was sent.
    """
    await until(lambda: listens(urlsplit(url).port or 0), child)
    async with connect(broker, client_id="source") as bus:
        await _subscribed(bus, child, url, send)
        await _quiet(child)
        before = _cpu(child)
        await send(bus, sent.rounds)
        await _quiet(child)
        taken = _cpu(child) - before
    before = _cpu(child)
    pages = [await asyncio.to_thread(read_page, url) for _ in range(_SCRAPES)]
    scraped = _cpu(child) - before
    series = sum(1 for line in pages[-1].splitlines() if line and not line.startswith("#"))
    return Receiver(
        messages=sent.messages,
        samples=sent.samples,
        series=series,
        us_per_message=1e6 * taken / sent.messages,
        us_per_sample=1e6 * taken / sent.samples,
        us_per_series=1e6 * scraped / (_SCRAPES * series),
        rss_mib=round(peak_bytes(child.pid) / (1 << 20)),
    )


def read_page(url: str) -> str:
    """Return the text of a page, uncompressed."""
    return fetch(url, _PATIENCE_SECONDS).decode()


async def _subscribed(
    bus: Bus, child: Child, url: str, send: Callable[[Bus, int], Awaitable[None]]
) -> None:
    """Send rounds until the page grows by what was sent: its reader has subscribed."""
    empty = len(await asyncio.to_thread(read_page, url))
    for _ in range(_TRIES):
        await send(bus, 1)
        await _quiet(child)
        if len(await asyncio.to_thread(read_page, url)) > 2 * empty:
            return
    raise ServiceError(f"{child.name} exposes no value that it was sent: {child.last_words()}")


async def _quiet(child: Child) -> None:
    """Wait until a process is idle.

    Raises:
        ServiceError: it ended.
    """
    while True:
        before = _cpu(child)
        await asyncio.sleep(_QUIET_SECONDS)
        if _cpu(child) - before < _QUIET_CORES * _QUIET_SECONDS:
            return


def _cpu(child: Child) -> float:
    if child.process.poll() is not None:
        raise ServiceError(f"{child.name} ended during the run: {child.last_words()}")
    return cpu_seconds({"it": child.pid})["it"]
