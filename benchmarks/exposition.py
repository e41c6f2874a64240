"""What a series costs to expose: ours against prometheus_client's two ways, same data.

Run: ``python benchmarks/exposition.py [--site colossus-array] [--rounds 5] [--json]``.
Each figure is the best of the rounds, so that a busy machine disturbs it least. The site's
page is rendered after all racks have reported anew, so all roll-ups are computed each time.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from twin.aggregator import Core
from twin.catalog import DEVICES, Frame
from twin.site import Layout, load_site
from twin.wire import Encoder, Topics


@dataclass(frozen=True)
class _Samples:
    """One metric as prometheus_client wants it."""

    name: str
    help: str
    label_names: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], float], ...]


def main() -> None:
    """Print microseconds a series and the ratio to ours."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--site", default="colossus-array")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    options = arguments.parse_args()

    layout = Layout(load_site(options.site))
    # Tracing memory is slow, so it has a core of its own.
    memory = _held(filled_core(layout))
    core = filled_core(layout)
    started = time.perf_counter()
    text = core.array(0)
    first = time.perf_counter() - started
    site = core.metrics()
    site_seconds = _best(lambda: _anew(core), options.rounds)
    samples = list(_samples(bytes(text).decode()))
    ways: dict[str, Callable[[], object]] = {
        "pre-built labels, orjson (ours)": lambda: core.array(0),
        "prometheus_client, custom collector": _collector(samples),
        "prometheus_client, labelled gauges": _gauges(samples),
    }
    cost = {name: 1e6 * _best(way, options.rounds) / text.series for name, way in ways.items()}
    ours = next(iter(cost.values()))
    if options.json:
        print(
            json.dumps(
                {
                    "series": text.series,
                    "bytes": text.size,
                    "milliseconds": round(ours * text.series / 1e3, 2),
                    "first_scrape_seconds": round(first, 4),
                    "bytes_held_per_series": round(memory / text.series, 1),
                    "site_series": site.series,
                    "site_milliseconds": round(1e3 * site_seconds, 1),
                    "microseconds_per_series": {way: round(us, 3) for way, us in cost.items()},
                }
            )
        )
        return
    print(f"{options.site}, array a001: {text.series:,} series, {text.size / 1e6:.1f} MB")
    print(f"first scrape, which makes the label blocks: {1e3 * first:.0f} ms")
    print(f"held for later scrapes: {memory / text.series:.0f} bytes a series")
    print(f"the site's page: {site.series:,} series in {1e3 * site_seconds:.1f} ms\n")
    print(f"{'way':38} {'us/series':>10} {'ratio':>7}")
    for way, microseconds in cost.items():
        print(f"{way:38} {microseconds:10.3f} {microseconds / ours:6.0f}x")


def _held(core: Core) -> int:
    """Return the bytes that an array's first scrape leaves behind."""
    tracemalloc.start()
    core.array(0)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held


def _anew(core: Core) -> None:
    """Render the site's page as if every unit had just reported."""
    core.store.version += 1
    for units in core.store.units.values():
        units.changed[:] = core.store.version
    core.metrics()


def filled_core(layout: Layout) -> Core:
    """Return a core that has taken over one frame of every unit, with random values."""
    core, topics, rng = Core(layout), Topics(layout.site.name), np.random.default_rng(1)
    outputs = {
        device.name: {
            signal.name: np.round(
                rng.uniform(signal.low or 0.0, signal.high or 1e9, layout.shape(device)),
                signal.decimals,
            )
            for signal in layout.reported[device.name]
            if signal.on_wire
        }
        for device in DEVICES
    }
    # A healthy site: one GPU in a hundred says an XID.
    codes, shape = np.array([0.0, 79.0]), outputs["gpu"]["xid"].shape
    outputs["gpu"]["xid"] = rng.choice(codes, shape, p=[0.99, 0.01])
    for kind in Frame:
        encoder = Encoder(layout, kind)
        encoder.load(outputs)
        for unit in range(layout.units(kind)):
            topic = topics.frame(kind, layout.unit_name(kind, unit))
            core.handle(topic, encoder.encode(unit, 1.0, 1), False, 1.0)
    return core


def _samples(text: str) -> Iterator[_Samples]:
    for family in text_string_to_metric_families(text):
        # Signals of one name may have different labels; prometheus_client wants them equal.
        names = tuple(dict.fromkeys(name for sample in family.samples for name in sample.labels))
        rows = tuple(
            (tuple(sample.labels.get(name, "") for name in names), float(sample.value))
            for sample in family.samples
        )
        yield _Samples(family.samples[0].name, family.documentation, names, rows)


def _gauges(samples: list[_Samples]) -> Callable[[], object]:
    registry = CollectorRegistry()
    gauges = [
        (Gauge(metric.name, metric.help, metric.label_names, registry=registry), metric.rows)
        for metric in samples
    ]

    def render() -> bytes:
        for gauge, rows in gauges:
            for labels, value in rows:
                gauge.labels(*labels).set(value)
        return generate_latest(registry)

    return render


def _collector(samples: list[_Samples]) -> Callable[[], object]:
    class Collector:
        def collect(self) -> Iterator[Metric]:
            for metric in samples:
                family = GaugeMetricFamily(metric.name, metric.help, labels=metric.label_names)
                for labels, value in metric.rows:
                    family.add_metric(labels, value)
                yield family

    registry = CollectorRegistry()
    registry.register(Collector())
    return lambda: generate_latest(registry)


def _best(run: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return best


if __name__ == "__main__":
    main()
