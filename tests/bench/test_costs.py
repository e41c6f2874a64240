"""What is measured is the real thing, and all figures are there; how fast is not tested."""

from __future__ import annotations

import pytest

from twin.bench.clock import Budget, median_seconds
from twin.bench.codec import measure_codec
from twin.bench.data import lived_in, scaled_site
from twin.bench.exposition import COLLECTOR, GAUGES, OURS, measure_exposition
from twin.bench.plant import measure_step
from twin.catalog import UnitKind
from twin.site import Layout, series_by_detail
from twin.wire import Codec

ONCE = Budget(0.0, rounds=1)


@pytest.fixture(scope="module")
def layout() -> Layout:
    """A site of two racks."""
    return Layout(scaled_site(128))


def test_rounds_are_kept() -> None:
    """What is measured runs once to warm up and then as often as asked at least."""
    calls = []
    assert median_seconds(lambda: calls.append(1), Budget(0.0, rounds=5)) >= 0.0
    assert len(calls) == 6


def test_step(layout: Layout) -> None:
    """A step and a look at its outputs take time; the ratio is to one second."""
    cost = measure_step(layout, ONCE)
    assert cost.gpus == 128
    assert cost.outputs_ms > 0
    assert cost.real_time_ratio == pytest.approx(1e3 / cost.step_ms)


@pytest.mark.parametrize("codec", Codec)
def test_codec(layout: Layout, codec: Codec) -> None:
    """A frame holds every value of a rack that goes over the wire."""
    cost = measure_codec(layout, lived_in(layout), codec, Budget(0.0, rounds=20))
    assert cost.codec == codec.value
    assert cost.samples == sum(
        layout.per_unit(device) * sum(signal.on_wire for signal in layout.reported[device.name])
        for device in layout.devices_of(UnitKind.RACK)
    )
    assert min(cost.size_bytes, cost.encode_us, cost.decode_us, cost.ingest_us) > 0
    assert cost.ingest_samples_per_second == pytest.approx(1e6 * cost.samples / cost.ingest_us)


def test_exposition(layout: Layout) -> None:
    """All ways write the same series, and the ratio is to the faster one of the others."""
    cost = measure_exposition(layout, ONCE)
    # The site's own roll-ups and the array's are on the other page.
    assert 0 < cost.series < series_by_detail(layout)["gpu"]
    assert cost.site_series > 0
    assert set(cost.us_per_series) == {OURS, COLLECTOR, GAUGES}
    others = (cost.us_per_series[COLLECTOR], cost.us_per_series[GAUGES])
    assert cost.ratio == pytest.approx(min(others) / cost.us_per_series[OURS])
