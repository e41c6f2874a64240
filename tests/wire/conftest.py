"""A site small enough to build any frame of it in a property test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from twin.catalog import DeviceClass, Signal, UnitKind, devices_of
from twin.site import Layout, parse_site

TINY = """
name: tiny
racks: 3
servers_per_rack: 2
pdus_per_rack: 1
server: {gpus: 2, nics: 3, psus: 2}
megapacks: {count: 2}
gensets: {count: 2}
"""

MutableOutputs = dict[str, dict[str, NDArray[np.float64]]]
MakeOutputs = Callable[[UnitKind, int], MutableOutputs]


@pytest.fixture(scope="session")
def layout() -> Layout:
    """Three racks of two servers, two Megapacks, two generators."""
    return Layout(parse_site(TINY, "tiny"))


@pytest.fixture(scope="session")
def outputs(layout: Layout) -> MakeOutputs:
    """Return a maker of plant outputs: random values within the catalogue's ranges."""

    def make(kind: UnitKind, seed: int) -> MutableOutputs:
        random = np.random.default_rng(seed)
        return {
            device.name: {
                signal.name: _values(random, signal, layout.shape(device))
                for signal in device.wire_signals
            }
            for device in devices_of(kind)
        }

    return make


@pytest.fixture(scope="session")
def missing(layout: Layout) -> Callable[[DeviceClass, int], NDArray[np.bool_]]:
    """Return a maker of masks: which devices of a class do not report."""

    def make(device: DeviceClass, seed: int) -> NDArray[np.bool_]:
        return np.random.default_rng(seed).random(layout.shape(device)) < 0.3

    return make


def _values(
    random: np.random.Generator, signal: Signal, shape: tuple[int, int]
) -> NDArray[np.float64]:
    low = -1e9 if signal.low is None else signal.low
    high = max(low, 1e12) if signal.high is None else signal.high
    return random.uniform(low, high, shape)
