"""Prometheus server that scrapes a running site, and its own metrics.

It finds its targets as the README tells users to: by ``http_sd_configs`` and with
``honor_labels``, one target for the site and one an array.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twin.bench.process import find_program, free_port, started, until
from twin.bench.site_run import RunningSite
from twin.clients.prometheus import Prometheus
from twin.errors import ConfigError, ServiceError
from twin.site import DetailPlan, Layout, count_series
from twin.site.detail import array_name

__all__ = ["PrometheusReport", "detail_of", "scrape_site"]

_QUERY_SECONDS = 120.0
_OWN_JOBS = '{job=~"twin|twin-array"}'
"""Picks what Prometheus says of its own scrapes; the exporters' own ``up`` have other jobs."""
_CONFIG = """\
global: {{scrape_interval: {interval:g}s, scrape_timeout: {interval:g}s}}
scrape_configs:
  - job_name: twin
    honor_labels: true
    http_sd_configs: [{{url: "{base}/sd", refresh_interval: 1m}}]
    relabel_configs: [{{source_labels: [job], regex: twin, action: keep}}]
  - job_name: twin-array
    honor_labels: true
    http_sd_configs: [{{url: "{base}/sd", refresh_interval: 1m}}]
    relabel_configs: [{{source_labels: [job], regex: twin-array, action: keep}}]
"""


@dataclass(frozen=True, slots=True)
class PrometheusReport:
    """What a Prometheus took in.

    Attributes:
        version: of Prometheus.
        interval_seconds: between two scrapes of a target.
        targets: targets that it scraped.
        series: series in its memory at the end.
        samples_per_scrape: samples of one round over all targets.
        scrapes: scrapes that it made, of all targets together.
        scrapes_failed: those that failed.
        scrapes_left_out: those that it should have made and did not, because one before
            took too long.
        scrape_p50_seconds: duration of a scrape, median over the targets of their medians.
        scrape_p99_seconds: 99th percentile over the targets of their 99th percentiles.
        scrape_max_seconds: the longest.
        first_round_max_seconds: the longest of the first two rounds, in which series are created.
    """

    version: str
    interval_seconds: float
    targets: int
    series: int
    samples_per_scrape: int
    scrapes: int
    scrapes_failed: int
    scrapes_left_out: int
    scrape_p50_seconds: float
    scrape_p99_seconds: float
    scrape_max_seconds: float
    first_round_max_seconds: float

    @property
    def held(self) -> bool:
        """Whether no scrape failed and none was left out."""
        return self.scrapes_failed == 0 and self.scrapes_left_out == 0


def detail_of(layout: Layout, series: int) -> DetailPlan:
    """Return the plan with as many arrays in full as so many series allow, the rest as roll-ups.

    Raises:
        ConfigError: not even the roll-ups are that few.
    """
    arrays = layout.site.arrays

    def plan(full: int) -> DetailPlan:
        number = layout.site.numbers.arrays
        first, last = (array_name(array, number) for array in (0, max(full, 1) - 1))
        return DetailPlan.of_site(layout.site).changed(
            ["rack", *([f"{first}-{last}=gpu"] if full else [])]
        )

    if count_series(layout, plan(0)) > series:
        raise ConfigError(
            f"--series {series} is too few: the roll-ups of {layout.site.name} alone have "
            f"{count_series(layout, plan(0)):,}"
        )
    low, high = 0, arrays
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if count_series(layout, plan(middle)) <= series else (low, middle - 1)
        )
    return plan(low)


async def scrape_site(running: RunningSite, interval: float, duration: float) -> PrometheusReport:
    """Let a Prometheus scrape a site; its process is measured with the others.

    Args:
        running: the site.
        interval: between two scrapes of a target, seconds.
        duration: for how long, seconds.

    Raises:
        ConfigError: Prometheus is not installed.
        ServiceError: it ended, or did not answer.
    """
    program = find_program("prometheus")
    if program is None:
        raise ConfigError(
            "prometheus is not installed; install it, on Debian: apt install prometheus"
        )
    folder = running.parts.enter_context(tempfile.TemporaryDirectory())
    address = f"127.0.0.1:{free_port()}"
    command = _command(program, Path(folder), address, running.base, interval)
    child = running.parts.enter_context(started(command, "prometheus"))
    running.pids["prometheus"] = child.pid
    server = Prometheus(f"http://{address}", _QUERY_SECONDS)
    await until(server.ready, child)
    began = time.time()
    await asyncio.sleep(duration)
    if child.process.poll() is not None:
        raise ServiceError(f"prometheus ended during the run: {child.last_words()}")
    return await asyncio.to_thread(_report, server, interval, began, time.time())


def _command(program: str, folder: Path, address: str, base: str, interval: float) -> list[str]:
    config = folder / "prometheus.yml"
    config.write_text(_CONFIG.format(interval=interval, base=base), encoding="utf-8")
    return [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    ]


def _report(server: Prometheus, interval: float, began: float, ended: float) -> PrometheusReport:
    window = f"[{max(1, round(ended - began))}s]"
    first = f"[{max(1, round(2 * interval))}s]"
    durations = f"scrape_duration_seconds{_OWN_JOBS}"

    def ask(expression: str, at: float = ended) -> float:
        return server.number(expression, at)

    targets = [
        target
        for target in server.get("targets", state="active")["activeTargets"]
        if target["labels"]["job"].startswith("twin")
    ]
    made, brought = (
        f"count_over_time(up{_OWN_JOBS}{window})",
        f"sum_over_time(up{_OWN_JOBS}{window})",
    )
    # In one query: a scrape that takes long comes in with the time at which it began.
    failed = ask(f"sum({made} - {brought})")
    scrapes = round(ask(f"sum({made})"))
    return PrometheusReport(
        version=str(server.get("status/buildinfo")["version"]),
        interval_seconds=interval,
        targets=len(targets),
        series=_head_series(server.get("status/tsdb")),
        samples_per_scrape=round(ask(f"sum(scrape_samples_scraped{_OWN_JOBS})")),
        scrapes=scrapes,
        scrapes_failed=round(failed),
        # Discovery and the offset of a target cost its first round, at most.
        scrapes_left_out=max(0, len(targets) * int((ended - began) / interval - 1) - scrapes),
        scrape_p50_seconds=round(
            ask(f"quantile(0.5, quantile_over_time(0.5, {durations}{window}))"), 4
        ),
        scrape_p99_seconds=round(
            ask(f"quantile(0.99, quantile_over_time(0.99, {durations}{window}))"), 4
        ),
        scrape_max_seconds=round(ask(f"max(max_over_time({durations}{window}))"), 3),
        first_round_max_seconds=round(
            ask(f"max(max_over_time({durations}{first}))", began + 2 * interval), 3
        ),
    )


def _head_series(status: Mapping[str, Any]) -> int:
    return int(status["headStats"]["numSeries"])
