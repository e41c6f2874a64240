"""The switches: conservation of bytes, routing, and what the job feels of a lost one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.catalog import LEAF, NIC, PORT, SPINE
from twin.plant import Conditions, Plant
from twin.plant.fabric import uplink_pace
from twin.plant.performance import job_seconds, site_cost
from twin.plant.units import Floats
from twin.plant.workload.traffic import StepTraffic
from twin.site import Layout, parse_site

STALLED = 5


def run(plant: Plant, conditions: Conditions, seconds: int) -> None:
    """Step ``plant`` second by second."""
    for _ in range(seconds):
        plant.step(1.0, conditions)


def rails(layout: Layout, values: Floats) -> float:
    """Return the sum over all compute ports."""
    servers = values.reshape(-1, layout.site.server.nics)
    return float(servers[:, : layout.site.fabric.rails].sum())


def moved(plant: Plant) -> dict[str, Floats]:
    """Return copies of all byte counters of NICs, switches and storage."""
    out = plant.outputs()
    names = {
        "nic": ("tx_bytes", "rx_bytes", "net_tx_bytes", "net_rx_bytes"),
        "leaf": ("rx_bytes", "tx_bytes", "discarded_bytes"),
        "spine": ("rx_bytes", "tx_bytes"),
        "port": ("in_octets", "out_octets"),
        "storage": ("written_bytes", "read_bytes"),
    }
    counters = {f"{d}.{s}": out[d][s].copy() for d, group in names.items() for s in group}
    return counters | {"nic.lost": plant.nics.lost_bytes.copy()}


@settings(max_examples=25, deadline=None)
@given(
    racks=st.integers(1, 7),
    servers=st.integers(1, 3),
    nics=st.integers(1, 4),
    seed=st.integers(0, 1000),
    first=st.integers(0, 5),
)
def test_bytes_sent_are_bytes_received_or_lost(
    racks: int, servers: int, nics: int, seed: int, first: int
) -> None:
    """Over random sites and faults every octet is accounted for, switch by switch."""
    jobs = f"jobs: [{{name: a, racks: {first}}}, {{name: b, racks: 1}}]"
    layout = Layout(
        parse_site(
            f"name: x\nracks: {racks}\nracks_per_array: 2\nservers_per_rack: {servers}\n"
            f"server: {{nics: {nics}}}\ntraining: {{step_seconds: 4}}\n"
            + (jobs if 0 < first < racks else ""),
            "x",
        )
    )
    rng = np.random.default_rng(seed)
    plant = Plant(layout, seed)
    conditions = Conditions.healthy(layout)
    before = moved(plant)
    for tick in range(24):
        if tick % 4 == 0:
            conditions = Conditions.healthy(layout)
            conditions.spine_available[0] = rng.random() < 0.5
            conditions.adaptive_routing[0] = rng.random() < 0.5
            conditions.nic_loss[rng.random(layout.shape(NIC)) < 0.1] = 0.01
            conditions.nic_rate[rng.random(layout.shape(NIC)) < 0.1] = 0.5
            if tick > 12:
                conditions.nic_link[:] = rng.random(layout.shape(NIC)) < 0.9
                conditions.leaf_available[:] = rng.random(layout.shape(LEAF)) < 0.8
        plant.step(1.0, conditions)
    plant.step(0.5, Conditions.healthy(layout))
    gained = {name: value - before[name] for name, value in moved(plant).items()}
    sent = rails(layout, gained["nic.tx_bytes"])
    received = rails(layout, gained["nic.rx_bytes"])
    lost = rails(layout, gained["nic.lost"]) + float(gained["leaf.discarded_bytes"].sum())
    assert sent == pytest.approx(received + lost, rel=1e-6, abs=1.0)
    kept = gained["leaf.rx_bytes"] - gained["leaf.tx_bytes"] - gained["leaf.discarded_bytes"]
    np.testing.assert_allclose(kept, 0.0, atol=1e-6 * max(sent, 1.0))
    into, out = gained["spine.rx_bytes"].sum(), gained["spine.tx_bytes"].sum()
    assert into == pytest.approx(out, rel=1e-6, abs=1.0)
    up = np.nansum(gained["port.in_octets"])
    assert up == pytest.approx(gained["leaf.rx_bytes"].sum(), rel=1e-6, abs=1.0)
    down = np.nansum(gained["port.out_octets"])
    assert down == pytest.approx(gained["leaf.tx_bytes"].sum(), rel=1e-6, abs=1.0)


def test_stored_bytes_are_written(array: Layout) -> None:
    """What leaves the storage ports of the servers, less management traffic, is on disk."""
    plant = Plant(array, seed=1)
    before = moved(plant)
    run(plant, Conditions.healthy(array), 1000)
    gained = {name: value - before[name] for name, value in moved(plant).items()}
    storage = slice(array.site.fabric.rails, None)
    sent = gained["nic.net_tx_bytes"].reshape(-1, array.site.server.nics)[:, storage].sum()
    management = 2e6 * 1000 * array.site.servers
    assert gained["storage.written_bytes"].sum() == pytest.approx(sent - management, rel=1e-5)
    loaded = gained["nic.net_rx_bytes"].reshape(-1, array.site.server.nics)[:, storage].sum()
    assert gained["storage.read_bytes"].sum() == pytest.approx(loaded - management, rel=1e-5)


def test_leaf_loss_takes_the_rail(array: Layout) -> None:
    """A leaf's loss downs one NIC of every server of its array, and the job stalls."""
    plant = Plant(array, seed=1)
    conditions = Conditions.healthy(array)
    run(plant, conditions, 20)
    conditions.leaf_available[0, 3] = False
    run(plant, conditions, 3)
    out = plant.outputs()
    down = np.argwhere(out["nic"]["state"].reshape(-1, 9) == 1)
    assert down.tolist() == [[server, 3] for server in range(64)]
    assert out["job"]["state"].item() == STALLED
    assert out["leaf"]["up"].tolist() == [[1, 1, 1, 0, 1, 1, 1, 1]]
    assert np.isnan(out["leaf"]["power"][0, 3])
    ports = out["port"]["oper_status"].reshape(8, -1)
    assert np.isnan(ports[3]).all()
    assert (np.delete(ports, 3, axis=0) == 1).all()
    run(plant, Conditions.healthy(array), 3)
    assert (plant.outputs()["nic"]["state"] == 4).all()


def exchanging(array: Layout) -> Layout:
    """Return an array whose job exchanges between pipelines in a fifth of its steps."""
    training = array.site.training
    model = training.model.model_copy(update={"micro_batches": 12})
    training = training.model_copy(update={"model": model, "step_jitter_seconds": 0.0})
    return Layout(array.site.model_copy(update={"training": training}))


def test_spine_loss_downs_its_uplinks_and_slows_the_steps(array: Layout) -> None:
    """One of four spines takes a quarter of the ways up: steps take longer, nothing stalls."""
    layout = exchanging(array)
    plant = Plant(layout, seed=1)
    conditions = Conditions.healthy(layout)
    conditions.spine_available[1] = False
    run(plant, conditions, 200)
    out = plant.outputs()
    assert (out["leaf"]["uplinks_up"] == 24).all()
    downlinks = array.site.fabric.downlinks
    ports = out["port"]["oper_status"].reshape(8, -1)
    assert (ports[:, :downlinks] == 1).all()
    assert (ports[0, downlinks:] == np.tile([1, 2, 1, 1], 8)).all()
    assert plant.fabric.pace == pytest.approx(0.75 / 0.9)
    assert out["job"]["state"].item() != STALLED
    assert out["job"]["step_seconds"].item() > 1.02 * job_seconds(layout.site)


def test_no_spine_at_all_stalls_the_job(array: Layout) -> None:
    """Leaves without any way up isolate their servers although every link is up."""
    plant = Plant(array, seed=1)
    conditions = Conditions.healthy(array)
    conditions.spine_available[:] = False
    run(plant, conditions, 3)
    assert (plant.outputs()["nic"]["state"] == 4).all()
    assert plant.outputs()["job"]["state"].item() == STALLED


def test_one_spine_of_many_is_hardly_felt() -> None:
    """Where a leaf has 32 ways up, adaptive routing makes good for the loss of one."""
    layout = Layout(parse_site("{name: large, racks: 80}", "large"))
    assert (layout.site.fabric.tiers, layout.shape(SPINE)) == (3, (32, 3))
    plant = Plant(layout, seed=1)
    conditions = Conditions.healthy(layout)
    conditions.spine_available[4, 2] = False
    run(plant, conditions, 3)
    uplinks = plant.outputs()["leaf"]["uplinks_up"].reshape(-1)
    assert (uplinks[:64] == 32).all()
    assert (uplinks[64:] == 31).all()
    assert plant.fabric.pace == 1.0


def _congestion(array: Layout, spoil: Callable[[Conditions], None]) -> tuple[float, float]:
    """Return marks and the step's duration after ten minutes."""
    layout = exchanging(array)
    plant = Plant(layout, seed=1)
    conditions = Conditions.healthy(layout)
    spoil(conditions)
    run(plant, conditions, 600)
    out = plant.outputs()
    return float(out["leaf"]["ecn_marked"].sum()), float(out["job"]["step_seconds"].item())


@pytest.mark.full
def test_static_routing_costs_a_third_of_the_bursts(array: Layout) -> None:
    """60 % of line rate instead of 95 %: bursts last longer, more packets are marked."""

    def off(conditions: Conditions) -> None:
        conditions.adaptive_routing[:] = False

    marks, step = _congestion(array, lambda _: None)
    worse_marks, longer = _congestion(array, off)
    site = exchanging(array).site
    share = 2.0 * StepTraffic(site, site_cost(site), step).half
    assert longer / step == pytest.approx(1 + share * (0.95 / 0.6 - 1), rel=0.01)
    assert worse_marks > 1.8 * marks


def test_site_without_adaptive_routing_is_slow_from_the_start() -> None:
    """The parameter says the same as the fault."""
    text = "{name: plain, racks: 2, network: {adaptive_routing: false}}"
    layout = Layout(parse_site(text, "plain"))
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 1)
    assert plant.fabric.pace == pytest.approx(0.6 / 0.95)


@given(share=st.floats(0, 1), throughput=st.floats(0.1, 0.95), crossing=st.floats(0, 1))
def test_pace_has_bounds(share: float, throughput: float, crossing: float) -> None:
    """The pace is never above that of a healthy fabric, and rises with the ways up."""
    pace = uplink_pace(np.array([share, 1.0]), throughput, 0.95, crossing)
    assert (pace >= 0).all()
    assert (pace <= 1).all()
    assert pace[0] <= pace[1]


def test_idle_fabric_draws_its_idle_power(array: Layout) -> None:
    """Without a job the switches draw what they draw without traffic."""
    plant = Plant(array, seed=1, workload="idle")
    run(plant, Conditions.healthy(array), 10)
    switches = np.prod(array.shape(LEAF)) + np.prod(array.shape(SPINE))
    drawn = plant.fabric.power + plant.spines.power
    assert drawn == pytest.approx(switches * array.site.network.switch_idle_watts)


def test_ports_without_a_server_do_not_report() -> None:
    """An array with fewer racks has ports that nothing hangs on."""
    layout = Layout(parse_site("{name: odd, racks: 3, racks_per_array: 2}", "odd"))
    plant = Plant(layout, seed=1)
    status = plant.outputs()["port"]["oper_status"].reshape(2, 8, -1)
    assert status.shape[2] == layout.per_unit(PORT) // 8
    assert np.isfinite(status[0]).all()
    assert (np.isnan(status[1]).sum(axis=1) == 8).all()


def test_uplink_counter_holds_what_the_gauge_shows_now_and_then(array: Layout) -> None:
    """The increase of the octets over the capacity is the mean of the use of every second."""
    plant = Plant(array, seed=1)
    run(plant, Conditions.healthy(array), 5)
    before = plant.outputs()["leaf"]["uplink_tx_bytes"].copy()
    seen = []
    for _ in range(40):
        run(plant, Conditions.healthy(array), 1)
        seen.append(plant.outputs()["leaf"]["uplink_utilization"].copy())
    leaf = plant.outputs()["leaf"]
    mean = (leaf["uplink_tx_bytes"] - before) / (40 * leaf["uplink_capacity"])
    assert mean == pytest.approx(np.mean(seen, axis=0), rel=1e-6)
    assert np.max(seen) > 3 * mean.max()
