"""The observer while it learns: faults that come then, and power as counters of energy tell it."""

from __future__ import annotations

import numpy as np
import pytest

from twin.bench.hidden_reality import KNOWN, HiddenReality
from twin.catalog import GPU
from twin.plant import Conditions
from twin.shadow.population import kinds_of, unlike
from twin.shadow.readings import SiteModel, UnitReadings
from twin.site import Layout, parse_site
from twin.wire import Snapshot

_TWO_RACKS = KNOWN.replace("racks: 6", "racks: 2")


@pytest.mark.full
def test_fault_that_comes_while_a_device_is_learnt_is_found() -> None:
    """A cold plate that wears and a sensor that drifts in mid-calibration are not the normal."""
    reality = HiddenReality(31, known=_TWO_RACKS)
    for _ in reality.run(300):
        pass

    def wear(conditions: Conditions) -> None:
        conditions.gpu_thermal_resistance[0, 5] = 1.0 / 0.7

    def drift(rack: int, columns: dict[str, np.ndarray]) -> None:
        if rack == 1:
            columns["gpu.gpu_temp"][3] += 3.0

    reality.conditions, reality.alter = wear, drift
    for _ in reality.run(1_320):
        pass
    found = {(own.cause, own.place) for own in reality.shadow.findings}
    assert found == {("cold_plate", "r0001/n1/gpu5"), ("gpu_temperature_sensor", "r0002/n1/gpu3")}


def test_only_few_devices_are_unlike_their_kind() -> None:
    """One device far from fifty is a fault; five alike are a kind of their own; racks differ."""
    layout = Layout(parse_site(KNOWN, "known"))
    kinds = kinds_of(layout)
    assert kinds.tolist() == [0] * 6
    values = np.random.default_rng(2).normal(0.0, 0.1, (6, 16))
    there = np.ones_like(values, dtype=np.bool_)
    assert not unlike(values, there, kinds, 0.1).any()
    values[2, 3] = 5.0
    assert np.argwhere(unlike(values, there, kinds, 0.1)).tolist() == [[2, 3]]
    other = np.array([0, 0, 0, 1, 1, 1])
    values[3:] += 9.0
    assert np.argwhere(unlike(values, there, other, 0.1)).tolist() == [[2, 3]]
    values[0, :5] = 5.0
    assert not unlike(values, there, other, 0.1).any()


@pytest.mark.parametrize(
    ("energy", "power"),
    [(3_000e3, 600.0), (0.0, 250.0), (-5e6, 250.0), (np.nan, 250.0), (1e12, 250.0)],
)
def test_mean_power_is_that_of_the_counter_of_energy(energy: float, power: float) -> None:
    """Between two frames the counter tells the mean; one that stands or jumps tells nothing."""
    layout = Layout(parse_site(_TWO_RACKS, "known"))
    readings = UnitReadings(layout, ["gpu.power_usage", "gpu.energy"])
    signals = [own.name for own in layout.reported[GPU.name] if own.on_wire]
    model = SiteModel.of(layout)
    group = np.full((len(signals), layout.per_unit(GPU)), np.nan)
    group[signals.index("power_usage")] = 250.0
    group[signals.index("energy")] = 7e12
    for second in (0, 5):
        readings.take(0, Snapshot(1e9 + second, second, {GPU.name: group.copy()}))
        group[signals.index("energy")] += energy
        if second == 0:
            assert readings.moment(model).mean_power[0] == pytest.approx(250.0)
    assert readings.moment(model).mean_power[0] == pytest.approx(power)
