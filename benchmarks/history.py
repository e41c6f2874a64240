"""The cost of a past: a scrape of simulated time, and a sample into each format.

Run: ``python benchmarks/history.py [--scrapes 120] [--json] [--save FILE]``.

The site is demo, 1,024 GPUs, with nothing wrong: a scrape every 15 s with devices in full, and one
a minute with racks. Each is measured over a part that follows another, so what is made once is
left out. Figures are CPU time; writing is beside the simulation, on another core.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from twin.bench.script import lines, parser, run
from twin.catalog import Detail
from twin.history.openmetrics import write_openmetrics
from twin.history.parquet import ParquetDay
from twin.history.past import QUIET, PastPlan, SimulatedPast
from twin.site import DetailPlan, Layout, load_site

_SITE = "demo"
_START = 1_767_225_600


def measure(scrapes: int) -> Mapping[str, Any]:
    """Return milliseconds a scrape, and million samples a CPU second, by detail.

    Args:
        scrapes: of a part.
    """
    figures: dict[str, Any] = {"site": _SITE}
    layout = Layout(load_site(_SITE))
    for detail, step in ((Detail.RACK, 60), (Detail.GPU, 15)):
        levels = DetailPlan.of(layout.site.arrays, detail)
        plan = PastPlan(layout, levels, _START, 1, step, failures="none", longest=QUIET)
        past, word = SimulatedPast(plan), detail.value
        with tempfile.TemporaryDirectory() as folder:
            day = ParquetDay(Path(folder))
            _part(past, scrapes)
            day.take(past.blocks())
            began = time.process_time()
            _part(past, scrapes)
            blocks = list(past.blocks())
            made = time.process_time()
            samples = day.take(blocks)
            day.close()
            ended = time.process_time()
            size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
        figures[f"{word}_samples_a_scrape"] = round(samples / scrapes)
        figures[f"{word}_scrape_ms"] = (made - began) / scrapes * 1e3
        figures[f"{word}_parquet_ms"] = (ended - made) / scrapes * 1e3
        figures[f"{word}_million_a_second"] = samples / (ended - began) / 1e6
        figures[f"{word}_bytes_a_sample"] = size / samples / 2
        began = time.process_time()
        for _ in range(scrapes):
            past.pass_by()
        figures[f"{word}_passed_by_ms"] = (time.process_time() - began) / scrapes * 1e3
    part = [replace(own, times=own.times[:24], values=own.values[:24]) for own in blocks]
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        samples = write_openmetrics(Path(folder) / "x.om", part)
        figures["openmetrics_million_a_second"] = samples / (time.process_time() - began) / 1e6
    return figures


def _part(past: SimulatedPast, scrapes: int) -> None:
    """Scrape a part of a past."""
    for _ in range(scrapes):
        past.scrape()


def main() -> None:
    """Print the figures."""
    arguments = parser(__doc__)
    arguments.add_argument("--scrapes", type=int, default=120, help="of a part")
    options = arguments.parse_args()
    run(options, lambda: measure(options.scrapes), lambda figures: "\n".join(lines(figures)))


if __name__ == "__main__":
    main()
