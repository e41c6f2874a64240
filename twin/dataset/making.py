"""Datasets as files: signals, events, splits and a data card, the same for the same seed."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from twin import __version__
from twin.catalog import Detail
from twin.dataset.card import card_of
from twin.dataset.plan import DatasetPlan, columns_of, splits_of
from twin.dataset.planning import PlannedEvent, draw_events
from twin.dataset.recipes import Recipe
from twin.errors import ConfigError
from twin.files import write_whole
from twin.history.events import events_table
from twin.history.parquet import ParquetDay, pyarrow
from twin.history.past import LONGEST, PastPlan, SimulatedPast
from twin.rules.processes import single_threaded
from twin.site import DetailPlan

__all__ = ["make_dataset", "make_site", "past_plan"]

START = 1_767_225_600
"""2026-01-01 00:00 UTC."""
WARM_UP = 1800
"""Seconds that a site lives before its first day, so that nothing is still settling."""
_PART = 240
"""Scrapes that are held in memory at a time."""


def make_dataset(
    plan: DatasetPlan,
    folder: Path,
    told: Callable[[str], None] = lambda _: None,
    processes: int = 1,
) -> None:
    """Make a dataset in a folder that is not there yet, whole or not at all.

    Args:
        plan: what is made.
        folder: where.
        told: is told the name of each site that is done.
        processes: that share the sites.

    Raises:
        ConfigError: the folder is there, or pyarrow is not installed.
        OSError: it cannot be written.
    """
    arrow, parquet = pyarrow("twin dataset")
    if folder.exists():
        raise ConfigError(f"--to {folder}: is there already; choose another folder, or remove it")
    new = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        events: list[list[PlannedEvent]] = []
        for name, own in zip(plan.names, _sites(plan, new, processes), strict=True):
            events.append(own)
            told(name)
        parquet.write_table(_events_table(arrow, plan, events), new / "events.parquet")
        splits = arrow.Table.from_pylist(splits_of(plan))
        parquet.write_table(splits, new / "splits.parquet")
        facts = {"made_by": f"datacenter-twin {__version__}", **asdict(plan),
                 "columns": columns_of(plan.own)}  # fmt: skip
        write_whole(new / "dataset.json", json.dumps(facts, indent=2).encode())
        counts = Counter(event.kind for some in events for event in some)
        write_whole(new / "README.md", card_of(plan, counts, columns_of(plan.own)).encode())
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _sites(plan: DatasetPlan, folder: Path, processes: int) -> Iterator[list[PlannedEvent]]:
    """Make the sites and yield the events of each, in their order."""
    count = min(processes, plan.sites)
    if count == 1:
        yield from (make_site(plan, number, folder) for number in range(plan.sites))
        return
    with single_threaded(), ProcessPoolExecutor(count, get_context("spawn")) as pool:
        numbers = range(plan.sites)
        yield from pool.map(make_site, [plan] * plan.sites, numbers, [folder] * plan.sites)


def past_plan(plan: DatasetPlan, number: int) -> PastPlan:
    """Return the plan of a site's past, its warm-up included.

    The plant's steps are as long in quiet hours as during a fault: what is seen at steps of
    another length, as the swing of power, would tell of the fault itself.
    """
    layout = plan.layout(number)
    return PastPlan(
        layout,
        DetailPlan.of(layout.site.arrays, Detail.GPU),
        START - WARM_UP // plan.step * plan.step,
        plan.days,
        plan.step,
        plan.seed + number,
        failures="none",
        quiet=LONGEST,
        day=plan.day,
    )


def make_site(plan: DatasetPlan, number: int, folder: Path) -> list[PlannedEvent]:
    """Write the signals of a site and return its events."""
    layout = plan.layout(number)
    warm_up = WARM_UP // plan.step
    past = SimulatedPast(past_plan(plan, number), wanted=_metrics(plan.own))
    for _ in range(warm_up):
        past.pass_by()
    random = np.random.default_rng([plan.seed, number])
    events: list[PlannedEvent] = []
    for day in range(plan.days):
        start = START + day * plan.day
        own = draw_events(plan.own, layout, range(start, start + plan.day, plan.step), random)
        place = folder / "signals" / f"site={plan.names[number]}" / f"day={day + 1:03d}"
        _write_day(plan, past, own, place)
        events += own
    return events


def _write_day(
    plan: DatasetPlan, past: SimulatedPast, events: Sequence[PlannedEvent], folder: Path
) -> None:
    folder.mkdir(parents=True)
    day, begins = ParquetDay(folder), {event.start: event for event in events}
    scrapes = plan.day // plan.step
    for scrape in range(1, scrapes + 1):
        event = begins.get(round(past.now))
        if event is not None:
            lasts = float(event.end - event.start)
            past.inject(event.kind, event.target, lasts, event.parameters)
        past.scrape()
        if scrape % _PART == 0 or scrape == scrapes:
            day.take(block for block in past.blocks() if block.device in plan.own.signals)
    day.close()


def _metrics(recipe: Recipe) -> frozenset[str]:
    """Return the names of the metrics that a recipe writes."""
    return frozenset(column["metric"] for column in columns_of(recipe))


def _events_table(arrow: Any, plan: DatasetPlan, events: Sequence[Sequence[PlannedEvent]]) -> Any:
    """Return the events of all sites, in order of time."""
    rows = [
        {
            "event": f"{name}-{number + 1:03d}", "site": name, "fault": own.kind,
            "target": own.target, **{place: own.labels.get(place) for place in _PLACES},
            "start": own.start * 1000, "end": own.end * 1000, "severity": own.severity,
            "degree": own.degree, "parameter": own.parameter or None,
            "value": own.value if own.parameter else None, "alerts": list(own.alerts),
            "certain": own.certain, "planned": False, "work": None,
        }
        for name, some in zip(plan.names, events, strict=True)
        for number, own in enumerate(some)
    ]  # fmt: skip
    return events_table(arrow, rows)


_PLACES = ("array", "rack", "host")
