"""The gateway's cost of a sample: from the answer of Prometheus to the frame of a rack.

Run: ``python benchmarks/gateway.py [--polls 5] [--json] [--save FILE]``.

The answers are those of a Prometheus about the GPUs of the demo, 1,024 of them with all signals.
The first poll learns the series; the later ones, whose best is told, read them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from twin.bench.script import lines, parser, run
from twin.catalog import GPU, UnitKind
from twin.fleet.gateway_core import GatewayCore
from twin.parameters import MeasuredRack
from twin.site import Layout, load_site
from twin.site.labels import series_labels
from twin.wire import Codec


def measured_demo() -> Layout:
    """Return the demo with all racks measured."""
    site = load_site("demo")
    racks = tuple(
        MeasuredRack(rack=rack + 1, hosts=Layout(site).names.rack(rack).hostnames)
        for rack in range(site.racks)
    )
    return Layout(site.model_copy(update={"measured": racks}))


def answers(layout: Layout) -> Iterator[list[bytes]]:
    """Yield the labels of the series of each metric, as Prometheus writes them."""
    for signal in layout.reported[GPU.name]:
        if signal.on_wire:
            yield [
                orjson.dumps(
                    {
                        "__name__": signal.metric,
                        **dict(sorted(series_labels(layout, signal, GPU, rack, gpu))),
                    }
                )
                for rack in range(layout.units(UnitKind.RACK))
                for gpu in range(layout.per_unit(GPU))
            ]


def answer(series: list[bytes], at: float) -> bytes:
    """Return an answer with a sample of each series."""
    parts = (b'{"metric":%s,"values":[[%.3f,"1"]]}' % (labels, at) for labels in series)
    head = b'{"status":"success","data":{"resultType":"matrix","result":['
    return head + b",".join(parts) + b"]}}"


def measure(polls: int) -> Mapping[str, Any]:
    """Return the CPU time of a sample."""
    layout = measured_demo()
    metrics = list(answers(layout))
    core = GatewayCore(layout, "gateway-0", Codec.CBOR)
    samples = sum(map(len, metrics))
    costs = []
    for poll in range(polls + 1):
        bodies = [answer(series, 1.8e9 + 10.0 * poll) for series in metrics]
        began = time.process_time()
        for query, body in enumerate(bodies):
            core.take(body, query)
        core.frames_due()
        costs.append((time.process_time() - began) / samples)
    return {
        "samples": samples,
        "first_microseconds": costs[0] * 1e6,
        "microseconds": min(costs[1:]) * 1e6,
        "samples_per_second": 1.0 / min(costs[1:]),
    }


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--polls", type=int, default=5, help="polls after the first")
    options = arguments.parse_args()
    run(options, lambda: measure(options.polls), lambda figures: "\n".join(lines(figures)))


if __name__ == "__main__":
    main()
