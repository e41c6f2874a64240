"""Whole runs, and tables of runs of a site with other values, on all cores."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from math import ceil
from typing import Any, overload

from twin.errors import ConfigError
from twin.library.plans import PlannedFault, checked, seconds_of, within
from twin.library.progress import ProgressBar
from twin.library.recording import SampleStore, chosen_signals
from twin.library.run import FinishedRun, table_library
from twin.library.sites import load_site, site_with
from twin.library.stepping import START, SteppedTwin
from twin.parameters.site import Site
from twin.site import Layout

__all__ = ["SweepTable", "run_job", "simulate", "sweep"]

SiteSource = str | os.PathLike[str] | Mapping[str, Any] | Site
_MOST_RUNS = 100_000
_EVERY = 15.0


def simulate(
    site: SiteSource,
    duration: str | float,
    *,
    faults: Iterable[PlannedFault] = (),
    seed: int = 0,
    every: str | float | None = None,
    record: Iterable[str] | None = None,
    workload: str = "training",
    failures: str = "none",
    start: float = START,
    progress: bool = False,
) -> FinishedRun:
    """Simulate a site and return what it did.

    Args:
        site: what :func:`load_site` takes.
        duration: simulated time: seconds, or ``2h``.
        faults: that strike.
        seed: of all random numbers; the same seed gives the same values.
        every: time between two samples; None for 15 s, or the whole of a shorter run.
        record: what is kept: device classes (``gpu``) and signals (``gpu.power_usage``); None for
            everything.
        workload: what the training jobs run.
        failures: ``none``, ``natural``, or ``natural:FACTOR`` for so many times as many.
        start: simulated unix time of the start.
        progress: whether to show how far it is, on stderr.

    Raises:
        ConfigError: an argument is not what it must be.
    """
    seconds = seconds_of(duration, "duration")
    interval = min(_EVERY, seconds) if every is None else seconds_of(every, "every", least=1.0)
    if interval > seconds:
        raise ConfigError(f"every: is {every!r}, longer than the whole run of {duration!r}")
    twin = SteppedTwin(
        site,
        faults=within(faults, seconds),
        seed=seed,
        workload=workload,
        failures=failures,
        start=start,
    )
    chosen = chosen_signals(twin.layout, record)
    samples = int(seconds / interval + 1e-9)
    recording = SampleStore(twin.layout, chosen, samples)
    with ProgressBar("Simulating", samples, shown=progress) as shown:
        for _ in range(samples):
            twin.step(interval)
            recording.take(twin.outputs, twin.silent, twin.now)
            shown.advance()
    rest = seconds - samples * interval
    if rest > 1e-6:  # noqa: PLR2004 - what rounding leaves
        twin.step(rest)
    return FinishedRun(twin.layout, recording, twin.events, twin.summary, float(start))


class SweepTable(Sequence[Mapping[str, Any]]):
    """Rows of a sweep: the values that were set, and the figures of each run's summary."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> SweepTable: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | SweepTable:
        """Return a row, or some."""
        return SweepTable(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def column(self, name: str) -> list[Any]:
        """Return the values of a column, row by row.

        Raises:
            ConfigError: there is no such column.
        """
        if self._rows and name not in self._rows[0]:
            raise ConfigError(
                f"column {name!r} does not exist; there are {', '.join(self._rows[0])}"
            )
        return [row[name] for row in self._rows]

    def to_dataframe(self, library: str | None = None) -> Any:
        """Return the table of pandas or polars; None for the first that is installed.

        Raises:
            ConfigError: neither is installed.
        """
        return table_library(library).DataFrame(list(self._rows))

    def __str__(self) -> str:
        if not self._rows:
            return "(no rows)"
        heads = list(self._rows[0])
        lines = [heads, *([_shown(row[head]) for head in heads] for row in self._rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
            for line in lines
        )


def sweep(
    site: SiteSource,
    duration: str | float = "1h",
    *,
    over: Mapping[str, Iterable[Any]] | None = None,
    faults: Iterable[PlannedFault] = (),
    seed: int | Iterable[int] = 0,
    workload: str = "training",
    failures: str = "none",
    start: float = START,
    workers: int | None = None,
    progress: bool = True,
    **values: Iterable[Any],
) -> SweepTable:
    """Simulate a site with every combination of some values and return a row for each.

    ``twin.sweep("demo", "30m", megapacks=range(6), over={"cooling.supply_celsius": (30, 32)})``

    Args:
        site: what :func:`load_site` takes.
        duration: simulated time of each run.
        over: by key of the site file, the values that it takes.
        faults: that strike in every run.
        seed: of all random numbers; several are swept too.
        workload: what the training jobs run.
        failures: ``none``, ``natural``, or ``natural:FACTOR``.
        start: simulated unix time of the start.
        workers: runs at a time; None for as many as there are cores.
        progress: whether to show how far it is, on stderr.
        values: as ``over``, for keys without a dot; a section that counts something may stand for
            its count.

    Raises:
        ConfigError: an argument is not what it must be, or a site cannot have such values.
    """
    seconds = seconds_of(duration, "duration")
    axes = _listed({**(over or {}), **values})
    seeds = [seed] if isinstance(seed, int) else list(seed)
    combinations = list(itertools.product(*axes.values(), seeds))
    if not 0 < len(combinations) <= _MOST_RUNS:
        raise ConfigError(f"a sweep of {len(combinations):,} runs; give 1 to {_MOST_RUNS:,}")
    base, plans = load_site(site), within(faults, seconds)
    named = [*axes, *(["seed"] if len(seeds) > 1 else [])]
    jobs, heads = [], []
    for *chosen, number in combinations:
        own = site_with(base, dict(zip(axes, chosen, strict=True)))
        checked(plans, Layout(own))
        heads.append(dict(zip(named, [*chosen, number], strict=False)))
        jobs.append({
            "site": own.model_dump(mode="json", exclude_unset=True),
            "duration": seconds,
            "faults": [{**asdict(plan), "parameters": dict(plan.parameters)} for plan in plans],
            "seed": number, "workload": workload, "failures": failures, "start": start,
        })  # fmt: skip
    figures = _run_all(jobs, workers, shown=progress)
    return SweepTable({**head, **row} for head, row in zip(heads, figures, strict=True))


def run_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of one run of a sweep."""
    faults = [PlannedFault(**own) for own in job["faults"]]
    options = {name: job[name] for name in ("seed", "workload", "failures", "start")}
    twin = SteppedTwin(job["site"], faults=faults, **options)
    twin.step(job["duration"])
    return twin.summary.figures()


def _listed(values: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
    for name, own in values.items():
        if isinstance(own, str) or not isinstance(own, Iterable):
            raise ConfigError(f"sweep: {name} is {own!r}; give several values, such as range(6)")
    return {name: list(own) for name, own in values.items()}


def _run_all(
    jobs: list[dict[str, Any]], workers: int | None, *, shown: bool
) -> list[dict[str, Any]]:
    """Return the figures of all runs, in their order."""
    most = os.cpu_count() or 1 if workers is None else workers
    if most < 1:
        raise ConfigError(f"workers: is {workers!r}; give 1 or more")
    with ProgressBar("Sweeping", len(jobs), shown=shown) as bar:
        if most == 1 or len(jobs) == 1:
            return list(_one_after_another(jobs, bar))
        # A few jobs a process: starting one takes as long as some minutes of a small site.
        size = ceil(len(jobs) / (4 * most))
        parts = [range(first, min(first + size, len(jobs))) for first in range(0, len(jobs), size)]
        results: list[dict[str, Any]] = [{} for _ in jobs]
        with ThreadPoolExecutor(most) as pool:
            waiting = {pool.submit(_in_process, [jobs[at] for at in part]): part for part in parts}
            for done in as_completed(waiting):
                for at, row in zip(waiting[done], done.result(), strict=True):
                    results[at] = row
                    bar.advance()
        return results


def _one_after_another(jobs: list[dict[str, Any]], bar: ProgressBar) -> Iterator[dict[str, Any]]:
    for job in jobs:
        yield run_job(job)
        bar.advance()


def _in_process(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the figures of some runs, made by a process of their own."""
    # Not by multiprocessing, which runs the caller's script again in each process.
    done = subprocess.run(
        [sys.executable, "-m", "twin.library.worker"],
        input=json.dumps(jobs).encode(), capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it was killed"]
        raise ConfigError(f"a run of the sweep ended with status {done.returncode}: {lines[-1]}")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def _shown(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
