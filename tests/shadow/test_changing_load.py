"""The observer while jobs come and go: what it has not seen is learnt, never found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twin.bench.hidden_reality import KNOWN, KNOWN_IN_AIR, HiddenReality
from twin.catalog import NIC
from twin.plant import Conditions
from twin.shadow.calibration import Phases, Watch
from twin.shadow.readings import Moment, Rounding, SiteModel
from twin.shadow.relations import RELATIONS
from twin.site import Layout, parse_site

_MIX = """
scheduler: {kind: slurm}
job_mix:
  - {name: finetune, share: 12, gpus: [4, 8, 16], seconds: 600, activity: 0.8,
     account: applied, users: [alan, barbara]}
  - {name: eval, share: 30, gpus: [1, 2, 4, 8], seconds: 180, spread: 1.2, activity: 0.45,
     utilization: 0.7, step_seconds: 2, framebuffer_ratio: 0.5, account: base, users: [ada]}
"""
_OTHERWISE: dict[str, dict[str, Any]] = {
    "server": {"base_power_watts": 2000.0, "base_power_per_gpu_watt": 0.15,
               "psu_class": "titanium"},
    "gpu": {"thermal_resistance_kelvin_per_watt": 0.045, "air_resistance_kelvin_per_watt": 0.05,
            "thermal_resistance_spread_ratio": 0.1, "thermal_flow_exponent": 0.7,
            "heat_capacity_joules_per_kelvin": 500.0, "memory_offset_kelvin": 12.0},
}  # fmt: skip
"""What is otherwise in reality: heat sinks that lag longer, supplies of another class."""


def _found(reality: HiddenReality) -> set[str]:
    """Return all that the observer finds in forty minutes."""
    found = set[str]()
    for _ in reality.run(2_400):
        found |= {own.text for own in reality.shadow.findings}
    return found


@pytest.mark.full
@pytest.mark.parametrize("known", [KNOWN, KNOWN_IN_AIR], ids=["liquid", "air"])
def test_jobs_that_come_and_go_are_no_finding(known: str) -> None:
    """GPUs that were idle while they were calibrated are silent at full load, alone or together."""
    known = known.replace("racks: 6", "racks: 3") + _MIX
    reality = HiddenReality(1, known=known, otherwise=_OTHERWISE)
    assert not _found(reality)
    # Ports are judged within a job, and nothing says here which job they serve.
    watches = [own for own in reality.shadow.watches.values() if own.relation.device is not NIC]
    assert np.mean([own.own.watching.mean() for own in watches]) > 0.9


@pytest.mark.full
def test_faults_are_found_and_stay_found_while_jobs_come_and_go() -> None:
    """A worn cold plate and a fouled exchanger are named within half an hour, and until the end."""
    known = KNOWN.replace("racks: 6", "racks: 2") + _MIX
    reality = HiddenReality(1, known=known, otherwise=_OTHERWISE)

    def strike(conditions: Conditions) -> None:
        conditions.gpu_thermal_resistance[0, 5] = 1.25
        conditions.exchanger_fouling[1] = 1.15

    for _ in reality.run(1_500):
        assert not reality.shadow.findings
    reality.conditions = strike
    since: dict[tuple[str, str], list[int]] = {}
    for second in reality.run(2_100):
        for own in reality.shadow.findings:
            since.setdefault((own.cause, own.place), []).append(second)
    assert since.keys() == {("cold_plate", "r0001/n1/gpu5"), ("heat_exchanger", "r0002")}
    for told in since.values():
        assert told[0] < 1_500 + 1_800
        assert np.diff(told).max() == reality.shadow.block
        assert told[-1] > 3_560


@pytest.mark.full
def test_jobs_are_no_finding_with_a_frame_every_ten_seconds() -> None:
    """Where a block has four samples, neither start-up nor the phase of a step is a deviation."""
    known = KNOWN.replace("interval_seconds: 5", "interval_seconds: 10") + _MIX
    reality = HiddenReality(3, known=known, otherwise=_OTHERWISE)
    assert not _found(reality)


def test_standing_reading_may_be_wrong_by_half_a_step() -> None:
    """A mean of equal readings is off by up to half a step, one of varied readings is not."""
    layout = Layout(parse_site(KNOWN, "known"))
    rounding = Rounding(layout, ["gpu.gpu_temp"])
    shape = (6, 16)
    for second in range(6):
        values = np.full(shape, 50.0)
        values[1] += second
        values[2] = np.nan
        rounding.sample(Moment(SiteModel.of(layout), {"gpu.gpu_temp": values}, {}, np.ones((6, 1))))
    found = rounding.close()["gpu.gpu_temp"]
    assert found[0] == pytest.approx(0.5)
    assert found[1] == pytest.approx(0.0)
    assert rounding.close()["gpu.gpu_temp"] == pytest.approx(0.5)


def test_coarse_readings_are_those_in_wide_steps_of_the_effects_unit() -> None:
    """Whole degrees of dies and of air count, hundredths of the coolant's do not."""
    coarse = {own.name: set(own.coarse) for own in RELATIONS}
    assert coarse["memory_temperature"] == {"gpu.memory_temp", "gpu.gpu_temp"}
    assert coarse["gpu_temperature_in_air"] == {"gpu.gpu_temp", "server.inlet_temperature"}
    assert not coarse["return_temperature"]
    assert not coarse["pump_flow"]


def test_what_calibration_has_not_seen_is_learnt_and_not_judged() -> None:
    """A load far beyond the calibrated one is not covered until the fit foretells it."""
    layout = Layout(parse_site(KNOWN, "known"))
    relation = next(own for own in RELATIONS if own.name == "supply_input")
    watch = Watch(relation, layout, Phases(10, 10))
    rng, true = np.random.default_rng(6), 1.03

    def block(output: float) -> bool:
        values = np.full(watch.shape, output) + rng.standard_normal(watch.shape)
        loss = layout.site.server.supply_loss(values)
        readings = {"psu.output_power": values, "psu.input_power": true * values + loss}
        for _ in range(20):
            watch.sample(Moment(SiteModel.of(layout), readings, {}, np.full((6, 1), 5.0)))
        watch.close(10.0)
        assert not watch.own.alarmed.any()
        return bool(watch.covered.all())

    for _ in range(22):
        block(500.0)
    assert block(500.0)
    assert not block(2000.0)
    for _ in range(20):
        block(2000.0)
    assert block(2000.0)
    assert watch.gain.mean() == pytest.approx(true - 1.0, rel=0.1)
