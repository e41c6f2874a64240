"""A whole site end to end: a broker, ``twin emulate`` and ``twin aggregate``, three processes.

Frames are counted where they are made (the emulator's last word) and where they end (the
aggregator's counters). Lag is the time from the tick that a frame describes to the moment
from which its values are exposed, out of the aggregator's own histogram. CPU and lag leave
the warm-up out, losses do not.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from twin.bench.broker import BrokerKind, running_broker
from twin.bench.page import NO_BROKER, Samples, missing, pass_by, quantile, read_own
from twin.bench.process import cpu_seconds, free_port, peak_bytes, started, until
from twin.bus import BrokerUrl, Bus, connect
from twin.catalog import OwnMetric, own
from twin.errors import BusError
from twin.wire import Codec, EmulatorStatus, Topics, decode_message

__all__ = ["RunningSite", "SitePlan", "SiteReport", "run_site", "watch"]

_QUEUE = 16_384
"""Messages that the broker keeps for a slow subscriber, as in ``deploy/mosquitto``."""
_QUEUE_BYTES = 1 << 28
"""Their bytes at most, also as there, for sites of up to 250,000 GPUs."""
_GPU_QUEUE_BYTES = 1024
"""The same for each GPU of a larger site: some four seconds of its frames."""
_LAG = "twin_ingest_lag_seconds_bucket"


@dataclass(frozen=True, slots=True)
class SitePlan:
    """What is run.

    Attributes:
        site: a preset's name or a YAML file.
        name: name of that site.
        gpus: its GPUs.
        interval: simulated seconds between two frames of a unit.
        codec: how frames are written.
        broker: which broker carries them.
        warmup: seconds before CPU and lag are taken.
        emulate: more options of ``twin emulate``.
        aggregate: more options of ``twin aggregate``.
    """

    site: str
    name: str
    gpus: int
    interval: float = 1.0
    codec: Codec = Codec.CBOR
    broker: BrokerKind = BrokerKind.MOSQUITTO
    warmup: float = 10.0
    emulate: tuple[str, ...] = ()
    aggregate: tuple[str, ...] = ()

    @property
    def queue_bytes(self) -> int:
        """Bytes of messages that the broker keeps for a slow subscriber."""
        return max(_QUEUE_BYTES, _GPU_QUEUE_BYTES * self.gpus)


@dataclass(frozen=True, slots=True)
class RunningSite:
    """A site under way.

    Attributes:
        base: address of the aggregator's pages.
        pids: process of each part; an added part is measured too.
        parts: ends with the site what was added to it.
    """

    base: str
    pids: dict[str, int]
    parts: ExitStack

    @property
    def metrics(self) -> str:
        """Address of the site's page."""
        return f"{self.base}/metrics"


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What a run lost, how late it was, and what each process took.

    Attributes:
        site: name of the site.
        gpus: its GPUs.
        codec: of the frames.
        broker: that carried them.
        interval_seconds: between two frames of a unit.
        seconds: length of the run, without the warm-up.
        ticks: ticks of the emulator.
        late_ticks: those that began late.
        clock_restarts: times it was hopelessly behind.
        slowdown: how much longer its interval was than asked for.
        frames_published: frames that it handed over.
        frames_unsent: frames for which there was no broker.
        frames_overdue: frames that the broker did not take in time.
        blocked_seconds: for which frames waited for the broker.
        frames_received: frames that the aggregator took over.
        frames_missing: frames that were made and not taken over.
        gaps: frames missing by their running numbers.
        refused: messages that the aggregator refused.
        lag_p50_seconds: median time from tick to exposed value.
        lag_p99_seconds: its 99th percentile.
        cpu_cores: processors that each process took.
        rss_mib: greatest resident set of each process, MiB.
        rss_total_mib: their sum.
        held: whether no frame was lost and no tick late.
    """

    site: str
    gpus: int
    codec: str
    broker: str
    interval_seconds: float
    seconds: float
    ticks: int
    late_ticks: int
    clock_restarts: int
    slowdown: float
    frames_published: int
    frames_unsent: int
    frames_overdue: int
    blocked_seconds: float
    frames_received: int
    frames_missing: int
    gaps: int
    refused: int
    lag_p50_seconds: float
    lag_p99_seconds: float
    cpu_cores: dict[str, float]
    rss_mib: dict[str, int]
    rss_total_mib: int
    held: bool


async def run_site(
    plan: SitePlan, during: Callable[[RunningSite], Awaitable[object]]
) -> SiteReport:
    """Run a site for as long as ``during`` takes.

    Args:
        plan: what is run.
        during: awaited after the warm-up.

    Raises:
        ConfigError: the broker is not installed.
        ServiceError: one of the processes ended or did not get ready.
    """
    async with (
        running_broker(plan.broker, _QUEUE, plan.queue_bytes) as broker,
        _last_word(broker.url, plan.name) as word,
    ):
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        with started(_aggregate(plan, broker.url, port), "twin aggregate") as aggregator:
            await until(lambda: NO_BROKER not in (missing(base) or ""), aggregator)
            with (
                started(_emulate(plan, broker.url), "twin emulate") as emulator,
                ExitStack() as parts,
            ):
                pids = {
                    "broker": broker.pid, "emulator": emulator.pid, "aggregator": aggregator.pid
                }  # fmt: skip
                running = RunningSite(base, pids, parts)
                await until(lambda: missing(base) is None, emulator)
                await asyncio.sleep(plan.warmup)
                before, used = await read_own(running.metrics), cpu_seconds(running.pids)
                began = time.monotonic()
                await during(running)
                length = time.monotonic() - began
                cpu = cpu_seconds(running.pids)
                memory = {name: peak_bytes(pid) for name, pid in running.pids.items()}
                after = await read_own(running.metrics)
            # It is gone, so its last word is there; what it sent before may be on its way.
            final = await _settled(running.metrics)
    cores = {name: round((now - used.get(name, 0.0)) / length, 3) for name, now in cpu.items()}
    return _report(plan, length, word.status, before, after, final, cores, memory)


async def watch(running: RunningSite, duration: float, every: float) -> None:
    """Scrape the site's page again and again, as a Prometheus would.

    Args:
        running: the site.
        duration: for how long, seconds.
        every: between two scrapes, seconds.
    """
    end = time.monotonic() + duration
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(every, left))
        await pass_by(running.metrics)


def _aggregate(plan: SitePlan, broker: BrokerUrl, port: int) -> list[str]:
    return [*_twin("aggregate", plan, broker), "--port", str(port), *plan.aggregate]


def _emulate(plan: SitePlan, broker: BrokerUrl) -> list[str]:
    interval = ("--interval", f"{plan.interval:g}s", "--codec", plan.codec.value)
    return [*_twin("emulate", plan, broker), *interval, *plan.emulate]


def _twin(command: str, plan: SitePlan, broker: BrokerUrl) -> list[str]:
    common = ["--site", plan.site, "--broker", str(broker), "--log-level", "error"]
    return [sys.executable, "-m", "twin", command, *common]


def _report(
    plan: SitePlan,
    length: float,
    status: EmulatorStatus,
    before: Samples,
    after: Samples,
    final: Samples,
    cores: Mapping[str, float],
    memory: Mapping[str, int],
) -> SiteReport:
    received = round(_total(final, own.FRAMES_INGESTED))
    counts = {
        float(bound): count - before.get(_LAG, {}).get((bound,), 0.0)
        for (bound,), count in after[_LAG].items()
    }
    lost = status.frames + status.unsent + status.overdue - received
    rss = {name: round(size / (1 << 20)) for name, size in memory.items()}
    return SiteReport(
        site=plan.name,
        gpus=plan.gpus,
        codec=plan.codec.value,
        broker=plan.broker.value,
        interval_seconds=plan.interval,
        seconds=round(length, 1),
        ticks=status.ticks,
        late_ticks=status.late_ticks,
        clock_restarts=status.restarts,
        slowdown=status.slowdown,
        frames_published=status.frames,
        frames_unsent=status.unsent,
        frames_overdue=status.overdue,
        blocked_seconds=status.blocked_seconds,
        frames_received=received,
        frames_missing=lost,
        gaps=round(_total(final, own.FRAMES_LOST)),
        refused=round(_total(final, own.MESSAGES_REFUSED)),
        lag_p50_seconds=round(quantile(counts, 0.5), 3),
        lag_p99_seconds=round(quantile(counts, 0.99), 3),
        cpu_cores=dict(cores),
        rss_mib=rss,
        rss_total_mib=sum(rss.values()),
        held=lost == 0 and status.late_ticks == 0,
    )


def _total(samples: Samples, metric: OwnMetric) -> float:
    return sum(samples.get(metric.name, {}).values())


@dataclass
class _LastStatus:
    status: EmulatorStatus


@asynccontextmanager
async def _last_word(url: BrokerUrl, site: str) -> AsyncIterator[_LastStatus]:
    """Listen to what emulators say of themselves; the last of it stands."""
    word = _LastStatus(EmulatorStatus(emulator="none", state="offline"))
    async with connect(url, client_id="benchmark") as bus:
        await bus.subscribe(Topics(site).status("+"), qos=1)
        task = asyncio.create_task(_hear(bus, word), name="status")
        try:
            yield word
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _hear(bus: Bus, word: _LastStatus) -> None:
    with suppress(BusError):
        async for message in bus.messages():
            word.status = decode_message(EmulatorStatus, message.payload)


async def _settled(url: str) -> Samples:
    """Wait until no frame comes in any more and return what the page then says."""
    seen = -1.0
    while True:
        samples = await read_own(url)
        now = _total(samples, own.FRAMES_INGESTED)
        if now == seen:
            return samples
        seen = now
        await asyncio.sleep(1.0)
