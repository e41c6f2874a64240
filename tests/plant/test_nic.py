"""Traffic, links and congestion of NICs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.catalog import NIC
from twin.plant import Conditions
from twin.plant.nic import Nics
from twin.plant.port_degradation import PortDegradation, goodput
from twin.plant.workload import Demand
from twin.site import Layout

BURST = Demand(np.ones((1, 1)), 0.15, 1.0, 1.0, 0.95, 0.6, 0.01, 0.86)
QUIET = replace(BURST, network=0.08, congestion=0.0)
ALL = slice(None)


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
    assert nics.links_down_in(ALL) == 1
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
    assert nics.links_down_in(ALL) == 0


def wear(layout: Layout, **ailments: tuple[int, int, float]) -> PortDegradation:
    """Return the ailments of single ports: rack, port, how much."""
    conditions = Conditions.healthy(layout)
    for name, (rack, port, value) in ailments.items():
        getattr(conditions, f"nic_{name}")[rack, port] = value
    found = PortDegradation.of(conditions)
    assert found is not None
    return found


def gained(
    nics: Nics, links: np.ndarray, seconds: int, ailing: PortDegradation
) -> dict[str, np.ndarray]:
    """Return what each counter of the NICs gains."""
    before = {name: values.copy() for name, values in nics.outputs().items()}
    for _ in range(seconds):
        nics.step(BURST, links, 1.0, wear=ailing)
    return {name: values - before[name] for name, values in nics.outputs().items()}


def test_the_kernel_does_not_see_rdma(nics: Nics, links: np.ndarray) -> None:
    """A burst on the rails is in the InfiniBand counters alone, storage in the kernel's alone."""
    before = nics.outputs()
    links[0, 0] = False
    nics.step(replace(BURST, storage=1.0), links, 1.0)
    gained = {name: values - before[name] for name, values in nics.outputs().items()}
    for way in ("tx", "rx"):
        kernel, port = gained[f"net_{way}_bytes"], gained[f"{way}_bytes"]
        rails, storage = compute(kernel).ravel(), kernel.reshape(-1, 9)[:, 8]
        assert rails[0] == 0.0
        assert (rails[1:] == 2_000.0).all()
        assert (storage >= 2e6).all()
        assert (port.reshape(-1, 9)[:, 8] == 0.0).all()
        assert compute(port).max() > 1e10


def test_a_port_without_carrier_has_no_speed(nics: Nics, links: np.ndarray) -> None:
    """Its speed is unknown, -1 Mb/s, while the rate that it would have stays."""
    links[1, 2] = False
    nics.step(BURST, links, 1.0)
    out = nics.outputs()
    assert out["speed"][1, 2] == -125_000.0
    assert out["rate"][1, 2] == 5e10
    assert (np.delete(out["speed"].ravel(), 72 + 2) == 5e10).all()


def test_healthy_ports_have_no_wear(two_racks: Layout) -> None:
    """Without ailments nothing is to be worked out."""
    assert PortDegradation.of(Conditions.healthy(two_racks)) is None


def test_reduced_rate(two_racks: Layout, nics: Nics, links: np.ndarray) -> None:
    """A port at half its rate says so and carries no more than that."""
    change = gained(nics, links, 1, wear(two_racks, rate=(0, 4, 0.5)))
    out = nics.outputs()
    assert out["rate"][0, 4] == out["speed"][0, 4] == 2.5e10
    assert (np.delete(out["rate"].ravel(), 4) == 5e10).all()
    assert change["tx_bytes"][0, 4] == pytest.approx(2.5e10, rel=1e-6)
    assert change["tx_bytes"][0, 5] == pytest.approx(0.95 * 5e10, rel=1e-6)
    assert nics.pace_in(ALL) == 0.5


def test_packet_loss_shows_at_both_ends(two_racks: Layout, nics: Nics, links: np.ndarray) -> None:
    """The receiver counts errors, its sender NAKs and retransmits; lost is sent less received."""
    change = gained(nics, links, 5, wear(two_racks, loss=(0, 13, 1e-3)))
    sender = 13 - 9
    errors = change["rx_errors"][0, 13]
    assert errors > 0
    assert change["rx_errors"].sum() == errors
    assert change["sequence_errors"][0, sender] == pytest.approx(errors, rel=1e-5)
    assert change["adaptive_retransmits"][0, sender] == pytest.approx(errors, rel=1e-5)
    lost = change["tx_bytes"][0, sender] - change["rx_bytes"][0, 13]
    assert lost == pytest.approx(nics.lost_bytes[0, 13], rel=1e-5)
    assert nics.pace_in(ALL) == pytest.approx(0.999 / 1.2)


def test_pfc_storm_pauses_the_rail(two_racks: Layout, nics: Nics, links: np.ndarray) -> None:
    """One port sends pauses by the thousand, all others of its rail receive some."""
    change = gained(nics, links, 1, wear(two_racks, pause=(1, 2, 0.8)))
    sent, received = change["tx_pause"].reshape(-1, 9), change["rx_pause"].reshape(-1, 9)
    assert sent[8, 2] > 10_000
    assert np.delete(sent.ravel(), 8 * 9 + 2).max() < 1_000
    assert np.delete(received[:, 2], 8).min() > 500
    assert np.delete(received, 2, axis=1).max() < 500
    assert nics.pace_in(ALL) == pytest.approx(0.2)


def test_ageing_optics(two_racks: Layout, nics: Nics, links: np.ndarray) -> None:
    """Light falls, corrected bits rise, then symbol errors, then the link falls now and then."""
    light = nics.outputs()["laser_rx_power"][0, 0]
    early = gained(nics, links, 20, wear(two_racks, dimming=(0, 0, 2.0)))
    assert nics.outputs()["laser_rx_power"][0, 0] == pytest.approx(light - 2.0, abs=1e-5)
    assert early["corrected_bits_phy"][0, 0] == pytest.approx(10 * 2_000 * 20, rel=1e-5)
    assert early["symbol_errors"].sum() == 0
    late = gained(nics, links, 20, wear(two_racks, dimming=(0, 0, light + 6.0)))
    assert late["symbol_errors"][0, 0] > 100
    assert late["symbol_errors"].sum() == late["symbol_errors"][0, 0]
    assert late["link_downed"].sum() == 0
    ailing, seen = wear(two_racks, dimming=(0, 0, light + 9.0)), set()
    dark = gained(nics, links, 300, ailing)
    for _ in range(60):
        nics.step(BURST, links, 1.0, wear=ailing)
        out = nics.outputs()
        seen.add((int(out["state"][0, 0]), round(float(out["laser_rx_power"][0, 0]), 3)))
    assert seen == {(1, -9.0), (4, -9.0)}, "the other end sends on while the link is down"
    assert dark["link_downed"][0, 0] > 3
    assert dark["link_downed"].sum() == dark["link_downed"][0, 0]
    for _ in range(6):
        nics.step(BURST, links, 1.0)
    assert nics.outputs()["state"][0, 0] == 4


@given(loss=st.floats(0, 0.5), window=st.floats(0, 1e4))
def test_goodput_has_bounds(loss: float, window: float) -> None:
    """Loss never helps, and never turns throughput negative."""
    useful = goodput(np.array(loss), window)
    assert 0 <= useful <= 1
    assert useful >= goodput(np.array(min(0.5, loss + 0.01)), window)


def test_slow_storage_holds_the_servers_back(nics: Nics, links: np.ndarray) -> None:
    """The storage ports send no more than the storage can write."""
    before = nics.tx_bytes.copy()
    nics.step(replace(BURST, storage=0.5), links, 1.0, storage=(1.6e9, np.inf))
    sent = (nics.tx_bytes - before).reshape(-1, 9)[:, 8]
    np.testing.assert_allclose(sent, 1e8 + 2e6, rtol=1e-6)
    assert nics.stored == pytest.approx(1.6e9)
