"""Servers, their supplies and the rack's PDUs: what is lost and who takes its part."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from twin.catalog import SERVER
from twin.parameters import ServerParameters
from twin.plant import Conditions, Plant
from twin.site import Layout, parse_site


@pytest.fixture
def layout() -> Layout:
    """Two racks whose servers boot in ten seconds."""
    return Layout(
        parse_site(
            "{name: tiny, racks: 2, megapacks: {count: 1}, server: {boot_seconds: 10}}", "test"
        )
    )


@pytest.fixture
def plant(layout: Layout) -> Plant:
    """A plant that has trained for a while."""
    plant = Plant(layout, seed=1)
    run(plant, Conditions.healthy(layout), 20)
    return plant


def run(plant: Plant, conditions: Conditions, seconds: int) -> None:
    """Step second by second."""
    for _ in range(seconds):
        plant.step(1.0, conditions)


def psus(values: np.ndarray) -> list[float]:
    """Return the values of the first server's supplies."""
    return [float(value) for value in values[0, :4]]


def test_a_lost_supply_is_shared(plant: Plant, layout: Layout) -> None:
    """The other three carry its part, and nothing else changes."""
    conditions = Conditions.healthy(layout)
    conditions.psu_available[0, 1] = False
    run(plant, conditions, 1)
    out = plant.outputs()["psu"]
    assert psus(out["state"]) == [0, 2, 0, 0]
    power = psus(out["input_power"])
    assert power[1] == 0
    assert sum(power) == pytest.approx(plant.servers.power[0, 0])
    assert psus(out["output_power"])[0] == pytest.approx(plant.servers.output[0, 0] / 3)
    assert plant.gpus.speed == 1.0


def test_two_supplies_cannot_carry_full_load(plant: Plant, layout: Layout) -> None:
    """The server's GPUs are capped to what two supplies give, and the job slows down."""
    conditions = Conditions.healthy(layout)
    conditions.psu_available[0, :2] = False
    highest = 0.0
    for _ in range(30):
        run(plant, conditions, 1)
        highest = max(highest, float(plant.servers.output[0, 0]))
        assert plant.servers.output[0, 0] <= 6000 * 1.02
    assert highest > 5500
    assert 0.8 < plant.gpus.speed < 1.0
    assert plant.outputs()["gpu"]["power_violation"][0, 0] > 0
    run(plant, Conditions.healthy(layout), 30)
    assert plant.gpus.speed == 1.0


def test_server_cap(plant: Plant, layout: Layout) -> None:
    """A capped server stays below its cap and paces the job."""
    conditions = Conditions.healthy(layout)
    conditions.server_cap[1, 2] = 4500.0
    run(plant, conditions, 3)
    for _ in range(30):
        run(plant, conditions, 1)
        assert plant.servers.power[1, 2] <= 4500.0 * 1.02
    assert plant.gpus.speed < 0.9


@pytest.mark.parametrize("how", ["supplies", "server"])
def test_server_down(plant: Plant, layout: Layout, how: str) -> None:
    """Without supplies, or switched off, a server draws nothing, is silent, and boots later."""
    conditions = Conditions.healthy(layout)
    if how == "supplies":
        conditions.psu_available[0, :4] = False
    else:
        conditions.server_available[0, 0] = False
    run(plant, conditions, 5)
    out = plant.outputs()
    assert plant.servers.power[0, 0] == 0
    assert np.isnan(out["gpu"]["gpu_temp"][0, :8]).all()
    assert np.isfinite(out["gpu"]["gpu_temp"][0, 8:]).all()
    assert np.isnan(out["nic"]["state"][0, :9]).all()
    assert np.isnan(out["psu"]["input_power"][0, :4]).all()
    assert [out["server"][name][0, 0] for name in ("up_dcgm", "up_node", "up_ipmi")] == [0, 0, 0]
    assert np.isnan(out["server"]["power"][0, 0])
    assert out["job"]["state"].item() == 5
    run(plant, Conditions.healthy(layout), 5)
    booting = plant.outputs()["server"]
    assert booting["up_ipmi"][0, 0] == 1
    assert booting["up_dcgm"][0, 0] == 0
    assert 1000 < booting["power"][0, 0] < 3500
    run(plant, Conditions.healthy(layout), 10)
    assert np.isfinite(plant.outputs()["gpu"]["gpu_temp"]).all()
    assert plant.servers.hosts is None


@pytest.mark.parametrize(("air", "state"), [(25.0, 0), (39.5, 1), (45.0, 2)])
def test_a_warm_inlet_says_so(plant: Plant, layout: Layout, air: float, state: int) -> None:
    """The sensor of the inlet warns at 40 °C and is critical at 45 °C."""
    run(plant, Conditions.healthy(layout), 1)
    plant.servers.air = air
    out = plant.servers.outputs(np.ones(layout.shape(SERVER), dtype=np.bool_))
    assert (out["inlet_state"] == state).all()
    assert (out["inlet_temperature"] > air).all()


def test_tripped_pdu(plant: Plant, layout: Layout) -> None:
    """Its phases are dead, the other PDU carries the rack, and half the supplies are critical."""
    conditions = Conditions.healthy(layout)
    conditions.pdu_breaker[0, 0] = False
    run(plant, conditions, 10)
    out = plant.outputs()
    for name in ("current", "voltage", "power"):
        assert not out["pdu"][name][0, :3].any()
    assert out["pdu"]["power"][0, 3:].sum() == pytest.approx(plant.servers.rack_load[0])
    assert psus(out["psu"]["state"]) == [2, 0, 2, 0]
    assert plant.gpus.speed < 1.0


def test_both_pdus_tripped(plant: Plant, layout: Layout) -> None:
    """A rack without PDUs is dark, its coolant unit included."""
    conditions = Conditions.healthy(layout)
    conditions.pdu_breaker[1] = False
    run(plant, conditions, 10)
    out = plant.outputs()
    assert plant.servers.rack_load[1] == pytest.approx(0, abs=1)
    assert np.isnan(out["pump"]["speed"][1]).all()
    assert np.isnan(out["gpu"]["power_usage"][1]).all()
    assert out["facility"]["shed_racks"].item() == 0


def test_phase_imbalance(plant: Plant, layout: Layout) -> None:
    """One phase carries more, the others less, together the same."""
    conditions = Conditions.healthy(layout)
    conditions.pdu_phase_load[0, 0] = 1.8
    run(plant, conditions, 1)
    power = plant.outputs()["pdu"]["power"][0]
    assert power[0] == pytest.approx(1.8 * power[1], rel=0.15)
    assert power.sum() == pytest.approx(plant.servers.rack_load[0])


@pytest.mark.parametrize(
    ("kind", "least"),
    {
        "platinum": (0.90, 0.94, 0.91),
        "titanium": (0.94, 0.96, 0.91),
        "shelf": (0.94, 0.97, 0.96),
    }.items(),
)
def test_supplies_are_as_efficient_as_their_class(
    kind: Literal["platinum", "titanium", "shelf"], least: tuple[float, float, float]
) -> None:
    """At 20, 50 and 100 % load a supply keeps what its class asks, and no class reaches 98 %."""
    server = ServerParameters(psu_class=kind)
    outputs = [ratio * server.psu_rating_watts for ratio in (0.2, 0.5, 1.0)]
    found = [output / (output + server.supply_loss(output)) for output in outputs]
    for reached, asked in zip(found, least, strict=True):
        assert asked <= reached < 0.98


def test_losses_of_ones_own_go_before_the_class() -> None:
    """A loss that a site gives replaces that of the class, and the others stay."""
    server = ServerParameters(psu_class="titanium", psu_loss_ratio=0.5)
    assert server.psu_losses == (0.0095, 0.5, 0.03)
