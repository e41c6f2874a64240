"""A site in shards: emulators, the facility, aggregators, a broker and two Prometheus.

Run from the repository's root: ``python -m benchmarks.scale_out [--site colossus-100k]
[--interval 10s] [--emulators 3] [--aggregators 3] [--detail rack] [--broker mqtt://…]
[--duration 120s] [--no-prometheus] [--grow]``. Prints one JSON object; exit status 1 when a
series was missing or exposed twice, a tick late, or a shard not replaced in time.

Every part is a process of its own. First the site must be complete: every array in ``/sd``
once, every series of the catalogue on the pages that ``/sd`` names, none of them twice, the
same in the two Prometheus, which share the targets by hash. Then one emulator and one
aggregator are killed (SIGKILL) and started anew, and the gap is measured where it counts: in
the frames on the bus and in the samples that Prometheus has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.cluster import SETTLE_SECONDS, Cluster, answers, get, listening
from twin.bench.broker import BrokerKind, running_broker
from twin.bench.process import cpu_seconds, free_port, peak_bytes, started, until
from twin.catalog import Frame
from twin.cli.options import seconds
from twin.site import FACILITY, Shard
from twin.wire import Codec

PROMETHEUS = 2
LEAST_SCRAPE_SECONDS = 5
WATCHED_RACKS = 3
"""Racks of the killed shard whose frames are looked at one by one."""
_QUEUE = 16_384
"""Messages that the broker keeps for a reader that is behind, as ``deploy/mosquitto`` has it."""
_OF_SITE = ("twin_unit_reporting", "twin_unit_last_frame")


def main() -> None:
    """Print what a divided site exposed, lost and took, before and after parts of it died."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else "")
    arguments.add_argument("--site", default="colossus-100k")
    arguments.add_argument("--interval", default="10s", help="between two frames of a unit")
    arguments.add_argument("--codec", choices=list(Codec), default=Codec.CBOR)
    arguments.add_argument("--emulators", type=int, default=3, help="shards, beside the facility")
    arguments.add_argument("--aggregators", type=int, default=3, help="shards")
    arguments.add_argument("--detail", default="rack", help="of all arrays: gpu, rack or site")
    arguments.add_argument("--broker", default="", help="a broker's address; by default Mosquitto")
    arguments.add_argument(
        "--duration", default="60s", help="of the quiet run before anything dies"
    )
    arguments.add_argument("--grow", action="store_true", help="at the end add one shard of each")
    arguments.add_argument("--no-prometheus", action="store_true")
    options = arguments.parse_args()
    report = asyncio.run(_run(options))
    print(json.dumps(report, indent=2))
    sys.exit(0 if not report["failed"] else 1)


# -- the run ----------------------------------------------------------------------


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pids: dict[str, int] = {}
        address = options.broker
        if not address:
            broker = await stack.enter_async_context(running_broker(BrokerKind.MOSQUITTO, _QUEUE))
            pids["broker"], address = broker.pid, str(broker.url)
        cluster = Cluster(options, address, folder / "state")
        stack.push_async_callback(cluster.close)
        for index in range(options.aggregators):
            cluster.aggregate(Shard(index, options.aggregators))
        parts = [Shard(index, options.emulators) for index in range(options.emulators)]
        for part in parts:
            cluster.emulate(part)
        cluster.emulate(FACILITY)
        report: dict[str, Any] = {
            "site": options.site,
            "gpus": cluster.layout.site.gpus,
            "interval_seconds": cluster.interval,
            "emulators": options.emulators,
            "aggregators": options.aggregators,
            "detail": options.detail,
        }
        report["ready_seconds"] = round(await cluster.ready(range(options.aggregators)), 1)
        stores = [] if options.no_prometheus else await _prometheus(stack, cluster, folder)
        report["quiet"] = await _quiet(cluster, stores, pids)
        report["emulator_killed"] = await _lose_emulator(cluster, stores, parts[-1])
        report["aggregator_killed"] = await _lose_aggregator(cluster, stores)
        if options.grow:
            report["grown"] = await _grow(cluster, parts)
        report["failed"] = _failures(report, cluster.interval)
    return report


async def _quiet(
    cluster: Cluster, stores: Sequence[str], pids: Mapping[str, int]
) -> dict[str, Any]:
    """Let the site run and return whether it was complete, and what each process took."""
    watched = {**pids, **{name: child.pid for name, child in cluster.children.items()}}
    async with listening(cluster, range(WATCHED_RACKS)) as ears:
        length = max(seconds(cluster.options.duration), 4 * cluster.interval)
        before, began = cpu_seconds(watched), time.monotonic()
        await asyncio.sleep(length)
        passed = time.monotonic() - began
        used = {name: (now - before[name]) / passed for name, now in cpu_seconds(watched).items()}
        cluster.check()
        exposed = await _exposed(cluster)
        return {
            "seconds": round(passed, 1),
            **exposed,
            "prometheus_series": await _stored(cluster, stores),
            "prometheus_targets_down": await _down(stores),
            "late_ticks": sum(status.late_ticks for status in ears.statuses.values()),
            "frames": sum(status.frames for status in ears.statuses.values()),
            "unsent": sum(s.unsent + s.overdue for s in ears.statuses.values()),
            "racks_assumed": sum(s.racks_assumed or 0 for s in ears.statuses.values()),
            "feedback_age_seconds": max(s.feedback_age or 0.0 for s in ears.statuses.values()),
            "gap_seconds": ears.gap(),
            "doubled_frames": ears.doubled(),
            "cpu_cores": {name: round(share, 3) for name, share in used.items()},
            "rss_mib": {name: round(peak_bytes(pid) / 2**20) for name, pid in watched.items()},
        }


async def _lose_emulator(cluster: Cluster, stores: Sequence[str], part: Shard) -> dict[str, Any]:
    """Kill an emulator, start it anew, and return what its racks missed."""
    array = part.arrays(cluster.layout.site.arrays)[0]
    racks = list(cluster.layout.racks_of(array))[:WATCHED_RACKS]
    async with listening(cluster, racks) as ears:
        await asyncio.sleep(3 * cluster.interval)
        began = time.monotonic()
        cluster.kill(f"emulator-{part.index}")
        cluster.emulate(part)
        seen = {rack: len(own) for rack, own in ears.frames.items()}
        async with asyncio.timeout(SETTLE_SECONDS):
            while any(len(ears.frames[rack]) <= count for rack, count in seen.items()):
                cluster.check()
                await asyncio.sleep(0.05)
        back = time.monotonic() - began
        await asyncio.sleep(3 * cluster.interval)
        name = cluster.layout.unit_name(Frame.RACK, racks[0])
        return {
            "shard": str(part),
            "first_frame_after_seconds": round(back, 2),
            "frames_gap_seconds": round(ears.gap(), 2),
            "doubled_frames": ears.doubled(),
            **await _exposed(cluster),
            "prometheus_gap_seconds": await _sample_gap(stores, name),
        }


async def _lose_aggregator(cluster: Cluster, stores: Sequence[str]) -> dict[str, Any]:
    """Kill the last aggregator, start it anew, and return how long its arrays were gone."""
    shards = cluster.options.aggregators
    part = Shard(shards - 1, shards)
    array = part.arrays(cluster.layout.site.arrays)[0]
    cluster.kill(f"aggregator-{part.index}")
    cluster.aggregate(part)
    took = await cluster.ready([part.index])
    await asyncio.sleep(3 * cluster.interval)
    name = cluster.layout.unit_name(Frame.RACK, cluster.layout.racks_of(array)[0])
    return {
        "shard": str(part),
        "ready_after_seconds": round(took, 2),
        **await _exposed(cluster),
        "prometheus_gap_seconds": await _sample_gap(stores, name),
    }


async def _grow(cluster: Cluster, parts: Sequence[Shard]) -> dict[str, Any]:
    """Add one emulator and one aggregator and return what that moved."""
    new = Shard(len(parts), len(parts) + 1)
    moved = new.arrays(cluster.layout.site.arrays)
    racks = [cluster.layout.racks_of(array)[0] for array in moved[:WATCHED_RACKS]]
    async with listening(cluster, racks) as ears:
        await asyncio.sleep(2 * cluster.interval)
        cluster.emulate(new)
        shards = cluster.options.aggregators
        cluster.aggregate(Shard(shards, shards + 1))
        await cluster.ready(range(shards + 1))
        await asyncio.sleep(4 * cluster.interval)
        return {
            "arrays_moved": len(moved),
            "arrays": cluster.layout.site.arrays,
            "frames_gap_seconds": round(ears.gap(), 2),
            "doubled_frames": ears.doubled(),
            **await _exposed(cluster),
        }


def _failures(report: Mapping[str, Any], interval: float) -> list[str]:
    """Return what was not as it should be."""
    found = []
    for phase in ("quiet", "emulator_killed", "aggregator_killed", "grown"):
        part = report.get(phase, {})
        found += [
            f"{phase}: {name} is {part[name]}"
            for name in ("series_missing", "series_twice", "arrays_twice", "doubled_frames")
            if part.get(name)
        ]
    if report["quiet"]["late_ticks"]:
        found.append("quiet: ticks were late")
    lost = report["emulator_killed"]
    # A process takes its time to start; beside that two intervals are allowed.
    if lost["frames_gap_seconds"] > max(2 * interval, lost["first_frame_after_seconds"] + interval):
        found.append("emulator_killed: its racks were silent for too long")
    return found


# -- what is exposed ----------------------------------------------------------------


async def _exposed(cluster: Cluster) -> dict[str, Any]:
    """Scrape every target that ``/sd`` names and return whether every series is there once."""
    plan = cluster.layout.detail.changed([cluster.options.detail])
    expected = cluster.layout.series_of(plan)
    found: dict[str, Any] = {}
    for _ in range(10):
        found = await asyncio.to_thread(_scraped, cluster.url(0), expected)
        if not found["series_missing"]:
            break
        await asyncio.sleep(cluster.interval / 2)
    return found


def _scraped(base: str, expected: int) -> dict[str, Any]:
    groups = json.loads(get(f"{base}/sd"))
    arrays = Counter(group["labels"].get("array", "") for group in groups)
    del arrays[""]
    seen: Counter[int] = Counter()
    counted = 0
    for group in groups:
        url = f"http://{group['targets'][0]}{group['labels']['__metrics_path__']}"
        for line in get(url).splitlines():
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


async def _prometheus(stack: AsyncExitStack, cluster: Cluster, folder: Path) -> list[str]:
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
        await until(partial(answers, f"{url}/-/ready"), child)
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


async def _stored(cluster: Cluster, stores: Sequence[str]) -> int | None:
    """Return how many series of the catalogue the Prometheus have together."""
    if not stores:
        return None
    site = f'site="{cluster.layout.site.name}"'
    own = f'up{{{site},job=~"twin|twin-array"}}'
    query = f'count({{{site},__name__!~"scrape_.*|twin_.*"}}) - count({own})'
    counts = [await asyncio.to_thread(_query, store, query) for store in stores]
    return sum(int(result[0]["value"][1]) for result in counts if result)


async def _down(stores: Sequence[str]) -> int | None:
    """Return how many targets the Prometheus could not scrape the last time."""
    if not stores:
        return None
    counts = [await asyncio.to_thread(_query, store, "count(up == 0)") for store in stores]
    return sum(int(result[0]["value"][1]) for result in counts if result)


async def _sample_gap(stores: Sequence[str], rack: str) -> float | None:
    """Return the longest time between two samples of a rack's power in the last minutes."""
    gaps = [
        later[0] - sooner[0]
        for store in stores
        for series in await asyncio.to_thread(
            _query, store, f'rack_it_power_watts{{rack="{rack}"}}[10m]'
        )
        for sooner, later in pairwise(series["values"])
    ]
    return round(max(gaps), 2) if gaps else None


def _query(store: str, expression: str) -> list[dict[str, Any]]:
    words = urllib.parse.urlencode({"query": expression})
    result: list[dict[str, Any]] = json.loads(get(f"{store}/api/v1/query?{words}"))["data"][
        "result"
    ]
    return result


if __name__ == "__main__":
    main()
