"""Memory and CPU of ``twin up``: one process with broker, emulator and aggregator.

Run: ``python benchmarks/memory.py [--site demo] [--seconds 20] [--json]``.
The process is asked for every page once, so that all label blocks are made.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys


def main() -> None:
    """Print the greatest resident set and the CPU seconds of a run."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--site", default="demo")
    arguments.add_argument("--seconds", type=int, default=20)
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    options = arguments.parse_args()

    run = subprocess.run(  # noqa: S603 - our own command line
        [
            *(sys.executable, "-m", "twin", "up", "--site", options.site),
            *("--for", f"{options.seconds}s", "--check", "--json", "--port", "0"),
            *("--mqtt-port", "0"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    report = json.loads(run.stdout.splitlines()[-1])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    row = {
        "site": options.site,
        "series": report["series"],
        "rss_mib": used.ru_maxrss / 1024,
        "cpu_ratio": (used.ru_utime + used.ru_stime) / report["seconds"],
        "late_ticks": report["late_ticks"],
    }
    if options.json:
        print(json.dumps(row))
        return
    print(
        f"{row['site']}: {row['series']:,} series, {row['rss_mib']:.0f} MiB, "
        f"{row['cpu_ratio']:.0%} of one core, {row['late_ticks']} late ticks"
    )


if __name__ == "__main__":
    main()
