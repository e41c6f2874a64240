"""Traffic, links and congestion of NICs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin.catalog import NIC
from twin.plant.nic import Nics
from twin.plant.workload import Demand
from twin.site import Layout

BURST = Demand(np.ones((1, 1)), 0.15, 1.0, 1.0, 0.95, 0.6, 0.01, 0.86)
QUIET = replace(BURST, network=0.08, congestion=0.0)


@pytest.fixture
def nics(two_racks: Layout) -> Nics:
    """NICs of two racks."""
    return Nics(two_racks, np.random.default_rng(0))


@pytest.fixture
def links(two_racks: Layout) -> np.ndarray:
    """All links in order."""
    return np.ones(two_racks.shape(NIC), dtype=np.bool_)


def compute(values: np.ndarray) -> np.ndarray:
    """Return the compute NICs of ``values``, (servers, 8)."""
    return values.reshape(-1, 9)[:, :8]


def test_bytes_sent_are_bytes_received(nics: Nics, links: np.ndarray) -> None:
    """On the compute rails nothing is lost, links down or not."""
    before = compute(nics.tx_bytes).sum(), compute(nics.rx_bytes).sum()
    links[0, [0, 13, 40]] = False
    for _ in range(5):
        nics.step(BURST, links, 1.0)
    sent = compute(nics.tx_bytes).sum() - before[0]
    received = compute(nics.rx_bytes).sum() - before[1]
    assert sent > 0
    assert sent == pytest.approx(received, rel=1e-9)


def test_line_rate(nics: Nics, links: np.ndarray) -> None:
    """A burst at 95 % moves 47.5 GB in a second through one port."""
    before = nics.tx_bytes.copy()
    nics.step(BURST, links, 1.0)
    np.testing.assert_allclose(compute(nics.tx_bytes - before), 0.95 * 5e10, rtol=1e-6)


def test_congestion_marks_only_in_bursts(nics: Nics, links: np.ndarray) -> None:
    """ECN marks and notifications rise in a burst and stand still otherwise."""
    nics.step(QUIET, links, 1.0)
    assert nics.outputs()["ecn_marked"].sum() == 0
    nics.step(BURST, links, 1.0)
    out = nics.outputs()
    assert (compute(out["ecn_marked"]) > 0).all()
    assert out["cnp_sent"].sum() == pytest.approx(out["cnp_handled"].sum())


def test_flap_counts(nics: Nics, links: np.ndarray) -> None:
    """A flap raises link_downed by one and carrier_changes by two."""
    start = nics.outputs()["carrier_changes"].copy()
    down = links.copy()
    down[1, 4] = False
    nics.step(QUIET, down, 1.0)
    out = nics.outputs()
    assert (out["state"][1, 4], out["physical_state"][1, 4], out["up"][1, 4]) == (1, 2, 0)
    assert out["laser_rx_power"][1, 4] == -40
    assert nics.links_down == 1
    nics.step(QUIET, links, 1.0)
    out = nics.outputs()
    assert (out["state"][1, 4], out["physical_state"][1, 4], out["up"][1, 4]) == (4, 5, 1)
    assert out["link_downed"][1, 4] == 1
    assert (out["carrier_changes"] - start)[1, 4] == 2
    assert out["link_downed"].sum() == 1


def test_port_without_link_moves_nothing(nics: Nics, links: np.ndarray) -> None:
    """A port without link neither sends nor receives."""
    links[0, 0] = False
    nics.step(BURST, links, 1.0)
    tx, rx = nics.tx_bytes[0, 0], nics.rx_bytes[0, 0]
    nics.step(BURST, links, 1.0)
    assert (nics.tx_bytes[0, 0], nics.rx_bytes[0, 0]) == (tx, rx)


def test_storage_port_is_not_a_rail(nics: Nics, links: np.ndarray) -> None:
    """Losing a storage port does not count as a lost compute link."""
    links[0, 8] = False
    nics.step(QUIET, links, 1.0)
    assert nics.links_down == 0
