"""The plant in shards does what the plant of the whole site does."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from twin.catalog import UnitKind, device_class
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Conditions, Plant
from twin.plant.rows import random_rows
from twin.plant.shard import FacilityPlant, HallsPlant
from twin.plant.units import Floats
from twin.site import Layout, Shard, parse_site

SITE = """
name: sharded
racks: 7
racks_per_array: 2
servers_per_rack: 2
server: {gpus: 4, nics: 5, psus: 2}
megapacks: {count: 2}
gensets: {count: 2}
"""
LAYOUT = Layout(parse_site(SITE, "sharded"))
BEHIND = {
    ("pdu", "voltage"),
    ("pdu", "current"),
    ("pdu_breaker", "load"),
    ("server", "inlet_temperature"),
}
"""What shows the facility as it was a tick before."""

Outputs = Mapping[str, Mapping[str, Floats]]


class Twins:
    """The same site twice: whole, and in shards that exchange what they would over the bus."""

    def __init__(self, layout: Layout, shards: int, workload: str = "training") -> None:
        self.layout = layout
        self.plant = Plant(layout, 3, workload, 1_000.0)
        arrays = layout.site.arrays
        self.halls = [
            HallsPlant(layout, Shard(i, shards).arrays(arrays), 3, workload, 1_000.0)
            for i in range(shards)
        ]
        self.facility = FacilityPlant(layout, 3, workload, 1_000.0)
        for index, halls in enumerate(self.halls):
            self.facility.hear(str(index), halls.report(halls.layout.numbers), -1)
        self.facility.settle(-1)
        self.faults = FaultSchedule(layout, FAULTS)
        self.tick = 0

    def step(self, dt: float = 1.0, silent: Sequence[int] = ()) -> None:
        """Advance both by a tick; some shards may say nothing."""
        now = float(self.tick)
        self.faults.expire(now)
        conditions = self.faults.conditions(now)
        self.plant.step(dt, conditions)
        for index, halls in enumerate(self.halls):
            halls.step(dt, halls.own(conditions))
            if index not in silent:
                self.facility.hear(str(index), halls.report(halls.layout.numbers), self.tick)
        self.facility.step(dt, conditions, self.tick)
        self.outputs = self._joined()
        for halls in self.halls:
            halls.take(self.facility.feedback())
        self.tick += 1

    def _joined(self) -> Outputs:
        """Return the outputs of all shards as one site's."""
        found: dict[str, dict[str, Floats]] = {
            device: dict(values) for device, values in self.facility.outputs().items()
        }
        for halls in self.halls:
            for device, values in halls.outputs().items():
                racks = device_class(device).frame is UnitKind.RACK
                rows = list(halls.layout.rack_numbers if racks else halls.layout.array_numbers)
                group = found.setdefault(device, {})
                for signal, own in values.items():
                    shape = self.layout.shape(device_class(device))
                    whole = group.setdefault(signal, np.full(shape, np.nan))
                    whole[rows] = own
        return found

    def differences(self) -> dict[tuple[str, str], float]:
        """Return what differs from the whole site's outputs, by how much of its value."""
        found = {}
        for device, values in self.plant.outputs().items():
            for signal, expected in values.items():
                got = self.outputs[device][signal]
                assert (np.isnan(got) == np.isnan(expected)).all(), (device, signal)
                error = np.abs(got - expected) / np.maximum(np.abs(expected), 1e-3)
                worst = float(np.nanmax(error, initial=0.0))
                if worst > 1e-9:
                    found[device, signal] = worst
        return found


@pytest.mark.parametrize("workload", ["training", "trace:gpt3-512xh100"])
def test_shards_do_what_the_whole_site_does(workload: str) -> None:
    """Every value is the same but those that show the facility of the tick before."""
    twins = Twins(LAYOUT, 3, workload)
    for _ in range(30):
        twins.step()
    found = twins.differences()
    assert set(found) <= BEHIND
    assert max(found[key] for key in found if key in BEHIND) < 0.01


def test_devices_do_not_depend_on_their_shard() -> None:
    """Divided otherwise, every GPU has the same spread and the same noise."""
    two, three = Twins(LAYOUT, 2), Twins(LAYOUT, 3)
    for twins in (two, three):
        for _ in range(5):
            twins.step()
    for signal in ("power_usage", "gpu_temp", "energy"):
        assert np.array_equal(two.outputs["gpu"][signal], three.outputs["gpu"][signal])


def test_a_gpu_lost_in_one_shard_stalls_the_job_in_all() -> None:
    """The job is synchronous, wherever its hardware stands."""
    twins = Twins(LAYOUT, 2)
    twins.step()
    twins.faults.inject("f", "gpu-off-bus", "r0007/n1/gpu0", 1.0, 600)
    for _ in range(5):
        twins.step()
    states = {halls.halls.jobs.progress[0].state for halls in twins.halls}
    assert states == {twins.facility.jobs.progress[0].state}
    assert states == {twins.plant.jobs.progress[0].state}
    assert states.pop().name == "STALLED"
    assert set(twins.differences()) <= BEHIND


def test_an_outage_sheds_the_racks_of_every_shard_alike() -> None:
    """Power is the facility's: what it cannot feed is dark in the shards as on the whole site."""
    layout = Layout(parse_site(SITE.replace("gensets: {count: 2}", "gensets: {count: 0}"), "dark"))
    twins = Twins(layout, 3)
    twins.facility.facility.megapacks.soc[:] = twins.plant.megapacks.soc[:] = 0.1001
    twins.step()
    twins.faults.inject("f", "grid-outage", "grid", 1.0, 600)
    dark = 0
    for _ in range(40):
        twins.step()
        dark = max(dark, twins.plant.supply.shed)
        assert twins.facility.facility.supply.shed == twins.plant.supply.shed
    assert dark > 0
    assert not set(twins.differences()) - BEHIND


def test_a_longer_interval_is_close() -> None:
    """Shards speak once a tick, so within one they go by what was; powers stay within 1 %."""
    twins = Twins(LAYOUT, 2)
    for _ in range(6):
        twins.step(10.0)
    found = twins.differences()
    for key in (("facility", "power"), ("gpu", "power_usage"), ("gpu", "gpu_temp")):
        assert found.get(key, 0.0) < 0.01
    assert ("gpu", "energy") not in found


def test_a_silent_shard_still_draws_what_it_drew() -> None:
    """Its emulator is gone, not its racks: the grid sees no load vanish."""
    twins = Twins(LAYOUT, 2, "idle")
    for _ in range(3):
        twins.step()
    before = twins.facility.facility.meters.it
    for _ in range(5):
        twins.step(silent=[1])
    assert twins.facility.facility.meters.it == pytest.approx(before, rel=0.02)
    assert twins.facility.ledger.assumed == len(twins.halls[1].layout.rack_numbers)
    twins.step()
    assert twins.facility.ledger.assumed == 0


def test_the_facility_alone_assumes_a_site_that_trains() -> None:
    """Before any shard speaks, every rack draws what it is planned for."""
    plant, facility = Plant(LAYOUT, 3), FacilityPlant(LAYOUT, 3, "training", 0.0)
    facility.step(1.0, Conditions.healthy(LAYOUT), 0)
    assert facility.facility.meters.it == pytest.approx(plant.meters.it, rel=0.15)
    assert facility.ledger.assumed == LAYOUT.site.racks


def test_halls_go_on_without_a_facility() -> None:
    """A shard that hears nothing trains by itself, on voltage and water as they should be."""
    halls = HallsPlant(LAYOUT, (0, 1), 3, "training", 0.0)
    healthy = halls.own(Conditions.healthy(LAYOUT))
    power = []
    for _ in range(20):
        halls.step(1.0, healthy)
        power.append(halls.outputs()["gpu"]["power_usage"].mean())
    assert np.mean(power) > 400
    assert np.isfinite(halls.outputs()["pdu"]["voltage"]).all()


def test_a_new_shard_falls_in_with_the_job() -> None:
    """One that begins anew is at the same place of the step after one feedback."""
    twins = Twins(LAYOUT, 2)
    for _ in range(20):
        twins.step()
    fresh = HallsPlant(LAYOUT, twins.halls[1].layout.numbers, 3, "training", 1_000.0)
    assert fresh.halls.jobs.standings != twins.facility.jobs.standings
    fresh.take(twins.facility.feedback())
    twins.halls[1] = fresh
    twins.step()
    assert fresh.halls.jobs.standings[0]["phase"] == pytest.approx(
        twins.facility.jobs.standings[0]["phase"], abs=0.05
    )


def test_an_array_that_changes_hands_counts_once() -> None:
    """While a new shard and the one before both step it, its owner's report counts."""
    twins = Twins(LAYOUT, 2, "idle")
    for _ in range(3):
        twins.step()
    before = twins.facility.facility.meters.it
    new = HallsPlant(LAYOUT, Shard(2, 3).arrays(4), 3, "idle", 1_000.0)
    healthy = Conditions.healthy(LAYOUT)
    for index, halls in enumerate([*twins.halls, new]):
        halls.step(1.0, halls.own(healthy))
        own = [a for a in halls.layout.numbers if a in Shard(index, 3).arrays(4)]
        twins.facility.hear(str(index), halls.report(own), twins.tick)
    twins.facility.step(1.0, healthy, twins.tick)
    assert twins.facility.facility.meters.it == pytest.approx(before, rel=0.02)
    assert twins.facility.ledger.assumed == 0


def test_a_part_draws_the_rows_of_the_site() -> None:
    """Whatever the part, a unit gets the numbers that it has on the whole site; also unpickled."""
    whole = random_rows([1, 2], None, 9)
    part = random_rows([1, 2], np.array([1, 4, 8]), 9)
    expected = whole.normal(0.0, 1.0, (9, 2))[[1, 4, 8]]
    assert np.array_equal(part.normal(0.0, 1.0, (3, 2)), expected)
    again = pickle.loads(pickle.dumps(part))  # noqa: S301 - our own bytes
    single = whole.random((9, 4), dtype=np.float32)[[1, 4, 8]]
    assert np.array_equal(again.random((3, 4), dtype=np.float32), single)
