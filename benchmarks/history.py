"""The cost of a past: a scrape of simulated time, and a sample into each format.

Run: ``python benchmarks/history.py [--seconds 5] [--json] [--save FILE]``.

The site is demo, 1,024 GPUs, with a scrape every 15 s. The writers get an hour of it, in which
every value changes a little. Figures are CPU time of one core.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from twin.bench.script import lines, parser, run
from twin.catalog import Detail
from twin.history.openmetrics import write_openmetrics
from twin.history.page_reader import Block
from twin.history.parquet import ParquetDay
from twin.history.past import PastPlan, SimulatedPast
from twin.site import DetailPlan, Layout, load_site

_SITE, _STEP, _HOUR = "demo", 15, 240
_START = 1_767_225_600


def measure(seconds: int) -> Mapping[str, Any]:
    """Return milliseconds a scrape by detail, and million samples a second by format."""
    figures: dict[str, Any] = {"site": _SITE}
    layout = Layout(load_site(_SITE))
    for detail in (Detail.RACK, Detail.GPU):
        plan = PastPlan(layout, DetailPlan.of(layout.site.arrays, detail), _START, 1, _STEP)
        past = SimulatedPast(plan)
        past.scrape()
        past.forget()
        began = time.process_time()
        for _ in range(4 * seconds):
            past.scrape()
        spent = time.process_time() - began
        figures[f"{detail.value}_scrape_ms"] = spent / (4 * seconds) * 1e3
        figures[f"{detail.value}_days_in_10_minutes"] = 600 / (spent / (4 * seconds)) / plan.scrapes
        hour = [_an_hour(block) for block in past.blocks()]
    with tempfile.TemporaryDirectory() as folder:
        day = ParquetDay(Path(folder))
        began = time.process_time()
        samples = day.take(hour)
        day.close()
        figures["parquet_million_a_second"] = samples / (time.process_time() - began) / 1e6
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
        figures["parquet_bytes_a_sample"] = size / samples
        part = [replace(own, times=own.times[:24], values=own.values[:24]) for own in hour]
        began = time.process_time()
        samples = write_openmetrics(Path(folder) / "x.om", part)
        figures["openmetrics_million_a_second"] = samples / (time.process_time() - began) / 1e6
    return figures


def _an_hour(block: Block) -> Block:
    """Return a block with a scrape every 15 s of an hour."""
    random = np.random.default_rng(1)
    noise = np.round(random.normal(0.0, 2.0, (_HOUR, block.values.shape[1])))
    values = block.values[-1] + noise
    times = (_START + _STEP * np.arange(1, _HOUR + 1)) * 1000
    return replace(block, times=times, values=values)


def main() -> None:
    """Print the figures."""
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=int, default=5, help="four scrapes each")
    options = arguments.parse_args()
    run(options, lambda: measure(options.seconds), lambda figures: "\n".join(lines(figures)))


if __name__ == "__main__":
    main()
