"""Checks of a run: what was exposed over HTTP against what should have been.

The figures come from the pages that Prometheus would scrape, not from what the plant
or the aggregator believe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from twin.catalog import PSU, SERVER, DeviceClass, Level, Rollup, UnitKind
from twin.catalog.own import OWN_METRICS, UNIT_LAST_FRAME, UNIT_REPORTING
from twin.clients.http import fetch
from twin.plant import PowerTrace
from twin.site import Layout, job_places
from twin.stack.local import LocalStack

__all__ = ["RunReport", "TraceComparison", "drained", "scrape", "take_report"]

_TIMEOUT_SECONDS = 30.0
_LEAST_CORRELATION = 0.99
_LARGEST_ERROR = 0.01
_LEAST_SAMPLES = 10


def _rollup(device: DeviceClass, signal: str) -> Rollup:
    return next(rollup for rollup in device.rollups if rollup.signal == signal)


_IT_POWER = _rollup(SERVER, "power")
_DC_POWER = _rollup(PSU, "output_power")


async def scrape(stack: LocalStack, path: str, *names: str) -> list[Sample]:
    """Return the samples of one page, as Prometheus would read them.

    Args:
        stack: still serving.
        path: of the page.
        names: metrics to read, all without any: a Python parser takes a second for a page.
    """
    return await asyncio.to_thread(_scrape, stack, path, names)


def _scrape(stack: LocalStack, path: str, names: tuple[str, ...]) -> list[Sample]:
    text = _fetch(stack, path).decode()
    if names:
        starts = tuple(f"{name}{mark}" for name in names for mark in "{ ")
        text = "\n".join([line for line in text.splitlines() if line.startswith(starts)] + [""])
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def _count(stack: LocalStack, path: str) -> int:
    """Return the samples of one page; a full array's is too long for a Python parser."""
    lines = _fetch(stack, path).splitlines()
    return sum(1 for line in lines if line and not line.startswith(b"#"))


def _fetch(stack: LocalStack, path: str) -> bytes:
    shown = {} if stack.token is None else {"Authorization": f"Bearer {stack.token.value}"}
    # The server there is this very process, whatever names its certificate has.
    return fetch(f"{stack.aggregator.url}{path}", _TIMEOUT_SECONDS, shown, verify=False)


def _by_rack(samples: Iterable[Sample], metric: str) -> dict[str, float]:
    return {s.labels["rack"]: s.value for s in samples if s.name == metric and "rack" in s.labels}


@dataclass
class TraceComparison:
    """Compares the exposed DC power with the trace that is replayed.

    The trace was measured on the DC side, so it is compared with what the power
    supplies deliver. Every rack is compared at the time of its own last frame.

    Attributes:
        layout: the site.
        trace: what is replayed.
        epoch: simulated unix time at which the replay began.
    """

    layout: Layout
    trace: PowerTrace
    epoch: float
    _exposed: list[float] = field(default_factory=list, init=False)
    _measured: list[float] = field(default_factory=list, init=False)

    names = (_DC_POWER.metric(Level.RACK), UNIT_LAST_FRAME.name)
    """Metrics that are compared."""

    def add(self, samples: list[Sample]) -> None:
        """Take over one scrape of ``/metrics``, if every rack that replays is in it."""
        power = _by_rack(samples, _DC_POWER.metric(Level.RACK))
        times = _by_rack(samples, UNIT_LAST_FRAME.name)
        if self._first.keys() - power.keys() or self._first.keys() - times.keys():
            return
        self._exposed.append(sum(power[rack] for rack in self._first))
        self._measured.append(sum(self._expected(rack, times[rack]) for rack in self._first))

    @cached_property
    def _first(self) -> dict[str, int]:
        """The racks that replay the trace, and the first server of each, counted in its job."""
        layout = self.layout
        return {
            layout.unit_name(UnitKind.RACK, rack): (rack - job.racks.start)
            * job.site.servers_per_rack
            for job in job_places(layout.site)
            if job.trains
            for rack in job.racks
        }

    def _expected(self, rack: str, ts: float) -> float:
        servers = self._first[rack] + np.arange(self.layout.site.servers_per_rack)
        return float(self.trace.at(ts - self.epoch)[servers % self.trace.nodes].sum())

    @property
    def samples(self) -> int:
        """Scrapes compared."""
        return len(self._exposed)

    @property
    def correlation(self) -> float:
        """Pearson correlation of exposed and measured power; 0 with too few scrapes."""
        if self.samples < _LEAST_SAMPLES:
            return 0.0
        return float(np.corrcoef(self._exposed, self._measured)[0, 1])

    @property
    def error_ratio(self) -> float:
        """Mean absolute error over the mean measured power; 1 with too few scrapes."""
        if self.samples < _LEAST_SAMPLES:
            return 1.0
        error = np.abs(np.array(self._exposed) - self._measured).mean()
        return float(error / np.mean(self._measured))


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run shows; the names are those of the JSON output."""

    site: str
    seconds: float
    racks: int
    racks_reporting: int
    frames_published: int
    frames_unsent: int
    frames_ingested: int
    frames_lost: int
    decode_errors: int
    late_ticks: int
    ticks: int
    series: int
    it_power_watts: float
    trace_samples: int | None = None
    trace_correlation: float | None = None
    trace_error_ratio: float | None = None

    def failures(self) -> list[str]:
        """Return what did not hold, in sentences; empty when all is well."""
        found = []
        if self.racks_reporting < self.racks:
            found.append(f"only {self.racks_reporting} of {self.racks} racks reported")
        if self.frames_published == 0:
            found.append("no frame was published")
        missing = self.frames_published - self.frames_ingested
        if missing or self.frames_lost or self.frames_unsent:
            found.append(
                f"of {self.frames_published} frames published {missing} did not arrive, "
                f"{self.frames_lost} gaps were seen and {self.frames_unsent} were never sent"
            )
        if self.decode_errors:
            found.append(f"{self.decode_errors} messages were no valid frames")
        return found + self._trace_failures()

    def _trace_failures(self) -> list[str]:
        samples, correlation, error = (
            self.trace_samples, self.trace_correlation, self.trace_error_ratio,
        )  # fmt: skip
        if samples is None or correlation is None or error is None:
            return []
        if samples < _LEAST_SAMPLES:
            few = f"the page was scraped {samples} times, and the trace is compared from"
            return [f"{few} {_LEAST_SAMPLES} on: run for longer"]
        found = []
        if correlation < _LEAST_CORRELATION:
            found.append(f"the correlation with the trace is {correlation:.4f}")
        if error > _LARGEST_ERROR:
            found.append(f"the mean error against the trace is {error:.2%}")
        return found


async def drained(stack: LocalStack, patience: float = 5.0) -> None:
    """Wait until all that was published has arrived, or nothing more has for so many seconds.

    What a busy machine takes long for is not lost.
    """
    loop = asyncio.get_running_loop()
    seen, end = -1, 0.0
    while (arrived := stack.aggregator.summary().frames_ingested) < stack.emulator.published:
        if arrived != seen:
            seen, end = arrived, loop.time() + patience
        elif loop.time() >= end:
            return
        await asyncio.sleep(0.05)


async def take_report(
    stack: LocalStack, layout: Layout, seconds: float, trace: TraceComparison | None
) -> RunReport:
    """Scrape every page once and return what the run shows.

    Args:
        stack: still serving.
        layout: the site.
        seconds: how long it ran.
        trace: the comparison, when a trace is replayed.
    """
    site = await scrape(stack, "/metrics")
    own = {metric.name for metric in OWN_METRICS}
    series = sum(1 for sample in site if not _is_own(sample.name, own))
    for array in range(layout.site.arrays):
        page = f"/arrays/{layout.unit_name(UnitKind.ARRAY, array)}/metrics"
        series += await asyncio.to_thread(_count, stack, page)
    it_power = next((s.value for s in site if s.name == _IT_POWER.metric(Level.SITE)), 0.0)
    summary = stack.aggregator.summary()
    emulator = stack.emulator
    return RunReport(
        site=layout.site.name,
        seconds=round(seconds, 1),
        racks=summary.racks,
        racks_reporting=int(sum(_by_rack(site, UNIT_REPORTING.name).values())),
        frames_published=emulator.published,
        frames_unsent=emulator.unsent,
        frames_ingested=summary.frames_ingested,
        frames_lost=summary.frames_lost,
        decode_errors=summary.decode_errors,
        late_ticks=emulator.pacer.late_ticks,
        ticks=emulator.pacer.ticks,
        series=series,
        it_power_watts=it_power,
        trace_samples=trace.samples if trace else None,
        trace_correlation=trace.correlation if trace else None,
        trace_error_ratio=trace.error_ratio if trace else None,
    )


def _is_own(name: str, own: set[str]) -> bool:
    """Whether a sample belongs to the aggregator itself rather than to the site."""
    return any(name == metric or name.startswith(f"{metric}_") for metric in own)
