"""Storage and CPU servers of the service racks."""

from __future__ import annotations

import numpy as np
import pytest

from twin.catalog import CPU, STORAGE
from twin.plant import Conditions, Plant
from twin.plant.storage import Storage
from twin.plant.workload.demand import Loss
from twin.site import Layout, load_site, parse_site

CHECKPOINT = 4


@pytest.fixture
def storage(array: Layout) -> Storage:
    """The storage of one array."""
    return Storage(array, np.random.default_rng(0), np.random.default_rng(1))


def test_size_follows_the_gpus() -> None:
    """Four NVMe and two CPU servers for each 1,000 GPUs, in racks of at most sixteen."""
    small, large = Layout(load_site("colossus-array")), Layout(load_site("colossus-100k"))
    assert (small.shape(STORAGE), small.shape(CPU)) == ((1, 3), (1, 2))
    racks, servers = large.shape(STORAGE)
    assert racks * servers == pytest.approx(400.1, abs=16)
    assert servers <= 16


def test_bytes_are_counted_once(storage: Storage) -> None:
    """What is written and read is shared out over all servers, to the byte."""
    before = {name: values.copy() for name, values in storage.outputs().items()}
    storage.step(3e10, 6e9, 10.0)
    after = storage.outputs()
    assert (after["written_bytes"] - before["written_bytes"]).sum() == pytest.approx(3e11)
    assert (after["read_bytes"] - before["read_bytes"]).sum() == pytest.approx(6e10)
    assert (after["net_rx_bytes"] - before["net_rx_bytes"]).sum() == pytest.approx(3e11)


def test_work_costs_power_and_time(storage: Storage) -> None:
    """Full write load: all disks busy, power at its most."""
    idle = storage.power
    busy = storage.outputs()["io_seconds"].sum()
    storage.step(storage.limits[0], 0.0, 1.0)
    assert storage.power - idle == pytest.approx(3 * 480.0, rel=0.05)
    assert storage.outputs()["io_seconds"].sum() - busy == pytest.approx(3.0)


def test_slow_disks_are_busy_without_more_work(storage: Storage) -> None:
    """A quarter of the throughput: disks busy all the time, a quarter of the power for it."""
    racks = storage.totals[0].shape[0]
    idle = storage.power
    busy = storage.outputs()["io_seconds"].sum()
    storage.condition(np.full(racks, 0.25), np.ones(racks, dtype=np.bool_), np.zeros(racks))
    storage.step(storage.limits[0], 0.0, 1.0)
    assert storage.outputs()["io_seconds"].sum() - busy == pytest.approx(3.0)
    assert storage.power - idle == pytest.approx(3 * 480.0 / 4, rel=0.1)


def test_checkpoints_are_rotated(storage: Storage) -> None:
    """The oldest checkpoint makes room for the next: free space stays, however much is written."""
    before = storage.outputs()["avail_bytes"].copy()
    for _ in range(200):
        storage.step(storage.limits[0], 0.0, 1_000.0)
        out = storage.outputs()
        np.testing.assert_array_equal(out["avail_bytes"], before)
        assert (out["avail_bytes"] > 0).all()
        assert (out["avail_bytes"] <= out["size_bytes"]).all()


def test_the_slowest_rack_sets_the_pace() -> None:
    """Files are striped: one slow rack of many slows them all."""
    layout = Layout(load_site("colossus-100k"))
    storage = Storage(layout, np.random.default_rng(0), np.random.default_rng(1))
    full = storage.limits[0]
    speeds = np.ones(layout.units(STORAGE.frame))
    speeds[7] = 0.25
    up = np.ones(speeds.shape, dtype=np.bool_)
    storage.condition(speeds, up, np.zeros(speeds.shape))
    assert storage.limits[0] == pytest.approx(0.25 * full)
    up[3] = False
    storage.condition(speeds, up, np.zeros(speeds.shape))
    assert storage.limits == (0.0, 0.0), "and without one of them nothing is served"


def _checkpoint_seconds(array: Layout, ratio: float) -> int:
    """Return how long the first checkpoint takes."""
    plant = Plant(array, seed=3)
    conditions = Conditions.healthy(array)
    conditions.storage_speed[:] = ratio
    seconds = 0
    for _ in range(1_500):
        plant.step(1.0, conditions)
        writing = plant.outputs()["job"]["state"].item() == CHECKPOINT
        seconds += writing
        if seconds and not writing:
            break
    return seconds


@pytest.mark.full
def test_slow_storage_lengthens_checkpoints(array: Layout) -> None:
    """At half the throughput a checkpoint takes twice its time."""
    normal, slow = _checkpoint_seconds(array, 1.0), _checkpoint_seconds(array, 0.5)
    assert normal == pytest.approx(16, abs=1)
    assert slow == pytest.approx(32, abs=1)


def test_a_dark_site_takes_switches_and_storage_with_it() -> None:
    """Without any source of power only ``up`` is left, at 0; with the grid all comes back."""
    layout = Layout(parse_site("{name: dark, racks: 2}", "dark"))
    plant = Plant(layout, seed=1)
    outage = Conditions.healthy(layout)
    outage.grid_available[:] = False
    for _ in range(10):
        plant.step(1.0, outage)
    out = plant.outputs()
    assert plant.storage.power == plant.fabric.power == 0
    for device, up in (("storage", "up_node"), ("cpu", "up_node"), ("leaf", "up"), ("spine", "up")):
        assert not out[device][up].any()
        assert all(np.isnan(v).all() for name, v in out[device].items() if name != up)
    for _ in range(120):
        plant.step(1.0, Conditions.healthy(layout))
    assert plant.outputs()["leaf"]["up"].all()
    assert plant.storage.power > 0
    assert plant.fabric.power > 0


def test_space_that_is_taken_is_missing_until_it_is_given_back(storage: Storage) -> None:
    """Free space falls in a line at the chosen rate to nothing, and is what it was afterwards."""
    speeds, up = np.ones(1), np.ones(1, dtype=np.bool_)
    before = storage.outputs()["avail_bytes"].copy()
    size = storage.outputs()["size_bytes"]
    storage.condition(speeds, up, np.full(1, 0.3))
    for minute in range(1, 31):
        storage.step(1e9, 0.0, 60.0)
        np.testing.assert_allclose(
            storage.outputs()["avail_bytes"], before - size * 0.3 * minute / 60, rtol=1e-9
        )
    for _ in range(60):
        storage.step(1e9, 0.0, 60.0)
    assert storage.full
    assert (storage.outputs()["avail_bytes"] >= 0.0).all()
    assert storage.speed == 1.0
    storage.condition(speeds, up, np.zeros(1))
    storage.step(0.0, 0.0, 1.0)
    np.testing.assert_array_equal(storage.outputs()["avail_bytes"], before)


@pytest.mark.full
def test_a_job_cannot_write_its_checkpoint_on_full_disks(array: Layout) -> None:
    """It crashes as it begins to, has lost the work since the last one, and counts none."""
    plant = Plant(array, seed=3)
    conditions = Conditions.healthy(array)
    while plant.outputs()["job"]["checkpoints"].item() < 1:
        plant.step(1.0, conditions)
    conditions.storage_filling[:] = 3_600.0
    for _ in range(5_000):
        plant.step(1.0, conditions)
        if plant.outputs()["job"]["interruptions"].item():
            break
    job = plant.outputs()["job"]
    assert job["interruptions"].item() == 1
    assert job["checkpoints"].item() == 1
    assert plant.jobs.progress[0].lost[Loss.REWORK] > 600
