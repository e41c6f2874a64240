"""Forward error correction of NVLinks: its histogram, and what ageing does to it."""

from __future__ import annotations

import numpy as np
import pytest

from twin.plant import Conditions, Plant
from twin.plant.link_fec import corrected
from twin.site import Layout, load_site, parse_site

SITE = Layout(
    parse_site(
        "{name: f, racks: 1, rack: nvl72, servers_per_rack: 2, "
        "nvlink: {switch_trays: 2, fec: true}}",
        "f",
    )
)
LINKS = 8 * 4
BINS = [f"fec_{number}" for number in range(16)]


def links_after(conditions: Conditions, seconds: int) -> dict[str, np.ndarray]:
    """Return the signals of the 32 links of a rack after so long, by GPU and link."""
    plant = Plant(SITE, seed=2)
    for _ in range(seconds):
        plant.step(1.0, conditions)
    return {name: own.reshape(8, 4) for name, own in plant.outputs()["nvlink"].items()}


def test_wrong_symbols_are_binomial() -> None:
    """Of all codewords at 1e-5 one in twenty has a wrong symbol; the shares add up to one."""
    shares = corrected(np.array([1e-5, 1e-3]))
    assert shares.sum(axis=0) == pytest.approx([1.0, 1.0])
    assert shares[1, 0] == pytest.approx(544 * 1e-4, rel=0.06)
    assert shares[15, 0] < 1e-30 < shares[15, 1]


def test_healthy_links_correct_most_and_lose_nothing() -> None:
    """Each second 78 million codewords arrive, most without an error, none beyond correction."""
    conditions = Conditions.healthy(SITE)
    first, later = links_after(conditions, 1), links_after(conditions, 11)
    grown = {name: later[name] - first[name] for name in BINS}
    total = sum(grown.values())
    assert total / 10 == pytest.approx(np.full((8, 4), 53.125e9 * 8 / 5440), rel=1e-3)
    assert (grown["fec_0"] > 0.8 * total).all()
    assert (grown["fec_1"] > grown["fec_2"]).all()
    assert not later["fec_15"].any()
    assert ((later["raw_ber"] > 5e-7) & (later["raw_ber"] < 5e-5)).all()


def test_ageing_link_climbs_into_higher_bins() -> None:
    """The one link that recovers has a raw error rate ten times as high, and wider errors."""
    conditions = Conditions.healthy(SITE)
    usual = links_after(conditions, 60)
    conditions.nvlink_recoveries_per_second[0, 3] = 0.05
    conditions.nvlink_weak[0, 3] = 2
    found = links_after(conditions, 60)
    grown = found["raw_ber"] / usual["raw_ber"]
    assert grown[3, 2] == pytest.approx(11.0)
    assert (np.delete(grown.ravel(), 3 * 4 + 2) == 1.0).all()
    assert found["fec_7"][3, 2] > 10 * usual["fec_7"][3, 2] + 10


def test_link_that_is_down_sends_no_codeword() -> None:
    """A link without signal has no raw error rate, and its counts stand still."""
    conditions = Conditions.healthy(SITE)
    conditions.nvlink_up[0, 1] = False
    conditions.nvlink_weak[0, 1] = 1
    found, later = links_after(conditions, 5), links_after(conditions, 10)
    assert np.isnan(found["raw_ber"][1, 1])
    assert np.isfinite(np.delete(found["raw_ber"].ravel(), 5)).all()
    assert later["fec_0"][1, 1] == pytest.approx(found["fec_0"][1, 1], abs=2.0)
    assert later["fec_0"][1, 0] > found["fec_0"][1, 0]


def test_none_of_it_is_there_unless_asked_for() -> None:
    """The shipped racks have neither the rates nor the histograms."""
    rack = Plant(Layout(load_site("nvl72-rack")))
    assert not {"raw_ber", *BINS} & rack.outputs()["nvlink"].keys()
