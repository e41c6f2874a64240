"""One number a rack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from twin.aggregator.page.floor import Floor, floor_signals
from twin.catalog import UnitKind
from twin.site import Layout, load_site, preset_names

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

KEYS = ["temperature", "power", "flow", "network", "surprise", "trouble"]


def test_numbers_are_the_racks(feed: Feed) -> None:
    """A rack's number is its hottest GPU, its servers' power or its flow, rounded."""
    feed.site()
    floor = Floor(feed.core.store)
    assert floor.values("temperature") == pytest.approx(
        np.round(feed.outputs["gpu"]["gpu_temp"].max(axis=1))
    )
    assert floor.values("power") == pytest.approx(
        np.round(feed.outputs["server"]["power"].sum(axis=1) / 1e3, 1)
    )
    assert floor.values("flow") == pytest.approx(np.round(feed.outputs["cdu"]["flow"][:, 0], 1))


def test_silent_racks_have_no_number(feed: Feed) -> None:
    """A rack that does not report has no number in any signal."""
    feed.frame(UnitKind.RACK, 1)
    floor = Floor(feed.core.store)
    for key in KEYS:
        values = floor.values(key)
        assert np.isnan(values[[0, 2]]).all(), key


def test_throughput_needs_two_frames(feed: Feed) -> None:
    """What a rack sends is the rise of its counters over the time between two frames."""
    floor = Floor(feed.core.store)
    feed.outputs["nic"]["tx_bytes"][:] = 1e9
    feed.site(ts=10.0, seq=1)
    assert np.isnan(floor.values("network")).all()
    feed.outputs["nic"]["tx_bytes"][:] = 3e9
    feed.site(ts=12.0, seq=2)
    ports = feed.layout.shape(feed.layout.devices_of(UnitKind.RACK)[1])[1]
    assert floor.values("network").tolist() == [8 * ports] * 3
    feed.outputs["nic"]["tx_bytes"][:] = 0.0
    feed.site(ts=13.0, seq=3)
    assert np.isnan(floor.values("network")).all()


def test_the_same_until_something_changes(feed: Feed) -> None:
    """Several pages that look at one signal cost one computation."""
    feed.site()
    floor = Floor(feed.core.store)
    first = floor.values("power")
    assert floor.values("power") is first
    feed.frame(UnitKind.RACK, 0, ts=2.0, seq=2)
    assert floor.values("power") is not first


@pytest.mark.parametrize("name", preset_names())
def test_scales_fit_every_site(name: str) -> None:
    """Every site has its five signals, with a scale from low to high that training fits into."""
    layout = Layout(load_site(name))
    signals = {signal.key: signal for signal in floor_signals(layout)}
    air = layout.site.has_air
    assert list(signals) == [("fans" if air and key == "flow" else key) for key in KEYS]
    assert all(signal.low < signal.high for signal in signals.values())
    plateau = layout.site.rack_power_watts(layout.site.gpu) / 1e3
    assert plateau < signals["power"].high < 3 * plateau
    assert air or signals["flow"].high > layout.site.cooling.flow_liters_per_minute
