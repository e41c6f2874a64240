"""A site in shards: emulators, the facility, aggregators, a broker and two Prometheus.

Run from the repository's root: ``python -m benchmarks.scale_out [--site colossus-100k]
[--interval 10s] [--emulators 3] [--aggregators 3] [--detail rack]
[--broker mqtt://… | --cluster rabbitmq] [--duration 120s] [--no-prometheus] [--grow]
[--json] [--save FILE]``. Exit status 1 when a series was missing or exposed twice, a tick
late, or a shard not replaced in time.

Every part is a process of its own. First the site must be complete: every array in ``/sd``
once, every series of the catalogue on the pages that ``/sd`` names, none of them twice, the
same in the two Prometheus, which share the targets by hash. Then one emulator, one aggregator
and, of a cluster of brokers, one node are killed (SIGKILL) and started anew, and the gap is
measured where it counts: in the frames on the bus and in the samples that Prometheus has.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.cluster import SETTLE_SECONDS, Cluster, Ears, listening
from benchmarks.complete import down, exposed, prometheus, sample_gap, stored
from tests.integration.brokers import clusters
from tests.integration.brokers.clusters import CLUSTERS
from twin.bench.broker import BrokerKind, running_broker
from twin.bench.process import cpu_seconds, peak_bytes
from twin.bench.script import lines, parser, run
from twin.catalog import UnitKind
from twin.cli.options import seconds
from twin.site import FACILITY, Shard
from twin.wire import Codec

PHASES = ("quiet", "emulator_killed", "aggregator_killed", "broker_node_killed", "grown")
LOST_NODE = 1
"""Of a cluster: not the one that this process listens at."""
WATCHED_RACKS = 3
"""Racks of the killed shard whose frames are looked at one by one."""
_QUEUE = 16_384
"""Messages that the broker keeps for a reader that is behind, as ``deploy/mosquitto`` has it."""


def main() -> None:
    """Print what a divided site exposed, lost and took, before and after parts of it died."""
    arguments = parser(__doc__)
    arguments.add_argument("--site", default="colossus-100k")
    arguments.add_argument("--interval", default="10s", help="between two frames of a unit")
    arguments.add_argument("--codec", choices=list(Codec), default=Codec.CBOR)
    arguments.add_argument("--emulators", type=int, default=3, help="shards, beside the facility")
    arguments.add_argument("--aggregators", type=int, default=3, help="shards")
    arguments.add_argument("--detail", default="rack", help="of all arrays: gpu, rack or site")
    brokers = arguments.add_mutually_exclusive_group()
    brokers.add_argument("--broker", default="", help="a broker's address; by default Mosquitto")
    brokers.add_argument("--cluster", choices=sorted(CLUSTERS), help="start three nodes of it")
    arguments.add_argument(
        "--duration", default="60s", help="of the quiet run before anything dies"
    )
    arguments.add_argument("--grow", action="store_true", help="at the end add one shard of each")
    arguments.add_argument("--no-prometheus", action="store_true")
    options = arguments.parse_args()
    report = run(options, lambda: asyncio.run(_run(options)), _table)
    sys.exit(0 if not report["failed"] else 1)


def _table(report: Mapping[str, Any]) -> str:
    text = []
    for name, value in report.items():
        text += ["", name, *lines(value)] if isinstance(value, Mapping) else lines({name: value})
    return "\n".join(text)


# -- the run ----------------------------------------------------------------------


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pids: dict[str, int] = {}
        nodes = await _nodes(stack, options, folder, pids)
        addresses = [options.broker]
        if nodes is not None:
            addresses = [str(nodes.url_from(first)) for first in range(len(nodes.nodes))]
        elif not options.broker:
            broker = await stack.enter_async_context(running_broker(BrokerKind.MOSQUITTO, _QUEUE))
            pids["broker"], addresses = broker.pid, [str(broker.url)]
        cluster = Cluster(options, addresses, folder / "state")
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
            "arrays": cluster.layout.site.arrays,
            "interval_seconds": cluster.interval,
            "emulators": options.emulators,
            "aggregators": options.aggregators,
            "detail": options.detail,
            "broker": _broker_name(nodes, options.broker),
        }
        report["ready_seconds"] = round(await cluster.ready(range(options.aggregators)), 1)
        stores = [] if options.no_prometheus else await prometheus(stack, cluster, folder)
        report["quiet"] = await _quiet(cluster, stores, pids)
        report["emulator_killed"] = await _lose_emulator(cluster, stores, parts[-1])
        report["aggregator_killed"] = await _lose_aggregator(cluster, stores)
        if nodes is not None:
            report["broker_node_killed"] = await _lose_node(cluster, stores, nodes)
        if options.grow:
            report["grown"] = await _grow(cluster, parts)
        report["failed"] = _failures(report, cluster.interval)
    return report


def _broker_name(nodes: clusters.Cluster | None, address: str) -> str:
    if nodes is not None:
        return f"{len(nodes.nodes)} nodes of {nodes.kind}"
    return "another's broker" if address else "one Mosquitto"


async def _nodes(
    stack: AsyncExitStack, options: argparse.Namespace, folder: Path, pids: dict[str, int]
) -> clusters.Cluster | None:
    """Start the cluster of brokers that is wanted; None when none is."""
    if options.cluster is None:
        return None
    (folder / "brokers").mkdir()
    nodes = CLUSTERS[options.cluster](folder / "brokers")
    stack.callback(nodes.stop)
    await asyncio.to_thread(nodes.start)
    pids.update({f"broker-{index}": node.pid for index, node in enumerate(nodes.nodes)})
    return nodes


async def _quiet(
    cluster: Cluster, stores: Sequence[str], pids: Mapping[str, int]
) -> dict[str, Any]:
    """Let the site run and return whether it was complete, and what each process took."""
    watched = {**pids, **{name: child.pid for name, child in cluster.children.items()}}
    async with listening(cluster, range(WATCHED_RACKS)) as ears:
        length = max(seconds(cluster.options.duration), 4 * cluster.interval)
        await asyncio.sleep(cluster.interval)  # so that everybody has said how far it is
        counted = _counts(ears)
        before, began = cpu_seconds(watched), time.monotonic()
        await asyncio.sleep(length)
        passed = time.monotonic() - began
        used = {name: (now - before[name]) / passed for name, now in cpu_seconds(watched).items()}
        cluster.check()
        return {
            "seconds": round(passed, 1),
            **await exposed(cluster),
            "prometheus_series": await stored(cluster, stores),
            "prometheus_targets_down": await down(stores),
            **{name: count - counted[name] for name, count in _counts(ears).items()},
            "gap_seconds": ears.gap(),
            "doubled_frames": ears.doubled(),
            "cpu_cores": {name: round(share, 3) for name, share in used.items()},
            "rss_mib": {name: round(peak_bytes(pid) / 2**20) for name, pid in watched.items()},
        }


def _counts(ears: Ears) -> dict[str, int]:
    """Return what all emulators have counted since they began."""
    statuses = ears.statuses.values()
    return {
        "late_ticks": sum(status.late_ticks for status in statuses),
        "frames": sum(status.frames for status in statuses),
        "unsent": sum(status.unsent + status.overdue for status in statuses),
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
        name = cluster.layout.unit_name(UnitKind.RACK, racks[0])
        return {
            "shard": str(part),
            "first_frame_after_seconds": round(back, 2),
            "frames_gap_seconds": round(ears.gap(), 2),
            "doubled_frames": ears.doubled(),
            **await exposed(cluster),
            "prometheus_gap_seconds": await sample_gap(stores, name, began),
        }


async def _lose_aggregator(cluster: Cluster, stores: Sequence[str]) -> dict[str, Any]:
    """Kill the last aggregator, start it anew, and return how long its arrays were gone."""
    shards = cluster.options.aggregators
    part = Shard(shards - 1, shards)
    array = part.arrays(cluster.layout.site.arrays)[0]
    began = time.monotonic()
    cluster.kill(f"aggregator-{part.index}")
    cluster.aggregate(part)
    took = await cluster.ready([part.index])
    await asyncio.sleep(3 * cluster.interval)
    name = cluster.layout.unit_name(UnitKind.RACK, cluster.layout.racks_of(array)[0])
    return {
        "shard": str(part),
        "ready_after_seconds": round(took, 2),
        **await exposed(cluster),
        "prometheus_gap_seconds": await sample_gap(stores, name, began),
    }


async def _lose_node(
    cluster: Cluster, stores: Sequence[str], nodes: clusters.Cluster
) -> dict[str, Any]:
    """Kill a node that others are on, start it anew, and return what racks of all arrays missed."""
    site, killed = cluster.layout.site, nodes.nodes[LOST_NODE]
    racks = [cluster.layout.racks_of(array)[0] for array in range(site.arrays)]
    async with listening(cluster, racks) as ears:
        await asyncio.sleep(3 * cluster.interval)
        began = time.monotonic()
        await asyncio.to_thread(killed.kill)
        await asyncio.sleep(6 * cluster.interval)
        cluster.check()
        without = await exposed(cluster)
        away = time.monotonic()
        await asyncio.to_thread(nodes.restart, killed)
        whole = time.monotonic()
        await asyncio.sleep(4 * cluster.interval)
        names = [cluster.layout.unit_name(UnitKind.RACK, rack) for rack in racks]
        gaps = [await sample_gap(stores, name, began) for name in names]
        return {
            "watched_racks": len(racks),
            "frames_gap_seconds": round(ears.gap(), 2),
            "doubled_frames": ears.doubled(),
            "series_missing_without_it": without["series_missing"],
            "away_seconds": round(away - began, 1),
            "whole_after_seconds": round(whole - away, 1),
            **await exposed(cluster),
            "prometheus_gap_seconds": max(filter(None, gaps), default=None),
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
            **await exposed(cluster),
        }


def _failures(report: Mapping[str, Any], interval: float) -> list[str]:
    """Return what was not as it should be."""
    found = []
    quiet, node = report["quiet"], report.get("broker_node_killed", {})
    if quiet["prometheus_series"] not in (None, quiet["series"]):
        found.append(f"quiet: Prometheus has {quiet['prometheus_series']} series")
    if quiet["prometheus_targets_down"]:
        found.append("quiet: targets were down")
    if node.get("series_missing_without_it"):
        found.append("broker_node_killed: series were missing without it")
    for phase in PHASES:
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


if __name__ == "__main__":
    main()
