"""A whole site end to end: Mosquitto, ``twin emulate`` and ``twin aggregate``, three processes.

Run: ``python benchmarks/site.py [--site colossus-100k] [--interval 1s] [--codec cbor]
[--duration 60s] [--json] [--save FILE]``. Exit status 1 when a frame was lost or a tick late.

How it is counted says :mod:`twin.bench.site_run`. ``/metrics`` is scraped all along, as a
Prometheus would.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from twin.bench.broker import BrokerKind
from twin.bench.script import lines, parser, run
from twin.bench.site_run import SitePlan, SiteReport, run_site, watch
from twin.cli.options import seconds
from twin.site import load_site
from twin.wire import Codec


def main() -> None:
    """Print what a run lost, how late it was, and what each process took."""
    arguments = parser(__doc__)
    arguments.add_argument("--site", default="colossus-100k")
    arguments.add_argument("--interval", default="1s", help="between two frames of a unit")
    arguments.add_argument("--codec", choices=[*map(str, Codec)], default=str(Codec.CBOR))
    arguments.add_argument("--duration", default="60s", help="of the run, after the warm-up")
    arguments.add_argument("--warmup", default="10s")
    arguments.add_argument("--scrape", default="15s", help="between two scrapes of /metrics")
    arguments.add_argument("--emulate", default="", help="more options of twin emulate")
    arguments.add_argument("--aggregate", default="", help="more options of twin aggregate")
    options = arguments.parse_args()
    figures = run(options, lambda: asdict(asyncio.run(_run(options))), _table)
    sys.exit(0 if figures["held"] else 1)


async def _run(options: Namespace) -> SiteReport:
    site = load_site(options.site)
    plan = SitePlan(
        site=options.site,
        name=site.name,
        gpus=site.gpus,
        interval=seconds(options.interval),
        codec=Codec(options.codec),
        broker=BrokerKind.MOSQUITTO,
        warmup=seconds(options.warmup),
        emulate=tuple(shlex.split(options.emulate)),
        aggregate=tuple(shlex.split(options.aggregate)),
    )
    return await run_site(
        plan, lambda running: watch(running, seconds(options.duration), seconds(options.scrape))
    )


def _table(figures: Mapping[str, Any]) -> str:
    return "\n".join(lines(figures))


if __name__ == "__main__":
    main()
