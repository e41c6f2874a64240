"""What a rack's frame costs in either codec: to encode, to decode, and to take over.

Run: ``python benchmarks/decode.py [--site demo] [--rounds 200] [--json]``.
The values are those of the plant after ten minutes. Figures are medians over the rounds of
the CPU time of one thread, so that other work on the machine hardly shows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from twin.aggregator import Core
from twin.catalog import Frame
from twin.plant import Conditions, Plant
from twin.site import Layout, load_site
from twin.wire import Codec, Decoder, Encoder, Outputs, Topics

STEPS, STEP_SECONDS = 40, 15.0


def main() -> None:
    """Print microseconds a frame and values a second of each codec."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--site", default="demo")
    arguments.add_argument("--rounds", type=int, default=200)
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    options = arguments.parse_args()

    layout = Layout(load_site(options.site))
    outputs = _outputs(layout)
    results = {codec.value: _measure(layout, outputs, codec, options.rounds) for codec in Codec}
    if options.json:
        print(json.dumps(results))
        return
    for codec, result in results.items():
        values = result["samples"]
        print(f"a rack of {options.site} in {codec}: {values:,} values, {result['bytes']:,} bytes")
        print(f"{'step':26} {'us/frame':>9} {'values/s':>12}")
        for step, microseconds in result["microseconds_per_frame"].items():
            print(f"{step:26} {microseconds:9.1f} {1e6 * values / microseconds:12,.0f}")
        print()


def _measure(layout: Layout, outputs: Outputs, codec: Codec, rounds: int) -> dict[str, Any]:
    encoder, decoder = Encoder(layout, Frame.RACK, codec), Decoder(layout, Frame.RACK)
    encoder.load(outputs)
    payload = encoder.encode(0, 1.0, 1)
    core, topic = Core(layout), Topics(layout.site.name).frame(Frame.RACK, "r0001")
    frames = iter([encoder.encode(0, float(n), n) for n in range(1, rounds + 1)])
    racks = itertools.cycle(range(layout.site.racks))
    cost = {
        "load, a rack's share": _median(lambda: encoder.load(outputs), rounds) / layout.site.racks,
        "encode": _median(lambda: encoder.encode(next(racks), 1.0, 1), rounds),
        "decode": _median(lambda: decoder.decode(payload), rounds),
        "ingest, decode included": _median(
            lambda: core.handle(topic, next(frames), False, 1.0), rounds
        ),
    }
    return {
        "samples": sum(group.size for group in decoder.decode(payload).groups.values()),
        "bytes": len(payload),
        "microseconds_per_frame": {step: round(us, 1) for step, us in cost.items()},
    }


def _outputs(layout: Layout) -> Outputs:
    plant = Plant(layout, seed=1)
    for _ in range(STEPS):
        plant.step(STEP_SECONDS, Conditions.healthy(layout))
    return plant.outputs()


def _median(run: Callable[[], object], rounds: int) -> float:
    """Return the median duration in microseconds."""
    durations = []
    for _ in range(rounds):
        started = time.thread_time()
        run()
        durations.append(time.thread_time() - started)
    return 1e6 * statistics.median(durations)


if __name__ == "__main__":
    main()
