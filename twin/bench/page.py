"""Aggregator metrics of a benchmark run, read over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from twin.catalog import own
from twin.clients.http import HttpServer
from twin.errors import ServiceError

__all__ = ["NO_BROKER", "Samples", "missing", "pass_by", "quantile", "read_own"]

NO_BROKER = "broker is not connected"
"""What the aggregator says before it is connected."""
_PATIENCE_SECONDS = 60.0
_OWN = (own.FRAMES_INGESTED, own.FRAMES_LOST, own.MESSAGES_REFUSED, own.INGEST_LAG)
"""What is read: there is more of it, by unit, and to parse that of a million takes seconds."""
_OWN_BYTES = 1 << 20
"""Where it stands on a page, of which the rest may be 100 MB."""

Samples = Mapping[str, Mapping[tuple[str, ...], float]]
"""Values by name of the sample and by the values of its labels."""


async def pass_by(url: str) -> None:
    """Ask for the page at ``url`` and leave it unread.

    Raises:
        ServiceError: it does not answer.
    """
    await asyncio.to_thread(_page, url, 0)


async def read_own(url: str) -> Samples:
    """Return what the aggregator says of frames on the page at ``url``.

    Raises:
        ServiceError: it does not answer.
    """
    return await asyncio.to_thread(_read, url)


def missing(base: str) -> str | None:
    """Return what the aggregator still misses of its site, None once it is complete."""
    try:
        answer = HttpServer(base, "the aggregator", _PATIENCE_SECONDS).ask("GET", "/readyz")
    except ServiceError:
        return NO_BROKER
    return None if answer.is_success else answer.text


def quantile(counts: Mapping[float, float], share: float) -> float:
    """Return what Prometheus's ``histogram_quantile`` would: linear within a bucket.

    Args:
        counts: how many lie at or below each upper bound.
        share: 0 to 1.
    """
    bounds = sorted(counts)
    rank = share * counts[bounds[-1]]
    low, below = 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= rank:
            inside = counts[bound] - below
            if bound == float("inf") or not inside:
                return low
            return low + (bound - low) * (rank - below) / inside
        low, below = bound, counts[bound]
    return float("nan")


def _page(url: str, most: int) -> bytes:
    """Return the beginning of a page. It is read to its end, as Prometheus would."""
    kept = bytearray()
    try:
        with httpx.stream("GET", url, timeout=_PATIENCE_SECONDS) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_raw():
                kept += chunk[: most - len(kept)]
    except httpx.HTTPError as error:
        raise ServiceError(f"the aggregator does not answer on {url}: {error}") from error
    return bytes(kept)


def _read(url: str) -> Samples:
    page = _page(url, _OWN_BYTES)
    words = [metric.name.encode() for metric in _OWN]
    lines = b"".join(line for word in words for line in _lines_with(page, word)).decode()
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(lines):
        for sample in family.samples:
            place = tuple(sample.labels.values())
            samples.setdefault(sample.name, {})[place] = sample.value
    return samples


def _lines_with(page: bytes, word: bytes) -> Iterator[bytes]:
    """Yield the lines with a word, without a look at the others: there may be a million."""
    end = 0
    while (place := page.find(word, end)) >= 0:
        start = page.rfind(b"\n", 0, place) + 1
        end = page.find(b"\n", place) + 1 or len(page)
        yield page[start:end]
