"""The cooling faults show on the plant what their descriptions promise."""

from __future__ import annotations

import numpy as np
import pytest

from twin.faults import FAULTS, FaultSchedule
from twin.plant import Plant
from twin.plant.units import Floats
from twin.site import Layout, parse_site

LAYOUT = Layout(parse_site("{name: tiny, racks: 2}", "test"))


class Story:
    """A plant with one fault after another."""

    def __init__(self) -> None:
        self.plant = Plant(LAYOUT, seed=1)
        self.faults = FaultSchedule(LAYOUT, FAULTS)

    def inject(self, kind: str, target: str | None = None) -> None:
        """Let a fault begin now, by default where it strikes by default."""
        place = target or FAULTS[kind].default_target
        self.faults.inject(f"{kind} {place}", kind, place, self.plant.time)

    def run(self, seconds: int) -> dict[str, dict[str, Floats]]:
        """Let time pass and return what the plant shows."""
        for _ in range(seconds):
            self.plant.step(1.0, self.faults.conditions(self.plant.time))
        return self.plant.outputs()


@pytest.fixture
def story() -> Story:
    """A plant that has trained for a minute."""
    story = Story()
    story.run(60)
    return story


def test_filter_clogs_ever_more(story: Story) -> None:
    """The filter's pressure rises, then the pumps' speed; the flow falls last of all."""
    story.inject("filter-clogging")
    drops, speeds, flows = [], [], []
    for _ in range(20):
        out = story.run(60)
        drops.append(out["cdu"]["filter_pressure"][0, 0])
        speeds.append(out["pump"]["speed_ratio"][0].min())
        flows.append(out["cdu"]["flow"][0, 0])
    assert speeds == sorted(speeds)
    assert drops[4] > 5 * 19_500
    assert flows[4] == pytest.approx(75, rel=0.01)
    assert speeds[-1] == 1.0
    assert 45 < flows[-1] < 65
    assert out["cdu"]["flow"][1, 0] == pytest.approx(75, rel=0.01)


def test_stuck_valve_throttles_and_recovers(story: Story) -> None:
    """Within twenty minutes the GPUs are at 87 °C and the job slows; freed, all is as before."""
    story.inject("valve-stuck")
    out = story.run(300)
    assert story.plant.gpus.speed > 0.99
    out = story.run(900)
    assert np.nanmax(out["gpu"]["gpu_temp"][0]) >= 86.5
    assert np.nanmax(out["gpu"]["gpu_temp"][1]) < 65
    assert story.plant.gpus.speed < 0.99
    story.faults.clear("valve-stuck")
    out = story.run(900)
    assert story.plant.gpus.speed > 0.99
    assert out["cdu"]["supply_temperature"][0, 0] == pytest.approx(32.0, abs=1.0)


def test_leak_stops_the_pumps_after_six_minutes(story: Story) -> None:
    """Warning, Critical, then at a fifth of the level no pump runs any more."""
    story.inject("coolant-leak")
    assert story.run(15)["cdu"]["leak"][:, 0].tolist() == [1, 0]
    out = story.run(60)
    assert out["cdu"]["leak"][:, 0].tolist() == [2, 0]
    assert out["pump"]["state"][0].tolist() == [1, 1]
    out = story.run(330)
    assert out["pump"]["state"].tolist() == [[0, 0], [1, 1]]
    assert out["cdu"]["flow"][0, 0] == 0.0


def test_worn_pump_cannot_hold_the_flow_alone(story: Story) -> None:
    """With its neighbour gone a worn pump runs at full speed and gives too little."""
    story.inject("pump-degraded", "r0001/pump1")
    story.inject("pump-failure", "r0001/pump2")
    out = story.run(60)
    assert out["pump"]["speed_ratio"][0, 0] == 1.0
    assert 50 < out["cdu"]["flow"][0, 0] < 70


def test_both_supplies_stop_the_unit(story: Story) -> None:
    """One power supply carries the unit; without both no pump runs."""
    story.inject("cdu-psu-failure", "r0001/cdu/psu1")
    assert story.run(20)["cdu"]["flow"][0, 0] == pytest.approx(75, rel=0.01)
    story.inject("cdu-psu-failure", "r0001/cdu/psu2")
    out = story.run(20)
    assert out["cdu"]["flow"][:, 0].tolist() == [0.0, pytest.approx(75, rel=0.01)]
    assert out["cdu_psu"]["power"][0].tolist() == [0, 0]


def test_coolant_unit_hangs_on_both_pdus(story: Story) -> None:
    """A PDU without power takes a supply of the coolant unit along; the other carries it all."""
    story.inject("pdu-breaker-trip", "r0001/pdu1")
    out = story.run(20)
    assert out["cdu_psu"]["state"].tolist() == [[1, 0], [0, 0]]
    assert out["cdu_psu"]["power"][0, 0] == 0.0
    assert out["cdu_psu"]["power"][0, 1] == pytest.approx(out["cdu"]["power"][0, 0])
    assert out["cdu"]["flow"][0, 0] == pytest.approx(75, rel=0.01)
    story.inject("cdu-psu-failure", "r0001/cdu/psu2")
    assert story.run(20)["cdu"]["flow"][:, 0].tolist() == [0.0, pytest.approx(75, rel=0.01)]
    story.faults.clear()
    assert not story.run(20)["cdu_psu"]["state"].any()


def test_failed_supply_leaves_its_pdu(story: Story) -> None:
    """Without one supply of a coolant unit its PDU carries the servers' part alone."""
    story.inject("cdu-psu-failure", "r0001/cdu/psu1")
    out = story.run(20)
    phases = out["pdu"]["power"].shape[1] // 2
    first, second = out["pdu"]["power"][0, :phases].sum(), out["pdu"]["power"][0, phases:].sum()
    assert second - first == pytest.approx(out["cdu"]["power"][0, 0], rel=1e-3)


def test_warm_water_reaches_every_rack(story: Story) -> None:
    """Eight kelvin too much open all valves and warm all racks and the air."""
    story.inject("facility-water-warm")
    out = story.run(1200)
    assert out["facility"]["water_temperature"].item() == pytest.approx(32.0, abs=0.5)
    np.testing.assert_array_equal(out["cdu"]["valve_position"], 1.0)
    assert (out["cdu"]["supply_temperature"] > 34.0).all()
    assert out["server"]["inlet_temperature"].min() > 30.0


def test_hot_day_with_two_chillers_down_falls_short(story: Story) -> None:
    """Less capacity a chiller and fewer chillers: the water warms faster than on a usual day."""
    usual = Story()
    story.inject("hot-day")
    for tale in (usual, story):
        tale.inject("chiller-failure", "ch01")
        tale.inject("chiller-failure", "ch02")
        tale.run(600)
    warm, hot = (tale.plant.water.supply for tale in (usual, story))
    assert 25 < warm < hot - 0.5
    states = story.plant.outputs()["chiller"]["state"][0].tolist()
    assert states == [3, 3, 2, 2]
