"""Exposition cost of a series: the twin beside prometheus_client, on the same data.

Run: ``python benchmarks/exposition.py [--site colossus-array] [--seconds 2] [--json]
[--save FILE]``.
Figures are medians of CPU time. The site's page is rendered after all racks have reported
anew, so all roll-ups are computed each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from twin.bench.clock import Budget
from twin.bench.exposition import OURS, measure_exposition
from twin.bench.script import parser, run
from twin.site import Layout, load_site


def main() -> None:
    """Print microseconds a series and the ratio to ours."""
    arguments = parser(__doc__)
    arguments.add_argument("--site", default="colossus-array")
    arguments.add_argument("--seconds", type=float, default=2.0, help="CPU time for each figure")
    options = arguments.parse_args()
    run(options, lambda: _measure(options.site, Budget(options.seconds)), _table)


def _measure(site: str, budget: Budget) -> dict[str, Any]:
    measured = measure_exposition(Layout(load_site(site)), budget)
    return {"site": site, **asdict(measured), "ratio": measured.ratio}


def _table(figures: Mapping[str, Any]) -> str:
    ways: dict[str, float] = figures["us_per_series"]
    megabytes = figures["size_bytes"] / 1e6
    lines = [
        f"{figures['site']}, array a001: {figures['series']:,} series, {megabytes:.1f} MB",
        f"a scrape of it: {figures['array_ms']:.1f} ms",
        f"first scrape, which makes the label blocks: {figures['first_ms']:.0f} ms",
        f"held for later scrapes: {figures['held_bytes_per_series']:.0f} bytes a series",
        f"the site's page: {figures['site_series']:,} series in {figures['site_ms']:.1f} ms",
        "",
        f"{'way':38} {'us/series':>10} {'ratio':>7}",
    ]
    lines += [f"{way:38} {cost:10.3f} {cost / ways[OURS]:6.0f}x" for way, cost in ways.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
