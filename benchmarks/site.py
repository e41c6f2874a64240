"""A whole site end to end: Mosquitto, ``twin emulate`` and ``twin aggregate``, three processes.

Run: ``python benchmarks/site.py [--site colossus-100k] [--interval 1s] [--codec cbor]
[--duration 60s] [--json]``. Exit status 1 when a frame was lost or a tick late.

Frames are counted where they are made (the emulator's last word) and where they end (the
aggregator's counters). Lag is the time from the tick that a frame describes to the moment
from which its values are exposed, out of the aggregator's own histogram. ``/metrics`` is
scraped all along, as a Prometheus would. CPU and lag leave the warm-up out, losses do not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.running import broker, cpu_seconds, free_port, memory_kib, process, until
from twin.aggregator import telemetry
from twin.bus import BrokerUrl, Bus, connect
from twin.cli.options import seconds
from twin.errors import BusError
from twin.wire import Codec, Status, Topics, decode_message

NO_BROKER = "broker is not connected"
LAG = "twin_ingest_lag_seconds_bucket"

Samples = Mapping[str, Mapping[tuple[str, ...], float]]


def main() -> None:
    """Print what a run lost, how late it was, and what each process took."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else "")
    arguments.add_argument("--site", default="colossus-100k")
    arguments.add_argument("--interval", default="1s", help="between two frames of a unit")
    arguments.add_argument("--codec", choices=list(Codec), default=Codec.CBOR)
    arguments.add_argument("--duration", default="60s", help="of the run, after the warm-up")
    arguments.add_argument("--warmup", default="10s")
    arguments.add_argument("--scrape", default="15s", help="between two scrapes of /metrics")
    arguments.add_argument("--emulate", default="", help="more options of twin emulate")
    arguments.add_argument("--aggregate", default="", help="more options of twin aggregate")
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    options = arguments.parse_args()
    report = asyncio.run(_run(options))
    print(json.dumps(report) if options.json else _text(report))
    sys.exit(0 if report["frames_missing"] == 0 and report["late_ticks"] == 0 else 1)


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    port, http = free_port(), free_port()
    address = f"mqtt://127.0.0.1:{port}"
    base = f"http://127.0.0.1:{http}"
    url = f"{base}/metrics"
    twin = [sys.executable, "-m", "twin"]
    common = ["--site", options.site, "--broker", address, "--log-level", "warning"]
    receiver = [*twin, "aggregate", *common, "--port", str(http), *shlex.split(options.aggregate)]
    sender = [*twin, "emulate", *common, "--interval", options.interval, "--codec", options.codec]
    sender += shlex.split(options.emulate)
    async with (
        broker(port) as mosquitto,
        _last_word(BrokerUrl.parse(address), options.site) as word,
    ):
        with process(receiver) as aggregator:
            await until(lambda: _connected(base), aggregator)
            with process(sender) as emulator:
                await until(lambda: _missing(base) is None, emulator)
                pids = {"broker": mosquitto, "emulator": emulator.pid, "aggregator": aggregator.pid}
                await asyncio.sleep(seconds(options.warmup))
                before, used = await _scrape(url), cpu_seconds(pids)
                began = time.monotonic()
                await _watch(url, seconds(options.duration), seconds(options.scrape))
                length = time.monotonic() - began
                cpu = {name: (now - used[name]) / length for name, now in cpu_seconds(pids).items()}
                memory = {name: memory_kib(pid) for name, pid in pids.items()}
                after = await _scrape(url)
            # It is gone, so its last word is there; what it sent before may be on its way.
            await _settled(url)
            final = await _scrape(url)
    return {
        "site": options.site,
        "codec": str(options.codec),
        "interval_seconds": seconds(options.interval),
        "seconds": round(length, 1),
        **_frames(word.status, final),
        **_lag(before, after),
        "cpu_cores": {name: round(share, 3) for name, share in cpu.items()},
        "rss_mib": {name: round(kib / 1024) for name, kib in memory.items()},
        "rss_total_mib": round(sum(memory.values()) / 1024),
    }


def _frames(status: Status, final: Samples) -> dict[str, Any]:
    ingested = _total(final, telemetry.FRAMES_INGESTED)
    return {
        "ticks": status.ticks,
        "late_ticks": status.late_ticks,
        "clock_restarts": status.restarts,
        "slowdown": status.slowdown,
        "frames_published": status.frames,
        "frames_unsent": status.unsent,
        "frames_overdue": status.overdue,
        "blocked_seconds": status.blocked_seconds,
        "frames_received": round(ingested),
        "frames_missing": round(status.frames + status.unsent + status.overdue - ingested),
        "gaps": round(_total(final, telemetry.FRAMES_LOST)),
        "refused": round(_total(final, telemetry.MESSAGES_REFUSED)),
    }


def _total(samples: Samples, metric: telemetry.OwnMetric) -> float:
    return sum(samples.get(metric.name, {}).values())


def _lag(before: Samples, after: Samples) -> dict[str, Any]:
    counts = {
        float(bound): count - before.get(LAG, {}).get((bound,), 0.0)
        for (bound,), count in after[LAG].items()
    }
    return {f"lag_p{round(100 * q)}_seconds": round(_quantile(counts, q), 3) for q in (0.5, 0.99)}


def _quantile(counts: Mapping[float, float], quantile: float) -> float:
    """Return what histogram_quantile of Prometheus would: linear within a bucket."""
    bounds = sorted(counts)
    rank = quantile * counts[bounds[-1]]
    low, below = 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= rank:
            inside = counts[bound] - below
            return low + (bound - low) * (rank - below) / inside if bound < float("inf") else low
        low, below = bound, counts[bound]
    return float("nan")


# -- what they say ----------------------------------------------------------------


@dataclass
class _Word:
    status: Status


@asynccontextmanager
async def _last_word(url: BrokerUrl, site: str) -> AsyncIterator[_Word]:
    """Listen to what emulators say of themselves; the last of it stands."""
    word = _Word(Status(emulator="none", state="offline"))
    async with connect(url, client_id="benchmark") as bus:
        await bus.subscribe(Topics(site).status("+"), qos=1)
        task = asyncio.create_task(_hear(bus, word), name="status")
        try:
            yield word
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _hear(bus: Bus, word: _Word) -> None:
    with suppress(BusError):
        async for message in bus.messages():
            word.status = decode_message(Status, message.payload)


async def _watch(url: str, duration: float, every: float) -> None:
    end = time.monotonic() + duration
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(every, left))
        await _scrape(url)


async def _settled(url: str) -> None:
    """Wait until no frame comes in any more."""
    seen = -1.0
    while (now := _total(await _scrape(url), telemetry.FRAMES_INGESTED)) != seen:
        seen = now
        await asyncio.sleep(1.0)


async def _scrape(url: str) -> Samples:
    return await asyncio.to_thread(_scraped, url)


def _scraped(url: str) -> Samples:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own aggregator
        text = answer.read().decode()
    own = "\n".join(line for line in text.splitlines() if "twin_" in line)
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(own + "\n"):
        for sample in family.samples:
            place = tuple(sample.labels.values())
            samples.setdefault(sample.name, {})[place] = sample.value
    return samples


def _missing(base: str) -> str | None:
    """Return what the aggregator says is missing before the site is complete, None for nothing."""
    try:
        with urllib.request.urlopen(f"{base}/readyz", timeout=60):  # noqa: S310 - our own
            return None
    except urllib.error.HTTPError as answer:
        return answer.read().decode()
    except OSError:
        return NO_BROKER


def _connected(base: str) -> bool:
    return NO_BROKER not in (_missing(base) or "")


def _text(report: Mapping[str, Any]) -> str:
    def shown(value: object) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{name} {part:,}" for name, part in value.items())
        return f"{value:,}" if isinstance(value, (int, float)) else str(value)

    return "\n".join(f"{name:18} {shown(value)}" for name, value in report.items())


if __name__ == "__main__":
    main()
