"""A site in a real Prometheus: emulator, Mosquitto, aggregator and Prometheus, four processes.

Run: ``python benchmarks/prometheus.py [--site colossus-100k] [--series 4200000]
[--scrape 30s] [--duration 15m] [--json] [--save FILE]``. Exit status 1 when a scrape failed
or was left out, a frame was lost, or a tick was late.

``--series`` keeps as many arrays in full as that many series allow and the rest as roll-ups
of its racks; without it all are in full. Prometheus takes about 3.2 KB a series.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from twin.bench.broker import BrokerKind
from twin.bench.prometheus import PrometheusReport, detail_of, scrape_site
from twin.bench.script import lines, parser, run
from twin.bench.site_run import RunningSite, SitePlan, run_site
from twin.cli.options import seconds
from twin.errors import ConfigError
from twin.site import DetailPlan, Layout, count_series, load_site
from twin.wire import Codec


def main() -> None:
    """Print what the scrapes did, and what each process took."""
    arguments = parser(__doc__)
    arguments.add_argument("--site", default="colossus-100k")
    arguments.add_argument("--series", type=int, help="at most so many; default: all in full")
    arguments.add_argument("--interval", default="10s", help="between two frames of a unit")
    arguments.add_argument("--scrape", default="30s", help="between two scrapes of a target")
    arguments.add_argument("--duration", default="15m", help="for which Prometheus scrapes")
    arguments.add_argument("--warmup", default="20s", help="before Prometheus is started")
    options = arguments.parse_args()
    figures = run(options, lambda: asyncio.run(_run(options)), _table)
    sys.exit(0 if figures["held"] else 1)


async def _run(options: Namespace) -> dict[str, Any]:
    layout = Layout(load_site(options.site))
    full = DetailPlan.of(layout.site.arrays).changed(["gpu"])
    plan = full if options.series is None else detail_of(layout, options.series)
    scrape, duration = seconds(options.scrape), seconds(options.duration)
    if duration < 2 * scrape:
        raise ConfigError(f"--duration {options.duration} is shorter than two scrapes")
    reports: list[PrometheusReport] = []

    async def during(running: RunningSite) -> None:
        reports.append(await scrape_site(running, scrape, duration))

    site = await run_site(
        SitePlan(
            site=options.site,
            name=layout.site.name,
            gpus=layout.site.gpus,
            interval=seconds(options.interval),
            codec=Codec.CBOR,
            broker=BrokerKind.MOSQUITTO,
            warmup=seconds(options.warmup),
            aggregate=tuple(part for word in str(plan).split(", ") for part in ("--detail", word)),
        ),
        during,
    )
    (prometheus,) = reports
    return {
        "detail": str(plan),
        "series": count_series(layout, plan),
        "held": prometheus.held and site.held,
        "prometheus": asdict(prometheus),
        "site": asdict(site),
    }


def _table(figures: Mapping[str, Any]) -> str:
    site = figures["site"]["site"]
    text = [f"{site} at the detail {figures['detail']}: {figures['series']:,} series"]
    for part in ("prometheus", "site"):
        text += ["", part, *lines(figures[part])]
    return "\n".join(text)


if __name__ == "__main__":
    main()
