"""A soak: emulator, Mosquitto and aggregator run for an hour, and their memory must not grow.

Run: ``python benchmarks/soak.py [--racks 157] [--duration 1h] [--aggregate OPTIONS] [--json]``.
Exit status 1 when a process grew, a scrape failed or a frame was lost.

157 racks are 10,048 GPUs. Every page is scraped as Prometheus would, compressed, and one
live page stays open. Memory is looked at ten times a minute. The first quarter is left out:
the live page's history fills for fifteen minutes, and allocators settle. The slope is that of
Theil and Sen, the median over all pairs, which a single jump does not move.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml

from twin.bench.broker import BrokerKind, running_broker
from twin.bench.process import cpu_seconds, free_port, resident_bytes, started, until
from twin.catalog import UnitKind
from twin.cli.options import seconds
from twin.clients.http import fetch, is_ready
from twin.site import Layout, load_site

_LOOK_SECONDS = 6.0
_SETTLING = 0.25
"""Share of the run that is left out of the slope."""
_MOST_GROWTH = 0.02
_LEAST_GROWTH_KIB = 2048
"""A process is steady when an hour adds less than 2 %, or less than 2 MiB to a small one."""
_TIMEOUT_SECONDS = 60.0


@dataclass
class _Scrapes:
    done: int = 0
    failed: int = 0
    bytes: int = 0
    slowest: float = 0.0


@dataclass
class _Looks:
    at: list[float] = field(default_factory=list)
    kib: dict[str, list[int]] = field(default_factory=dict)
    files: dict[str, list[int]] = field(default_factory=dict)


_QUEUE = 16_384
"""Messages that the broker keeps for a reader that is behind, as ``deploy/mosquitto`` has it."""


def main() -> None:
    """Print how much each process grew, and whether that is steady."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else "")
    arguments.add_argument("--racks", type=int, default=157, help="of 64 GPUs each")
    arguments.add_argument("--duration", default="1h", help="of the run")
    arguments.add_argument("--scrape", default="15s", help="between two scrapes of one page")
    arguments.add_argument("--codec", default="cbor")
    arguments.add_argument("--detail", default="gpu", help="how much of each array is exposed")
    arguments.add_argument("--emulate", default="", help="more options of twin emulate")
    arguments.add_argument("--aggregate", default="", help="more options of twin aggregate")
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    options = arguments.parse_args()
    report = asyncio.run(_run(options))
    print(json.dumps(report) if options.json else _text(report))
    sys.exit(0 if report["steady"] else 1)


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    http = free_port()
    base = f"http://127.0.0.1:{http}"
    twin = [sys.executable, "-m", "twin"]
    with _site(options.racks) as site:
        async with running_broker(BrokerKind.MOSQUITTO, _QUEUE) as broker:
            common = ["--site", site, "--broker", str(broker.url), "--log-level", "warning"]
            receiver = [*twin, "aggregate", *common, "--port", str(http)]
            receiver += ["--detail", options.detail, *shlex.split(options.aggregate)]
            sender = [*twin, "emulate", *common, "--codec", options.codec]
            sender += shlex.split(options.emulate)
            with started(receiver, "aggregator") as aggregator:
                await until(lambda: is_ready(f"{base}/healthz"), aggregator)
                with started(sender, "emulator") as emulator:
                    await until(lambda: is_ready(f"{base}/readyz"), emulator)
                    pids = {
                        "broker": broker.pid,
                        "emulator": emulator.pid,
                        "aggregator": aggregator.pid,
                    }
                    layout = Layout(load_site(site))
                    return await _watched(layout, base, pids, options)


async def _watched(
    layout: Layout, base: str, pids: Mapping[str, int], options: argparse.Namespace
) -> dict[str, Any]:
    arrays = range(layout.site.arrays)
    pages = [
        "/metrics",
        *(f"/arrays/{layout.unit_name(UnitKind.ARRAY, array)}/metrics" for array in arrays),
    ]
    every, length = seconds(options.scrape), seconds(options.duration)
    scrapes, looks = _Scrapes(), _Looks()
    used, began = cpu_seconds(pids), time.monotonic()
    scrapers = [
        asyncio.create_task(
            _scrape_forever(f"{base}{page}", every, every * n / len(pages), scrapes), name=page
        )
        for n, page in enumerate(pages)
    ]
    page = asyncio.create_task(asyncio.to_thread(_stay, f"{base}/api/stream", length), name="page")
    await _look(looks, pids, began, length)
    cpu = cpu_seconds(pids)
    for task in scrapers:
        task.cancel()
    await asyncio.gather(*scrapers, page, return_exceptions=True)
    took = time.monotonic() - began
    figures = json.loads(await asyncio.to_thread(fetch, f"{base}/api/summary", _TIMEOUT_SECONDS))
    return _report(layout, looks, scrapes, figures) | {
        "seconds": round(took),
        "cpu_cores": {name: round((cpu[name] - used[name]) / took, 3) for name in pids},
    }


def _report(
    layout: Layout, looks: _Looks, scrapes: _Scrapes, figures: Mapping[str, Any]
) -> dict[str, Any]:
    growth = {name: _growth(looks, kib) for name, kib in looks.kib.items()}
    steady = all(
        grown <= max(_MOST_GROWTH * float(np.mean(looks.kib[name])), _LEAST_GROWTH_KIB)
        for name, grown in growth.items()
    )
    lost, refused = figures["frames_lost"], figures["decode_errors"]
    return {
        "gpus": layout.site.gpus,
        "racks": layout.site.racks,
        "series": figures["series"],
        "frames": figures["frames_ingested"],
        "frames_lost": lost,
        "refused": refused,
        "scrapes": scrapes.done,
        "scrapes_failed": scrapes.failed,
        "scraped_mib": round(scrapes.bytes / 2**20),
        "slowest_scrape_seconds": round(scrapes.slowest, 2),
        "rss_mib": {name: round(float(np.mean(kib)) / 1024, 1) for name, kib in looks.kib.items()},
        "growth_kib_per_hour": {name: round(grown) for name, grown in growth.items()},
        "files": {
            name: [counts[0], max(counts), counts[-1]] for name, counts in looks.files.items()
        },
        "rss_mib_over_time": {
            name: [round(kib / 1024, 1) for kib in values[:: max(1, len(values) // 12)]]
            for name, values in looks.kib.items()
        },
        "steady": steady and not (lost or refused or scrapes.failed),
    }


def _growth(looks: _Looks, kib: list[int]) -> float:
    """Return the slope of Theil and Sen after the run has settled, in KiB an hour."""
    first = int(len(kib) * _SETTLING)
    at, size = np.array(looks.at[first:]), np.array(kib[first:], np.float64)
    early, late = np.triu_indices(len(at), 1)
    return float(np.median((size[late] - size[early]) / (at[late] - at[early]))) * 3600.0


async def _look(looks: _Looks, pids: Mapping[str, int], began: float, length: float) -> None:
    while (now := time.monotonic() - began) < length:
        looks.at.append(now)
        for name, pid in pids.items():
            looks.kib.setdefault(name, []).append(resident_bytes(pid) // 1024)
            looks.files.setdefault(name, []).append(_open_files(pid))
        await asyncio.sleep(_LOOK_SECONDS)


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@contextmanager
def _site(racks: int) -> Iterator[str]:
    """Write a slice of colossus-100k with so many racks and what feeds them."""
    site = {
        "name": "soak",
        "title": "A slice of Colossus",
        "racks": racks,
        "megapacks": {"count": max(1, racks // 8)},
        "gensets": {"count": 2},
        "grid": {"limit_watts": 0.1e6 * racks},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "soak.yaml")
        path.write_text(yaml.safe_dump(site))
        yield str(path)


# -- clients ----------------------------------------------------------------------


async def _scrape_forever(url: str, every: float, first: float, scrapes: _Scrapes) -> None:
    await asyncio.sleep(first)
    while True:
        began = time.monotonic()
        try:
            scrapes.bytes += await asyncio.to_thread(_scrape, url)
            scrapes.done += 1
        except httpx.HTTPError:
            scrapes.failed += 1
        took = time.monotonic() - began
        scrapes.slowest = max(scrapes.slowest, took)
        await asyncio.sleep(max(0.0, every - took))


def _scrape(url: str) -> int:
    """Return the bytes of a compressed answer."""
    with httpx.stream("GET", url, timeout=_TIMEOUT_SECONDS) as answer:
        return sum(map(len, answer.raise_for_status().iter_raw()))


def _stay(url: str, length: float) -> None:
    """Keep a live page open, and read what it is sent."""
    end = time.monotonic() + length
    with httpx.stream("GET", url, timeout=_TIMEOUT_SECONDS) as stream:
        for _ in stream.iter_lines():
            if time.monotonic() >= end:
                return


def _text(report: Mapping[str, Any]) -> str:
    def shown(value: object) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{name} {part}" for name, part in value.items())
        return f"{value:,}" if isinstance(value, (int, float)) else str(value)

    return "\n".join(f"{name:24} {shown(value)}" for name, value in report.items())


if __name__ == "__main__":
    main()
