"""The largest site that a machine holds is the least of its limits."""

from __future__ import annotations

import pytest

from twin.bench.largest import MOST_RACKS, Load, largest_site

GIGABYTE = 1e9
LOAD = Load(
    cpu_seconds={"broker": 1e-4, "emulator": 2e-4, "aggregator": 4e-4},
    memory_bytes=1e6,
    base_bytes=1e8,
    tick_seconds=1e-6,
)


@pytest.mark.parametrize(
    ("cores", "memory", "interval", "racks", "limited_by"),
    [
        (4, 100 * GIGABYTE, 1.0, 1_750, "the aggregator's core"),
        (1, 100 * GIGABYTE, 1.0, 1_000, "all cores together"),
        (4, 1 * GIGABYTE, 1.0, 600, "memory"),
        (4, 0.1 * GIGABYTE, 1.0, 0, "memory"),
        (4, 100 * GIGABYTE, 100.0, MOST_RACKS, "the model's largest site"),
    ],
)
def test_the_least_limit_counts(
    cores: int, memory: float, interval: float, racks: int, limited_by: str
) -> None:
    """A core, all cores, memory or the model itself: whichever ends first is named."""
    largest = largest_site(LOAD, interval, cores, memory)
    assert largest.gpus == pytest.approx(64 * racks, abs=64)
    assert largest.limited_by == limited_by
    assert largest.interval_seconds == interval


def test_a_slow_tick_counts() -> None:
    """The plant must be stepped before the first frame leaves."""
    slow = Load(LOAD.cpu_seconds, LOAD.memory_bytes, LOAD.base_bytes, tick_seconds=1e-3)
    largest = largest_site(slow, 1.0, 4, 100 * GIGABYTE)
    assert (largest.gpus, largest.limited_by) == (300 * 64, "the time of a tick")


def test_a_longer_interval_holds_more() -> None:
    """Ten times as long between two frames is ten times the site, where memory allows it."""
    small, large = (largest_site(LOAD, interval, 2, 100 * GIGABYTE) for interval in (0.5, 5.0))
    assert large.gpus == pytest.approx(10 * small.gpus, rel=0.01)
