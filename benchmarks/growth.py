"""Growth of CPU and memory with the site: 1 k to 1 M GPUs in three processes.

Run: ``python benchmarks/growth.py [--duration 60s] [--gpus 1024,9984] [--json] [--save FILE]``.
Sites like ``colossus-100k`` that differ in nothing but their size, each with a frame a unit
every second as long as one core may hold it, and every ten seconds. A run that lost a frame
or was late is in the result as it was.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from twin.bench.broker import BrokerKind
from twin.bench.clock import Budget
from twin.bench.data import scaled_site
from twin.bench.plant import measure_step
from twin.bench.script import parser, run
from twin.bench.suite import run_scaled
from twin.cli.options import seconds
from twin.site import Layout, series_by_detail

SIZES = "1024,3072,9984,30016,100032,200000,300032,1000000"
FASTEST_GPUS = 200_000
"""The largest site that is tried with a frame a second."""
WARMUP_SECONDS = {1.0: 10.0, 10.0: 20.0}


def main() -> None:
    """Print CPU, memory and lag by size."""
    arguments = parser(__doc__)
    arguments.add_argument("--duration", default="60s", help="of each run, after its warm-up")
    arguments.add_argument("--gpus", default=SIZES, help="sizes with commas")
    options = arguments.parse_args()
    run(options, lambda: _measure(options), _table)


def _measure(options: Namespace) -> dict[str, Any]:
    rows = []
    for gpus in (int(size) for size in options.gpus.split(",")):
        site = scaled_site(gpus)
        layout = Layout(site)
        step = measure_step(layout, Budget(1.0, 5))
        for interval, warmup in WARMUP_SECONDS.items():
            if interval == 1.0 and gpus > FASTEST_GPUS:
                continue
            sys.stderr.write(f"{site.gpus:,} GPUs, a frame every {interval:g} s …\n")
            report = run_scaled(
                site, interval, BrokerKind.MOSQUITTO, warmup, seconds(options.duration)
            )
            rows.append(
                {
                    "step_ms": step.step_ms,
                    "outputs_ms": step.outputs_ms,
                    "series": series_by_detail(layout),
                    **asdict(report),
                }
            )
    return {"rows": rows}


def _table(figures: Mapping[str, Any]) -> str:
    head = ("GPUs", "interval", "step ms", "cores", "MiB", "lag p99 s", "lost", "late")
    text = ["{:>9} {:>8} {:>8} {:>6} {:>6} {:>9} {:>6} {:>5}".format(*head)]
    text += [
        f"{row['gpus']:9,} {row['interval_seconds']:7g}s {row['step_ms']:8.2f} "
        f"{sum(row['cpu_cores'].values()):6.2f} {row['rss_total_mib']:6,} "
        f"{row['lag_p99_seconds']:9.2f} {row['frames_missing']:6,} {row['late_ticks']:5,}"
        for row in figures["rows"]
    ]
    return "\n".join(text)


if __name__ == "__main__":
    main()
