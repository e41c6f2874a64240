"""Counters of a host's GPUs and NICs begin anew when it boots."""

from __future__ import annotations

import numpy as np
import pytest

from twin.plant import Conditions, Plant
from twin.plant.state import restore_plant, state_of
from twin.site import Layout, parse_site

LAYOUT = Layout(parse_site("{name: tiny, racks: 2, server: {boot_seconds: 5}}", "test"))
GPUS, NICS = slice(0, 8), slice(0, 9)
"""Devices of the first host."""


def rebooted() -> Plant:
    """A plant of which a host went down and has been up again for a few seconds."""
    plant, conditions = Plant(LAYOUT, seed=1), Conditions.healthy(LAYOUT)
    conditions.nic_link[0, 0] = False
    conditions.gpu_single_bit_per_second[0, 0] = 5.0
    run(plant, conditions, 20)
    conditions = Conditions.healthy(LAYOUT)
    conditions.server_available[0, 0] = False
    run(plant, conditions, 10)
    run(plant, Conditions.healthy(LAYOUT), 10)
    return plant


def run(plant: Plant, conditions: Conditions, seconds: int) -> None:
    """Step second by second."""
    for _ in range(seconds):
        plant.step(1.0, conditions)


def test_drivers_begin_their_counters_at_nothing() -> None:
    """Energy, volatile errors, bytes and lost links count from the boot, at this host alone."""
    out = rebooted().outputs()
    gpu, nic = out["gpu"], out["nic"]
    assert (gpu["energy"][0, GPUS] < 10 * 700.0 * 1e3).all()
    assert (gpu["energy"][0, 8:] > 1e9).all()
    assert not gpu["power_violation"][0, GPUS].any()
    assert gpu["ecc_sbe_volatile"][0, 0] == 0 < gpu["ecc_sbe_aggregate"][0, 0]
    assert (nic["tx_bytes"][0, NICS] < 1e12).all()
    assert (nic["tx_bytes"][0, 9:17] > 1e12).all()
    assert not nic["link_downed"][0, NICS].any()
    assert (nic["carrier_changes"][0, NICS] == 2).all()


def test_the_other_end_of_the_cable_counts_on() -> None:
    """The leaf did not boot: its port keeps what it has sent and lost."""
    plant = rebooted()
    before = Plant(LAYOUT, seed=1).outputs()["port"]["in_octets"]
    assert not (plant.outputs()["port"]["in_octets"] < before).any()
    assert plant.nics.outputs()["link_downed"][0, 0] == 1


def test_state_remembers_the_boot() -> None:
    """A plant that goes on from a state shows the same counters."""
    plant, other = rebooted(), Plant(LAYOUT, seed=2)
    restore_plant(other, state_of(plant))
    for device in ("gpu", "nic"):
        for name, values in plant.outputs()[device].items():
            np.testing.assert_array_equal(values, other.outputs()[device][name], err_msg=name)


def test_a_second_boot_begins_them_again() -> None:
    """Hosts that boot at different times have each their own beginning."""
    plant, conditions = rebooted(), Conditions.healthy(LAYOUT)
    conditions.server_available[0, 1] = False
    run(plant, conditions, 10)
    run(plant, Conditions.healthy(LAYOUT), 10)
    energy = plant.outputs()["gpu"]["energy"][0]
    first, second, third = (energy[8 * n : 8 * n + 8].mean() for n in range(3))
    assert second < first < 1e9 < third
    assert first == pytest.approx(3 * second, rel=0.8)
