"""What a rack's frame costs: to encode, to decode, and to take over into the store.

Run: ``python benchmarks/decode.py [--site demo] [--rounds 200] [--json]``.
Figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from twin.aggregator import Core
from twin.catalog import DEVICES, Frame, devices_of
from twin.site import Layout, load_site
from twin.wire import Decoder, Encoder, Outputs, Topics


def main() -> None:
    """Print microseconds a frame and samples a second."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--site", default="demo")
    arguments.add_argument("--rounds", type=int, default=200)
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    options = arguments.parse_args()

    layout = Layout(load_site(options.site))
    encoder, decoder = Encoder(layout, Frame.RACK), Decoder(layout, Frame.RACK)
    outputs = _outputs(layout)
    encoder.load(outputs)
    payload = encoder.encode(0, 1.0, 1)
    samples = sum(group.size for group in decoder.decode(payload).groups.values())
    core, topic = Core(layout), Topics(layout.site.name).frame(Frame.RACK, "r0001")
    frames = iter([encoder.encode(0, float(n), n) for n in range(1, options.rounds + 1)])

    racks = layout.site.racks
    cost = {
        "load, a rack's share": _median(lambda: encoder.load(outputs), options.rounds) / racks,
        "encode": _median(lambda: encoder.encode(0, 1.0, 1), options.rounds),
        "decode": _median(lambda: decoder.decode(payload), options.rounds),
        "ingest, decode included": _median(
            lambda: core.handle(topic, next(frames), False, 1.0), options.rounds
        ),
    }
    if options.json:
        rounded = {step: round(us, 1) for step, us in cost.items()}
        print(
            json.dumps(
                {"samples": samples, "bytes": len(payload), "microseconds_per_frame": rounded}
            )
        )
        return
    print(f"a rack of {options.site}: {samples:,} samples, {len(payload):,} bytes\n")
    print(f"{'step':26} {'us/frame':>9} {'samples/s':>12}")
    for step, microseconds in cost.items():
        print(f"{step:26} {microseconds:9.1f} {1e6 * samples / microseconds:12,.0f}")


def _outputs(layout: Layout) -> Outputs:
    rng = np.random.default_rng(1)
    return {
        device.name: {
            signal.name: rng.uniform(signal.low or 0.0, signal.high or 1e9, layout.shape(device))
            for signal in layout.reported[device.name]
            if signal.on_wire
        }
        for device in DEVICES
        if device in devices_of(Frame.RACK)
    }


def _median(run: Callable[[], object], rounds: int) -> float:
    """Return the median duration in microseconds."""
    durations = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        durations.append(time.perf_counter() - started)
    return 1e6 * statistics.median(durations)


if __name__ == "__main__":
    main()
