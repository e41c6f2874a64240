"""Frame cost in each codec: encode, decode, check and store.

Run: ``python benchmarks/decode.py [--site demo] [--seconds 1] [--json] [--save FILE]``.
The values are those of the plant after ten minutes. Figures are medians of the CPU time of
one thread, so that other work on the machine hardly shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from twin.bench.clock import Budget
from twin.bench.codec import measure_codec
from twin.bench.data import lived_in
from twin.bench.script import parser, run
from twin.site import Layout, load_site
from twin.wire import Codec

STEPS = {
    "encode_us": "encode",
    "decode_us": "decode",
    "ingest_us": "ingest, decode included",
}


def main() -> None:
    """Print microseconds a frame and values a second of each codec."""
    arguments = parser(__doc__)
    arguments.add_argument("--site", default="demo")
    arguments.add_argument("--seconds", type=float, default=1.0, help="CPU time for each figure")
    options = arguments.parse_args()
    run(options, lambda: _measure(options.site, Budget(options.seconds, rounds=20)), _table)


def _measure(site: str, budget: Budget) -> dict[str, Any]:
    layout = Layout(load_site(site))
    outputs = lived_in(layout)
    costs = [measure_codec(layout, outputs, codec, budget) for codec in Codec]
    return {
        cost.codec: asdict(cost) | {"ingest_samples_per_s": cost.ingest_samples_per_second}
        for cost in costs
    }


def _table(results: Mapping[str, Any]) -> str:
    lines = []
    for codec, result in results.items():
        samples = result["samples"]
        lines.append(f"a rack in {codec}: {samples:,} values, {result['size_bytes']:,} bytes")
        lines.append(f"{'step':26} {'us/frame':>9} {'values/s':>12}")
        lines += [
            f"{name:26} {result[key]:9.1f} {1e6 * samples / result[key]:12,.0f}"
            for key, name in STEPS.items()
        ]
        lines.append("")
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    main()
