"""Completeness of a divided site: series exposed, and series in two Prometheus."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.cluster import Cluster
from twin.bench.process import free_port, started, until
from twin.clients.http import fetch, is_ready
from twin.clients.prometheus import Prometheus
from twin.site import DetailPlan, count_series

PROMETHEUS = 2
LEAST_SCRAPE_SECONDS = 5
_BEFORE_SECONDS = 10
_OF_SITE = ("twin_unit_reporting", "twin_unit_last_frame")

_ANSWER_SECONDS = 60.0


# -- what is exposed ----------------------------------------------------------------


async def exposed(cluster: Cluster) -> dict[str, Any]:
    """Scrape every target that ``/sd`` names and return whether every series is there once."""
    plan = DetailPlan.of_site(cluster.layout.site).changed([cluster.options.detail])
    expected = count_series(cluster.layout, plan)
    found: dict[str, Any] = {}
    for _ in range(10):
        found = await asyncio.to_thread(_scraped, cluster.url(0), expected)
        if not found["series_missing"]:
            break
        await asyncio.sleep(cluster.interval / 2)
    return found


def _scraped(base: str, expected: int) -> dict[str, Any]:
    groups = json.loads(fetch(f"{base}/sd", _ANSWER_SECONDS))
    arrays = Counter(group["labels"].get("array", "") for group in groups)
    del arrays[""]
    seen: Counter[int] = Counter()
    counted = 0
    for group in groups:
        url = f"http://{group['targets'][0]}{group['labels']['__metrics_path__']}"
        for line in fetch(url, _ANSWER_SECONDS).splitlines():
            if line.startswith(b"#") or (line.startswith(b"twin_") and not _of_site(line)):
                continue
            seen[hash(line.rpartition(b" ")[0])] += 1
            counted += not line.startswith(b"twin_")
    units = sum(1 for group in groups if group["labels"]["job"] == "twin")
    return {
        "targets": len(groups),
        "aggregators_in_sd": units,
        "arrays_twice": sum(count > 1 for count in arrays.values()),
        "series": counted,
        "series_expected": expected,
        "series_missing": max(0, expected - counted),
        "series_twice": sum(count > 1 for count in seen.values()),
    }


def _of_site(line: bytes) -> bool:
    return line.startswith(tuple(name.encode() for name in _OF_SITE))


# -- Prometheus ---------------------------------------------------------------------


async def prometheus(stack: AsyncExitStack, cluster: Cluster, folder: Path) -> list[str]:
    """Start the Prometheus that share the targets and wait until they have scraped them all."""
    urls = []
    for number in range(PROMETHEUS):
        port = free_port()
        config = folder / f"prometheus-{number}.yml"
        config.write_text(_config(cluster, number))
        command = ["prometheus", f"--config.file={config}", "--log.level=error",
                   f"--storage.tsdb.path={folder / f'data-{number}'}",
                   f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
        child = stack.enter_context(started(command, f"Prometheus {number}"))
        url = f"http://127.0.0.1:{port}"
        await until(partial(is_ready, f"{url}/-/ready"), child)
        urls.append(url)
    await asyncio.sleep(2 * cluster.interval + 10)
    return urls


def _config(cluster: Cluster, number: int) -> str:
    every = max(LEAST_SCRAPE_SECONDS, round(cluster.interval))
    relabel = [
        {
            "source_labels": ["__address__", "__metrics_path__"],
            "modulus": PROMETHEUS,
            "target_label": "__tmp_hash",
            "action": "hashmod",
        },
        {"source_labels": ["__tmp_hash"], "regex": str(number), "action": "keep"},
    ]
    # Any aggregator answers for all; the one that will be killed is not asked.
    discovery = [{"url": f"{cluster.url(0)}/sd", "refresh_interval": "5s"}]
    return json.dumps(
        {
            "global": {"scrape_interval": f"{every}s", "scrape_timeout": f"{every}s"},
            "scrape_configs": [
                {
                    "job_name": "twin",
                    "honor_labels": True,
                    "http_sd_configs": discovery,
                    "relabel_configs": relabel,
                }
            ],
        }
    )


async def stored(cluster: Cluster, stores: Sequence[str]) -> int | None:
    """Return how many series of the catalogue the Prometheus have together."""
    if not stores:
        return None
    site = f'site="{cluster.layout.site.name}"'
    own = f'up{{{site},job=~"twin|twin-array"}}'
    query = f'count({{{site},__name__!~"scrape_.*|twin_.*"}}) - count({own})'
    counts = [await asyncio.to_thread(_query, store, query) for store in stores]
    return sum(int(result[0]["value"][1]) for result in counts if result)


async def down(stores: Sequence[str]) -> int | None:
    """Return how many targets the Prometheus could not scrape the last time."""
    if not stores:
        return None
    counts = [await asyncio.to_thread(_query, store, "count(up == 0)") for store in stores]
    return sum(int(result[0]["value"][1]) for result in counts if result)


async def sample_gap(stores: Sequence[str], rack: str, began: float) -> float | None:
    """Return the longest time between two samples of a rack's power.

    Args:
        stores: who may have them.
        rack: whose.
        began: from when on, of the monotonic clock; the sample before it counts, and now.
    """
    now = time.time()
    length = round(time.monotonic() - began) + _BEFORE_SECONDS
    query = f'rack_it_power_watts{{rack="{rack}"}}[{length}s]'
    found = [await asyncio.to_thread(_query, store, query) for store in stores]
    times = sorted(at for result in found for series in result for at, _ in series["values"])
    gaps = [later - sooner for sooner, later in pairwise([*times, now])]
    return round(max(gaps), 2) if times else None


def _query(store: str, expression: str) -> list[dict[str, Any]]:
    return Prometheus(store).instant(expression, time.time())
